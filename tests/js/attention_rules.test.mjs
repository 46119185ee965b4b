import assert from "node:assert/strict";
import { test } from "node:test";
import { blocked, HELD_UP } from "../../static/js/gallery/made_up.js";
import { KEPT_MS, LIMITS, calmWords, fate, isElsewhere, isSlow, limitsText, next, readLimits, settled } from "../../static/js/model/connection/attention_rules.js";

const item = (/** @type {number} */ conn, /** @type {number} */ waiting_s, queue_bytes = 10) => ({ ...blocked({ conn, waiting_s, queue_bytes }), verdict: HELD_UP });
const conns = (/** @type {import("../../static/js/model/connection/attention_rules.js").Entry[]} */ entries) => entries.map((entry) => entry.item.conn);

test("slow is who waits too long or holds too much", () => {
  assert.ok(isSlow(item(1, 2), LIMITS));
  assert.ok(isSlow(item(1, 0, LIMITS.bytes), LIMITS));
  assert.ok(!isSlow(item(1, 1.9, LIMITS.bytes - 1), LIMITS));
  assert.ok(!isSlow(item(1, 0, 2 ** 40), { seconds: 2, bytes: 0 }));
});

test("who got well or closed is listed for a while, as over, and then no more", () => {
  let entries = next([], [item(1, 9), item(2, 5), item(3, 0.1)], LIMITS, 1000);
  assert.deepEqual(conns(entries), [1, 2]);
  entries = next(entries, [item(1, 10), item(2, 0.2)], LIMITS, 2000);
  assert.deepEqual(conns(entries), [1, 2]);
  assert.equal(entries[0].over, null);
  assert.equal(entries[1].over?.at, 2000);
  assert.match(entries[1].over?.how ?? "", /waits less/);
  assert.deepEqual(conns(next(entries, [item(1, 11)], LIMITS, 1999 + KEPT_MS)), [1, 2]);
  assert.deepEqual(conns(next(entries, [item(1, 11)], LIMITS, 2000 + KEPT_MS)), [1]);
});

test("who is no longer named is asked for, and what became of it is kept", () => {
  let entries = next([], [item(1, 9)], LIMITS, 1000);
  entries = next(entries, [], LIMITS, 2000);
  assert.equal(entries[0].over?.how, "");
  entries = settled(entries, 1, "closed: reset");
  entries = next(entries, [], LIMITS, 3000);
  assert.deepEqual(entries[0].over, { at: 2000, how: "closed: reset" });
});

test("who is slow again is no longer over", () => {
  let entries = next([], [item(1, 9)], LIMITS, 1000);
  entries = next(entries, [], LIMITS, 2000);
  entries = next(entries, [item(1, 3)], LIMITS, 3000);
  assert.equal(entries[0].over, null);
  assert.equal(settled(entries, 1, "too late")[0].over, null);
});

test("the largest queue is remembered", () => {
  let entries = next([], [item(1, 9, 500)], LIMITS, 1000);
  entries = next(entries, [item(1, 9, 100)], LIMITS, 2000);
  assert.equal(entries[0].peak, 500);
});

test("what became of one, in words", () => {
  assert.equal(fate({ state: "closed", reason: "reset" }), "closed: reset");
  assert.equal(fate({ state: "blocked", waiting_s: 3 }), "others are slower now");
  assert.equal(fate({ state: "open", waiting_s: 0 }), "took all that waited");
});

test("a jump into the past leaves nothing over of what comes later", () => {
  const entries = next(next([], [item(1, 9)], LIMITS, 9000), [], LIMITS, 10_000);
  assert.deepEqual(next(entries, [], LIMITS, 5000), []);
});

test("limits: the address counts, then what is stored; nonsense is left out", () => {
  assert.deepEqual(readLimits("", ""), LIMITS);
  assert.deepEqual(readLimits("10,0", ""), { seconds: 10, bytes: 0 });
  assert.deepEqual(readLimits("10,0", "5,1048576"), { seconds: 5, bytes: 1048576 });
  assert.deepEqual(readLimits("nonsense", "7,7"), LIMITS);
  assert.deepEqual(readLimits("", limitsText({ seconds: 60, bytes: 65536 })), { seconds: 60, bytes: 65536 });
});

test("that all is well is said with the limits", () => {
  assert.equal(calmWords(LIMITS), "Nothing waits longer than 2 s, and no queue holds 256 KiB");
  assert.equal(calmWords({ seconds: 30, bytes: 0 }), "Nothing waits longer than 30 s");
});

test("a jump is to another moment, neither a break of the link nor what is played", () => {
  assert.ok(isElsewhere(null, 5000, false));
  assert.ok(isElsewhere(5000, null, false));
  assert.ok(isElsewhere(5000, 4000, false));
  assert.ok(!isElsewhere(null, null, false));
  assert.ok(!isElsewhere(5000, 5001, false));
  assert.ok(!isElsewhere(5000, 65_000, true));
});
