// The model's numbers as three facts, and its card behind a fold.

import { showCard } from "./card.js";
import { $, make } from "./dom.js";
import { service } from "./service.js";
import { nameOfLanguage, number, percent, render, words } from "./strings.js";

export function showAbout() {
  showCard(service.card.split("## How to load")[0], $("card"));
  render(showFacts);
}

function showFacts() {
  const facts = service.facts;
  $("facts").replaceChildren();
  $("cautions").replaceChildren();
  if (!facts) return;
  for (const word of facts.cautions) make("p", words(`caution.${word}`), $("cautions"), { class: "caution" });
  const trained = fact("fact.trained");
  for (const { name, language } of facts.corpora) {
    const row = make("li", "", trained);
    make("span", name, row);
    if (language) make("span", nameOfLanguage(language), row);
  }
  if (facts.recordings) {
    const text = words("fact.trained.recordings", { count: number(facts.recordings) });
    make("p", text, trained.parentNode, { class: "soft" });
  }
  scores("speakers", facts);
  scores("strangers", facts);
  $("measure").textContent = facts.speakers.length ? words(`fact.${facts.measure}`) : "";
}

function fact(key) {
  const box = make("div", "", $("facts"), { class: "fact" });
  make("h3", words(key), box);
  return make("ul", "", box);
}

function scores(kind, { measure, [kind]: rows }) {
  const list = fact(`fact.${kind}`);
  if (!rows.length) return void make("li", words("fact.unmeasured"), list);
  for (const { corpus, score, classes } of rows) {
    const row = make("li", "", list);
    make("span", corpus, row);
    make("b", score == null ? "–" : measure === "UAR" ? percent(score, 1) : number(score, 2), row);
    if (measure === "UAR" && classes) make("small", words("fact.chance", { percent: percent(1 / classes) }), row);
  }
  make("p", words(`fact.${kind}.help`), list.parentNode, { class: "soft" });
}
