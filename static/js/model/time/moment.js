// @ts-check
/** Which moment the page shows: now, or one that the log remembers, standing or playing. Pure. */

import { toMillis } from "../format.js";
import { absolute, isMoment, justAfter } from "./instants.js";

/**
 * @typedef {{at: number | null, text?: string, playing: boolean, speed: number}} Moment `at` in milliseconds; null: live. `text`: the same
 *   moment to the nanosecond, as the server wrote it; it counts while it agrees with `at`
 * @typedef {{since: number, until: number, end?: string, live: boolean, heard: number}} Span what the log held at `heard` of the browser's
 *   clock, in milliseconds; `end`: its last moment as the server wrote it; `live`: it still grows
 */

/** @type {Moment} */
export const LIVE = { at: null, playing: false, speed: 1 };
export const SPEEDS = [1, 2, 5, 10, 60];
/** Parts of the API that answer as of a moment, unless they are asked for an earlier one. */
const AS_OF = /^(status|overview|connections(\/\d+)?|series)$/;
/** Parts whose range ends at the moment. */
const UP_TO = /^events(\/histogram)?$/;

/** Nothing on the page changes by itself. @param {Moment} moment */
export const standsStill = (moment) => moment.at !== null && !moment.playing;

/** @param {Moment} moment @returns {"live" | "playing" | "paused"} */
export const modeOf = ({ at, playing }) => (at === null ? "live" : playing ? "playing" : "paused");

/** The time that the page takes for now. @param {Moment} moment @param {number} clock milliseconds */
export const nowOf = (moment, clock) => moment.at ?? clock;

/** RFC 3339 in milliseconds, as it stands in addresses and requests. @param {number} at */
export const written = (at) => new Date(at).toISOString();

/** The moment as it stands in requests. @param {{at: number, text?: string}} moment */
const exact = ({ at, text }) => (text && toMillis(text) === at ? text : written(at));

/** The end of a log that grows no more. @param {Span} span @param {Moment} moment @returns {Moment} */
export const atEnd = (span, moment) => ({ ...moment, at: span.until, text: span.end, playing: false });

/** The moment that an address names; live where it names none. @param {string} text @param {string} speed @param {number} clock @returns {Moment} */
export function fromAddress(text, speed, clock) {
  const cut = isMoment(text) ? toMillis(absolute(text, clock)) : null;
  if (cut === null) return LIVE;
  // Up, so that the event whose time it is has happened.
  const at = /\.\d{3}\d*[1-9]/.test(text) ? cut + 1 : cut;
  const known = SPEEDS.includes(Number(speed));
  return { at, playing: known, speed: known ? Number(speed) : 1 };
}

/** How it stands in the address bar; both empty when live. @param {Moment} moment */
export function addressParams({ at, text, playing, speed }) {
  return { at: at === null ? "" : exact({ at, text }), speed: at !== null && playing ? String(speed) : "" };
}

/** Views that only know the present. */
const ONLY_NOW = new Set(["loop", "lab"]);

/** What a `watch` says of it. @param {string} view @param {Moment} moment @returns {{at?: string, speed?: number}} */
export function watchParams(view, { at, text, playing, speed }) {
  if (at === null || ONLY_NOW.has(view)) return {};
  return playing ? { at: exact({ at, text }), speed } : { at: exact({ at, text }) };
}

/**
 * The parameters of a request as of the moment: times ago count from there, and no range reaches beyond it.
 * @param {string} path @param {Record<string, string | number>} params @param {Moment} moment
 */
export function asOf(path, params, { at, text }) {
  if (at === null) return params;
  const moment = exact({ at, text });
  if (AS_OF.test(path)) return { at: moment, ...params };
  if (!UP_TO.test(path)) return params;
  const since = String(params.since ?? "");
  const until = toMillis(isMoment(String(params.until ?? "")) ? absolute(String(params.until), at) : null);
  const end = until !== null && until <= at ? absolute(String(params.until), at) : justAfter(moment === text ? text : moment.replace("Z", "000000Z"));
  return { ...params, since: isMoment(since) ? absolute(since, at) : since, until: end };
}

/** Where the log ends by now. @param {Span} span @param {number} clock milliseconds */
export const endOf = ({ until, live, heard }, clock) => (live ? until + Math.max(0, clock - heard) : until);

/**
 * Another moment of the span; past its living end it is live again.
 * @param {number} at @param {Span} span @param {Moment} moment @param {number} clock milliseconds
 * @returns {Moment}
 */
export function moved(at, span, moment, clock) {
  if (at >= endOf(span, clock)) return span.live ? LIVE : atEnd(span, moment);
  return { ...moment, at: Math.max(span.since, at) };
}

/** Stand still where it is, or go on from there. @param {Moment} moment @param {number} now milliseconds @param {Span} span @returns {Moment} */
export function toggled(moment, now, span) {
  if (moment.at === null) return { ...moment, at: now, playing: false };
  const again = !span.live && moment.at >= span.until;
  return { ...moment, at: again ? span.since : moment.at, playing: !moment.playing };
}

/** What a frame says of playing: where it has come to, and whether the log ends there. @param {Moment} moment @param {number} at milliseconds @param {boolean} ended @param {Span | null} span @returns {Moment} */
export function played(moment, at, ended, span) {
  if (moment.at === null || !moment.playing) return moment;
  if (!ended) return { ...moment, at };
  return span?.live === false ? atEnd(span, moment) : LIVE;
}

/** How far an arrow key goes, in milliseconds; 0: not a key of the scrubber. @param {string} key @param {boolean} shift */
export function strideOf(key, shift) {
  const signs = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -60, PageUp: 60 });
  const page = key.startsWith("Page");
  return (signs[key] ?? 0) * (shift && !page ? 10_000 : 1000);
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** Local date and time to a tenth of a second: `12 Nov 14:22:05.3`; with its year where it is another one. @param {number} at milliseconds */
export function momentWords(at) {
  const date = new Date(at);
  const isThisYear = date.getFullYear() === new Date().getFullYear();
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${(isThisYear ? day : dayOfYear).format(date)} ${time}.${Math.floor(date.getMilliseconds() / 100)}`;
}
