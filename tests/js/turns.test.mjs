import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = /** @type {any} */ ({
  createElement: () => ({ style: {} }), documentElement: { append: () => undefined },
});
const { heightOf, turnWords } = await import("../../static/js/turns.js");

test("the scale goes from a microsecond to a second", () => {
  assert.deepEqual([0, 1, 1000, 1e6, 1e9].map(heightOf), [0, 0, 0.5, 1, 1]);
});

test("a turn in words leaves out calls that were not made", () => {
  const turns = {
    time: [0, 5], wait_us: [1, 1500], busy_us: [2, 48], ready: [1, 3], scanned: [1, 12], accepts: [0, 2], reads: [0, 1], writes: [0, 0], eagains: [0, 1],
  };
  const [, ...words] = turnWords(turns, 1).split(" · ");
  assert.deepEqual(words, ["waited 1.5 ms", "worked 48 µs", "3 ready of 12 looked at", "2 accepts", "1 read", "1 EAGAIN"]);
});
