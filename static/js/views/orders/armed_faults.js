// @ts-check
/** The faults that are on: whom each is for, when it ends, and the way back. */

import { el, setText, show } from "../../ui/dom.js";
import { faultText } from "../../model/order_words.js";
import * as format from "../../model/format.js";

/**
 * @param {Record<string, HTMLElement>} parts @param {import("../../main.js").App} app @param {() => void} changed
 * @returns {(items: import("../../live/types.js").ArmedFault[]) => void} shows them; what is shown already is filled in place
 */
export function mountArmed(parts, app, changed) {
  const takeBack = async (/** @type {string} */ path) => {
    try {
      await app.remove(path);
    } catch (error) {
      setText(parts.ordersError, /** @type {Error} */ (error).message);
      show(parts.ordersError, true);
    }
    changed();
  };
  const mayOrder = parts.endAll !== undefined;
  parts.endAll?.addEventListener("click", () => takeBack("faults"));
  const item = (/** @type {number} */ id) => {
    const node = el("li", { "data-key": String(id) }, el("b", {}, `#${id}`), el("span", { class: "detail" }), el("span", { class: "soft" }));
    if (!mayOrder) return node;
    const button = el("button", { class: "button", type: "button", "aria-label": `Take back fault ${id}` }, "Take back");
    button.addEventListener("click", () => takeBack(`faults/${id}`));
    node.append(button);
    return node;
  };
  return (items) => {
    const nodes = /** @type {HTMLElement[]} */ (Array.from(parts.armed.children));
    const known = new Map(nodes.map((node) => [node.dataset.key, node]));
    const wanted = new Set(items.map(({ id }) => String(id)));
    for (const [key, node] of known) if (!wanted.has(key ?? "")) node.remove();
    for (const one of items) {
      const node = known.get(String(one.id)) ?? item(one.id);
      const [, detail, ends] = Array.from(node.children);
      setText(detail, faultText(one));
      const left = Math.max(0, (format.toMillis(one.ends) ?? 0) - app.now()) / 1000;
      setText(ends, `ends at ${format.clock(one.ends)}, in ${format.duration(left)}`);
      if (!node.parentNode) parts.armed.append(node);
    }
    show(parts.noneArmed, items.length === 0);
    if (mayOrder) show(parts.endAll, items.length > 1);
  };
}
