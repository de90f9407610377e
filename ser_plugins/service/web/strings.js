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

// A time in a recording of `duration` s: in s where that is short, as a clock has it where it is long.
export function timeOf(seconds, duration, digits = 0) {
  if (duration < 120) return words("seconds", { seconds: number(seconds, digits) });
  const whole = Math.round(seconds), two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60), hours = Math.floor(minutes / 60);
  return hours || duration >= 3600 ? `${hours}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

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
