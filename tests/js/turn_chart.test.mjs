import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = /** @type {any} */ ({
  createElement: () => ({ style: {} }), documentElement: { append: () => undefined },
});
const { heightOf, turnWords } = await import("../../static/js/views/loop/turn_chart.js");

test("the scale goes from a microsecond to a second", () => {
  assert.deepEqual([0, 1, 1000, 1e6, 1e9].map(heightOf), [0, 0, 0.5, 1, 1]);
});

test("a turn in words leaves out calls that were not made", () => {
  const turns = {
    accept_us: [null, null], read_us: [null, null], write_us: [null, null],
    time: [0, 5], wait_us: [1, 1500], busy_us: [2, 48], ready: [1, 3], scanned: [1, 12], accepts: [0, 2], reads: [0, 1], writes: [0, 0], eagains: [0, 1],
  };
  const [, ...words] = turnWords(turns, 1).split(" · ");
  assert.deepEqual(words, ["waited 1.5 ms", "worked 48 µs", "3 ready of 12 looked at", "2 accepts", "1 read", "1 EAGAIN"]);
});

test("a measured turn is told in parts", () => {
  const turns = {
    time: [0], wait_us: [1], busy_us: [100], ready: [1], scanned: [1], accepts: [0], reads: [1], writes: [1], eagains: [0],
    accept_us: [0], read_us: [30], write_us: [60],
  };
  assert.match(turnWords(turns, 0), /worked 100 µs \(read 30 %, write 60 %, other 10 %\)/);
});
