// @ts-check
/** Counts of events by kind over time: pages added up, grouped by the four states, laid out as bars. Pure. */

import { count, duration, plural, stamp, toMillis, clock } from "../format.js";
import { progressOf } from "../rows/paging.js";

/**
 * @typedef {import("../../live/types.js").HistogramPage} HistogramPage
 * @typedef {{since: number, until: number, step: number, kinds: Record<string, number[]>, total: number,
 *   progress: import("../rows/paging.js").Progress, whole: boolean}} Bins times in milliseconds; `whole`: nothing is left to be read
 * @typedef {{name: string, label: string, colour: string, kinds: string[]}} Group
 */

/** From the bottom of a bar to its top. @type {Group[]} */
export const GROUPS = [
  { name: "notempty", label: "not empty", colour: "--notempty", kinds: ["echo", "read"] },
  { name: "notfull", label: "not full", colour: "--notfull", kinds: ["write", "not_full", "resume"] },
  { name: "empty", label: "open, end", colour: "--empty", kinds: ["open", "eof", "close", "start", "stop", "order"] },
  { name: "full", label: "full", colour: "--full", kinds: ["full", "pause"] },
  { name: "bad", label: "refused, lost, fault", colour: "--bad", kinds: ["refuse", "lost", "fault"] },
];
/** Pixels that a group gets at least where it occurs at all: one `full` among a million echoes is what one looks for. */
const LEAST = 2;

/** The first page of an answer. @param {HistogramPage} page @returns {Bins} */
export function fromPage(page) {
  const since = toMillis(page.since) ?? 0;
  const until = Math.max(since, toMillis(page.until) ?? 0);
  return {
    since, until, step: page.step_s * 1000, kinds: page.kinds, total: page.total,
    progress: progressOf(page.progress), whole: (page.next ?? null) === null,
  };
}

/** What has been read so far and one page more. @param {Bins | null} bins @param {HistogramPage} page @returns {Bins} */
export function addPage(bins, page) {
  const more = fromPage(page);
  if (!bins) return more;
  const kinds = { ...bins.kinds };
  for (const [kind, counts] of Object.entries(more.kinds)) {
    const known = kinds[kind];
    kinds[kind] = known ? known.map((value, index) => value + (counts[index] ?? 0)) : counts;
  }
  return { ...bins, kinds, total: bins.total + more.total, progress: more.progress, whole: more.whole };
}

/** How many bars there are. @param {Bins} bins */
export function barsOf(bins) {
  const longest = Object.values(bins.kinds).reduce((most, counts) => Math.max(most, counts.length), 0);
  return longest || Math.max(1, Math.round((bins.until - bins.since) / (bins.step || 1)));
}

/** One row of counts for each group; kinds that no group knows count as `open, end`. @param {Bins} bins @returns {number[][]} */
export function grouped(bins) {
  const bars = barsOf(bins);
  const rows = GROUPS.map(() => new Array(bars).fill(0));
  const rest = GROUPS.findIndex((group) => group.name === "empty");
  for (const [kind, counts] of Object.entries(bins.kinds)) {
    const at = GROUPS.findIndex((group) => group.kinds.includes(kind));
    counts.forEach((value, bar) => (rows[at < 0 ? rest : at][bar] += value));
  }
  return rows;
}

/** The highest bar. @param {number[][]} rows one of each group that is shown */
export function highest(rows) {
  const bars = rows[0]?.length ?? 0;
  let most = 0;
  for (let bar = 0; bar < bars; bar += 1) most = Math.max(most, rows.reduce((sum, row) => sum + row[bar], 0));
  return most;
}

/**
 * Heights of the pieces of one bar. What is rare stays visible; what that costs is taken from the largest piece.
 * @param {number[]} counts one of each group @param {number} top count at the upper edge @param {number} height pixels
 */
export function pieces(counts, top, height) {
  const sizes = counts.map((value) => (value > 0 ? Math.max(LEAST, (value / top) * height) : 0));
  const excess = sizes.reduce((sum, size) => sum + size, 0) - height;
  if (excess > 0) sizes[sizes.indexOf(Math.max(...sizes))] -= excess;
  return sizes;
}

const ROUND = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** A round number that is not below `value`, whole where that is small. @param {number} value */
export function roundUp(value) {
  if (value <= 10) return Math.max(1, Math.ceil(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return (ROUND.find((factor) => factor * power >= value) ?? 10) * power;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((step) => step * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MINUTE),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
  ...[1, 2, 7, 14, 28, 91, 365].map((step) => step * DAY),
];

/**
 * Round moments of local time within a range, each with its label; at most `most` of them.
 * @param {number} since @param {number} until milliseconds @param {number} most
 * @returns {{at: number, label: string}[]}
 */
export function timeTicks(since, until, most) {
  const step = STEPS.find((size) => (until - since) / size <= most) ?? STEPS[STEPS.length - 1];
  const shift = new Date(since).getTimezoneOffset() * MINUTE;
  const ticks = [];
  for (let at = Math.ceil((since - shift) / step) * step + shift; at < until; at += step) ticks.push({ at, label: tickLabel(at, step) });
  return ticks;
}

/** @param {number} at @param {number} step milliseconds */
function tickLabel(at, step) {
  const time = new Date(at).toISOString();
  const midnight = clock(time) === "00:00:00.000";
  if (step >= DAY || midnight) return stamp(time, new Date(0)).split(" ").slice(0, 2).join(" ");
  return clock(time).slice(0, step < SECOND ? 12 : step < MINUTE ? 8 : 5);
}

/** The bar at a share of the width. @param {Bins} bins @param {number} share 0 to 1 */
export function barAt(bins, share) {
  return Math.min(barsOf(bins) - 1, Math.max(0, Math.floor(share * barsOf(bins))));
}

/** @param {Bins} bins @param {number} bar @returns {number} where it begins, milliseconds */
const edge = (bins, bar) => Math.min(bins.until, bins.since + bar * bins.step);

/** Since and until of the bars from `first` to `last`, as the address bar holds them. @param {Bins} bins @param {number} first @param {number} last */
export function rangeOf(bins, first, last) {
  const [low, high] = [Math.min(first, last), Math.max(first, last) + 1];
  const since = Math.floor(edge(bins, low));
  const until = Math.max(since + 1, Math.ceil(edge(bins, high)));
  return { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
}

/** A bar, or several, in words. @param {Bins} bins @param {number} first @param {number} last */
export function barWords(bins, first, last) {
  const [low, high] = [Math.min(first, last), Math.max(first, last)];
  const counts = grouped(bins).map((row) => row.slice(low, high + 1).reduce((sum, value) => sum + value, 0));
  const total = counts.reduce((sum, value) => sum + value, 0);
  const named = GROUPS.map((group, at) => `${count(counts[at])} ${group.label}`).filter((_, at) => counts[at] > 0);
  const fine = (high + 1 - low) * bins.step < 10 * SECOND;
  const when = [edge(bins, low), edge(bins, high + 1)].map((at) => (fine ? clock : stamp)(new Date(at).toISOString())).join(" – ");
  return `${when}: ${plural(total, "row")}${named.length > 0 ? ` (${named.join(" · ")})` : ""}`;
}

/** The whole of it in one line. @param {Bins} bins */
export function summary(bins) {
  const times = [bins.since, bins.until].map((at) => stamp(new Date(at).toISOString()));
  const found = bins.whole ? plural(bins.total, "row") : `${plural(bins.total, "row")} so far`;
  if (times[0] === times[1]) return `${found}, ${times[0]}`;
  return `${found}, ${times.join(" – ")}, ${duration(bins.step / 1000)} a bar`;
}
