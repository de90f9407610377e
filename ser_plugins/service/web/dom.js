// Elements, found and made. Text is never read as HTML: file names and cards are others' words.

export const $ = (id) => document.getElementById(id);

export function make(tag, text, parent, attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (parent) parent.append(node);
  return node;
}
