// @ts-check
/** The event list: newest first, held back while someone reads, gaps said. Pure. */

import { num } from "./format.js";
import { justAfter } from "./time.js";

/**
 * @typedef {import("./types.js").EventRow} Row
 * @typedef {{key: string, row: Row}} RowEntry
 * @typedef {RowEntry | {key: string, gap: number}} Entry
 * @typedef {{entries: Entry[], waiting: Entry[], held: boolean, room: number, skippedPerS: number, at: number | null,
 *   cursor: string | null, ended: boolean, loaded: boolean, replace: boolean, rejoining: boolean}} Tail
 * `room`: how many entries are kept; `gap` counts rows that are not shown, 0 where no one knows how many; `replace`: the next frame begins a new list;
 * `rejoining`: the next frame comes after a break of the link
 */

/** Rows kept on the page while the newest run by; more are in the log. */
export const SHOWN = 200;
/** Rows kept at most, older ones that were asked for included. */
const MOST = 5000;
/** Rows of one frame that go on a running list when more come than can be read: about a screenful. */
export const READABLE = 40;
/** Rows kept while the list is held; what does not fit is counted. */
export const WAITING = 5000;

/** @returns {Tail} */
export function emptyTail() {
  return {
    entries: [], waiting: [], held: false, room: SHOWN, skippedPerS: 0, at: null, cursor: null, ended: false, loaded: false,
    replace: false, rejoining: false,
  };
}

/** @param {Row} row */
export const rowKey = (row) => `${row.worker}:${row.seq}`;

/** Newest first; events of the same instant by their number. @param {Row} a @param {Row} b */
function newestFirst(a, b) {
  if (a.time !== b.time) return a.time < b.time ? 1 : -1;
  return (num(b.seq) ?? 0) - (num(a.seq) ?? 0);
}

/** How many rows the entries stand for, those not shown included. @param {Entry[]} entries */
export function rowsIn(entries) {
  return entries.reduce((sum, entry) => sum + ("gap" in entry ? entry.gap : 1), 0);
}

/** @param {Entry[]} entries @param {Row[]} rows rows not among the entries yet, newest first @returns {Entry[]} */
function fresh(entries, rows) {
  const known = new Set(entries.map((entry) => entry.key));
  return rows
    .map((row) => ({ key: rowKey(row), row }))
    .filter((entry) => !known.has(entry.key))
    .sort((a, b) => newestFirst(a.row, b.row));
}

/** The newest `limit` entries; the rest becomes one gap that counts them. @param {Entry[]} entries @param {number} limit */
function bounded(entries, limit) {
  if (entries.length <= limit) return entries;
  const left = entries.slice(limit - 1);
  return [...entries.slice(0, limit - 1), { key: `gap:${left[0].key}`, gap: rowsIn(left) }];
}

/** The link was down for a while: rows may be missing. @param {Tail} tail @returns {Tail} */
export const rejoin = (tail) => ({ ...tail, rejoining: tail.loaded, at: null });

/**
 * The gap below the rows that a frame has brought, if there is one.
 * @param {Tail} tail @param {Entry[]} added @param {number} items rows in the frame @param {number} skipped
 * @returns {Entry[]}
 */
function gapBelow(tail, added, items, skipped) {
  const overlaps = added.length < items;
  const torn = tail.rejoining && !overlaps && tail.entries.length > 0;
  if (added.length === 0 || (skipped === 0 && !torn)) return [];
  return [{ key: `gap:${added[added.length - 1].key}`, gap: skipped }];
}

/**
 * What a running list takes of a frame. Of a flood it takes a screenful: rows that the next frame pushes out unread
 * would cost the page most of its time. A held list keeps all, to be read later.
 * @param {Tail} tail @param {Row[]} items @param {number} skipped
 */
function readable(tail, items, skipped) {
  if (skipped === 0 || tail.held || !tail.loaded || items.length <= READABLE) return { items, skipped };
  const newest = [...items].sort(newestFirst).slice(0, READABLE);
  return { items: newest, skipped: skipped + items.length - READABLE };
}

/**
 * One live frame: its rows go on top, or wait while the list is held.
 * @param {Tail} before @param {{items: Row[], skipped?: number}} data @param {number} at milliseconds
 * @returns {Tail}
 */
export function receive(before, data, at) {
  const tail = before.replace ? { ...emptyTail(), held: before.held } : before;
  const { items, skipped } = readable(tail, data.items, num(data.skipped) ?? 0);
  const elapsed = tail.at === null ? 0 : (at - tail.at) / 1000;
  const added = fresh([...tail.waiting, ...tail.entries], items);
  const gap = gapBelow(tail, added, items.length, skipped);
  const skippedPerS = elapsed > 0.05 ? skipped / elapsed : 0;
  const base = { ...tail, at, skippedPerS, loaded: true, rejoining: false };
  // The first rows of a list are shown even while it is held: there is nothing yet that could jump.
  if (tail.held && tail.loaded) return { ...base, waiting: bounded([...added, ...gap, ...tail.waiting], WAITING) };
  return shorten({ ...base, entries: [...added, ...gap, ...tail.entries] });
}

/** A running list keeps its newest rows; the older ones can be asked for again. @param {Tail} tail @returns {Tail} */
function shorten(tail) {
  if (tail.entries.length <= tail.room) return tail;
  return { ...tail, entries: tail.entries.slice(0, tail.room), cursor: null, ended: false };
}

/** Hold the list, or let it go on with all that waited. @param {Tail} tail @param {boolean} held @returns {Tail} */
export function hold(tail, held) {
  if (held === tail.held) return tail;
  if (held) return { ...tail, held };
  return shorten({ ...tail, held, waiting: [], entries: [...tail.waiting, ...tail.entries] });
}

/**
 * Older rows from the log, at the end of the list.
 * @param {Tail} tail @param {{items: Row[], next?: string | null}} page newest first
 * @returns {Tail}
 */
export function older(tail, page) {
  const added = fresh(tail.entries, page.items);
  const cursor = page.next ?? null;
  const room = Math.min(MOST, tail.room + added.length);
  return { ...tail, room, loaded: true, entries: [...tail.entries, ...added], cursor, ended: cursor === null };
}

/**
 * Until when older rows are asked for: just after the oldest one, since others may be of the same instant.
 * @param {Tail} tail @returns {string}
 */
export function untilOldest(tail) {
  const last = tail.entries.findLast((entry) => "row" in entry);
  return last && "row" in last ? justAfter(last.row.time) : "";
}
