// @ts-check
/** A part of the charts' time that is looked at more closely. Pure. */

import { duration, stamp, toMillis } from "../format.js";
import { isMoment } from "./instants.js";

/** @typedef {{from: number, to: number}} Zoom whole seconds since 1970 */

/** No less is shown: a step of the history is a second. */
export const LEAST_S = 5;
/** The history that can be asked for, in seconds. */
const ASKED = [60, 86_400];

const iso = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** As it stands in the address: two moments with a comma between them; "" for none. @param {Zoom | null} zoom */
export const toText = (zoom) => (zoom ? `${iso(zoom.from)},${iso(zoom.to)}` : "");

/** The zoom that an address names; null where it names none. @param {string} text @returns {Zoom | null} */
export function fromText(text) {
  const [from, to] = text.split(",").map((one) => (isMoment(one) ? toMillis(one) : null));
  if (from === null || from === undefined || to === null || to === undefined || to <= from) return null;
  return marked(from / 1000, to / 1000);
}

/** What was marked from one time to another, whichever was first, in whole seconds and not too short. @param {number} one @param {number} other @returns {Zoom} */
export function marked(one, other) {
  const from = Math.floor(Math.min(one, other));
  const to = Math.ceil(Math.max(one, other));
  const lacking = Math.max(0, LEAST_S - (to - from));
  return { from: from - Math.floor(lacking / 2), to: to + Math.ceil(lacking / 2) };
}

/**
 * Nearer (factor below 1) or farther, with a time staying where it is. Null: all of the range is seen again.
 * @param {Zoom} shown @param {number} at @param {number} factor @param {number} range seconds
 */
export function scaled({ from, to }, at, factor, range) {
  if ((to - from) * factor >= range) return null;
  return marked(at - (at - from) * factor, at + (to - at) * factor);
}

/** Earlier or later by a share of what is shown, not beyond now. @param {Zoom} shown @param {number} share @param {number} now seconds @returns {Zoom} */
export function panned({ from, to }, share, now) {
  const by = Math.min(Math.round((to - from) * share), Math.max(0, Math.floor(now) - to));
  return { from: from + by, to: to + by };
}

/**
 * What to ask the server for its history.
 * @param {Zoom} zoom @param {number} since where the log begins, in seconds @param {number} latest the newest time that the page knows of, in seconds
 * @returns {{range: number, at?: string}}
 */
export function question({ from, to }, since, latest) {
  // A step more at both ends, so that lines go from edge to edge.
  const end = Math.max(Math.ceil(since), Math.min(to + 1, Math.floor(latest)));
  const range = Math.min(ASKED[1], Math.max(ASKED[0], end - from + 1));
  return end < latest ? { range, at: iso(end) } : { range };
}

/** `14:22:05 to 14:25:00, 2 min 55 s`. @param {Zoom} zoom */
export const words = ({ from, to }) => `${stamp(from)} to ${stamp(to)}, ${duration(to - from)}`;

/** The page of the events in it. @param {Zoom} zoom */
export const eventsPath = ({ from, to }) => `/events?since=${iso(from)}&until=${iso(to)}`;
