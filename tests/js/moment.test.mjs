import assert from "node:assert/strict";
import { test } from "node:test";
import { list } from "../../static/js/gallery/made_connections.js";
import { overview } from "../../static/js/gallery/made_up.js";
import { standing } from "../../static/js/model/link.js";
import { asOf, fromAddress, LIVE, moved, played, strideOf, toggled, watchParams } from "../../static/js/model/time/moment.js";
import { initialState, reduce } from "../../static/js/live/store.js";
import { build } from "../../static/js/ui/url.js";

const T = Date.UTC(2026, 10, 23, 14);
const SPAN = { since: T, until: T + 60_000, live: true, heard: 1000 };
const END = "2026-11-23T14:01:00.000456789Z";
const ENDED = { ...SPAN, live: false, end: END };
/** @param {number} seconds @param {Partial<import("../../static/js/model/time/moment.js").Moment>} [more] */
const at = (seconds, more = {}) => ({ ...LIVE, at: T + seconds * 1000, ...more });
const iso = (/** @type {number} */ seconds) => new Date(T + seconds * 1000).toISOString();

test("an address names a moment, a time ago, or none", () => {
  assert.deepEqual(fromAddress("2026-11-23T14:00:05.300Z", "", T), at(5.3));
  assert.deepEqual(fromAddress("2026-11-23T15:00:05+01:00", "10", T), at(5, { playing: true, speed: 10 }));
  assert.deepEqual(fromAddress("2026-11-23T14:00:05.300000001Z", "", T), at(5.301));
  assert.deepEqual(fromAddress("2026-11-23T14:00:05.300000000Z", "", T), at(5.3));
  assert.deepEqual(fromAddress("10m", "3", T), at(-600));
  for (const text of ["", "noon", "2026-11-23"]) assert.equal(fromAddress(text, "2", T), LIVE);
});

test("a watch says the moment, and the speed while it plays", () => {
  assert.deepEqual(watchParams("events", LIVE), {});
  assert.deepEqual(watchParams("events", at(5)), { at: iso(5) });
  assert.deepEqual(watchParams("loop", at(5)), {}, "which knows no past");
  assert.deepEqual(watchParams("events", at(5, { playing: true, speed: 2 })), { at: iso(5), speed: 2 });
});

test("requests are as of the moment, and no range reaches beyond it", () => {
  assert.deepEqual(asOf("series", { range: 60 }, LIVE), { range: 60 });
  for (const path of ["status", "overview", "connections", "connections/7", "series"]) {
    assert.deepEqual(asOf(path, { q: "a" }, at(5)), { q: "a", at: iso(5) });
  }
  for (const path of ["span", "events/estimate", "downloads/0a"]) assert.deepEqual(asOf(path, {}, at(5)), {});
  const range = (/** @type {string} */ since, /** @type {string} */ until) => {
    const asked = asOf("events/histogram", { since, until }, at(30));
    return [asked.since, asked.until];
  };
  const end = "2026-11-23T14:00:30.000000001Z";
  assert.deepEqual(range("", ""), ["", end]);
  assert.deepEqual(range("10s", "5s"), [iso(20), iso(25)]);
  assert.deepEqual(range(iso(1), iso(50)), [iso(1), end]);
  assert.deepEqual(range(iso(1), iso(2)), [iso(1), iso(2)]);
});

test("the end of a log is asked for to the nanosecond, any other moment to the millisecond", () => {
  const end = at(60, { text: END });
  assert.deepEqual(watchParams("events", end), { at: END });
  assert.equal(asOf("series", {}, end).at, END);
  assert.equal(asOf("events", {}, end).until, "2026-11-23T14:01:00.000456790Z");
  assert.deepEqual(watchParams("events", { ...end, at: T }), { at: iso(0) });
});

test("moves stay within what the log holds by now; past its living end it is live", () => {
  assert.deepEqual(moved(T + 5000, SPAN, LIVE, 1000), at(5));
  assert.deepEqual(moved(T - 5000, SPAN, at(3, { playing: true }), 1000), at(0, { playing: true }));
  assert.equal(moved(T + 60_000, SPAN, at(3), 1000), LIVE);
  assert.deepEqual(moved(T + 60_000, SPAN, at(3), 3000), at(60));
  assert.equal(moved(T + 62_000, SPAN, at(3), 3000), LIVE);
  assert.deepEqual(moved(T + 99_000, ENDED, at(3, { playing: true }), 3000), at(60, { text: END }));
});

test("stop, play, pause, and play again from the start of a log that has ended", () => {
  assert.deepEqual(toggled(LIVE, T + 9000, SPAN), at(9));
  assert.deepEqual(toggled(at(9), T + 12_000, SPAN), at(9, { playing: true }));
  assert.deepEqual(toggled(at(9, { playing: true }), T, SPAN), at(9));
  assert.deepEqual(toggled(at(60), T, ENDED), at(0, { playing: true }));
});

test("playing goes where the frames are, and ends by itself", () => {
  const playing = { playing: true };
  assert.equal(played(LIVE, T, true, SPAN), LIVE);
  assert.deepEqual(played(at(1), T + 2000, false, SPAN), at(1));
  assert.deepEqual(played(at(1, playing), T + 2000, false, SPAN), at(2, playing));
  assert.equal(played(at(1, playing), T + 61_000, true, SPAN), LIVE);
  assert.deepEqual(played(at(1, playing), T + 60_000, true, ENDED), at(60, { text: END }));
  const state = { ...initialState(0), moment: at(1, playing), span: SPAN };
  const frame = (/** @type {{at: string, end: boolean}} */ data) => reduce(state, { type: "frame", view: "overview", time: iso(900), now: 0, data: overview(data) });
  assert.deepEqual(frame({ at: iso(4), end: false }).moment, at(4, playing));
  assert.equal(frame({ at: iso(4), end: false }).overviewTime, T / 1000 + 4);
  assert.equal(frame({ at: iso(60), end: true }).moment, LIVE);
});

test("a view that is refused while it plays says why, and keeps what it had", () => {
  const some = list(3);
  const state = reduce(initialState(0), { type: "frame", view: "connections", data: some, now: 0 });
  const refused = reduce(state, { type: "frame", view: "connections", data: { error: "dropped", end: true }, now: 1 });
  assert.deepEqual([refused.refused.connections, refused.connections], ["dropped", some]);
});

test("keys: a second, ten with Shift, a minute; others are not the scrubber's", () => {
  assert.deepEqual(["ArrowLeft", "ArrowRight", "PageUp", "x"].map((key) => strideOf(key, false)), [-1000, 1000, 60_000, 0]);
  assert.deepEqual(["ArrowLeft", "PageDown"].map((key) => strideOf(key, true)), [-10_000, -60_000]);
});

test("what stands still is not stale", () => {
  const { link } = reduce(initialState(0), { type: "link", phase: "live", now: 0 });
  assert.equal(standing(link, 60_000).name, "stale");
  assert.equal(standing(link, 60_000, true).name, "live");
});

test("the address bar keeps what others have put there", () => {
  assert.equal(build({ q: "a:b" }, { q: "" }, "?at=10m&q=old"), "?at=10m&q=a:b");
  assert.equal(build({ at: "" }, { at: "" }, "?at=10m&q=a"), "?q=a");
});
