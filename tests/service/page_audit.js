// What automatic checks of accessibility look for (WCAG 2.2 A and AA), as a list of problems of what is shown now.
const problems = [];
const shown = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length > 0;
const every = (selector) => [...document.querySelectorAll(selector)].filter(shown);
const say = (problem, node) => problems.push(`${problem}: ${node.outerHTML.slice(0, 120)}`);

if (!["en", "de", "zh"].includes(document.documentElement.lang)) problems.push("no lang");
if (!document.title) problems.push("no title");
for (const landmark of ["header", "main", "footer"])
  if (document.querySelectorAll(`body > ${landmark}`).length !== 1) problems.push(`not one ${landmark}`);
for (const role of ["status", "alert"]) if (!document.querySelector(`[role=${role}]`)) problems.push(`no live region: ${role}`);

let before = 0;
for (const heading of every("h1, h2, h3, h4, h5, h6")) {
  const level = Number(heading.tagName[1]);
  if (level > before + 1 || !heading.textContent.trim()) say("heading out of order, or empty", heading);
  before = level;
}
if (every("h1").length !== 1) problems.push("not one h1");

const textOf = (ids) => (ids ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
for (const node of every("button, a, input, select, textarea, summary, [role=slider], [role=region], [role=img], section")) {
  const label = node.labels?.length ? [...node.labels].map((one) => one.textContent).join("") : "";
  const own = ["BUTTON", "A", "SUMMARY"].includes(node.tagName) ? node.textContent.trim() : "";
  if (!(textOf(node.getAttribute("aria-labelledby")) || node.getAttribute("aria-label") || label || own)) say("no name", node);
}
for (const node of every("[aria-describedby], [aria-labelledby]"))
  for (const name of ["aria-describedby", "aria-labelledby"])
    for (const id of (node.getAttribute(name) ?? "").split(" ").filter(Boolean))
      if (!document.getElementById(id)) say(`${name} of nothing`, node);
const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
if (new Set(ids).size !== ids.length) problems.push("an id twice");
for (const slider of every("[role=slider]"))
  for (const name of ["valuemin", "valuemax", "valuenow", "valuetext"])
    if (!slider.getAttribute(`aria-${name}`)) say(`no aria-${name}`, slider);
for (const node of document.querySelectorAll("[tabindex]")) if (node.tabIndex > 0) say("tabindex above 0", node);
for (const table of every("table")) if (!table.querySelector("th[scope=col]")) say("no header cells", table);

const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const colour = (text) => {
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = text;
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data];
};
const luminance = (parts) => {
  const [red, green, blue] = parts.slice(0, 3).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found[3] === 255) return found;
  }
  return colour("Canvas");
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const texts = every("body *").filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
for (const node of texts.filter((one) => !one.closest(":disabled, select"))) {
  const ratio = contrast(colour(getComputedStyle(node).color), ground(node));
  if (ratio < 4.5) say(`contrast ${ratio.toFixed(2)}`, node);
}
for (const node of every("button:enabled, .button, select, textarea, #drop")) {
  const ratio = Math.max(contrast(colour(getComputedStyle(node).borderTopColor), ground(node.parentElement)), contrast(ground(node), ground(node.parentElement)));
  if (ratio < 3) say(`contrast of the edge ${ratio.toFixed(2)}`, node);
}
for (const node of every("button, .button, select, summary")) {
  const { width, height } = node.getBoundingClientRect();
  if (width < 24 || height < 24) say("smaller than 24 pixels", node);
}
if (document.documentElement.scrollWidth > innerWidth) problems.push(`scrolls sideways: ${document.documentElement.scrollWidth} of ${innerWidth}`);
return problems;
