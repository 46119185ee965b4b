// @ts-check
/**
 * The events that a page holds, oldest first: live ones are added at the end, pages of the log at the beginning. Every
 * entry keeps its position for as long as it is held, whatever comes and goes around it. Bounded, and nothing is
 * missing without a word: what is not held is a gap that counts it. Pure; one change copies one small block.
 */

import { num } from "../format.js";
import { entriesOf, isMarked, pack, unpack } from "./packed_rows.js";
import { justAfter } from "../time/instants.js";

/**
 * @typedef {import("./packed_rows.js").Row} Row @typedef {import("./packed_rows.js").Entry} Entry @typedef {import("./packed_rows.js").Block} Block
 * @typedef {{end: number, arrived: number}} Place how far the list went at some time
 * @typedef {{list: number, blocks: Block[], first: number, end: number, arrived: number, held: Place | null, frozen: Place | null,
 *   newest: Record<number, {seq: number, time: string}>, cut: boolean, cursor: string | null, ended: boolean, loaded: boolean, replace: boolean,
 *   rejoining: boolean, at: number | null, skippedPerS: number, skippedMarksPerS: number}} RowLog
 * `list`: another one is another list; `first`, `end`: positions of the entries; `arrived`: rows that have come, gaps included; `held`: since
 * then someone reads, so nothing is dropped; `frozen`: it is shown up to there; `newest`: by worker; `cut`: older rows were dropped; `cursor`,
 * `ended`: of the pages of the log; `replace`: the next frame begins a new list; `rejoining`: it comes after a break of the link
 */

/** Entries of a running list. */
export const KEPT = 100_000;
/** Entries that are taken while someone reads; more are counted. */
export const WAITING = 50_000;
/** Entries that older pages may bring the list to. */
export const MOST = 200_000;
/** Small blocks at the end are joined up to this size. */
const JOINED = 512;
/** Rows at the beginning of the list among which those of a page may be. */
const OVERLAP = 2000;

/** @param {number} [list] @returns {RowLog} */
export function emptyLog(list = 0) {
  return {
    list, blocks: [], first: 0, end: 0, arrived: 0, held: null, frozen: null, newest: {}, cut: false, cursor: null, ended: false,
    loaded: false, replace: false, rejoining: false, at: null, skippedPerS: 0, skippedMarksPerS: 0,
  };
}

/** An empty list in place of another; held and frozen as that was. @param {RowLog} log @returns {RowLog} */
export function another(log) {
  const start = { end: 0, arrived: 0 };
  return { ...emptyLog(log.list + 1), held: log.held && start, frozen: log.frozen && start };
}

/** The position behind the last entry that is to be shown. @param {RowLog} log */
export const shownEnd = (log) => Math.max(log.first, log.frozen?.end ?? log.end);

/** How many rows have come since. @param {RowLog} log @param {Place | null} place */
export const newSince = (log, place) => (place ? log.arrived - place.arrived : 0);

/** @param {RowLog} log */
export const rowsHeld = (log) => log.blocks.reduce((sum, block) => sum + block.rows, 0);

/** @param {RowLog} log */
export const marksHeld = (log) => log.blocks.reduce((sum, block) => sum + block.marks, 0);

/** The block of a position, and the place in it. @param {RowLog} log @param {number} position @returns {[Block, number] | null} */
function find({ blocks, first, end }, position) {
  if (position < first || position >= end) return null;
  // From the end: that is where most look.
  let start = end;
  for (let at = blocks.length - 1; at >= 0; at -= 1) {
    start -= blocks[at].length;
    if (position >= start) return [blocks[at], position - start];
  }
  return null;
}

/** @param {RowLog} log @param {number} position @returns {Entry | null} */
export function entryAt(log, position) {
  const found = find(log, position);
  return found && unpack(...found);
}

/** The nearest marked row from `position` on, in steps of 1 or -1. @param {RowLog} log @param {number} position @param {1 | -1} step @returns {number | null} */
export function nextMark(log, position, step) {
  const end = shownEnd(log);
  for (let at = position; at >= log.first && at < end; ) {
    const [block, place] = /** @type {[Block, number]} */ (find(log, at));
    const last = step > 0 ? block.length - 1 : 0;
    if (block.marks > 0) {
      for (let i = place; i >= 0 && i < block.length && at + i - place < end; i += step) {
        if (isMarked(block, i)) return at + i - place;
      }
    }
    at += last - place + step;
  }
  return null;
}

/** @param {Entry} entry */
const weight = (entry) => ("gap" in entry ? entry.gap : 1);

/** @param {RowLog} log @param {Entry[]} entries newest last @returns {RowLog} */
function append(log, entries) {
  if (entries.length === 0) return log;
  const last = log.blocks.at(-1);
  const joins = last !== undefined && last.length + entries.length <= JOINED;
  const block = pack(joins ? [...entriesOf(last), ...entries] : entries);
  const blocks = [...(joins ? log.blocks.slice(0, -1) : log.blocks), block];
  return { ...log, blocks, end: log.end + entries.length };
}

/** Without its oldest blocks, as long as enough is left. @param {RowLog} log @returns {RowLog} */
function trim(log) {
  let { first } = log;
  let drop = 0;
  while (drop < log.blocks.length && log.end - first - log.blocks[drop].length >= KEPT) first += log.blocks[drop++].length;
  return drop === 0 ? log : { ...log, blocks: log.blocks.slice(drop), first, cut: true, cursor: null, ended: false };
}

/** Oldest first; events of the same instant by their number. @param {Row} a @param {Row} b */
const oldestFirst = (a, b) => (a.time === b.time ? a.seq - b.seq : a.time < b.time ? -1 : 1);

/** What is new of a frame, and what is known of the rows that it left out. @param {RowLog} log @param {import("../../live/types.js").EventsFrame} data @returns {Entry[]} */
function news(log, data) {
  const marks = new Set(data.marks ?? []);
  const items = data.items.map((row, at) => ({ row, marked: marks.has(at) }));
  const fresh = items
    .filter(({ row }) => !(log.newest[row.worker]?.seq >= row.seq && log.newest[row.worker].time >= row.time))
    .sort((a, b) => oldestFirst(a.row, b.row));
  const skipped = num(data.skipped) ?? 0;
  const torn = log.rejoining && fresh.length === items.length && log.end > log.first;
  if (fresh.length === 0 || (skipped === 0 && !torn)) return fresh;
  return [{ gap: skipped, why: torn ? "torn" : "sampled", marks: num(data.skipped_marks) ?? 0 }, ...fresh];
}

/** The newest row of each worker. @param {RowLog["newest"]} newest @param {Entry[]} entries @returns {RowLog["newest"]} */
function advanced(newest, entries) {
  const next = { ...newest };
  for (const entry of entries) if ("row" in entry) next[entry.row.worker] = { seq: entry.row.seq, time: entry.row.time };
  return next;
}

/** Rows that a list which is held has no room for: counted in one gap at its end. @param {RowLog} log @param {Entry[]} entries @returns {RowLog} */
function count(log, entries) {
  const last = log.end > log.first ? entryAt(log, log.end - 1) : null;
  const grows = last !== null && "gap" in last && last.why === "unkept";
  const gap = entries.reduce((sum, entry) => sum + weight(entry), grows ? last.gap : 0);
  const marks = entries.reduce((sum, entry) => sum + ("gap" in entry ? entry.marks : Number(entry.marked)), grows ? last.marks : 0);
  /** @type {Entry} */
  const unkept = { gap, why: "unkept", marks };
  if (!grows) return append(log, [unkept]);
  const rest = entriesOf(/** @type {Block} */ (log.blocks.at(-1))).slice(0, -1);
  return { ...log, blocks: [...log.blocks.slice(0, -1), pack([...rest, unkept])] };
}

/** One live frame. @param {RowLog} before @param {import("../../live/types.js").EventsFrame} data @param {number} at milliseconds @returns {RowLog} */
export function receive(before, data, at) {
  const log = before.replace ? another(before) : before;
  const entries = news(log, data);
  const elapsed = log.at === null ? 0 : (at - log.at) / 1000;
  const perSecond = (/** @type {unknown} */ value) => (elapsed > 0.05 ? (num(value) ?? 0) / elapsed : 0);
  const base = {
    ...log, at, loaded: true, rejoining: false, newest: advanced(log.newest, entries),
    skippedPerS: perSecond(data.skipped), skippedMarksPerS: perSecond(data.skipped_marks),
    arrived: log.arrived + entries.reduce((sum, entry) => sum + weight(entry), 0),
  };
  if (!log.held) return trim(append(base, entries));
  // The first rows of a list are shown even while it is held: there is nothing yet that could jump.
  if (!log.loaded) return began(append(base, entries));
  const full = base.end - log.held.end + entries.length > WAITING;
  return full && entries.length > 0 ? count(base, entries) : append(base, entries);
}

/** Held and frozen from here on. @param {RowLog} log @returns {RowLog} */
function began(log) {
  const here = { end: log.end, arrived: log.arrived };
  return { ...log, held: log.held && here, frozen: log.frozen && here };
}

/** The link was down for a while: rows may be missing. @param {RowLog} log @returns {RowLog} */
export const rejoin = (log) => ({ ...log, rejoining: log.loaded, at: null });

/** Someone reads, or no one does. @param {RowLog} log @param {boolean} held @returns {RowLog} */
export function hold(log, held) {
  if (held === (log.held !== null)) return log;
  return held ? { ...log, held: { end: log.end, arrived: log.arrived } } : trim({ ...log, held: null });
}

/** Shown up to here and no further, or to its end again. @param {RowLog} log @param {boolean} frozen @returns {RowLog} */
export function freeze(log, frozen) {
  if (frozen === (log.frozen !== null)) return log;
  return { ...log, frozen: frozen ? { end: log.end, arrived: log.arrived } : null };
}

/** Whether older pages have no room. @param {RowLog} log */
export const isFull = (log) => log.end - log.first >= MOST;

/** A page of older rows from the log. @param {RowLog} log @param {import("../../live/types.js").EventsPage} page newest first @returns {RowLog} */
export function older(log, page) {
  const begin = withoutGaps(log);
  const known = new Set();
  for (let at = begin.first; at < Math.min(begin.end, begin.first + OVERLAP); at += 1) {
    const entry = /** @type {Entry} */ (entryAt(begin, at));
    if ("row" in entry) known.add(`${entry.row.worker}:${entry.row.seq}`);
  }
  const marks = new Set(page.marks ?? []);
  const entries = page.items
    .map((row, at) => ({ row, marked: marks.has(at) }))
    .filter(({ row }) => !known.has(`${row.worker}:${row.seq}`))
    .reverse();
  const cursor = page.next ?? null;
  const blocks = entries.length > 0 ? [pack(entries), ...begin.blocks] : begin.blocks;
  // Where nothing is held the newest row comes from the log, and may come live as well.
  const newest = begin.end === begin.first ? advanced(begin.newest, entries) : begin.newest;
  return { ...begin, blocks, newest, first: begin.first - entries.length, cut: false, loaded: true, cursor, ended: cursor === null };
}

/** Gaps at the very beginning are filled by the page that comes. @param {RowLog} log @returns {RowLog} */
function withoutGaps(log) {
  if (log.blocks.length === 0) return log;
  const entries = entriesOf(log.blocks[0]);
  const gaps = entries.findIndex((entry) => "row" in entry);
  if (gaps <= 0) return log;
  return { ...log, blocks: [pack(entries.slice(gaps)), ...log.blocks.slice(1)], first: log.first + gaps };
}

/** Until when older rows are asked for: just after the oldest one, since others may be of the same instant. @param {RowLog} log */
export function untilOldest(log) {
  for (let at = log.first; at < log.end; at += 1) {
    const entry = entryAt(log, at);
    if (entry && "row" in entry) return justAfter(entry.row.time);
  }
  return "";
}
