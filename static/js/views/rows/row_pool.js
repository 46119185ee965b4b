// @ts-check
/** The rows of a long list that are in the page: a few dozen, filled with whatever is in sight. */

import { el, setAttr, setText, show } from "../../ui/dom.js";

/**
 * @typedef {import("../../model/rows/packed_rows.js").Entry} Entry
 * @typedef {{cells: Record<string, (entry: {row: import("../../model/rows/packed_rows.js").Row}, cell: HTMLTableCellElement) => string | null>, gap: (entry: import("../../model/rows/packed_rows.js").Gap) => string,
 *   mark: (entry: {row: import("../../model/rows/packed_rows.js").Row}) => string}} Filling `cells` give a column's text, or null when they have filled the cell themselves
 * @typedef {{tr: HTMLTableRowElement, cells: HTMLTableCellElement[], position: number, list: number}} Shown
 */

/** @param {HTMLTableElement} table @param {Filling} filling */
export function createPool(table, filling) {
  const body = table.tBodies[0];
  const heads = Array.from(/** @type {HTMLTableRowElement} */ (table.tHead?.rows[0]).cells);
  /** @type {Shown[]} in the order of the page */
  let shown = [];
  let made = 0;
  const build = () => {
    const cells = heads.map((head) => /** @type {HTMLTableCellElement} */ (el("td", { class: head.className, "data-col": head.dataset.col ?? "" })));
    const tr = /** @type {HTMLTableRowElement} */ (el("tr", { id: `${table.id}-row-${(made += 1)}` }, ...cells));
    return { tr, cells, position: NaN, list: -1 };
  };
  const fill = (/** @type {Shown} */ { tr, cells }, /** @type {Entry} */ entry) => {
    const isGap = "gap" in entry;
    setAttr(tr, "data-mark", isGap ? "gap" : filling.mark(entry));
    setAttr(tr, "data-hit", !isGap && entry.marked ? "true" : null);
    setSpan(cells, isGap);
    if (isGap) return setText(cells[0], filling.gap(entry));
    cells.forEach((cell, index) => {
      const text = filling.cells[heads[index].dataset.col ?? ""](entry, cell);
      if (text !== null) setText(cell, text);
    });
    // The colour of a row that matches, for those who do not see it.
    if (entry.marked) cells[0].prepend(el("span", { class: "sr-only" }, "matches, "));
  };
  return {
    /** @param {number} first @param {number} last positions @param {(position: number) => Entry | null} entryAt @param {number} list */
    arrange: (first, last, entryAt, list) => {
      const kept = shown.filter(({ position }) => position >= first && position < last);
      const spare = shown.filter(({ position }) => !(position >= first && position < last));
      const places = new Map(kept.map((item) => [item.position, item]));
      shown = [];
      for (let position = first; position < last; position += 1) shown.push(places.get(position) ?? take(spare, build, position));
      for (const { tr } of spare) tr.remove();
      let next = body.firstElementChild;
      for (const item of shown) {
        const entry = entryAt(item.position);
        if (entry && (item.list !== list || "gap" in entry)) fill(item, entry);
        item.list = list;
        if (item.tr === next) next = next.nextElementSibling;
        else body.insertBefore(item.tr, next);
      }
    },
    /** The rows in the page, by position. */
    each: (/** @type {(tr: HTMLTableRowElement, position: number) => void} */ task) => {
      for (const { tr, position } of shown) task(tr, position);
    },
    /** @param {EventTarget | null} target @returns {number | null} position of the row that it is in */
    positionOf: (target) => {
      const tr = target instanceof Element ? target.closest("tr") : null;
      return shown.find((item) => item.tr === tr)?.position ?? null;
    },
    /** @returns {number} the height of a row; 0 when there is none to be seen */
    rowHeight: () => (shown.length > 0 ? body.getBoundingClientRect().height / shown.length : 0),
  };
}

/** A row that is out of sight, or a new one. @param {Shown[]} spare @param {() => Shown} build @param {number} position @returns {Shown} */
function take(spare, build, position) {
  return Object.assign(spare.pop() ?? build(), { position, list: -1 });
}

/** One cell over all columns, or each its own. @param {HTMLTableCellElement[]} cells @param {boolean} whole */
function setSpan([first, ...others], whole) {
  const span = whole ? others.length + 1 : 1;
  if (first.colSpan === span) return;
  first.colSpan = span;
  first.classList.toggle("whole", whole);
  first.removeAttribute("title");
  for (const cell of others) show(cell, !whole);
}
