// @ts-check
/** How an event row fills its table cells, on the Events page and on a connection's own. */

import { el, setAttr, setText, show } from "./dom.js";
import { bytes, clock, count, plural, stamp } from "./format.js";
import { chip, eventWords, reasonSentence } from "./words.js";

/** @typedef {import("./tail.js").Entry} Entry @typedef {import("./tail.js").RowEntry} RowEntry */

/** A size, or nothing where there is none: columns of zeros hide what matters. @param {unknown} value */
const some = (value) => (Number(value) > 0 ? bytes(value) : "");

/** A link to a connection's page, made once a cell. @param {HTMLElement} cell @param {unknown} conn */
export function connectionLink(cell, conn) {
  if (!cell.firstElementChild) cell.replaceChildren(el("a"));
  const link = /** @type {HTMLAnchorElement} */ (cell.firstElementChild);
  setAttr(link, "href", `/connections/${conn}`);
  setText(link, String(conn));
}

/** @param {HTMLElement} cell one that keeps a chip inside @returns {HTMLElement} */
export function chipIn(cell) {
  if (!cell.firstElementChild) cell.append(el("span"));
  return /** @type {HTMLElement} */ (cell.firstElementChild);
}

/** Filled for rows only: a gap is one cell over all columns. @type {Record<string, (entry: RowEntry, cell: HTMLTableCellElement) => string | null>} */
const CELLS = {
  time: ({ row }, cell) => {
    setAttr(cell, "title", `${row.time} (${stamp(row.time)} local time)`);
    return clock(row.time);
  },
  kind: ({ row }, cell) => (chip(chipIn(cell), row.kind, eventWords(row)), null),
  conn: ({ row }, cell) => (Number(row.conn) > 0 ? (connectionLink(cell, row.conn), null) : "server"),
  worker: ({ row }) => String(row.worker),
  peer: ({ row }) => row.peer,
  bytes_in: ({ row }) => some(row.bytes_in),
  bytes_out: ({ row }) => some(row.bytes_out),
  queue_bytes: ({ row }) => some(row.queue_bytes),
  emptied: ({ row }, cell) => {
    const mark = chipIn(cell);
    show(mark, row.emptied);
    chip(mark, "yes", ["empty", "the read left the receive buffer empty"]);
    return null;
  },
  reason: ({ row }, cell) => {
    setAttr(cell, "title", reasonSentence(row.reason) || null);
    return row.reason;
  },
  seq: ({ row }) => count(row.seq),
};

/** @param {Entry} entry */
function gapText(entry) {
  if (!("gap" in entry)) return "";
  if (entry.gap === 0) return "The link failed here: rows may be missing from this list. They are in the log and in the download.";
  return `${plural(entry.gap, "row")} not shown here: more came than a person can read. They are in the log and in the download.`;
}

/** What is missing from a list, and why. @param {import("./rowblock.js").Gap} gap */
export function gapWords({ gap, why, marks }) {
  if (why === "torn" && gap === 0) return "The link failed here: rows may be missing from this list. They are in the log";
  const matches = marks > 0 ? `, ${count(marks)} of them highlighted` : "";
  const reason = why === "unkept" ? "the list was held for so long that it could keep no more" : "more came than a person can read";
  return `${plural(gap, "row")} not shown here${matches}: ${reason}. They are in the log`;
}

/** What fills a long list of events. @type {import("./parts/rowpool.js").Filling} */
export const EVENT_LIST = { cells: CELLS, gap: gapWords, mark: ({ row }) => eventWords(row)[0] };

/** Options of a table of event entries. @type {import("./table.js").Options<Entry>} */
export const EVENT_TABLE = {
  key: (entry) => entry.key,
  cells: /** @type {import("./table.js").Options<Entry>["cells"]} */ (CELLS),
  whole: gapText,
  mark: (entry) => ("gap" in entry ? "gap" : eventWords(entry.row)[0]),
  freeze: false,
};
