// @ts-check
/** A list of one-line items with a chip, a link, a figure and a detail. */

import { el, refs, setAttr, setText, show } from "./dom.js";

/**
 * What is listed already is filled in place, and keeps the focus where it has moved.
 * @template T
 * @param {HTMLElement} list @param {T[]} items @param {(item: T) => string} key
 * @param {(parts: Record<string, HTMLElement>, item: T) => void} fill
 */
export function keyedList(list, items, key, fill) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const keys = items.map(key);
  const nodes = /** @type {HTMLElement[]} */ (Array.from(list.children));
  const known = new Map(nodes.map((node) => [node.dataset.key, node]));
  for (const node of nodes) if (!keys.includes(node.dataset.key ?? "")) node.remove();
  items.forEach((item, at) => {
    const node = known.get(keys[at]) ?? listItem(keys[at]);
    if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
    fill(refs(node), item);
  });
  if (focused !== document.activeElement && list.contains(focused)) focused?.focus({ preventScroll: true });
}

/** @param {string} key */
function listItem(key) {
  const line = el("span", { class: "line" }, el("span", { "data-ref": "chip" }), el("a", { "data-ref": "link" }));
  return el("li", { "data-key": key }, line, el("span", { class: "figure", "data-ref": "figure" }), el("span", { class: "detail", "data-ref": "detail" }));
}

/** @param {Record<string, HTMLElement>} item parts of a list item @param {number} conn */
export function linkTo(item, conn) {
  show(item.link, conn > 0);
  setAttr(item.link, "href", `/connections/${conn}`);
  setText(item.link, `#${conn}`);
}
