// What the model makes of one recording, or of the newest window of a live one.

import { $, make } from "./dom.js";
import { classOf, colourOf, isHeard, nameOf } from "./emotions.js";
import { ask, service, tell } from "./service.js";
import { number, percent, render, timeOf, words } from "./strings.js";

const DIGITS = { clipping: 1, distance: 1, length: 1 };
const MEASURES = { rate: "sample_rate", length: "seconds" }; // where a finding is called otherwise than what was measured
const SHARES = ["clipping", "silence"];
let shown = null;

export function show(whole, title, sound) {
  if (sound !== shown?.sound) forget();
  shown = { whole, title, sound };
  showResult();
  $("result").hidden = false;
}

export function hide() {
  shown = null;
  forget();
  $("result").hidden = true;
}

export function textOf(outcome) {
  if (!isHeard(outcome)) return words("none.speech");
  const name = classOf(outcome);
  if (outcome.score == null) return name == null ? words("none.decision") : nameOf(name);
  return name == null ? number(outcome.score, 2) : `${number(outcome.score, 2)} ${nameOf(name)}`;
}

export function textOfFinding(finding, check) {
  const value = check[MEASURES[finding.what] ?? finding.what];
  const text = SHARES.includes(finding.what) ? percent(value, DIGITS[finding.what]) : typeof value === "number" ? number(value, DIGITS[finding.what]) : "";
  return words(`finding.${finding.what}`, { value: text });
}

function showResult() {
  if (!shown) return;
  const { whole, title } = shown, { start, end } = whole;
  const span = start == null ? null : { from: number(start, 1), to: number(end, 1) };
  $("result-title").textContent = span ? words("result.live", span) : title || words("result");
  $("label").replaceChildren();
  make("span", "", $("label"), { class: "dot" }).style.background = colourOf(classOf(whole)) ?? "";
  make("span", textOf(whole), $("label"));
  showShare(whole);
  showFindings(whole);
  showBars(whole.probabilities);
  showExpectation(whole);
  $("looking").hidden = !shown.sound;
}

function showShare({ label, probability, probabilities, duration, isMean }) {
  const sure = label != null && probability != null, values = { percent: percent(probability ?? 0) };
  if (duration == null) $("share").textContent = sure ? words("share.live", values) : "";
  else if (isMean) $("share").textContent = sure ? words("share.mean", { ...values, time: timeOf(duration, duration, 1) }) : timeOf(duration, duration, 1);
  else $("share").textContent = words(sure ? "share" : "seconds", { ...values, seconds: number(duration, 1) });
  const [second] = Object.entries(probabilities ?? {}).filter(([name]) => name !== label).sort((a, b) => b[1] - a[1]);
  $("unsure").textContent = sure && second && probability < 0.5 ? words("unsure", { label: nameOf(second[0]), percent: percent(second[1]) }) : "";
}

function showFindings({ check }) {
  $("findings").replaceChildren();
  for (const finding of check?.findings ?? []) {
    const item = make("details", "", make("li", "", $("findings"))), summary = make("summary", `${textOfFinding(finding, check)} `, item);
    make("span", words("why"), summary);
    make("p", words(`finding.${finding.what}.why`), item);
  }
}

function showBars(probabilities) {
  $("distribution").hidden = !probabilities;
  $("bars").replaceChildren();
  for (const [name, value] of Object.entries(probabilities ?? {}).sort((a, b) => b[1] - a[1])) {
    const row = make("li", "", $("bars"));
    make("span", nameOf(name), row);
    const bar = make("span", "", make("span", "", row, { class: "track", "aria-hidden": "true" }));
    bar.style.width = `${100 * value}%`;
    bar.style.background = colourOf(name);
    make("span", percent(value), row, { class: "value" });
  }
}

function showExpectation(whole) {
  const scores = service.facts?.measure === "UAR" ? service.facts.strangers.map(({ score }) => score) : [];
  const range = [...new Set([Math.min(...scores), Math.max(...scores)].map((score) => percent(score)))].join(" – ");
  $("expect").textContent = !isHeard(whole) || whole.isMean ? "" : scores.length ? words("expect", { range }) : words("expect.unknown");
}

function forget() {
  $("looking").open = false;
  $("picture").hidden = true;
  $("blind").textContent = "";
}

$("looking").ontoggle = async () => {
  const sound = shown?.sound;
  if (!$("looking").open || !sound) return;
  if ($("picture").hidden) $("blind").textContent = words("working");
  try {
    const { weights } = await ask("attention", sound);
    if (sound !== shown?.sound) return;
    $("blind").textContent = weights ? "" : words("attention.none");
    if (weights) drawAttention(weights);
  } catch (error) {
    $("blind").textContent = "";
    tell(error);
  }
};

function drawAttention(weights) {
  const size = weights.length, values = weights.flat(), canvas = $("attention");
  canvas.width = canvas.height = size;
  const image = new ImageData(size, size), low = Math.min(...values), range = Math.max(...values) - low || 1;
  values.forEach((value, place) => {
    const share = (value - low) / range;
    image.data.set([255 - 255 * share, 255 - 141 * share, 255 - 77 * share, 255], 4 * place);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  $("picture").hidden = false;
}

render(showResult);
