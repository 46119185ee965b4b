// @ts-check
/** A connection's events as lanes over time: rows and counts, laid out by the pixel column. Pure. */

import { barsOf } from "../time/bins.js";
import { bytes, clock, count, duration, num, plural } from "../format.js";
import { timeOf } from "../time/instants.js";

/**
 * @typedef {import("../../live/types.js").EventRow} Row @typedef {import("../time/bins.js").Bins} Bins @typedef {import("../time/range.js").Edges} Edges
 * @typedef {{rows: Row[], times: number[], bins: Bins | null, missing: "" | "echo" | "all", before: Row | null, paused: boolean, total: number}} Life
 *   `rows`: oldest first, with their `times` in milliseconds; `missing`: which of them are only counted, in `bins`; `before`: the last row before them all;
 *   `paused`: reading was, before them all
 * @typedef {{ins: Float64Array, outs: Float64Array, queue: Float64Array, top: number, full: [number, number][], paused: [number, number][],
 *   marks: {x: number, letter: string, kind: string}[]}} Layout `ins`, `outs`: events in each column; `queue`: most bytes in each; pairs: columns from and to
 */

const IN = new Set(["echo", "read"]);
/** What begins or ends a pause of reading. */
export const PAUSES = new Set(["pause", "resume", "close"]);
const OUT = new Set(["echo", "write", "not_full"]);
/** @type {Record<string, string>} */
const LETTERS = { open: "O", eof: "E", close: "C" };

/** @param {Row[]} rows in any order @param {Omit<Life, "rows" | "times">} rest @returns {Life} */
export function lifeOf(rows, rest) {
  const sorted = rows.map((row) => ({ row, at: timeOf(row.time) })).sort((a, b) => a.at - b.at || a.row.seq - b.row.seq);
  return { rows: sorted.map(({ row }) => row), times: sorted.map(({ at }) => at), ...rest };
}

/** Until when all of it is known, in milliseconds. @param {Life} life */
export const knownUntil = (life) => Math.max(life.times.at(-1) ?? -Infinity, life.bins?.until ?? -Infinity);

/** The same life with the rows that came after it; those it has already are passed over. @param {Life} life @param {Row[]} fresh @returns {Life} */
export function grown(life, fresh) {
  const known = knownUntil(life);
  const later = fresh.map((row) => ({ row, at: timeOf(row.time) })).filter(({ at }) => at > known).sort((a, b) => a.at - b.at);
  if (later.length === 0) return life;
  const rows = [...life.rows, ...later.map(({ row }) => row)];
  return { ...life, rows, times: [...life.times, ...later.map(({ at }) => at)], total: life.total + later.length };
}

/** The first index whose time is not below `at`. @param {number[]} times ascending @param {number} at */
export function lowerBound(times, at) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {Life} life @param {Edges} edges @param {number} width columns @returns {Layout} */
export function layout(life, edges, width) {
  const { since, until } = edges;
  const scale = width / Math.max(1e-6, until - since);
  const column = (/** @type {number} */ at) => (at - since) * scale;
  const [first, last] = [lowerBound(life.times, since), lowerBound(life.times, until + 1e-6)];
  const within = life.rows.slice(first, last).map((row, index) => ({ row, x: column(life.times[first + index]) }));
  const before = life.rows[first - 1] ?? life.before;
  const ins = new Float64Array(width);
  const outs = new Float64Array(width);
  for (const { row, x } of within) {
    const at = Math.min(width - 1, Math.max(0, Math.floor(x)));
    if (IN.has(row.kind)) ins[at] += 1;
    if (OUT.has(row.kind) || (row.kind === "full" && row.bytes_out > 0)) outs[at] += 1;
  }
  if (life.bins && life.missing) addBins(life.bins, life.missing, { ins, outs }, column);
  const queue = queueOf(within, before, width);
  return {
    ins, outs, queue, top: queue.reduce((most, value) => Math.max(most, value), 0),
    full: spansOf(within, "full", "not_full", (num(before?.queue_bytes) ?? 0) > 0, width),
    paused: spansOf(within, "pause", "resume", wasPaused(life, first), width),
    marks: within.filter(({ row }) => row.kind in LETTERS).map(({ row, x }) => ({ x, letter: LETTERS[row.kind], kind: row.kind })),
  };
}

/** Whether reading was paused before a row. @param {Life} life @param {number} first its index */
function wasPaused({ rows, paused }, first) {
  for (let at = first - 1; at >= 0; at -= 1) {
    if (PAUSES.has(rows[at].kind)) return rows[at].kind === "pause";
  }
  return paused;
}

/** What is only counted goes evenly over the columns of its bar. @param {Bins} bins @param {string} missing @param {{ins: Float64Array, outs: Float64Array}} lanes @param {(at: number) => number} column */
function addBins(bins, missing, { ins, outs }, column) {
  const bars = barsOf(bins);
  for (const [kind, counts] of Object.entries(bins.kinds)) {
    if (missing === "echo" && kind !== "echo") continue;
    for (let bar = 0; bar < bars; bar += 1) {
      if (!counts[bar]) continue;
      const from = Math.floor(column(bins.since + bar * bins.step));
      const to = Math.max(from + 1, Math.floor(column(bins.since + (bar + 1) * bins.step)));
      for (let at = Math.max(0, from); at < Math.min(ins.length, to); at += 1) {
        if (IN.has(kind)) ins[at] += counts[bar] / (to - from);
        if (OUT.has(kind)) outs[at] += counts[bar] / (to - from);
      }
    }
  }
}

/** Most bytes that waited in each column. @param {{row: Row, x: number}[]} within @param {Row | null} before @param {number} width */
function queueOf(within, before, width) {
  const queue = new Float64Array(width);
  let level = before && before.kind !== "close" ? num(before.queue_bytes) ?? 0 : 0;
  let at = 0;
  for (const { row, x } of within) {
    const to = Math.min(width - 1, Math.max(0, Math.floor(x)));
    for (; at < to; at += 1) queue[at] = Math.max(queue[at], level);
    queue[to] = Math.max(queue[to], level, num(row.queue_bytes) ?? 0);
    level = row.kind === "close" ? 0 : num(row.queue_bytes) ?? 0;
  }
  for (; at < width; at += 1) queue[at] = Math.max(queue[at], level);
  return queue;
}

/** Stretches from one kind of row to another. @param {{row: Row, x: number}[]} within @param {string} begins @param {string} ends @param {boolean} begun @param {number} end @returns {[number, number][]} */
function spansOf(within, begins, ends, begun, end) {
  /** @type {[number, number][]} */
  const spans = [];
  // What ends before it has begun had begun earlier.
  const turn = within.find(({ row }) => row.kind === begins || row.kind === ends);
  let from = begun || turn?.row.kind === ends ? 0 : null;
  for (const { row, x } of within) {
    if (row.kind === begins) from ??= x;
    else if ((row.kind === ends || row.kind === "close") && from !== null) {
      spans.push([from, x]);
      from = null;
    }
  }
  if (from !== null) spans.push([from, Math.max(from, end)]);
  return spans;
}

/** The row nearest to a moment, at most `most` milliseconds away. @param {Life} life @param {number} at @param {number} most @returns {Row | null} */
export function nearest(life, at, most) {
  const next = lowerBound(life.times, at);
  const found = [next - 1, next].filter((index) => index in life.rows).sort((a, b) => Math.abs(life.times[a] - at) - Math.abs(life.times[b] - at))[0];
  return found === undefined || Math.abs(life.times[found] - at) > most ? null : life.rows[found];
}

/** The row before or after the one that is read out; the last or the first where none is. @param {Life} life @param {Edges} edges @param {{row: Row | null, at: number} | null} from @param {number} step -1 or 1 */
export function neighbour(life, edges, from, step) {
  const [first, last] = [lowerBound(life.times, edges.since), lowerBound(life.times, edges.until + 1e-6) - 1];
  // The rows may have been read anew meanwhile.
  const known = life.rows.findIndex(({ worker, seq }) => worker === from?.row?.worker && seq === from.row.seq);
  const beside = from ? lowerBound(life.times, from.at) - (step < 0 ? 1 : 0) : step < 0 ? last : first;
  const index = known >= 0 ? known + step : beside;
  return index >= first && index <= last ? index : null;
}

/** One row in words. @param {Row} row */
export function rowWords(row) {
  const parts = [`${clock(row.time)}${row.time.slice(23, 26)} ${row.kind.replace("_", " ")}`];
  if (row.bytes_in > 0) parts.push(`in ${bytes(row.bytes_in)}`);
  if (row.bytes_out > 0) parts.push(`out ${bytes(row.bytes_out)}`);
  if (row.queue_bytes > 0) parts.push(`${bytes(row.queue_bytes)} queued`);
  if (row.emptied) parts.push("receive buffer empty");
  if (row.reason) parts.push(row.reason);
  return parts.join(" · ");
}

/** What the range holds, in a sentence. @param {Life} life @param {Edges} edges @param {Layout} lanes @param {number} width columns */
export function summary(life, edges, lanes, width) {
  const [first, last] = [lowerBound(life.times, edges.since), lowerBound(life.times, edges.until + 1e-6)];
  const total = life.missing ? life.total : last - first;
  const span = (edges.until - edges.since) / 1000;
  const lengthOf = (/** @type {[number, number][]} */ spans) => spans.reduce((sum, [from, to]) => sum + to - from, 0) * (span / width);
  const parts = [`${plural(total, "event")} in ${duration(span)}`];
  if (lanes.full.length > 0) parts.push(`full for ${duration(lengthOf(lanes.full))}${lanes.full.length > 1 ? ` in ${count(lanes.full.length)} stretches` : ""}`);
  if (lanes.paused.length > 0) parts.push(`reading paused for ${duration(lengthOf(lanes.paused))}`);
  if (lanes.top > 0) parts.push(`most queued ${bytes(lanes.top)}`);
  if (life.missing === "all") parts.push("too many for single rows: zoom in for the queue and the states");
  return parts.join(", ");
}
