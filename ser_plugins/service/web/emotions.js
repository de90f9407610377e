// How a class is called and which colour it has, the same wherever it is shown.

import { service } from "./service.js";
import { has, words } from "./strings.js";

// Of the service, as in all pictures; null where there is no class.
export const colourOf = (label) => service.colours?.[label] ?? null;

export function onColour(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff"; // WCAG 2, relative luminance
}

export const nameOf = (label) => (has(`emotion.${label}`) ? words(`emotion.${label}`) : label);

// The answer of a recording or a window: of classes, or of a number with or without a polarity.
export function isHeard(outcome) {
  return (outcome.probabilities ?? outcome.score) != null;
}

export const classOf = (outcome) => (outcome.label === undefined ? outcome.polarity : outcome.label);
