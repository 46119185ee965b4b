import assert from "node:assert/strict";
import { test } from "node:test";
import { row as made } from "../../static/js/gallery/made_up.js";
import { beat, beginOf, emptyPulse, fromRows, preceded, reaches, WINDOW } from "../../static/js/model/connection/connection_series.js";

/** @param {number} seq @param {Partial<import("../../static/js/live/types.js").EventRow>} [more] */
const row = (seq, more = {}) => made({ seq, time: `2026-11-23T14:00:00.${String(seq).padStart(9, "0")}Z`, bytes_in: 0, bytes_out: 0, ...more });

test("charts of a connection: rows first, then live frames", () => {
  const at = (/** @type {number} */ second) => new Date(Date.UTC(2026, 10, 23, 14, 0, second)).toISOString();
  const start = Date.UTC(2026, 10, 23, 14) / 1000;
  const history = [
    row(1, { time: at(0), queue_bytes: 0, bytes_in: 10, bytes_out: 10 }),
    row(2, { time: at(0), queue_bytes: 5, bytes_in: 10, bytes_out: 5 }),
    row(3, { time: at(4), queue_bytes: 0, bytes_in: 0, bytes_out: 5 }),
  ];
  let pulse = fromRows(history);
  assert.deepEqual(pulse.flow.time.map((time) => time - start), [0, 1, 3, 4]);
  assert.deepEqual(pulse.flow.bytes_in, [20, 0, 0, 0]);
  assert.deepEqual(pulse.queue.queue_bytes, [0, 5, 0]);
  pulse = beat(pulse, { queue_bytes: 3, bytes_in: 20, bytes_out: 20 }, start + 5);
  pulse = beat(pulse, { queue_bytes: 4, bytes_in: 40, bytes_out: 20 }, start + 7);
  assert.deepEqual(pulse.flow.bytes_in, [20, 0, 0, 0, 10]);
  assert.deepEqual(pulse.queue.queue_bytes, [0, 5, 0, 3, 4]);
  const later = beat(fromRows(history), { queue_bytes: 0, bytes_in: 20, bytes_out: 20 }, start + 30);
  assert.deepEqual(later.flow.time.map((time) => time - start), [0, 1, 3, 4, 5], "silence up to the first frame");
  assert.deepEqual(fromRows([]), emptyPulse());
});

test("whether rows reach back to where the charts begin", () => {
  const opened = "2026-11-23T14:00:00.000000000Z";
  const start = Date.parse("2026-11-23T14:00:00Z") / 1000;
  assert.equal(beginOf({ opened, closed: null }, start + 10), start);
  assert.equal(beginOf({ opened, closed: null }, start + 1000), start + 1000 - WINDOW);
  assert.equal(beginOf({ opened, closed: "2026-11-23T14:10:00.000000000Z" }, start + 5000), start + 600 - WINDOW);
  assert.equal(reaches([], start), false);
  assert.equal(reaches([row(1, { kind: "open" })], start), true);
  assert.equal(reaches([row(500_000_000)], start + 1), true);
  assert.equal(reaches([row(500_000_000)], start), false);
});

test("what the log says comes before the rows, and never twice", () => {
  const start = Date.parse("2026-11-23T14:00:00Z") / 1000;
  const course = {
    step: 1, time: [-4, -3, -2, -1, 0, 1].map((second) => start + second), is_whole: false,
    queue_bytes: [null, 1, 2, 3, 4, 5], bytes_in_per_s: [null, 10, 20, 30, 40, 50], bytes_out_per_s: [null, 11, 21, 31, 41, 51],
  };
  const rows = fromRows([row(500_000_000, { queue_bytes: 7, bytes_in: 6, bytes_out: 6 })]);
  const { queue, flow } = preceded(rows, course);
  assert.deepEqual(queue.time.map((time) => time - start), [-3, -2, -1, 0, 0.5]);
  assert.deepEqual(queue.queue_bytes, [null, 1, 2, 3, 7]);
  assert.deepEqual(flow.time.map((time) => time - start), [-4, -3, -2, -1, 0]);
  assert.deepEqual(flow.bytes_in, [null, 10, 20, 30, 6]);
  assert.deepEqual(flow.bytes_out, [null, 11, 21, 31, 6]);
  const silent = preceded(beat(emptyPulse(), { queue_bytes: 9, bytes_in: 0, bytes_out: 0 }, start + 1), course);
  assert.deepEqual(silent.queue.queue_bytes, [null, 1, 2, 3, 4, 9], "live figures take over where they begin");
  assert.deepEqual(silent.flow.bytes_in, [null, 10, 20, 30, 40]);
  assert.deepEqual(preceded(emptyPulse(), course).queue.queue_bytes, course.queue_bytes);
});
