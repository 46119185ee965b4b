// @ts-check
/** The range of time that a timeline shows: zoom, pan, and how it stands in the address bar. Pure. */

import { microsecondsOf, timeOf } from "./instants.js";

/**
 * @typedef {{since: number, until: number | null}} Range milliseconds; without an end it follows what happens, and `since` is how long ago it begins
 * @typedef {{first: number, end: number, live: boolean}} Bounds from the beginning of the connection to its end, or to now (`live`)
 * @typedef {{since: number, until: number}} Edges
 */

/** What a living connection shows at first, at most; and what a moment's life is drawn out to. */
const FOLLOWED = 300_000;
const LEAST_FOLLOWED = 1000;
const LEAST = 0.1;
/** Room at both ends of a whole life. */
const AIR = 0.02;

/** What is shown where nothing was chosen: the latest minutes of a living connection, the life of a dead one. @param {Bounds} bounds @returns {Range} */
export function wholeOf({ first, end, live }) {
  const life = Math.max(1, end - first);
  if (live) return { since: Math.min(FOLLOWED, Math.max(10_000, life * (1 + AIR))), until: null };
  const air = Math.max(1, life * AIR);
  return { since: Math.floor(first - air), until: Math.ceil(end + air) };
}

/** Where it begins and ends now. @param {Range} range @param {Bounds} bounds @returns {Edges} */
export function edgesOf({ since, until }, { end }) {
  return until === null ? { since: end - since, until: end } : { since, until };
}

/** A range within what there is; one that reaches the present follows it. @param {Edges} edges @param {Bounds} bounds @returns {Range} */
function settled({ since, until }, bounds) {
  const { first, end, live } = bounds;
  const whole = edgesOf(wholeOf(bounds), bounds);
  const [low, high] = [Math.min(first, whole.since), Math.max(end, whole.until)];
  const width = Math.min(Math.max(LEAST, until - since), high - low);
  const begin = Math.min(Math.max(since, low), high - width);
  if (live && begin + width >= end - width / 500) return { since: Math.max(LEAST_FOLLOWED, width), until: null };
  return { since: begin, until: begin + width };
}

/** @param {Range} range @param {Bounds} bounds @param {number} factor below 1: nearer @param {number} [anchor] the share of the width that stays, 0 to 1 @returns {Range} */
export function zoomed(range, bounds, factor, anchor = range.until === null ? 1 : 0.5) {
  const { since, until } = edgesOf(range, bounds);
  const at = since + (until - since) * anchor;
  return settled({ since: at - (at - since) * factor, until: at + (until - at) * factor }, bounds);
}

/** @param {Range} range @param {Bounds} bounds @param {number} share of the width; to the right above 0 @returns {Range} */
export function panned(range, bounds, share) {
  const { since, until } = edgesOf(range, bounds);
  const step = (until - since) * share;
  return settled({ since: since + step, until: until + step }, bounds);
}

/** Between two shares of the width. @param {Range} range @param {Bounds} bounds @param {number} from @param {number} to @returns {Range} */
export function chosen(range, bounds, from, to) {
  const { since, until } = edgesOf(range, bounds);
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  return settled({ since: since + (until - since) * low, until: since + (until - since) * high }, bounds);
}

/** The beginning of it all in the same width. @param {Range} range @param {Bounds} bounds @returns {Range} */
export const atBeginning = (range, bounds) => {
  const { since, until } = edgesOf(range, bounds);
  return settled({ since: bounds.first, until: bounds.first + until - since }, bounds);
};

/** The end of it all in the same width. @param {Range} range @param {Bounds} bounds @returns {Range} */
export const atEnd = (range, bounds) => {
  const { since, until } = edgesOf(range, bounds);
  return settled({ since: bounds.end - (until - since), until: bounds.end }, bounds);
};

/** How it stands in the address bar; both empty where nothing was chosen. @param {Range | null} range */
export function toAddress(range) {
  if (range === null) return { since: "", until: "" };
  const { since, until } = range;
  if (until === null) return { since: `${Math.max(1, Math.round(since / 1000))}s`, until: "" };
  return { since: microsecondsOf(since), until: microsecondsOf(until) };
}

/** What an address names; null where it names none that makes sense. @param {string} since @param {string} until @returns {Range | null} */
export function fromAddress(since, until) {
  const ago = /^(\d{1,7})s$/.exec(since);
  if (ago && until === "") return Number(ago[1]) > 0 ? { since: Number(ago[1]) * 1000, until: null } : null;
  const [low, high] = [since, until].map((text) => (text.endsWith("Z") ? timeOf(text) : Date.parse(text)));
  return Number.isNaN(low) || Number.isNaN(high) || high <= low ? null : { since: low, until: high };
}
