import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, row as made } from "../../static/js/gallery/made_up.js";
import { beat, emptyPulse, fromLog, fromRows } from "../../static/js/pulse.js";
import { initialState, reduce } from "../../static/js/store.js";
import { READABLE, emptyTail, hold, older, receive, rejoin, rowsIn, SHOWN, untilOldest, WAITING } from "../../static/js/tail.js";

/** @typedef {import("../../static/js/types.js").EventRow} Row @typedef {import("../../static/js/tail.js").Entry} Entry */

/** @param {number} seq @param {Partial<Row>} [more] */
const row = (seq, more = {}) => made({ seq, time: `2026-11-23T14:00:00.${String(seq).padStart(9, "0")}Z`, bytes_in: 0, bytes_out: 0, ...more });
const rows = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from + 1 }, (_, index) => row(from + index));
const seqs = (/** @type {Entry[]} */ entries) => entries.map((entry) => ("gap" in entry ? `gap ${entry.gap}` : entry.row.seq));

test("rows come newest first, whatever order they were sent in, and only once", () => {
  let tail = receive(emptyTail(), { items: [row(1), row(3), row(2)], skipped: 0 }, 0);
  tail = receive(tail, { items: [row(3), row(4)], skipped: 0 }, 500);
  assert.deepEqual(seqs(tail.entries), [4, 3, 2, 1]);
});

test("what was skipped is said where it was, and how many a second", () => {
  let tail = receive(emptyTail(), { items: [row(1)], skipped: 0 }, 0);
  tail = receive(tail, { items: rows(10, 11), skipped: 8 }, 500);
  assert.deepEqual(seqs(tail.entries), [11, 10, "gap 8", 1]);
  assert.equal(tail.skippedPerS, 16);
  assert.equal(receive(tail, { items: [], skipped: 0 }, 1000).skippedPerS, 0);
});

test("a held list stands still and loses nothing", () => {
  let tail = hold(receive(emptyTail(), { items: [row(1)], skipped: 0 }, 0), true);
  tail = receive(tail, { items: rows(2, 3), skipped: 0 }, 1);
  tail = receive(tail, { items: [row(5)], skipped: 1 }, 2);
  assert.deepEqual(seqs(tail.entries), [1]);
  assert.equal(rowsIn(tail.waiting), 4);
  tail = hold(tail, false);
  assert.deepEqual(seqs(tail.entries), [5, "gap 1", 3, 2, 1]);
  assert.deepEqual(tail.waiting, []);
});

test("the first rows are shown even while held", () => {
  const tail = receive(hold(emptyTail(), true), { items: [row(1)], skipped: 0 }, 0);
  assert.deepEqual(seqs(tail.entries), [1]);
});

test("what waits is bounded, and what does not fit is counted", () => {
  let tail = hold(receive(emptyTail(), { items: [row(1)], skipped: 0 }, 0), true);
  tail = receive(tail, { items: rows(2, WAITING + 101), skipped: 0 }, 1);
  assert.equal(tail.waiting.length, WAITING);
  assert.equal(rowsIn(tail.waiting), WAITING + 100);
});

test("a running list keeps its newest rows; older ones are asked for from its end", () => {
  let tail = receive(emptyTail(), { items: rows(1, SHOWN + 50), skipped: 0 }, 0);
  assert.equal(tail.entries.length, SHOWN);
  assert.equal(untilOldest(tail), row(52).time);
  tail = older(tail, { items: [row(51), row(50), row(49)], next: "abc" });
  assert.deepEqual(seqs(tail.entries.slice(-3)), [51, 50, 49]);
  assert.equal(tail.cursor, "abc");
  tail = receive(tail, { items: [row(SHOWN + 51)], skipped: 0 }, 1);
  assert.deepEqual(seqs(tail.entries.slice(-2)), [51, 50], "rows that were asked for stay while new ones come");
  assert.ok(older(tail, { items: [], next: null }).ended);
});

test("after a break of the link, rows that may be missing are said unless the lists overlap", () => {
  const tail = rejoin(receive(emptyTail(), { items: rows(1, 3), skipped: 0 }, 0));
  assert.deepEqual(seqs(receive(tail, { items: rows(3, 4), skipped: 0 }, 9).entries), [4, 3, 2, 1]);
  assert.deepEqual(seqs(receive(tail, { items: rows(8, 9), skipped: 0 }, 9).entries), [9, 8, "gap 0", 3, 2, 1]);
});

test("another filter begins another list with its first frame", () => {
  const came = (/** @type {Row} */ one) => frame("events", { items: [one], skipped: 0 });
  const state = reduce(reduce(initialState(0), came(row(1))), { type: "restart", view: "events" });
  assert.deepEqual(seqs(state.tail.entries), [1]);
  assert.deepEqual(seqs(reduce(state, came(row(7))).tail.entries), [7]);
});

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

test("a connection that only the log remembers", () => {
  const item = fromLog([
    row(1, { conn: 9, kind: "open", peer: "127.0.0.1:1" }),
    row(2, { conn: 9, bytes_in: 5, bytes_out: 9, queue_bytes: 0 }),
    row(3, { conn: 9, kind: "close", reason: "reset", queue_bytes: 4 }),
  ]);
  assert.equal(item.state, "closed");
  assert.equal(item.reason, "reset");
  assert.equal(item.peer, "127.0.0.1:1");
  assert.deepEqual([item.bytes_in, item.bytes_out, item.echoes, item.queue_peak_bytes], [5, 9, 1, 4]);
});

test("of a flood a running list takes a screenful and counts the rest, a held one keeps all", () => {
  const first = receive(emptyTail(), { items: rows(1, 100), skipped: 0 }, 0);
  const flooded = receive(first, { items: rows(1001, 1100), skipped: 900 }, 250);
  assert.deepEqual(seqs([flooded.entries[0], flooded.entries[READABLE]]), [1100, "gap 960"]);
  assert.equal(flooded.skippedPerS, 3840);
  const held = receive(hold(first, true), { items: rows(1001, 1100), skipped: 900 }, 250);
  assert.equal(held.waiting.length, 101);
});
