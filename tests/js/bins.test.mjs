import assert from "node:assert/strict";
import { test } from "node:test";
import { addPage, barAt, barsOf, barWords, fromPage, GROUPS, grouped, highest, pieces, rangeOf, roundUp, summary, timeTicks } from "../../static/js/model/time/bins.js";
import { follow, progressOf, progressWords } from "../../static/js/model/rows/paging.js";
import { KINDS } from "../../static/js/views/frame/labels.js";

/** @param {Record<string, number[]>} kinds @param {Partial<import("../../static/js/live/types.js").HistogramPage>} [more] @returns {import("../../static/js/live/types.js").HistogramPage} */
const page = (kinds, more = {}) => ({
  since: "2026-11-23T14:00:00Z", until: "2026-11-23T14:00:30Z", step_s: 10, kinds, total: Object.values(kinds).flat().reduce((a, b) => a + b, 0),
  progress: { scanned: 30, total: 90 }, next: null, ...more,
});

test("every kind of event belongs to one group", () => {
  const kinds = GROUPS.flatMap((group) => group.kinds);
  assert.deepEqual([...kinds].sort(), Object.keys(KINDS).sort());
});

test("pages are added up, kinds that come later included", () => {
  const first = addPage(null, page({ echo: [1, 0, 0] }, { next: "a" }));
  assert.equal(first.whole, false);
  const both = addPage(first, page({ echo: [0, 2, 3], full: [0, 0, 4] }, { progress: { scanned: 90, total: 90 } }));
  assert.deepEqual(both.kinds, { echo: [1, 2, 3], full: [0, 0, 4] });
  assert.deepEqual([both.total, both.whole, both.progress.scanned, both.step], [10, true, 90, 10_000]);
  assert.deepEqual(first.kinds, { echo: [1, 0, 0] });
});

test("kinds are grouped by their state, unknown ones are not lost", () => {
  const rows = grouped(fromPage(page({ echo: [1, 0, 0], read: [2, 0, 0], full: [0, 5, 0], novel: [0, 0, 7] })));
  assert.deepEqual(Object.fromEntries(GROUPS.map(({ name }, at) => [name, rows[at]])), {
    notempty: [3, 0, 0], notfull: [0, 0, 0], empty: [0, 0, 7], full: [0, 5, 0], bad: [0, 0, 0],
  });
  assert.equal(highest(rows), 7);
  assert.equal(barsOf(fromPage(page({}))), 3);
});

test("what is rare is seen, and no bar is higher than the chart", () => {
  assert.deepEqual(pieces([1_000_000, 0, 1], 1_000_000, 100), [98, 0, 2]);
  assert.deepEqual(pieces([5, 0, 5], 20, 100), [25, 0, 25]);
  for (const counts of [[1, 1, 1, 1, 1], [7, 0, 99_999, 3, 3], [0, 0, 0, 0, 0]]) {
    const sizes = pieces(counts, roundUp(counts.reduce((a, b) => a + b, 0)), 100);
    assert.ok(sizes.reduce((a, b) => a + b, 0) <= 100.001, String(sizes));
    sizes.forEach((size, at) => assert.equal(size > 0, counts[at] > 0));
  }
});

test("the axis ends at a round number that is not below the highest bar", () => {
  assert.deepEqual([0, 1, 7, 11, 99, 100, 101, 11_000].map(roundUp), [1, 1, 7, 12, 100, 100, 120, 12_000]);
  for (let value = 1; value < 1e7; value = value * 1.37 + 1) assert.ok(roundUp(value) >= value && roundUp(value) <= value * 2);
});

test("bars under the pointer, and the range of those marked in either direction", () => {
  const bins = fromPage(page({ echo: [1, 2, 3] }));
  assert.deepEqual([-1, 0, 0.34, 0.99, 1, 7].map((share) => barAt(bins, share)), [0, 0, 1, 2, 2, 2]);
  const range = { since: "2026-11-23T14:00:10.000Z", until: "2026-11-23T14:00:30.000Z" };
  assert.deepEqual(rangeOf(bins, 1, 2), range);
  assert.deepEqual(rangeOf(bins, 2, 1), range);
  assert.match(barWords(bins, 2, 1), /: 5 rows \(5 not empty\)$/);
});

test("the whole of it in one line; a moment is no range", () => {
  assert.match(summary(fromPage(page({ echo: [1, 2, 3] }))), /^6 rows, \d\d.* – .*, 10 s a bar$/);
  assert.match(summary(addPage(null, page({ echo: [1] }, { next: "a" }))), /^1 row so far, /);
  assert.match(summary(fromPage(page({ start: [1] }, { until: "2026-11-23T14:00:00.000000001Z", step_s: 1e-9 }))), /^1 row, [^–]*$/);
});

test("ranges within a millisecond are no empty ranges", () => {
  const bins = fromPage(page({ echo: [1] }, { until: "2026-11-23T14:00:00.0004Z", step_s: 0.0004 }));
  const { since, until } = rangeOf(bins, 0, 0);
  assert.ok(since < until);
});

test("labels of the time axis are few, round, and within the range", () => {
  const since = Date.UTC(2026, 10, 23, 14, 0, 3);
  for (const span of [40, 900, 30_000, 3_600_000, 86_400_000, 40 * 86_400_000]) {
    const ticks = timeTicks(since, since + span, 8);
    assert.ok(ticks.length <= 9 && ticks.length >= 1, `${span}: ${ticks.length}`);
    assert.ok(ticks.every(({ at }) => at >= since && at < since + span));
    assert.equal(new Set(ticks.map(({ label }) => label)).size, ticks.length);
  }
});

test("a long read goes on until enough is there, or nothing is left", async () => {
  /** @type {Record<string, {n: number, next: string | null}>} */
  const pages = { "": { n: 1, next: "a" }, a: { n: 2, next: "b" }, b: { n: 3, next: null } };
  /** @type {number[]} */
  const seen = [];
  const take = (/** @type {number} */ limit) => (/** @type {{n: number, next: string | null}} */ got) => seen.push(got.n) >= limit;
  await follow(async (cursor) => pages[cursor], take(2));
  assert.deepEqual(seen, [1, 2]);
  await follow(async (cursor) => pages[cursor], take(9), "b");
  assert.deepEqual(seen, [1, 2, 3]);
  await assert.rejects(follow(async () => Promise.reject(new Error("down")), () => false), /down/);
});

test("progress in words", () => {
  assert.equal(progressWords(progressOf({ scanned: 25, total: 100 })), "Reading the log: 25 of 100 rows (25 %)");
  assert.equal(progressWords(progressOf(undefined)), "Reading the log…");
});
