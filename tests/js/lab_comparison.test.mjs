import assert from "node:assert/strict";
import { test } from "node:test";

import { apart, changed, idleOf, linesOf, listed, measured, nameOf, numbers, places, range, shown } from "../../static/js/model/lab_comparison.js";

const spread = (/** @type {number} */ median) => ({ median, low: median - 1, high: median + 1 });
/** @param {string} model @param {number} idle @param {number | null} rate @returns {import("../../static/js/live/types.js").LabPoint} */
const point = (model, idle, rate, workers = 1) => ({
  model, workers, idle, repeats: 1, served: 1, errors: 0, cannot: "", failed: "", figures: rate === null ? {} : { rate: spread(rate) },
});

test("nothing has a place a decade below the smallest number", () => {
  assert.deepEqual(places([0, 100, 1000, 10_000]), [1, 2, 3, 4]);
  assert.deepEqual(places([0]), [0]);
  assert.deepEqual(places([10, 100]), [1, 2]);
});

test("a line a model, with gaps, and none for a model that could do nothing", () => {
  const points = [point("epoll", 0, 5), point("epoll", 100, 4), point("select", 0, 3), point("select", 100, null), point("threads", 100, null)];
  const lines = linesOf(points, "rate", idleOf(points));
  assert.deepEqual(lines.map((line) => [line.name, line.values.map((value) => value?.median ?? null)]), [["epoll", [5, 4]], ["select", [3, null]]]);
  assert.equal(nameOf(point("epoll", 0, 1, 2)), "epoll × 2");
});

test("lists of numbers as people type them", () => {
  assert.deepEqual(numbers("0, 100,1000  10000"), [0, 100, 1000, 10_000]);
  assert.deepEqual(numbers("0 100;1k 1.5k"), [0, 100, 1000, 1500]);
  assert.deepEqual(numbers("16.1k 32.2k 64.4K"), [16_100, 32_200, 64_400]);
  assert.deepEqual(numbers(listed([0, 100, 10_000])), [0, 100, 10_000]);
  for (const text of ["", "a", "1,000", "1 -2", "1.5", "99999999"]) assert.equal(numbers(text), null, text);
});

test("figures and their spreads", () => {
  assert.equal(shown("rate", 123456.7), "123,457");
  assert.equal(shown("quiet", 0.987), "99 %");
  assert.equal(range("calls", { median: 2, low: 2, high: 2.1 }), "2.00–2.10");
  assert.equal(range("rate", { median: 2, low: 2, high: 2 }), "");
});

test("a change is only told when it is more than noise", () => {
  const difference = (/** @type {number | null} */ change, noise = false) => ({ before: spread(1), after: spread(2), change, noise });
  const of = (/** @type {number | null} */ change, /** @type {boolean | null} */ more, noise = false) => changed("cpu_us", difference(change, noise), more);
  assert.deepEqual(of(0.5, true, true), { text: "within noise of 1.0", tone: null });
  assert.deepEqual(of(0.5, true), { text: "+50 % from 1.0", tone: "better" });
  assert.deepEqual(of(-0.05, true), { text: "−5.0 % from 1.0", tone: "worse" });
  assert.deepEqual(of(-0.5, false), { text: "−50 % from 1.0", tone: "better" });
  assert.deepEqual(of(0.5, null), { text: "+50 % from 1.0", tone: null });
  assert.deepEqual(of(null, false), { text: "was 0", tone: null });
});

test("a run that was cancelled claims no more than was made", () => {
  const order = { models: ["poll", "epoll", "asyncio"], idle: [0, 100], workers: [1, 2], repeats: 3, seconds: 1, active: 1, size: 1, depth: 1, seed: 1 };
  const head = { id: "", began: "", ended: null, order };
  assert.equal(measured({ ...head, state: "done" }), "3 × 1 s");
  assert.equal(measured({ ...head, state: "cancelled" }), "3 × 1 s asked for");
});

test("labels are pushed apart", () => {
  assert.deepEqual(apart([1, 2, 30], 10, 100), [1, 11, 30]);
  assert.deepEqual(apart([28, 29, 30], 10, 30), [10, 20, 30]);
});
