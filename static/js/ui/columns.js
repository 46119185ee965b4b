// @ts-check
/** Which columns of a table are shown: a box for each in a dialog, kept in the browser. */

import { el, refs, setText, show } from "./dom.js";
import { local } from "./storage.js";
import { headsOf } from "./table.js";

/** @typedef {Record<string, boolean>} Choice only what differs from the default, so that the defaults may change */

/** @param {string | null} text what was stored @param {string[]} known names of columns @returns {Choice} */
export function readChoice(text, known) {
  if (text === null) return {};
  try {
    const pairs = Object.entries(JSON.parse(text) ?? {});
    return Object.fromEntries(pairs.filter(([name, value]) => known.includes(name) && typeof value === "boolean"));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** The choice after one box was changed. @param {Choice} choice @param {Choice} defaults @param {string} name @param {boolean} shown */
export function choose(choice, defaults, name, shown) {
  const { [name]: _, ...others } = choice;
  return shown === defaults[name] ? others : { ...others, [name]: shown };
}

/**
 * The first column always stays: it is the way to a row's own page.
 * @param {ParentNode} root with table, columnBoxes, columnsReset and columnsOff
 * @param {string} stored key in the browser's storage @param {() => void} changed called after the heads have changed
 * @returns what shows a column, or hides it, as long as nobody has chosen otherwise
 */
export function mountColumns(root, stored, changed) {
  const parts = refs(root, { table: HTMLTableElement });
  const heads = headsOf(parts.table).slice(1);
  const nameOf = (/** @type {HTMLElement} */ head) => head.dataset.col ?? "";
  /** @type {Choice} */
  const defaults = Object.fromEntries(heads.map((head) => [nameOf(head), !head.hidden]));
  let choice = readChoice(local.get(stored), Object.keys(defaults));
  const boxes = heads.map((head) => checkbox(parts.columnBoxes, nameOf(head), head));
  const apply = () => {
    const all = { ...defaults, ...choice };
    heads.forEach((head, index) => {
      show(head, all[nameOf(head)]);
      boxes[index].checked = all[nameOf(head)];
    });
    const off = Object.entries(choice).filter(([, shown]) => !shown).length;
    setText(parts.columnsOff, off > 0 ? ` (${off} hidden)` : "");
  };
  const change = (/** @type {Choice} */ next) => {
    choice = next;
    if (Object.keys(choice).length > 0) local.set(stored, JSON.stringify(choice));
    else local.remove(stored);
    apply();
    changed();
  };
  parts.columnBoxes.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    change(choose(choice, defaults, box.value, box.checked));
  });
  parts.columnsReset.addEventListener("click", () => change({}));
  apply();
  return (/** @type {string} */ name, /** @type {boolean} */ shown) => {
    if (defaults[name] === shown) return;
    defaults[name] = shown;
    apply();
    changed();
  };
}

/** @param {HTMLElement} list @param {string} name @param {HTMLElement} head @returns {HTMLInputElement} */
function checkbox(list, name, head) {
  const box = el("input", { type: "checkbox", value: name });
  const meaning = /** @type {HTMLElement | null} */ (head.querySelector("[data-tip]"))?.dataset.tip ?? "";
  const words = el("span", {}, el("b", {}, head.textContent?.trim() ?? name), " ", el("small", {}, meaning));
  list.append(el("li", {}, el("label", {}, box, words)));
  return box;
}
