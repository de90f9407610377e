// The microphone, judged while somebody speaks, over the service's WebSocket: docs/service.md has the protocol.

import * as course from "./course.js";
import { $ } from "./dom.js";
import { clear, say } from "./files.js";
import * as result from "./result.js";
import { Trouble, tell } from "./service.js";
import { Peaks, asInt16, asWav, microphone, silence } from "./sound.js";
import { number, render, words } from "./strings.js";

const WINDOW = 3, HOP = 1, LONGEST = 300; // s
const BEHIND = 2 ** 20; // bytes that may wait to be sent
let session = null;

function showButton() {
  $("live").textContent = words(session ? "stop" : "live");
  $("live").setAttribute("aria-pressed", !!session);
  $("record").disabled = !!session;
}

$("live").onclick = async () => {
  if (session) return session.end();
  try {
    const stream = await microphone();
    if (!stream) return tell(new Trouble("error.microphone", { reason: words("error.insecure") }));
    clear();
    session = new Session(stream);
    showButton();
    await session.listen();
  } catch (error) {
    session?.close();
    tell(new Trouble("error.microphone", { reason: error.message }));
  }
};

class Session {
  constructor(stream) {
    this.stream = stream;
    this.context = new AudioContext();
    this.rate = this.context.sampleRate;
    this.windows = [];
    this.pieces = [];
    this.samples = 0;
    this.peaks = new Peaks(this.rate);
  }

  get seconds() {
    return this.samples / this.rate;
  }

  async listen() {
    await this.context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    const address = new URL(`stream?encoding=s16le&rate=${this.rate}&window=${WINDOW}&hop=${HOP}`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = ({ code }) => this.fail(words("error.closed", { code }));
  }

  hear(message) {
    if (message.event === "ready") this.start();
    else if (message.event === "window") this.show(message);
    else if (message.event === "end") this.close();
    else if (message.event === "error") this.fail(`${message.got}; ${message.remedy}`);
  }

  start() {
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.send(data);
    this.context.createMediaStreamSource(this.stream).connect(capture);
    say("live.wait", () => ({ seconds: WINDOW }));
  }

  send(samples) {
    if (this.ending || this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > BEHIND) return this.fail(words("error.slow"));
    const piece = asInt16(samples);
    this.pieces.push(piece);
    this.samples += piece.length;
    this.peaks.feed(samples);
    this.socket.send(piece);
    if (this.windows.length) course.follow(this.windows, this.peaks, this.seconds);
    if (this.seconds >= LONGEST) this.end();
  }

  // Whoever listens to a screen reader is told of a change alone.
  show({ event, ...window }) {
    const before = this.windows.at(-1);
    this.windows.push(window);
    result.show(window, "", null);
    $("course").hidden = false;
    course.follow(this.windows, this.peaks, this.seconds);
    if (!before || result.textOf(before) !== result.textOf(window)) say("heard", () => ({ label: result.textOf(window) }));
  }

  end() {
    if (this.socket?.readyState !== WebSocket.OPEN) return this.close();
    this.ending = true;
    this.socket.send(JSON.stringify({ event: "end" }));
  }

  fail(reason) {
    tell(new Trouble("error.live", { reason }));
    this.close();
  }

  // What was heard stays, and can be heard again.
  close() {
    if (this.socket) this.socket.onclose = this.socket.onmessage = null;
    this.socket?.close();
    silence(this.stream);
    this.context.close();
    const { windows, peaks, seconds } = this;
    session = null;
    showButton();
    if (!windows.length) return say();
    course.show(windows, peaks, seconds, asWav(this.pieces, this.rate));
    say("live.over", () => ({ seconds: number(seconds, 1) }));
  }
}

render(showButton);
