// Recordings that are too long to wait for: the service judges them in the background, and forgets them once it is known.

import { $ } from "./dom.js";
import { isHeard } from "./emotions.js";
import { Trouble, ask } from "./service.js";
import { percent, render } from "./strings.js";

const WINDOW = 3, HOP = 1; // s
const PAUSE = 500; // ms between two questions how far it is
const STATES = { waiting: "job.waiting", running: "job.running" };
let work = null;

// Windows of a file; `say` is told by a key of the words what is going on, whenever that changes.
export async function judgeLong(file, say) {
  const mine = (work = { id: null, progress: null, leaving: new AbortController() }), { signal } = mine.leaving;
  let key = "job.sending";
  say(key);
  showProgress();
  try {
    let job = await ask(`jobs?window=${WINDOW}&hop=${HOP}`, file, signal);
    mine.id = job.id;
    while (job.state in STATES) {
      if (key !== STATES[job.state]) say((key = STATES[job.state]));
      mine.progress = job.progress;
      showProgress();
      await new Promise((resume) => setTimeout(resume, PAUSE));
      job = await ask(`jobs/${mine.id}`, null, signal);
    }
    if (job.error) throw new Trouble(null, {}, job.error);
    return job.windows;
  } finally {
    forget(mine);
    if (work === mine) work = null;
    showProgress();
  }
}

// The one that is judged is no longer waited for, here and at the service.
export const cancel = () => work?.leaving.abort();

function forget({ id }) {
  if (id) fetch(`jobs/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

// What is said of a whole recording of which there are windows alone: their mean.
export function meanOver(windows) {
  const heard = windows.filter(isHeard), duration = windows.at(-1).end;
  const mean = (valueOf) => (heard.length ? heard.reduce((sum, one) => sum + valueOf(one), 0) / heard.length : null);
  if (windows[0].label === undefined) return { score: mean((one) => one.score), polarity: null, duration, isMean: true };
  const names = Object.keys(heard[0]?.probabilities ?? {});
  const probabilities = heard.length ? Object.fromEntries(names.map((name) => [name, mean((one) => one.probabilities[name])])) : null;
  const label = names.reduce((best, name) => (best == null || probabilities[name] > probabilities[best] ? name : best), null);
  return { label, probability: label && probabilities[label], probabilities, duration, isMean: true };
}

function showProgress() {
  $("job").hidden = !work;
  const share = work?.progress;
  if (share == null) $("progress").removeAttribute("value");
  else $("progress").value = share;
  $("progress-share").textContent = share == null ? "" : percent(share);
}

$("cancel").onclick = () => {
  cancel();
  $("file").focus(); // the button goes
};
addEventListener("pagehide", () => work && forget(work));
render(showProgress);
