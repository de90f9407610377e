// Recordings are judged one after the other; several have a table, and the table a CSV.

import * as course from "./course.js";
import { $, make } from "./dom.js";
import { isHeard } from "./emotions.js";
import { cancel, judgeLong, meanOver } from "./jobs.js";
import * as result from "./result.js";
import { Trouble, ask, service, tell } from "./service.js";
import { Peaks, decode } from "./sound.js";
import { number, percent, render, timeOf, words } from "./strings.js";

const LONGEST_WAVE = 600; // s: to draw it, the browser holds all samples
let rows = [], turn = 0, chosen = null, state = null;

// Say how far it is, by a key of the words and its values, to eyes and ears.
export function say(key = null, values = () => ({})) {
  state = { key, values };
  showStatus();
}

function showStatus() {
  $("status").textContent = state?.key ? words(state.key, state.values()) : "";
  $("status").classList.toggle("unseen", state?.key === "heard"); // it stands below in large letters
}

// Judge files; a later call takes over from an earlier one, whose answers are dropped.
export async function judge(files) {
  const mine = clear();
  rows = files.map((file) => ({ file, whole: null, trouble: null }));
  for (const [place, row] of rows.entries()) {
    say(rows.length > 1 ? "working.many" : "working", () => ({ done: place + 1, all: rows.length }));
    await judgeOne(row);
    if (mine !== turn) return;
    showTable();
    if (!chosen && row.whole) await choose(row);
    if (mine !== turn) return;
  }
  const failed = rows.filter((row) => row.trouble).length, done = rows.length - failed;
  if (rows.length > 1) say(failed ? "files.failed" : "files.done", () => ({ all: rows.length, done, failed }));
  else if (chosen) say("heard", () => ({ label: result.textOf(rows[0].whole) }));
  else say();
  if (rows.length > 1 || !failed) return;
  const [{ file, trouble }] = rows;
  if (trouble.key === "job.cancelled") say("job.cancelled");
  else tell(trouble, file.name);
}

// What is shown goes, and what is still asked for is no longer waited for.
export function clear() {
  cancel();
  rows = [];
  chosen = null;
  tell(null);
  say();
  result.hide();
  showTable();
  return ++turn;
}

async function judgeOne(row) {
  try {
    row.whole = row.file.size > service.limits.body ? await judgeInBackground(row) : await judgeAtOnce(row);
  } catch (trouble) {
    row.trouble = trouble;
  }
}

async function judgeAtOnce(row) {
  const text = $("transcript").value.trim(), mine = turn;
  try {
    return await ask(text ? `classify?text=${encodeURIComponent(text)}` : "classify", row.file);
  } catch (trouble) {
    const isLong = trouble.parts?.remedy.includes("POST /jobs"); // only the service knows the length for sure
    if (!isLong || mine !== turn) throw trouble;
    return judgeInBackground(row);
  }
}

async function judgeInBackground(row) {
  const most = service.limits.job_body, { name } = row.file;
  if (row.file.size > most) throw new Trouble("error.large", { name, megabytes: number(most / 2 ** 20) });
  row.windows = await judgeLong(row.file, (key) => say(key, () => ({ name })));
  return meanOver(row.windows);
}

async function choose(row) {
  const mine = turn;
  chosen = row;
  showTable();
  const { duration, isMean } = row.whole;
  result.show(row.whole, row.file.name, isMean ? null : row.file);
  $("course").hidden = true; // it takes longer
  try {
    row.windows ??= (await ask(`timeline?${windowsOf(duration)}`, row.file)).windows;
    if (duration <= LONGEST_WAVE) row.peaks ??= await peaksOf(row.file);
  } catch (trouble) {
    if (mine === turn) tell(trouble);
  }
  if (mine !== turn || chosen !== row || !row.windows) return;
  $("course").hidden = false;
  const isPlayable = row.peaks || (duration > LONGEST_WAVE && $("player").canPlayType(row.file.type));
  course.show(row.windows, row.peaks, duration, isPlayable ? row.file : null);
}

// Short recordings have short windows, so that there is a course at all; long ones have some forty.
function windowsOf(seconds) {
  const window = Math.min(3, Math.max(1, seconds / 4)), hop = Math.max(window / 4, seconds / 40);
  return new URLSearchParams({ window: window.toFixed(2), hop: hop.toFixed(2) });
}

async function peaksOf(file) {
  try {
    const { samples, rate } = await decode(file);
    return new Peaks(rate).feed(samples);
  } catch {
    return null; // a format that this browser does not know
  }
}

function showTable() {
  $("files").hidden = rows.length < 2;
  $("rows").replaceChildren();
  if (rows.length < 2) return;
  for (const row of rows) {
    const line = make("tr", "", $("rows"), row === chosen ? { class: "shown" } : {}), name = make("th", "", line, { scope: "row" });
    if (row.whole) {
      const button = make("button", row.file.name, name, { type: "button", "aria-pressed": row === chosen });
      button.onclick = () => again(row);
      make("td", textAndShare(row.whole), line);
      make("td", timeOf(row.whole.duration, row.whole.duration, 1), line);
      make("td", (row.whole.check?.findings ?? []).map((finding) => result.textOfFinding(finding, row.whole.check)).join("; "), line);
    } else {
      name.textContent = row.file.name;
      make("td", row.trouble ? words("failed") : "…", line);
      make("td", "", line);
      make("td", row.trouble?.parts?.got ?? row.trouble?.text ?? "", line, row.trouble?.parts ? { lang: "en" } : {});
    }
  }
  $("download").hidden = !rows.every((row) => row.whole || row.trouble);
}

async function again(row) {
  tell(null);
  await choose(row);
  const at = rows.indexOf(row);
  $("rows").rows[at]?.querySelector("button").focus();
}

function textAndShare(whole) {
  const share = whole.label != null && whole.probability != null ? ` ${percent(whole.probability)}` : "";
  return result.textOf(whole) + share;
}

// With the names and numbers of the service, whatever the language.
function table() {
  const classes = [...new Set(rows.flatMap((row) => Object.keys(row.whole?.probabilities ?? {})))];
  const isNumber = rows.some((row) => row.whole && row.whole.label === undefined);
  const answer = isNumber ? ["score", "polarity"] : ["label", "probability", ...classes.map((name) => `p_${name}`)];
  const lines = rows.map(({ file, whole, trouble }) => {
    const values = isNumber ? [whole?.score, whole?.polarity] : [whole?.label, whole?.probability, ...classes.map((name) => whole?.probabilities?.[name])];
    return [file.name, whole && !isHeard(whole) ? "no speech" : "", ...values, whole?.duration, (whole?.warnings ?? []).join(" | "), trouble?.text];
  });
  return [["file", "remark", ...answer, "seconds", "warnings", "error"], ...lines];
}

$("download").onclick = () => {
  const cell = (value) => { const text = String(value ?? ""); return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
  const content = table().map((line) => line.map(cell).join(",")).join("\r\n");
  URL.revokeObjectURL($("download").href);
  $("download").href = URL.createObjectURL(new Blob(["\ufeff", content, "\r\n"], { type: "text/csv" }));
};

render(() => {
  showStatus();
  showTable();
});
