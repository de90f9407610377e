// A model card: as much of Markdown as cards have.

import { make } from "./dom.js";

const plain = (text) => text.replace(/\*\*|`/g, "");

export function showCard(markdown, parent) {
  for (const block of markdown.split("\n\n").map((text) => text.trim()).filter(Boolean)) {
    const lines = block.split("\n");
    if (block.startsWith("# ")) make("h3", plain(block.slice(2)), parent);
    else if (block.startsWith("#")) make("h4", plain(block.replace(/^#+ /, "")), parent);
    else if (block.startsWith(">")) make("blockquote", plain(block.replace(/^> ?/gm, "")), parent);
    else if (block.startsWith("|")) showTable(lines, parent);
    else if (block.startsWith("- ")) {
      const list = make("ul", "", parent);
      for (const line of lines) make("li", plain(line.slice(2)), list);
    } else if (block.startsWith("```")) make("pre", block.replace(/^```.*$/gm, "").trim(), parent, { tabindex: 0 });
    else make("p", plain(block), parent);
  }
}

function showTable(lines, parent) {
  const frame = make("div", "", parent, { class: "wide", tabindex: 0 }), table = make("table", "", frame);
  lines.filter((line) => !/^[|\s:-]+$/.test(line)).forEach((line, place) => {
    const row = make("tr", "", table);
    for (const cell of line.split("|").slice(1, -1)) {
      const text = plain(cell.trim());
      if (place || !text) make("td", text, row);
      else make("th", text, row, { scope: "col" });
    }
  });
}
