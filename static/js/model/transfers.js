// @ts-check
/** Downloads under way: what the server says of each, how fast they are, how long they will take. Pure. */

import { queryOf } from "./query_string.js";
import { byteRate, bytes, count, duration, num, plural } from "./format.js";

/**
 * @typedef {"starting" | "running" | "done" | "failed" | "cancelled" | "refused" | "forgotten"} Phase
 * @typedef {{token: string, name: string, format: string, began: number, phase: Phase, rows: number, bytes: number,
 *   estimate: {rows: number, bytes: number, exact: boolean} | null, elapsed: number, reason: string,
 *   marks: [number, number][]}} Transfer
 * `began` in milliseconds, `elapsed` in seconds; `reason`: why the server refused it; `marks`: when how many bytes had
 * gone, for the rate
 */

/** Downloads that the page remembers. */
export const MOST = 8;
/** Milliseconds after which a download that the server has never heard of counts as refused. */
export const PATIENCE = 8000;
/** Milliseconds over which the rate is taken. */
const RATE_SPAN = 5000;

/** @param {string} token @param {string} name @param {string} format @param {number} now milliseconds @returns {Transfer} */
export function begun(token, name, format, now) {
  return { token, name, format, began: now, phase: "starting", rows: 0, bytes: 0, estimate: null, elapsed: 0, reason: "", marks: [] };
}

/** @param {Transfer} transfer */
export const isActive = ({ phase }) => phase === "starting" || phase === "running";

/** What the server says of it now. @param {Transfer} transfer @param {import("../live/types.js").TransferAnswer} answer @param {number} now milliseconds @returns {Transfer} */
export function heard(transfer, answer, now) {
  const size = num(answer.bytes) ?? 0;
  const marks = /** @type {[number, number][]} */ ([...transfer.marks, [now, size]]);
  const { rows = 0, bytes: total = 0, exact = false } = answer.estimate ?? {};
  return {
    ...transfer, phase: answer.state, name: answer.name ?? transfer.name, rows: num(answer.rows) ?? 0, bytes: size,
    estimate: answer.estimate ? { rows: num(rows) ?? 0, bytes: num(total) ?? 0, exact } : null,
    elapsed: num(answer.elapsed_s) ?? 0, reason: answer.reason ?? "", marks: marks.filter(([at]) => now - at <= RATE_SPAN),
  };
}

/** The server does not know of it: not yet, never, or no longer. @param {Transfer} transfer @param {number} now @returns {Transfer} */
export function unheard(transfer, now) {
  if (transfer.phase === "running") return { ...transfer, phase: "forgotten" };
  return now - transfer.began < PATIENCE ? transfer : { ...transfer, phase: "refused" };
}

/** Bytes a second of late; null: not known yet. @param {Transfer} transfer */
export function rateOf({ marks }) {
  if (marks.length < 2) return null;
  const [[from, less], [to, more]] = [marks[0], marks[marks.length - 1]];
  return to > from ? ((more - less) / (to - from)) * 1000 : null;
}

/** How much of it is there, 0 to 1; null: not known. @param {Transfer} transfer */
export function shareOf({ phase, bytes: size, estimate }) {
  if (phase === "done") return 1;
  if (!estimate || estimate.bytes === 0) return null;
  // An estimate is no promise: what is under way is never shown as finished.
  return Math.min(0.99, size / estimate.bytes);
}

/** Seconds that are left; null: not known. @param {Transfer} transfer */
function secondsLeft(transfer) {
  const rate = rateOf(transfer);
  if (!rate || !transfer.estimate) return null;
  return Math.max(0, transfer.estimate.bytes - transfer.bytes) / rate;
}

/** One line for its state. @param {Transfer} transfer */
export function transferWords(transfer) {
  const got = `${plural(transfer.rows, "row")} · ${bytes(transfer.bytes)}`;
  switch (transfer.phase) {
    case "starting": return "Starting…";
    case "running": return runningWords(transfer);
    case "done": return `Done: ${got} in ${duration(transfer.elapsed)}`;
    case "cancelled": return `Cancelled after ${got}`;
    case "refused": return transfer.reason ? `Refused: ${transfer.reason}` : "It did not start: the browser may not have allowed it. Try again.";
    case "forgotten": return `Ended, but the server no longer says how (${got} when last heard of)`;
    default: return `Broken off after ${got}: the file is not whole`;
  }
}

/** @param {Transfer} transfer */
function runningWords(transfer) {
  const { estimate } = transfer;
  const of = (/** @type {string} */ text) => (estimate ? ` of ${estimate.exact ? "" : "about "}${text}` : "");
  const rate = rateOf(transfer);
  const left = secondsLeft(transfer);
  return [
    `${count(transfer.rows)}${of(count(estimate?.rows))} rows`,
    `${bytes(transfer.bytes)}${of(bytes(estimate?.bytes))}`,
    rate === null ? "" : byteRate(rate),
    left === null ? "" : `${duration(Math.ceil(left))} left`,
  ].filter(Boolean).join(" · ");
}

/** What an estimate comes to. @param {import("../live/types.js").EstimateOfTransfer} answer */
export function estimateWords(answer) {
  const rows = num(answer.rows) ?? 0;
  if (rows === 0 && answer.exact) return "Nothing matches: the file would hold no rows.";
  const about = answer.exact ? "" : "About ";
  return `${about}${plural(rows, "row")}, about ${bytes(answer.bytes)}`;
}

/** @param {Record<string, string>} set format, q, since, until, token */
export const downloadUrl = (set) => `/api/v1/events/download?${queryOf(set)}`;

/** The downloads that were kept in the browser. @param {string | null} text @returns {Transfer[]} */
export function readTransfers(text) {
  if (text === null) return [];
  try {
    const kept = JSON.parse(text);
    const known = Array.isArray(kept) ? kept.filter((item) => /^[0-9a-f]{32}$/.test(item?.token)) : [];
    return known.slice(0, MOST).map((item) => ({ ...begun(item.token, String(item.name), String(item.format), num(item.began) ?? 0), phase: "running" }));
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** @param {Transfer[]} transfers newest first */
export function writeTransfers(transfers) {
  return JSON.stringify(transfers.filter(isActive).map(({ token, name, format, began }) => ({ token, name, format, began })));
}
