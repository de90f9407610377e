// The course over time: the wave, the answers with their colours below it, and a place that is heard.

import { $, make } from "./dom.js";
import { colourOf, nameOf, onColour } from "./emotions.js";
import { meanOf, segments } from "./segments.js";
import { Peaks } from "./sound.js";
import { number, percent, render, timeOf, words } from "./strings.js";

const BAND = 30, AXIS = 22, GAP = 6; // pixels: the names, the seconds, and the space above them
const canvas = $("timeline"), player = $("player");
const view = { windows: [], peaks: null, duration: 0, live: false, at: 0 };

export function show(windows, peaks, duration, sound = null) {
  URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
  if (sound) player.src = URL.createObjectURL(sound);
  Object.assign(view, { windows, peaks, duration, live: false, at: 0, playable: !!sound });
  showAll();
}

export function follow(windows, peaks, duration) {
  if (!view.live) player.removeAttribute("src");
  Object.assign(view, { windows, peaks, duration, live: true, at: duration, playable: false });
  showAll();
}

export const nameOfSegment = (one) =>
  one.label != null ? nameOf(one.label)
    : !one.heard ? words("silence")
      : one.rows[0].label === undefined ? number(meanOf(one), 2) : words("undecided");

function showAll() {
  const parts = segments(view.windows, view.duration);
  $("play").disabled = !view.playable;
  $("course-help").textContent = view.live ? "" : words(view.playable ? "course.help" : "course.deaf");
  canvas.setAttribute("aria-label", words("position"));
  showLegend(parts);
  if (!view.live) showList(parts);
  $("listed").hidden = view.live;
  showPlace();
}

function showLegend(parts) {
  const names = new Map(parts.map((one) => [one.label == null ? nameOfSegment(one) : nameOf(one.label), one.label]));
  $("legend").replaceChildren();
  for (const [name, label] of names) {
    const item = make("li", "", $("legend"));
    make("span", "", item, { class: "dot" }).style.background = colourOf(label) ?? "";
    make("span", name, item);
  }
}

function showList(parts) {
  $("moments").replaceChildren();
  for (const one of parts) {
    const row = make("tr", "", $("moments")), mean = one.rows[0].probability == null ? null : meanOf(one);
    make("td", timeOf(one.from, view.duration, 1), row);
    make("td", timeOf(one.to, view.duration, 1), row);
    make("td", mean == null ? nameOfSegment(one) : `${nameOfSegment(one)} ${percent(mean)}`, row);
    const name = words("moment", { seconds: number(one.from, 1) });
    const button = make("button", "▶", make("td", "", row), { type: "button", "aria-label": name });
    button.disabled = !view.playable;
    button.onclick = () => hear(one.from);
  }
}

function showPlace() {
  const part = segments(view.windows, view.duration).findLast((one) => one.from <= view.at);
  const place = timeOf(view.at, view.duration, 1);
  for (const [name, value] of [["min", 0], ["max", view.duration], ["now", view.at]])
    canvas.setAttribute(`aria-value${name}`, value.toFixed(1));
  canvas.setAttribute("aria-valuetext", part ? `${place}, ${nameOfSegment(part)}` : place);
  $("clock").textContent = `${place} / ${timeOf(view.duration, view.duration, 1)}`;
  $("play").textContent = words(player.paused ? "play" : "pause");
  draw();
}

function draw() {
  const scale = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !view.duration) return;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale))
    Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
  const style = getComputedStyle(document.body), pen = canvas.getContext("2d");
  const colour = (name) => style.getPropertyValue(`--${name}`);
  const sheet = { pen, width, colour, top: height - BAND - AXIS - GAP, x: (time) => (time / view.duration) * width };
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `14px ${style.fontFamily}`;
  pen.textBaseline = "middle";
  if (view.peaks) drawWave(sheet);
  for (const one of segments(view.windows, view.duration)) drawSegment(sheet, one);
  pen.fillStyle = colour("soft");
  drawAxis(sheet, height - AXIS / 2);
  pen.fillStyle = style.color;
  if (!view.live) pen.fillRect(Math.min(width - 2, sheet.x(view.at)), 0, 2, height - AXIS);
}

function drawSegment({ pen, colour, top, x }, one) {
  const fill = colourOf(one.label), left = x(one.from), right = x(one.to), name = nameOfSegment(one);
  pen.fillStyle = fill ?? colour("raised");
  pen.strokeStyle = colour("edge");
  pen.fillRect(left, top + GAP, right - left, BAND);
  if (right - left > 3) pen.strokeRect(left + 0.5, top + GAP + 0.5, right - left - 1, BAND - 1);
  pen.fillStyle = fill ? onColour(fill) : colour("soft");
  if (pen.measureText(name).width < right - left - 10) pen.fillText(name, left + 6, top + GAP + BAND / 2);
}

// What has been heard already has another colour.
function drawWave({ pen, width, colour, top, x }) {
  const values = view.peaks.values, loudest = values.reduce((most, value) => Math.max(most, value), 0.02), step = 3;
  const place = (pixel) => Math.floor((pixel / width) * view.duration * Peaks.perSecond);
  for (let at = 0; at < width; at += step) {
    const part = values.slice(place(at), Math.max(place(at) + 1, place(at + step)));
    const size = Math.max(1, (Math.max(0, ...part) / loudest) * (top - 2));
    pen.fillStyle = colour(at < x(view.at) ? "accent" : "soft");
    pen.fillRect(at, (top - size) / 2, 2, size);
  }
}

function drawAxis({ pen, width, x }, y) {
  const step = [0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1200].find((size) => (width / view.duration) * size > 60) ?? 3600;
  for (let time = 0; time <= view.duration; time += step) {
    const text = timeOf(time, view.duration, step < 1 ? 1 : 0);
    const at = Math.min(width - pen.measureText(text).width, Math.max(0, x(time) - pen.measureText(text).width / 2));
    if (time + step <= view.duration || x(time) < width - 8) pen.fillText(text, at, y);
  }
}

function move(time) {
  view.at = Math.max(0, Math.min(view.duration, time));
  if (view.playable) player.currentTime = view.at;
  showPlace();
}

function hear(time) {
  move(time);
  if (view.playable) player.play();
}

const toggle = () => (player.paused ? player.play() : player.pause());

canvas.onclick = (event) => {
  if (!view.live) hear((event.offsetX / canvas.clientWidth) * view.duration);
};
canvas.onkeydown = (event) => {
  if (view.live) return;
  const far = view.duration / 10, steps = { ArrowLeft: -0.5, ArrowDown: -0.5, ArrowRight: 0.5, ArrowUp: 0.5, PageDown: -far, PageUp: far };
  if (event.key in steps) move(view.at + steps[event.key]);
  else if (event.key === "Home") move(0);
  else if (event.key === "End") move(view.duration);
  else if ((event.key === " " || event.key === "Enter") && view.playable) toggle();
  else return;
  event.preventDefault();
};
$("play").onclick = toggle;
player.onplay = player.onpause = player.onseeked = showPlace;
player.ontimeupdate = () => {
  view.at = Math.min(view.duration, player.currentTime);
  showPlace();
};
new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
render(showAll);
