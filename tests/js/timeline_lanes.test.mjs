// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { grown, layout, lifeOf, lowerBound, nearest, neighbour, rowWords, summary } from "../../static/js/model/connection/timeline_lanes.js";
import { atBeginning, atEnd, chosen, edgesOf, fromAddress, panned, toAddress, wholeOf, zoomed } from "../../static/js/model/time/range.js";
import { microsecondsOf, timeOf } from "../../static/js/model/time/instants.js";

const T0 = Date.parse("2026-11-23T14:00:00Z");
const LIVE = { first: T0, end: T0 + 60_000, live: true };
const DEAD = { ...LIVE, live: false };

/** @param {number} ms @param {string} kind @param {object} more */
const row = (ms, kind, more = {}) => ({
  seq: ms + 1, time: `${new Date(T0 + ms).toISOString().slice(0, 23)}000000Z`, worker: 0, conn: 1, peer: "p", kind,
  bytes_in: 0, bytes_out: 0, queue_bytes: 0, queue_chunks: 0, emptied: false, reason: "", ...more,
});

test("a living connection is followed, a dead one is shown whole", () => {
  assert.equal(wholeOf(LIVE).until, null);
  assert.deepEqual(edgesOf(wholeOf(LIVE), LIVE), { since: T0 - 1200, until: T0 + 60_000 });
  assert.deepEqual(wholeOf(DEAD), { since: T0 - 1200, until: T0 + 61_200 });
  assert.equal(wholeOf({ ...LIVE, end: T0 + 9e6 }).since, 300_000);
});

test("zoom keeps what is under the pointer, and the present when that is followed", () => {
  const near = zoomed(wholeOf(DEAD), DEAD, 0.5, 0.25);
  const [before, after] = [edgesOf(wholeOf(DEAD), DEAD), edgesOf(near, DEAD)];
  const at = (/** @type {{since: number, until: number}} */ { since, until }) => since + (until - since) * 0.25;
  assert.ok(Math.abs(at(before) - at(after)) <= 1);
  assert.equal(zoomed(wholeOf(LIVE), LIVE, 0.5).until, null);
  assert.notEqual(zoomed(wholeOf(LIVE), LIVE, 0.5, 0.2).until, null);
  let range = wholeOf(DEAD);
  for (let step = 0; step < 60; step += 1) range = zoomed(range, DEAD, 0.5);
  const { since, until } = edgesOf(range, DEAD);
  assert.ok(until - since >= 0.0999 && until - since <= 0.2);
  for (let step = 0; step < 60; step += 1) range = zoomed(range, DEAD, 2);
  assert.deepEqual(edgesOf(range, DEAD), edgesOf(wholeOf(DEAD), DEAD));
});

test("pan stays within the life, and at its right edge follows again", () => {
  const part = chosen(wholeOf(LIVE), LIVE, 0.6, 0.2);
  assert.notEqual(part.until, null);
  assert.equal(panned(part, LIVE, 100).until, null);
  assert.equal(edgesOf(panned(part, LIVE, -100), LIVE).since, T0 - 1200);
  assert.equal(edgesOf(atBeginning(part, LIVE), LIVE).since, T0);
  assert.equal(atEnd(part, LIVE).until, null);
  assert.equal(atEnd(part, DEAD).until, DEAD.end);
});

test("the range stands in the address, and comes back from it", () => {
  for (const range of [{ since: 30_000, until: null }, { since: T0, until: T0 + 5 }]) {
    const { since, until } = toAddress(range);
    assert.deepEqual(fromAddress(since, until), range);
  }
  assert.deepEqual(toAddress(null), { since: "", until: "" });
  for (const [since, until] of [["", ""], ["0s", ""], ["x", "y"], ["30s", "x"], ["2026-11-23T14:00:01Z", "2026-11-23T14:00:00Z"]]) {
    assert.equal(fromAddress(since, until), null);
  }
});

const ROWS = [
  row(0, "open"), row(1000, "echo", { bytes_in: 5, bytes_out: 5, emptied: true }), row(2000, "full", { queue_bytes: 100 }),
  row(3000, "pause", { queue_bytes: 300, reason: "high_water" }), row(6000, "resume", { queue_bytes: 50 }), row(7000, "not_full", { bytes_out: 50 }),
  row(8000, "eof"), row(9000, "close", { reason: "peer" }),
];
const EDGES = { since: T0, until: T0 + 10_000 };
/** @param {import("../../static/js/live/types.js").EventRow[]} rows @param {Partial<import("../../static/js/model/connection/timeline_lanes.js").Life>} [more] */
const made = (rows, more = {}) => lifeOf(rows, { bins: null, missing: "", before: null, paused: false, total: rows.length, ...more });

test("rows become lanes", () => {
  const lanes = layout(made([...ROWS].reverse()), EDGES, 100);
  assert.deepEqual(Array.from(lanes.ins.keys()).filter((x) => lanes.ins[x] > 0), [10]);
  assert.deepEqual(Array.from(lanes.outs.keys()).filter((x) => lanes.outs[x] > 0), [10, 70]);
  assert.deepEqual(lanes.full, [[20, 70]]);
  assert.deepEqual(lanes.paused, [[30, 60]]);
  assert.deepEqual(lanes.marks.map(({ x, letter }) => [x, letter]), [[0, "O"], [80, "E"], [90, "C"]]);
  assert.deepEqual([lanes.queue[19], lanes.queue[25], lanes.queue[45], lanes.queue[65], lanes.queue[75], lanes.top], [0, 100, 300, 50, 0, 300]);
});

test("what had begun before the range is drawn from its edge", () => {
  const middle = { since: T0 + 4000, until: T0 + 5000 };
  const quiet = layout(made([], { before: ROWS[3], paused: true }), middle, 10);
  assert.deepEqual([quiet.full, quiet.paused, quiet.queue[5]], [[[0, 10]], [[0, 10]], 300]);
  const ends = layout(made(ROWS), { since: T0 + 6500, until: T0 + 7500 }, 10);
  assert.deepEqual(ends.full, [[0, 5]]);
});

test("a pause is seen from within, whatever came after its beginning", () => {
  const life = made([ROWS[0], ROWS[2], ROWS[3], row(4000, "write"), row(4500, "full", { queue_bytes: 300 }), row(9000, "resume")]);
  assert.deepEqual(layout(life, { since: T0 + 5000, until: T0 + 6000 }, 10).paused, [[0, 10]]);
  assert.deepEqual(layout(life, { since: T0 + 9500, until: T0 + 9900 }, 10).paused, []);
  const zoomed = made([row(5500, "write")], { before: row(4500, "full", { queue_bytes: 300 }), paused: true });
  assert.deepEqual(layout(zoomed, { since: T0 + 5000, until: T0 + 6000 }, 10).paused, [[0, 10]]);
});

test("of the bars before the range nothing is drawn, and of one across its edge only the part within", () => {
  const bins = { since: T0, until: T0 + 60_000, step: 4000, kinds: { echo: Array(15).fill(400) }, total: 6000, progress: { scanned: 1, total: 1 }, whole: true };
  const lanes = layout(made([], { bins, missing: "all", total: 6000 }), { since: T0 + 22_000, until: T0 + 62_000 }, 400);
  assert.equal(lanes.ins[0], 10);
  assert.ok(lanes.ins.slice(0, 380).every((value) => Math.abs(value - 10) < 1e-9));
  assert.equal(lanes.ins[390], 0);
});

test("what is too much for rows is counted by the bar", () => {
  const bins = { since: T0, until: T0 + 10_000, step: 5000, kinds: { echo: [100_000, 0], full: [0, 1] }, total: 100_001, progress: { scanned: 1, total: 1 }, whole: true };
  const lanes = layout(made([ROWS[2]], { bins, missing: "echo", total: 100_001 }), EDGES, 100);
  assert.equal(lanes.ins[0], 2000);
  assert.equal(Math.round(lanes.ins.reduce((sum, value) => sum + value, 0)), 100_000);
  assert.deepEqual([lanes.ins[49] > 0, lanes.ins[50]], [true, 0]);
});

test("a hundred thousand rows are laid out by the column, none is lost", () => {
  const many = Array.from({ length: 100_000 }, (_, index) => row(index, "echo"));
  const life = made(many);
  const lanes = layout(life, { since: T0, until: T0 + 100_000 }, 1000);
  assert.equal(lanes.ins.reduce((sum, value) => sum + value, 0), 100_000);
  assert.ok(lanes.ins.every((value) => value === 100));
});

test("new rows are added once", () => {
  const life = made(ROWS.slice(0, 2));
  const more = grown(grown(life, ROWS.slice(0, 4)), ROWS.slice(0, 4));
  assert.deepEqual([more.rows.length, more.total, more.times.length], [4, 4, 4]);
  assert.equal(grown(more, ROWS.slice(0, 4)), more);
});

test("the nearest row, within reach", () => {
  const life = made(ROWS);
  assert.equal(nearest(life, T0 + 1400, 500)?.kind, "echo");
  assert.equal(nearest(life, T0 + 1600, 500)?.kind, "full");
  assert.equal(nearest(life, T0 + 20_000, 500), null);
  assert.equal(nearest(made([]), T0, 500), null);
  assert.equal(lowerBound([1, 2, 2, 3], 2), 1);
});

test("from event to event", () => {
  const life = made(ROWS);
  assert.deepEqual([neighbour(life, EDGES, null, 1), neighbour(life, EDGES, null, -1)], [0, 7]);
  assert.equal(neighbour(life, EDGES, { row: life.rows[3], at: life.times[3] }, -1), 2);
  assert.equal(neighbour(life, EDGES, { row: { ...life.rows[3] }, at: life.times[3] }, 1), 4);
  assert.deepEqual([neighbour(life, EDGES, { row: null, at: T0 + 4000 }, 1), neighbour(life, EDGES, { row: null, at: T0 + 4000 }, -1)], [4, 3]);
  assert.equal(neighbour(life, EDGES, { row: life.rows[7], at: life.times[7] }, 1), null);
});

test("rows and ranges in words", () => {
  assert.match(rowWords({ ...ROWS[1], time: "2026-11-23T14:00:01.123456789Z" }), /:01\.123456 echo · in 5 B · out 5 B · receive buffer empty$/);
  assert.match(rowWords(ROWS[3]), /pause · 300 B queued · high_water$/);
  const life = made(ROWS);
  assert.equal(summary(life, EDGES, layout(life, EDGES, 100), 100), "8 events in 10 s, full for 5.0 s, reading paused for 3.0 s, most queued 300 B");
  assert.ok(Math.abs(timeOf("2026-11-23T14:00:00.000250000Z") - T0 - 0.25) < 0.001);
  assert.equal(microsecondsOf(T0 + 1.25), "2026-11-23T14:00:00.001250Z");
});
