// One recording by the microphone. The browser decodes it, whatever its codec, so that the service needs no ffmpeg.

import { $ } from "./dom.js";
import { clear, judge, say } from "./files.js";
import { Trouble, service, tell } from "./service.js";
import { asInt16, asWav, decode, microphone, silence } from "./sound.js";
import { render, words } from "./strings.js";

let recorder = null;

function showButton() {
  $("record").textContent = words(recorder ? "stop" : "record");
  $("record").setAttribute("aria-pressed", !!recorder);
  $("live").disabled = !!recorder;
}

$("record").onclick = async () => {
  if (recorder) return recorder.stop();
  try {
    const stream = await microphone();
    if (!stream) return tell(new Trouble("error.microphone", { reason: words("error.insecure") }));
    start(stream);
  } catch (error) {
    tell(new Trouble("error.microphone", { reason: error.message }));
  }
};

function start(stream) {
  const parts = [];
  clear();
  recorder = new MediaRecorder(stream);
  const clock = setTimeout(() => recorder.stop(), 1000 * (service.limits.audio - 1));
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = async () => {
    clearTimeout(clock);
    recorder = null;
    silence(stream);
    showButton();
    try {
      const { samples, rate } = await decode(new Blob(parts));
      await judge([new File([asWav([asInt16(samples)], rate)], "")]);
    } catch (error) {
      say();
      tell(error);
    }
  };
  recorder.start();
  say("recording");
  showButton();
}

render(showButton);
