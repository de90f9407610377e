// Requests to the service, and its refusals.

import { $, make } from "./dom.js";
import { render, words } from "./strings.js";

export const service = {}; // what GET /model says, once it is known
let shown = null, about = "";

// Something to tell the reader: a key of the words with its values, or the three parts of the service's own error.
export class Trouble extends Error {
  constructor(key, values = {}, parts = null) {
    super(key ?? parts.got);
    Object.assign(this, { key, values, parts });
  }

  get text() {
    return this.key ? words(this.key, this.values) : `${this.parts.got}; ${this.parts.expected}; ${this.parts.remedy}`;
  }
}

export async function ask(path, body, signal) {
  const headers = { "Content-Type": "application/octet-stream" };
  let answer, content;
  try {
    answer = await fetch(path, { signal, ...(body && { method: "POST", body, headers }) });
    content = await answer.json();
  } catch {
    throw new Trouble(signal?.aborted ? "job.cancelled" : "error.service");
  }
  if (!answer.ok) throw new Trouble(null, {}, content);
  return content;
}

// Show what went wrong, and with which file, or nothing.
export function tell(trouble, file = "") {
  shown = trouble;
  about = file;
  showTrouble();
}

function showTrouble() {
  $("error").replaceChildren();
  if (!shown) return;
  if (!shown.parts) return make("p", shown.key ? shown.text : String(shown), $("error"));
  if (about) make("p", words("error.file", { name: about }), $("error"));
  for (const part of ["got", "expected", "remedy"]) {
    const line = make("p", "", $("error"));
    make("strong", `${words(`error.${part}`)}: `, line);
    make("span", shown.parts[part], line, { lang: "en" });
  }
}

render(showTrouble);
