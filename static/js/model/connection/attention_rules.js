// @ts-check
/** Who needs attention: clients slower than the viewer allows, and for a while those who no longer are. Pure. */

import { bytes, duration } from "../format.js";

/**
 * @typedef {import("../../live/types.js").StuckConnection} Item
 * @typedef {{seconds: number, bytes: number}} Limits listed from so long a wait or so large a queue on; 0 bytes: no queue is too large
 * @typedef {{item: Item, peak: number, over: {at: number, how: string} | null}} Entry `peak`: its largest queue, `over`: since when
 *   (milliseconds) it is well again, and what became of it; "" while that is being asked
 */

/** @type {Limits} */
export const LIMITS = { seconds: 2, bytes: 256 * 1024 };
export const SECONDS = [0.5, 1, 2, 5, 10, 30, 60, 300];
export const BYTES = [64 * 1024, 256 * 1024, 1024 ** 2, 4 * 1024 ** 2, 0];
/** How long an entry that is over is still listed. */
export const KEPT_MS = 30_000;
/** More than a person can look after at once. */
export const MOST = 8;

/** Whether a connection is as slow as that. @param {Item} item @param {Limits} limits */
export const isSlow = (item, limits) => item.waiting_s >= limits.seconds || (limits.bytes > 0 && item.queue_bytes >= limits.bytes);

/**
 * The list after what the server says now.
 * @param {Entry[]} entries @param {Item[]} items @param {Limits} limits @param {number} now milliseconds, of the server
 * @returns {Entry[]} slow ones first, the longest wait first; then what is over, the latest first
 */
export function next(entries, items, limits, now) {
  const known = new Map(entries.map((entry) => [entry.item.conn, entry]));
  const slow = items.filter((item) => isSlow(item, limits)).map((item) => ({ item, peak: Math.max(item.queue_bytes, known.get(item.conn)?.peak ?? 0), over: null }));
  const listed = new Set(slow.map((entry) => entry.item.conn));
  const rest = entries.filter((entry) => !listed.has(entry.item.conn)).map((entry) => overNow(entry, items, now));
  const kept = rest.filter(({ over }) => now - over.at < KEPT_MS && now >= over.at);
  return [...slow, ...kept.sort((one, other) => other.over.at - one.over.at)];
}

/** @param {Entry} entry @param {Item[]} items @param {number} now */
function overNow(entry, items, now) {
  const item = items.find((one) => one.conn === entry.item.conn);
  const how = item ? `waits less: ${duration(item.waiting_s)}, ${bytes(item.queue_bytes)}` : "";
  return { ...entry, over: entry.over ?? { at: now, how } };
}

/**
 * Whether what is shown was left for another moment: what was slow there is not over, and not known here.
 * @param {number | null} before @param {number | null} at moments of two frames in milliseconds, of which digits may have been cut off; null: live
 * @param {boolean} playing then one moment leads to the other
 */
export const isElsewhere = (before, at, playing) => !playing && (before === null || at === null ? before !== at : Math.abs(at - before) > 1);

/** What the server said became of one that was no longer in its list. @param {Entry[]} entries @param {number} conn @param {string} how @returns {Entry[]} */
export const settled = (entries, conn, how) =>
  entries.map((entry) => (entry.item.conn === conn && entry.over ? { ...entry, over: { ...entry.over, how } } : entry));

/** What became of it, in words. @param {{state: string | null, reason?: string, waiting_s?: number}} item */
export function fate(item) {
  if (item.state === "closed") return `closed: ${item.reason}`;
  return (item.waiting_s ?? 0) > 0 ? "others are slower now" : "took all that waited";
}

/** A limit as one chooses it: `2 s`, `5 min`. @param {number} seconds */
export const secondsWords = (seconds) => (seconds < 60 ? `${seconds} s` : `${seconds / 60} min`);

/** That all is well. @param {Limits} limits */
export const calmWords = (limits) =>
  `Nothing waits longer than ${secondsWords(limits.seconds)}${limits.bytes > 0 ? `, and no queue holds ${bytes(limits.bytes)}` : ""}`;

/** Of what is stored and of what the address says, the address counts; what makes no sense is left out. @param {string} stored @param {string} address both `SECONDS,BYTES` @returns {Limits} */
export function readLimits(stored, address) {
  for (const text of [address, stored]) {
    const [seconds, size] = text.split(",").map(Number);
    if (SECONDS.includes(seconds) && BYTES.includes(size)) return { seconds, bytes: size };
  }
  return LIMITS;
}

/** As they are stored. @param {Limits} limits */
export const limitsText = (limits) => `${limits.seconds},${limits.bytes}`;
