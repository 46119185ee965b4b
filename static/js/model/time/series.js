// @ts-check
/** The charts' history, in columns: loaded once, then extended by live figures. Pure. */

import { num, toMillis } from "../format.js";

export const COLUMNS = /** @type {const} */ ([
  "open", "blocked", "echoes_per_s", "bytes_in_per_s", "bytes_out_per_s",
  "queue_bytes", "loop_busy", "accepted_per_s", "closed_per_s",
]);

/**
 * @typedef {(typeof COLUMNS)[number]} Column
 * @typedef {Record<Column, (number | null)[]>} Values
 * @typedef {{range: number, step: number, time: number[], weight?: number} & Values} Series
 * @typedef {Partial<Record<Column, number | null>>} Point
 * @typedef {Pick<import("../../live/types.js").SeriesAnswer, "range" | "step" | "time"> & Partial<Values>} Answer what was not sent is unknown
 * @typedef {import("../../live/types.js").Overview} Overview
 */

/** No figures for so many steps, and at least so many seconds, break the line. */
const GAP_STEPS = 2.5;
const GAP_SECONDS = 5;

/** An empty history. @param {number} range seconds @param {number} [step] @returns {Series} */
export function empty(range, step = 1) {
  return { range, step, time: [], ...columns(() => []) };
}

/** A column for each name. @param {(name: Column) => (number | null)[]} make @returns {Values} */
const columns = (make) => /** @type {Values} */ (Object.fromEntries(COLUMNS.map((name) => [name, make(name)])));

/** What the server answered, with a column for each name. @param {Answer} answer @returns {Series} */
export function fromAnswer(answer) {
  const { range, time } = answer;
  const unknown = time.map(() => null);
  return { range, step: answer.step || 1, time, ...columns((name) => (answer[name]?.length === time.length ? answer[name] : unknown)) };
}

/**
 * One overview frame as a point of the charts; rates that the frame lacks come from the one before.
 * @param {Overview} data @param {Overview | null} previous @param {number} elapsed seconds since the one before
 * @returns {Point}
 */
export function pointOf(data, previous, elapsed) {
  const per = (/** @type {"accepted" | "closed"} */ name) =>
    previous && elapsed > 0
      ? Math.max(0, (num(data.connections?.[name]) ?? 0) - (num(previous.connections?.[name]) ?? 0)) / elapsed
      : null;
  return {
    open: num(data.connections?.open),
    blocked: num(data.connections?.blocked),
    echoes_per_s: num(data.echoes_per_s),
    bytes_in_per_s: num(data.bytes_in_per_s),
    bytes_out_per_s: num(data.bytes_out_per_s),
    queue_bytes: num(data.queue?.bytes),
    loop_busy: num(data.loop_busy),
    accepted_per_s: per("accepted"),
    closed_per_s: per("closed"),
  };
}

/** Seconds of a time on the wire. @param {unknown} time */
export const seconds = (time) => (toMillis(time) ?? 0) / 1000;

/** @param {number | null | undefined} old @param {number | null} value @param {number} weight */
function mean(old, value, weight) {
  if (value === null) return old ?? null;
  return old === null || old === undefined ? value : (old * weight + value) / (weight + 1);
}

/**
 * The history with one live point more: a new step, or a better mean of the last one.
 * @param {Series} series @param {number} at seconds @param {Point} point
 * @returns {Series}
 */
export function extend(series, at, point) {
  const step = Math.floor(at / series.step) * series.step;
  const last = series.time.at(-1);
  if (last !== undefined && step <= last) return step < last ? series : improve(series, point);
  const silence = last === undefined ? 0 : step - last;
  const broken = silence > series.step * GAP_STEPS && silence > GAP_SECONDS;
  const keep = series.time.findIndex((value) => value >= step - series.range);
  const from = keep < 0 ? series.time.length : keep;
  const gap = broken && last !== undefined ? [last + series.step] : [];
  const time = [...series.time.slice(from), ...gap, step];
  return { ...series, weight: 1, time, ...columns((name) => [...series[name].slice(from), ...gap.map(() => null), point[name] ?? null]) };
}

/** @param {Series} series @param {Point} point @returns {Series} */
function improve(series, point) {
  const weight = series.weight ?? 1;
  const better = (/** @type {Column} */ name) => [...series[name].slice(0, -1), mean(series[name].at(-1), point[name] ?? null, weight)];
  return { ...series, weight: weight + 1, ...columns(better) };
}
