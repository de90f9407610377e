// Windows -> stretches of one answer: every moment belongs to the window whose middle is nearest.

import { classOf, isHeard } from "./emotions.js";

export function segments(windows, end) {
  const found = [];
  windows.forEach((row, place) => {
    const middle = (one) => (one.start + one.end) / 2;
    const from = place ? (middle(windows[place - 1]) + middle(row)) / 2 : row.start;
    const to = place + 1 < windows.length ? (middle(row) + middle(windows[place + 1])) / 2 : end;
    const last = found.at(-1), label = classOf(row) ?? null, heard = isHeard(row);
    if (last && last.label === label && last.heard === heard) {
      last.to = to;
      last.rows.push(row);
    } else found.push({ from, to, label, heard, rows: [row] });
  });
  return found;
}

export function meanOf(segment) {
  const values = segment.rows.map((row) => row.probability ?? row.score).filter((value) => value != null);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}
