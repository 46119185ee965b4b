// @ts-check
/** A list of one-line items with a chip, a link, a figure and a detail. */

import { el, refs, setAttr, setText, show } from "../dom.js";

/**
 * Its items are made anew only when one of them is another; otherwise filled in place. While one has the focus they stay.
 * @template T
 * @param {HTMLElement} list @param {T[]} items @param {(item: T) => string} key
 * @param {(parts: Record<string, HTMLElement>, item: T) => void} fill
 */
export function keyedList(list, items, key, fill) {
  const keys = items.map(key).join(" ");
  if (list.dataset.keys !== keys && !list.contains(document.activeElement)) {
    list.dataset.keys = keys;
    list.replaceChildren(...items.map(listItem));
  }
  if (list.dataset.keys !== keys) return;
  items.forEach((item, index) => fill(refs(list.children[index]), item));
}

function listItem() {
  const line = el("span", { class: "line" }, el("span", { "data-ref": "chip" }), el("a", { "data-ref": "link" }));
  return el("li", {}, line, el("span", { class: "figure", "data-ref": "figure" }), el("span", { class: "detail", "data-ref": "detail" }));
}

/** @param {Record<string, HTMLElement>} item parts of a list item @param {number} conn */
export function linkTo(item, conn) {
  show(item.link, conn > 0);
  setAttr(item.link, "href", `/connections/${conn}`);
  setText(item.link, `#${conn}`);
}
