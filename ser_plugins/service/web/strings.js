// The page's words in the reader's language, and numbers as they are written there. All words are in strings.json.

const known = await (await fetch(new URL("strings.json", import.meta.url))).json();
const wishes = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
const renderings = [];
let language = wishes.map((wish) => (wish ?? "").slice(0, 2).toLowerCase()).find((wish) => wish in known) ?? "en";

export const has = (key) => key in known[language];

export function words(key, values = {}) {
  return known[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const number = (value, digits = 0) =>
  value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const percent = (share, digits = 0) =>
  share.toLocaleString(language, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

export const nameOfLanguage = (code) => new Intl.DisplayNames(language, { type: "language" }).of(code);

// What shows words says here how, so that it is done again in another language.
export function render(work) {
  renderings.push(work);
  work();
}

function translate() {
  document.documentElement.lang = language;
  document.title = words("title");
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = words(node.dataset.text);
  for (const work of renderings) work();
}

const chooser = document.getElementById("language");
chooser.value = language;
chooser.onchange = () => {
  language = chooser.value;
  const address = new URL(location.href);
  address.searchParams.set("lang", language);
  history.replaceState(null, "", address);
  translate();
};
translate();
