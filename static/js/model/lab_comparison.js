// @ts-check
/** What the lab's page shows, computed: lines of a chart, cells of a table, lists of numbers. Pure. */

import * as format from "./format.js";

/**
 * @typedef {import("../live/types.js").LabPoint} Point
 * @typedef {import("../live/types.js").LabSpread} Spread
 * @typedef {{name: string, model: string, dashed: boolean, values: (Spread | null)[]}} Line
 */

/** A model, with its processes where there are several. @param {Pick<Point, "model" | "workers">} point */
export const nameOf = (point) => (point.workers === 1 ? point.model : `${point.model} × ${point.workers}`);

/** Every number of idle connections that was measured, ascending. @param {Point[]} points */
export const idleOf = (points) => [...new Set(points.map((point) => point.idle))].sort((a, b) => a - b);

/**
 * Where numbers of idle connections stand on a logarithmic axis on which nothing, too, has a place: a decade below the
 * smallest number that is more.
 * @param {number[]} idle ascending
 */
export function places(idle) {
  const least = Math.log10(idle.find((number) => number > 0) ?? 10);
  return idle.map((number) => (number > 0 ? Math.log10(number) : least - 1));
}

/**
 * The lines of a figure: one for each model of a run, and dashed ones for the run that it is compared with.
 * @param {Point[]} points @param {string} metric @param {number[]} idle @param {boolean} [dashed]
 * @returns {Line[]}
 */
export function linesOf(points, metric, idle, dashed = false) {
  const names = [...new Set(points.map(nameOf))];
  return names.flatMap((name) => {
    const mine = points.filter((point) => nameOf(point) === name);
    const values = idle.map((number) => mine.find((point) => point.idle === number)?.figures[metric] ?? null);
    return values.some(Boolean) ? [{ name, model: mine[0].model, dashed, values }] : [];
  });
}

/** Whole numbers of a list such as `0, 100 1k`; null when something else is among them, such as the end of `1,000`. @param {string} text */
export function numbers(text) {
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  if (!parts.length || !parts.every((part) => /^(0|[1-9]\d{0,6})(\.\d)?k?$/i.test(part))) return null;
  // 16.1 * 1000 is 16100.000000000002: with its one digit a number of thousands is always whole.
  const found = parts.map((part) => (/k$/i.test(part) ? Math.round(parseFloat(part) * 1000) : Number(part)));
  return found.every(Number.isInteger) ? found : null;
}

/** A list as it is typed. @param {number[]} list */
export const listed = (list) => list.join(", ");

/** @type {Record<string, (value: number) => string>} */
const LAYOUTS = {
  rate: (value) => format.count(Math.round(value)),
  cpu_us: (value) => value.toFixed(1),
  calls: (value) => value.toFixed(2),
  scanned: (value) => (value < 100 ? value.toFixed(1) : format.count(value)),
  busy: (value) => format.percent(value),
  quiet: (value) => format.percent(value),
  generator: (value) => format.percent(value),
};

/** One value of a figure, without its unit. @param {string} metric @param {number} value */
export const shown = (metric, value) => (LAYOUTS[metric] ?? format.count)(value);

/** The spread, as `from–to`; empty where there is none. @param {string} metric @param {Spread} spread */
export function range(metric, spread) {
  const [low, high] = [shown(metric, spread.low), shown(metric, spread.high)];
  return low === high ? "" : `${low}–${high}`;
}

/**
 * How a figure has changed, in words, with what it was; and whether that is good: nothing when it may be noise.
 * @param {string} metric @param {import("../live/types.js").LabDifference} difference @param {boolean | null} more whether more of it is better
 * @returns {{text: string, tone: "better" | "worse" | null}}
 */
export function changed(metric, difference, more) {
  const before = shown(metric, difference.before.median);
  if (difference.noise) return { text: `within noise of ${before}`, tone: null };
  if (difference.change === null) return { text: "was 0", tone: null };
  const percent = 100 * difference.change;
  const text = `${percent > 0 ? "+" : "−"}${Math.abs(percent).toFixed(Math.abs(percent) < 9.95 ? 1 : 0)} % from ${before}`;
  if (more === null) return { text, tone: null };
  return { text, tone: percent > 0 === more ? "better" : "worse" };
}

/** How long and how often was measured; of a run that has not come to its end, what was asked for. @param {import("../live/types.js").LabHead} head */
export function measured({ order, state }) {
  const text = `${order.repeats} × ${order.seconds} s`;
  return state === "done" ? text : `${text} asked for`;
}

/** Places of labels pushed apart, so that none covers another and none is below the bottom. @param {number[]} wanted ascending @param {number} height @param {number} bottom */
export function apart(wanted, height, bottom) {
  const placed = [...wanted];
  for (let index = 1; index < placed.length; index += 1) placed[index] = Math.max(placed[index], placed[index - 1] + height);
  for (let index = placed.length - 1, most = bottom; index >= 0; index -= 1, most -= height) placed[index] = Math.min(placed[index], most);
  return placed;
}
