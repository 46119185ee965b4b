import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "../../static/js/gallery/made_up.js";
import { atEnd, inSight, pageOf, reveal } from "../../static/js/model/rows/virtual_window.js";
import { entriesOf, pack, splitTime } from "../../static/js/model/rows/packed_rows.js";
import { positionOf, rowsAfter } from "../../static/js/model/rows/row_search.js";
import * as rowlog from "../../static/js/model/rows/row_log.js";
import { initialState, reduce } from "../../static/js/live/store.js";
import { timeOf } from "../../static/js/model/time/instants.js";

const { emptyLog, entryAt, freeze, hold, KEPT, marksHeld, newSince, nextMark, older, receive, rejoin, rowsHeld, shownEnd, untilOldest, WAITING } = rowlog;

/** @typedef {import("../../static/js/live/types.js").EventRow} Row @typedef {import("../../static/js/model/rows/row_log.js").RowLog} RowLog */

const time = (/** @type {number} */ seq) => `2026-11-23T14:00:${String(Math.floor(seq / 1e6)).padStart(2, "0")}.${String(seq % 1e6).padStart(9, "0")}Z`;
/** @param {number} seq @param {Partial<Row>} [more] @returns {Row} */
const row = (seq, more = {}) => ({
  seq, time: time(seq), worker: 0, conn: 2 ** 40 + seq, peer: `127.0.0.1:${seq % 7}`, kind: seq % 5 ? "echo" : "full",
  bytes_in: seq, bytes_out: 4294967295, queue_bytes: 0, queue_chunks: 1, emptied: seq % 2 === 0, reason: "", ...more,
});
const rows = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from + 1 }, (_, index) => row(from + index));
/** @param {RowLog} log @param {number} at */
const there = (log, at) => {
  const entry = entryAt(log, at);
  assert.ok(entry, `nothing at ${at}`);
  return entry;
};
const seqOf = (/** @type {import("../../static/js/model/rows/packed_rows.js").Entry} */ entry) => ("gap" in entry ? `${entry.why} ${entry.gap}` : entry.row.seq);
/** A page of the log. @param {Row[]} items @param {string | null} next @param {number[]} [marks] */
const page = (items, next, marks) => ({ items, next, marks, progress: { scanned: items.length, total: items.length } });
const entries = (/** @type {RowLog} */ log) => Array.from({ length: log.end - log.first }, (_, at) => there(log, log.first + at));
const seqs = (/** @type {RowLog | null} */ log) => (log ? entries(log).map(seqOf) : []);

test("a block gives back what went in, gaps and marks included", () => {
  /** @type {import("../../static/js/model/rows/packed_rows.js").Entry[]} */
  const given = [
    ...rows(1, 9).map((one, at) => ({ row: one, marked: at === 3 })),
    { gap: 12345678901, why: "torn", marks: 3 },
    { row: row(10, { worker: 12, kind: "close", reason: "error:ECONNRESET", peer: "[::1]:9" }), marked: true },
  ];
  const block = pack(given);
  assert.deepEqual(entriesOf(block), given);
  assert.deepEqual([block.length, block.rows, block.marks], [11, 10, 2]);
  assert.deepEqual(splitTime("2026-11-23T14:00:00Z"), [Date.UTC(2026, 10, 23, 14) / 1000, 0]);
});

test("rows come oldest first, whatever order they were sent in, and only once", () => {
  let log = receive(emptyLog(), { items: [row(1), row(3), row(2)], skipped: 0 }, 0);
  log = receive(log, { items: [row(3), row(4)], skipped: 0 }, 500);
  assert.deepEqual(seqs(log), [1, 2, 3, 4]);
  assert.deepEqual(entryAt(log, 3), { row: row(4), marked: false });
  assert.equal(entryAt(log, 4), null);
});

test("a server that begins its numbers anew is not taken for an old one", () => {
  const log = receive(receive(emptyLog(), { items: [row(7)], skipped: 0 }, 0), { items: [row(1, { time: time(9) })], skipped: 0 }, 1);
  assert.deepEqual(seqs(log), [7, 1]);
});

test("what was left out is said where it was, and how many a second", () => {
  let log = receive(emptyLog(), { items: [row(1)], skipped: 0 }, 0);
  log = receive(log, { items: rows(10, 11), skipped: 8, marks: [1], skipped_marks: 2 }, 500);
  assert.deepEqual(seqs(log), [1, "sampled 8", 10, 11]);
  assert.deepEqual(entryAt(log, 1), { gap: 8, why: "sampled", marks: 2 });
  assert.deepEqual([log.skippedPerS, log.skippedMarksPerS, log.arrived, rowsHeld(log), marksHeld(log)], [16, 4, 11, 3, 1]);
  assert.equal(receive(log, { items: [], skipped: 0 }, 1000).skippedPerS, 0);
});

test("positions stay while others come and go", () => {
  let log = receive(emptyLog(), { items: rows(5001, 5100), skipped: 0 }, 0);
  const before = entryAt(log, 50);
  log = older(log, page(rows(4901, 5000).reverse(), "abc"));
  log = receive(log, { items: rows(5101, 5200), skipped: 0 }, 1);
  assert.deepEqual([log.first, log.end, log.cursor], [-100, 200, "abc"]);
  assert.deepEqual(entryAt(log, 50), before);
  assert.deepEqual(seqs(log), rows(4901, 5200).map(({ seq }) => seq));
});

test("a running list is bounded, and says that it was cut", () => {
  let log = emptyLog();
  for (let at = 0; at < KEPT + 2000; at += 500) log = receive(log, { items: rows(at + 1, at + 500), skipped: 0 }, at);
  assert.ok(log.end - log.first >= KEPT && log.end - log.first < KEPT + 1000);
  assert.ok(log.cut && log.first > 0);
  assert.equal(seqOf(there(log, log.first)), log.first + 1);
  assert.equal(untilOldest(log), row(log.first + 2).time);
  const back = older(log, page(rows(log.first - 9, log.first + 1).reverse(), null));
  assert.deepEqual([back.first, back.ended, back.cut], [log.first - 10, true, false]);
  assert.equal(seqOf(there(back, back.first)), log.first - 9);
});

test("while someone reads nothing is dropped; what there is no room for is one gap that counts it", () => {
  let log = hold(receive(emptyLog(), { items: rows(1, 100), skipped: 0 }, 0), true);
  let seq = 101;
  for (; seq + 499 <= 100 + WAITING; seq += 500) log = receive(log, { items: rows(seq, seq + 499), skipped: 0 }, seq);
  assert.equal(log.end - (log.held?.end ?? 0), WAITING);
  log = receive(log, { items: rows(seq, seq + 4), skipped: 0, marks: [0] }, seq);
  log = receive(log, { items: rows(seq + 8, seq + 9), skipped: 3 }, seq + 10);
  assert.equal(log.first, 0);
  assert.deepEqual(entryAt(log, log.end - 1), { gap: 10, why: "unkept", marks: 1 });
  assert.equal(newSince(log, log.held), WAITING + 10);
  log = receive(hold(log, false), { items: [row(seq + 10)], skipped: 0 }, seq + 11);
  assert.deepEqual(seqs(log).slice(-2), ["unkept 10", seq + 10]);
});

test("a frozen list is shown up to where it was, and loses nothing", () => {
  let log = freeze(hold(receive(emptyLog(), { items: rows(1, 3), skipped: 0 }, 0), true), true);
  log = receive(log, { items: rows(4, 9), skipped: 0 }, 1);
  assert.equal(shownEnd(log), 3);
  assert.equal(newSince(log, log.frozen), 6);
  assert.equal(shownEnd(freeze(log, false)), 9);
  const fresh = receive(freeze(hold(emptyLog(), true), true), { items: rows(1, 3), skipped: 0 }, 0);
  assert.equal(shownEnd(fresh), 3, "the first rows are shown even so");
});

test("gaps at the beginning are filled by older pages, and rows of the same instant come once", () => {
  let log = receive(receive(emptyLog(), { items: [], skipped: 0 }, 0), { items: rows(50, 51), skipped: 40 }, 1);
  assert.deepEqual(seqs(log), ["sampled 40", 50, 51]);
  log = older(log, page([row(50), ...rows(40, 49).reverse()], "c", [10]));
  assert.deepEqual(seqs(log), rows(40, 51).map(({ seq }) => seq));
  assert.equal(nextMark(log, log.first, 1), log.first);
  assert.ok(older(emptyLog(), page([], null)).ended);
});

test("rows of the log that come live as well come once", () => {
  const empty = receive(emptyLog(), { items: [], skipped: 0 }, 0);
  const read = older(empty, page(rows(1, 4).reverse(), null));
  assert.deepEqual(seqs(receive(read, { items: rows(3, 6), skipped: 0 }, 1)), [1, 2, 3, 4, 5, 6]);
  const live = receive(empty, { items: rows(3, 6), skipped: 0 }, 1);
  assert.deepEqual(seqs(older(live, page(rows(1, 4).reverse(), null))), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(older(live, page(rows(1, 2).reverse(), null)).newest, live.newest);
});

test("a row is found by worker and number, and what came after a time, gaps passed over", () => {
  let log = receive(emptyLog(), { items: [...rows(1, 600), row(600, { worker: 2, time: time(601) })], skipped: 0 }, 0);
  log = receive(log, { items: [row(2_000_000), row(3_000_000)], skipped: 7 }, 1);
  assert.equal(positionOf(log, { worker: 0, seq: 1 }), 0);
  assert.equal(positionOf(log, { worker: 2, seq: 600 }), 600);
  assert.equal(positionOf(log, { worker: 0, seq: 3_000_000 }), log.end - 1);
  assert.equal(positionOf(log, { worker: 0, seq: 7 }), 6, "not the gap that counts as many");
  assert.equal(positionOf(log, { worker: 1, seq: 600 }), null);
  assert.equal(positionOf(older(log, page([row(0)], null)), { worker: 0, seq: 0 }), -1);
  assert.deepEqual(rowsAfter(log, timeOf(time(1_000_000))).map(({ seq }) => seq), [2_000_000, 3_000_000]);
  assert.deepEqual(rowsAfter(log, timeOf(time(3_000_000))), []);
  assert.equal(rowsAfter(log, -Infinity).length, 603);
});

test("after a break of the link, rows that may be missing are said unless the lists overlap", () => {
  const log = rejoin(receive(emptyLog(), { items: rows(1, 3), skipped: 0 }, 0));
  assert.deepEqual(seqs(receive(log, { items: rows(3, 4), skipped: 0 }, 9)), [1, 2, 3, 4]);
  assert.deepEqual(seqs(receive(log, { items: rows(8, 9), skipped: 0 }, 9)), [1, 2, 3, "torn 0", 8, 9]);
});

test("marked rows are found in both directions, over blocks and no further than what is shown", () => {
  let log = emptyLog();
  for (let at = 0; at < 3000; at += 300) log = receive(log, { items: rows(at + 1, at + 300), skipped: 0, marks: at % 900 ? [] : [10] }, at);
  const found = [];
  for (let at = nextMark(log, log.first, 1); at !== null; at = nextMark(log, at + 1, 1)) found.push(at);
  assert.deepEqual(found, [10, 910, 1810, 2710]);
  assert.equal(nextMark(log, 2709, -1), 1810);
  assert.equal(nextMark(log, 9, -1), null);
  const still = receive(freeze(hold(log, true), true), { items: [row(3001)], skipped: 0, marks: [0] }, 9999);
  assert.equal(nextMark(still, 2711, 1), null);
  assert.equal(nextMark(freeze(still, false), 2711, 1), 3000);
});

test("another filter begins another list with its first frame", () => {
  const came = (/** @type {Row} */ one) => frame("events", { items: [one], skipped: 0 });
  /** @type {import("../../static/js/live/store.js").Action[]} */
  const actions = [came(row(1)), { type: "restart", view: "events" }];
  const state = actions.reduce(reduce, initialState(0));
  assert.deepEqual(seqs(state.log), [1]);
  const next = reduce(state, came(row(7)));
  assert.deepEqual(seqs(next.log), [7]);
  assert.notEqual(next.log.list, state.log.list);
});

test("what is in sight, with a margin, and how far to scroll for a row", () => {
  const glass = { top: 3000, height: 330, row: 30, head: 30 };
  assert.deepEqual(inSight(glass, 1000), { first: 92, last: 118 });
  assert.deepEqual(inSight({ ...glass, top: 0 }, 5), { first: 0, last: 5 });
  assert.deepEqual(inSight(glass, 3), { first: 3, last: 3 });
  assert.equal(reveal(glass, 105), 3000);
  assert.equal(reveal(glass, 90), 2700);
  assert.equal(reveal(glass, 120), 121 * 30 + 30 - 330);
  assert.equal(pageOf(glass), 9);
  assert.ok(atEnd({ ...glass, top: 700 }, 33) && !atEnd({ ...glass, top: 600 }, 33));
});
