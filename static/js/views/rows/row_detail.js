// @ts-check
/** All that one row says: each field with its unit and meaning, and where to go on from there. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { within } from "../../base_path.js";
import { bytes, clock, count, stamp, toMillis } from "../../model/format.js";
import { gapWords } from "./row_cells.js";
import { justAfter } from "../../model/time/instants.js";
import { build } from "../../ui/url.js";
import { chip, eventWords, reasonSentence } from "../frame/labels.js";

/** @typedef {import("../../model/rows/packed_rows.js").Row} Row @typedef {import("../../model/rows/packed_rows.js").Entry} Entry @typedef {{before: string, after: string}} Around */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const AROUND_MS = 1000;
const SIZES = new Set(["bytes_in", "bytes_out", "queue_bytes"]);
const RANGE = { q: "", since: "", until: "" };

const KINDS = { detailAround: HTMLAnchorElement };

/** @param {ParentNode} root with what the template rowlist.html has @param {number} [own] the connection whose page this is */
export function mountDetail(root, own = 0) {
  const parts = refs(root, KINDS);
  const values = /** @type {HTMLElement[]} */ (Array.from(parts.detail.querySelectorAll("[data-field]")));
  return {
    isOpen: () => !parts.detail.hidden,
    close: () => show(parts.detail, false),
    /** @param {Entry} entry @param {Around} around @param {boolean} focus whether the reader goes there */
    show: (entry, around, focus) => {
      const row = "row" in entry ? entry.row : null;
      show(parts.detail, true);
      show(parts.detailFields, row !== null);
      show(parts.detailConn, row !== null && row.conn > 0 && row.conn !== own);
      show(parts.detailMoment, row !== null);
      show(parts.detailCopy, row !== null);
      if ("gap" in entry) showGap(parts, entry, around, own);
      else showRow(parts, values, entry.row);
      if (focus) parts.detailTitle.focus();
    },
  };
}

/** @param {Parts} parts @param {HTMLElement[]} values @param {Row} row */
function showRow(parts, values, row) {
  chip(parts.detailKind, row.kind, eventWords(row));
  setText(parts.detailTime, clock(row.time));
  const [, meaning] = eventWords(row);
  const reason = reasonSentence(row.reason, row.kind);
  setText(parts.detailText, `${meaning[0].toUpperCase()}${meaning.slice(1)}. ${reason}`.trim());
  for (const value of values) setText(value, fieldText(row, /** @type {keyof Row} */ (value.dataset.field)));
  const at = toMillis(row.time) ?? 0;
  const written = (/** @type {number} */ ms) => new Date(ms).toISOString();
  setAttr(parts.detailConn, "href", `/connections/${row.conn}`);
  setText(parts.detailConn, `Connection ${row.conn}`);
  setText(parts.detailAround, "All events ±1 s");
  toEvents(parts.detailAround, { since: written(at - AROUND_MS), until: written(at + AROUND_MS) });
  setAttr(parts.detailMoment, "href", within(location.pathname) + build({ at: row.time }, { at: "", speed: "" }, location.search));
}

/** What is missing there, and the way to it. @param {Parts} parts @param {import("../../model/rows/packed_rows.js").Gap} gap @param {Around} around @param {number} own */
function showGap(parts, gap, { before, after }, own) {
  chip(parts.detailKind, gap.gap > 0 ? "not shown" : "a break", ["life", ""]);
  setText(parts.detailTime, gap.gap > 0 ? count(gap.gap) : "");
  setText(parts.detailText, `${gapWords(gap)}.`);
  setText(parts.detailAround, "Read them from the log");
  toEvents(parts.detailAround, { q: own ? `conn:${own}` : "", since: before && justAfter(before), until: after });
}

/** @param {HTMLAnchorElement} link @param {Partial<typeof RANGE>} range */
function toEvents(link, range) {
  setAttr(link, "href", `/events${build(range, RANGE)}`);
}

/** The exact value, and beside it the one that is read more easily. @param {Row} row @param {keyof Row} name */
function fieldText(row, name) {
  const value = row[name];
  if (name === "time") return `${value} (${stamp(value)} local time)`;
  if (name === "emptied") return value ? "yes" : "no";
  if (typeof value === "string") return value || "none";
  const exact = String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  if (SIZES.has(name)) return Number(value) >= 1000 ? `${exact} bytes (${bytes(value)})` : `${exact} bytes`;
  return name === "conn" && value === 0 ? "0 (the server itself)" : exact;
}
