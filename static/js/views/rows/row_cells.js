// @ts-check
/** How an event row fills its cells in a list of events, and how other tables link a connection. */

import { el, setAttr, setText, show } from "../../ui/dom.js";
import { bytes, clock, count, exactCount, plural, stamp } from "../../model/format.js";
import { chip, eventWords, reasonSentence } from "../frame/labels.js";

/** A size, or nothing where there is none: columns of zeros hide what matters. @param {unknown} value */
const some = (value) => (Number(value) > 0 ? bytes(value) : "");

/** A link to a connection's page, made once a cell. @param {HTMLElement} cell @param {unknown} conn */
export function connectionLink(cell, conn) {
  if (!cell.firstElementChild) cell.replaceChildren(el("a"));
  const link = /** @type {HTMLAnchorElement} */ (cell.firstElementChild);
  setAttr(link, "href", `/connections/${conn}`);
  setText(link, String(conn));
  return link;
}

/** One that Tab passes by: the list is one stop, its rows come and go under the focus, and Enter on a row leads on. @param {HTMLElement} cell @param {unknown} conn */
const rowLink = (cell, conn) => setAttr(connectionLink(cell, conn), "tabindex", "-1");

/** @param {HTMLElement} cell one that keeps a chip inside @returns {HTMLElement} */
export function chipIn(cell) {
  if (!cell.firstElementChild) cell.append(el("span"));
  return /** @type {HTMLElement} */ (cell.firstElementChild);
}

/** Filled for rows only: a gap is one cell over all columns. @type {import("./row_pool.js").Filling["cells"]} */
const CELLS = {
  time: ({ row }, cell) => {
    setAttr(cell, "title", `${row.time} (${stamp(row.time)} local time)`);
    return clock(row.time);
  },
  kind: ({ row }, cell) => (chip(chipIn(cell), row.kind, eventWords(row)), null),
  conn: ({ row }, cell) => (Number(row.conn) > 0 ? (rowLink(cell, row.conn), null) : "server"),
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
    setAttr(cell, "title", reasonSentence(row.reason, row.kind) || null);
    return row.reason;
  },
  seq: ({ row }) => exactCount(row.seq),
};

/** What is missing from a list, and why. @param {import("../../model/rows/packed_rows.js").Gap} gap */
export function gapWords({ gap, why, marks }) {
  if (why === "torn" && gap === 0) return "The link failed here: rows may be missing from this list. They are in the log";
  const matches = marks > 0 ? `, ${count(marks)} of them highlighted` : "";
  const reason = why === "unkept" ? "the list was held for so long that it could keep no more" : "more came than a person can read";
  return `${plural(gap, "row")} not shown here${matches}: ${reason}. They are in the log`;
}

/** What fills a long list of events. @type {import("./row_pool.js").Filling} */
export const EVENT_LIST = { cells: CELLS, gap: gapWords, mark: ({ row }) => eventWords(row)[0] };
