// @ts-check
/** What the rows of a log are looked up by: which row it is, and when it was. Pure. */

import { placeOf } from "./packed_rows.js";
import { entryAt } from "./row_log.js";
import { timeOf } from "../time/instants.js";

/** @typedef {import("./packed_rows.js").Row} Row @typedef {import("./row_log.js").RowLog} RowLog */

/** Where a row is; null where the log does not hold it. @param {RowLog} log @param {{worker: number, seq: number}} row @returns {number | null} */
export function positionOf({ blocks, first }, row) {
  let start = first;
  for (const block of blocks) {
    const place = placeOf(block, row);
    if (place >= 0) return start + place;
    start += block.length;
  }
  return null;
}

/** The rows at the end of the log that are later than a time, oldest first. @param {RowLog} log @param {number} at milliseconds */
export function rowsAfter(log, at) {
  /** @type {Row[]} */
  const rows = [];
  for (let position = log.end - 1; position >= log.first; position -= 1) {
    const entry = entryAt(log, position);
    if (!entry || "gap" in entry) continue;
    if (timeOf(entry.row.time) <= at) break;
    rows.push(entry.row);
  }
  return rows.reverse();
}
