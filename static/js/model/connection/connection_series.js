// @ts-check
/** One connection's charts: what the log says first, its latest rows, then what the live frames say. Pure. */

import { num, toMillis } from "../format.js";

/** @typedef {import("../../live/types.js").EventRow} EventRow @typedef {import("../../live/types.js").ConnectionItem} ConnectionItem */
/** @typedef {{time: number[], queue_bytes: (number | null)[]}} Queue */
/** @typedef {{time: number[], bytes_in: (number | null)[], bytes_out: (number | null)[]}} Flow */
/** @typedef {{queue: Queue, flow: Flow, last: {at: number, in: number, out: number} | null}} Pulse */

/** Seconds that the charts of a live connection show. */
export const WINDOW = 300;

/** @returns {Pulse} */
export const emptyPulse = () => ({
  queue: { time: [], queue_bytes: [] }, flow: { time: [], bytes_in: [], bytes_out: [] }, last: null,
});

/** @param {unknown} time */
const seconds = (time) => (toMillis(time) ?? 0) / 1000;

/** The charts as the rows tell them. @param {EventRow[]} rows oldest first @returns {Pulse} */
export function fromRows(rows) {
  const pulse = emptyPulse();
  const { queue, flow } = pulse;
  for (const row of rows) {
    const at = seconds(row.time);
    queue.time.push(at);
    queue.queue_bytes.push(num(row.queue_bytes));
    const second = Math.floor(at);
    for (const value of missing(flow.time.at(-1), second)) (flow.time.push(value), flow.bytes_in.push(0), flow.bytes_out.push(0));
    const index = flow.time.length - 1;
    flow.bytes_in[index] = (flow.bytes_in[index] ?? 0) + (num(row.bytes_in) ?? 0);
    flow.bytes_out[index] = (flow.bytes_out[index] ?? 0) + (num(row.bytes_out) ?? 0);
  }
  return pulse;
}

/** From when on the charts show a connection. @param {Pick<ConnectionItem, "opened" | "closed">} item @param {number} now seconds */
export function beginOf(item, now) {
  const end = item.closed ? seconds(item.closed) : now;
  return Math.max(seconds(item.opened), end - WINDOW);
}

/** Whether rows tell all since then. @param {EventRow[]} rows oldest first @param {number} begin seconds */
export const reaches = (rows, begin) => rows.length > 0 && (rows[0].kind === "open" || seconds(rows[0].time) <= begin);

/** The charts with what the log says of the time before them. @param {Pulse} pulse @param {import("../../live/types.js").CourseAnswer} course @returns {Pulse} */
export function preceded({ queue, flow, last }, course) {
  const before = (/** @type {number | undefined} */ first) => {
    const end = course.time.findIndex((time) => time + course.step > (first ?? Infinity));
    return end < 0 ? course.time.length : end;
  };
  const [waited, flowed] = [before(queue.time[0]), before(flow.time[0] ?? queue.time[0])];
  return {
    queue: {
      time: [...course.time.slice(0, waited).map((time) => time + course.step), ...queue.time],
      queue_bytes: [...course.queue_bytes.slice(0, waited), ...queue.queue_bytes],
    },
    flow: {
      time: [...course.time.slice(0, flowed), ...flow.time],
      bytes_in: [...course.bytes_in_per_s.slice(0, flowed), ...flow.bytes_in],
      bytes_out: [...course.bytes_out_per_s.slice(0, flowed), ...flow.bytes_out],
    },
    last,
  };
}

/** The seconds to add, at most the silent ones around a long pause. @param {number | undefined} last @param {number} second */
function missing(last, second) {
  if (last === undefined) return [second];
  if (second <= last) return [];
  const silent = second - last > 2 ? [last + 1, second - 1] : second - last === 2 ? [last + 1] : [];
  return [...silent, second];
}

/** One live frame more. @param {Pulse} pulse @param {Pick<ConnectionItem, "bytes_in" | "bytes_out" | "queue_bytes">} item @param {number} at seconds @returns {Pulse} */
export function beat(pulse, item, at) {
  const total = { at, in: num(item.bytes_in) ?? 0, out: num(item.bytes_out) ?? 0 };
  const { last } = pulse;
  const from = at - WINDOW;
  const queue = keep({ time: [...pulse.queue.time, at], queue_bytes: [...pulse.queue.queue_bytes, num(item.queue_bytes)] }, from);
  if (!last) return { queue, flow: silence(pulse.flow, at), last: total };
  if (at <= last.at) return { ...pulse, queue };
  const per = (/** @type {number} */ now, /** @type {number} */ then) => Math.max(0, now - then) / (at - last.at);
  const flow = keep({
    time: [...pulse.flow.time, Math.max(at, pulse.flow.time.at(-1) ?? 0)],
    bytes_in: [...pulse.flow.bytes_in, per(total.in, last.in)],
    bytes_out: [...pulse.flow.bytes_out, per(total.out, last.out)],
  }, from);
  return { queue, flow, last: total };
}

/** Between the last row and the first frame nothing happened: a row would say so. @param {Flow} flow @param {number} at seconds @returns {Flow} */
function silence(flow, at) {
  const end = flow.time.at(-1);
  if (end === undefined || at - end < 2) return flow;
  return { time: [...flow.time, end + 1], bytes_in: [...flow.bytes_in, 0], bytes_out: [...flow.bytes_out, 0] };
}

/** @template {{time: number[]} & Record<string, (number | null)[]>} T @param {T} columns @param {number} from seconds @returns {T} */
function keep(columns, from) {
  const first = columns.time.findIndex((time) => time >= from);
  if (first <= 0) return columns;
  return /** @type {T} */ (Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.slice(first)])));
}
