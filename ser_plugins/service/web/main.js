// The page begins: what the model is, where files come from.

import { showAbout } from "./about.js";
import { $ } from "./dom.js";
import { judge } from "./files.js";
import "./live.js";
import "./record.js";
import { ask, service, tell } from "./service.js";
import { number, render, words } from "./strings.js";

$("file").onchange = () => {
  const files = [...$("file").files];
  $("file").value = "";
  if (files.length) judge(files);
};

const drop = $("drop");
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const files = [...event.dataTransfer.files];
  if (files.length) judge(files);
};

function showLimits() {
  const { audio, job_audio, job_body } = service.limits;
  const values = { seconds: number(audio), minutes: number(job_audio / 60), megabytes: number(job_body / 2 ** 20) };
  $("limits").textContent = words("limits", values);
  $("reading").hidden = service.text === "none";
  if (service.text !== "none") $("transcript-help").textContent = words(`transcript.${service.text}`);
}

try {
  Object.assign(service, await ask("model"));
  render(showLimits);
  showAbout();
  drop.inert = false;
} catch (error) {
  tell(error);
}
