// @ts-check
/**
 * A keyed table: rows are updated in place, and keep their order while the pointer or the focus is on them.
 * The columns are those of the template's head (`th[data-col]`); hidden ones are neither shown nor filled.
 */

import { el, setText, show } from "./dom.js";

/**
 * @typedef {{tr: HTMLTableRowElement, cells: HTMLTableCellElement[]}} Shown
 */
/**
 * @template Row
 * @typedef {{
 *   key: (row: Row) => string,
 *   cells: Record<string, (row: Row, cell: HTMLTableCellElement) => string | null>,
 *   whole?: (row: Row) => string,
 *   mark?: (row: Row) => string,
 *   freeze?: boolean,
 *   onHold?: (held: boolean) => void,
 *   onWaiting?: (waiting: boolean) => void,
 * }} Options `cells` give a column's text, or null when they have filled the cell themselves; `whole` the text of a row
 *   that has no columns; `mark` a row's look; without `freeze` the caller holds its rows back itself
 */

/** @template Row @param {HTMLTableElement} table @param {Options<Row>} options */
export function createTable(table, options) {
  const { key, freeze = true } = options;
  const body = table.tBodies[0];
  const heads = headsOf(table);
  /** @type {Map<string, Shown>} */
  const shown = new Map();
  /** @type {Row[]} */
  let latest = [];
  let waiting = false;
  let other = false;

  const fill = (/** @type {Shown} */ { tr, cells }, /** @type {Row} */ row) => {
    const mark = options.mark?.(row) ?? "";
    if (tr.dataset.mark !== mark) tr.dataset.mark = mark;
    tr.classList.remove("gone");
    if (cells.length === 1 && heads.length > 1) return setText(cells[0], options.whole?.(row) ?? "");
    cells.forEach((cell, index) => {
      show(cell, !heads[index].hidden);
      if (heads[index].hidden) return;
      const text = options.cells[heads[index].dataset.col ?? ""](row, cell);
      if (text !== null) setText(cell, text);
    });
  };
  const build = (/** @type {Row} */ row) => {
    const made = options.whole?.(row) ? wholeRow(heads.length) : newRow(heads);
    made.tr.dataset.key = key(row);
    shown.set(key(row), made);
    return made;
  };
  const arrange = () => {
    const wanted = new Set(latest.map(key));
    for (const [id, { tr }] of shown) if (!wanted.has(id)) (tr.remove(), shown.delete(id));
    let next = body.firstElementChild;
    for (const row of latest) {
      const item = shown.get(key(row)) ?? build(row);
      fill(item, row);
      if (item.tr === next) next = next.nextElementSibling;
      else body.insertBefore(item.tr, next);
    }
    setWaiting(false);
    hold.check();
  };
  const patch = () => {
    const wanted = new Map(latest.map((row) => [key(row), row]));
    for (const [id, item] of shown) {
      const row = wanted.get(id);
      if (row) fill(item, row);
      else item.tr.classList.add("gone");
    }
    const order = Array.from(body.rows, (tr) => tr.dataset.key).join();
    setWaiting(order !== latest.map(key).join());
  };
  const setWaiting = (/** @type {boolean} */ value) => {
    if (value !== waiting) options.onWaiting?.(value);
    waiting = value;
  };
  const hold = watchReader(body, (held) => {
    options.onHold?.(held);
    if (!held && waiting) arrange();
  });
  return {
    /** @param {Row[]} rows */
    update: (rows) => {
      latest = rows;
      if (freeze && !other && hold.held() && shown.size > 0) patch();
      else arrange();
      other = false;
    },
    /** Take the waiting order now. */
    release: arrange,
    /** The next rows are others: they are shown at once, and held from then on where the pointer rests on them. */
    reset: () => {
      other = true;
    },
  };
}

/** The cells of a table's head. @param {HTMLTableElement} table */
export const headsOf = (table) => Array.from(table.tHead?.rows[0]?.cells ?? []);

/** @param {number} width @returns {Shown} a row of one cell over all columns */
function wholeRow(width) {
  const cell = el("td", { colspan: String(width), class: "whole" });
  return { tr: el("tr", {}, cell), cells: [cell] };
}

/** @param {HTMLTableCellElement[]} heads @returns {Shown} */
function newRow(heads) {
  const cells = heads.map((head) => el("td", { class: head.className }));
  return { tr: el("tr", { tabindex: "-1" }, ...cells), cells };
}

/** Says whether someone points at the rows or is among them with the keyboard. @param {HTMLElement} body @param {(held: boolean) => void} changed */
function watchReader(body, changed) {
  let pointer = false;
  let focus = false;
  const held = () => pointer || focus;
  const set = (/** @type {() => void} */ change) => {
    const before = held();
    change();
    if (before !== held()) changed(held());
  };
  body.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && set(() => (pointer = true)));
  body.addEventListener("pointerleave", () => set(() => (pointer = false)));
  body.addEventListener("focusin", () => set(() => (focus = true)));
  body.addEventListener("focusout", (event) => {
    if (!body.contains(/** @type {Node | null} */ (event.relatedTarget))) set(() => (focus = false));
  });
  return {
    held,
    /** A row that had the focus may be gone without a word. */
    check: () => set(() => (focus = body.contains(document.activeElement))),
  };
}

/** Puts the focus on the next or previous row. @param {number} step */
export function moveRow(step) {
  const rows = Array.from(/** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("table[data-rows] tbody tr[tabindex]")));
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step));
  rows[next].focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

/** Follows the link of the row that has the focus. @param {EventTarget | null} target */
export function openRow(target) {
  if (target instanceof HTMLElement && target.matches("table[data-rows] tr")) target.querySelector("a")?.click();
}
