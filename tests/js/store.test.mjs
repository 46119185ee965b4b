import assert from "node:assert/strict";
import { test } from "node:test";
import { overview as made, row } from "../../static/js/gallery/made_up.js";
import { standing } from "../../static/js/model/link.js";
import { empty, extend, fromAnswer, pointOf } from "../../static/js/model/time/series.js";
import { entriesOf } from "../../static/js/model/rows/packed_rows.js";
import { createStore, initialState, reduce } from "../../static/js/live/store.js";
import { linePath } from "../../static/js/ui/plots/sparkline.js";

const T0 = 1_800_000_000;
/** @typedef {import("../../static/js/live/store.js").Action} Action @typedef {import("../../static/js/live/store.js").Frames} Frames */

const overview = (/** @type {number} */ open, accepted = 0) => made({ connections: { open, blocked: 0, accepted, closed: 0, refused: 0 } });
/** What came of a view, which may be anything. @param {keyof Frames} view @param {unknown} data @param {string | number} [time] @param {number} [now] */
const frame = (view, data, time, now = 1000) => /** @type {Action} */ ({ type: "frame", view, data, time, now });
const run = (/** @type {Action[]} */ actions, state = initialState(0)) => actions.reduce(reduce, state);

test("overview frames extend the history that was loaded", () => {
  const answer = { range: 60, step: 1, time: [T0], open: [3] };
  const state = run([{ type: "history", answer }, frame("overview", overview(5), T0 + 1), frame("overview", overview(9), T0 + 2)]);
  assert.deepEqual(state.history?.time, [T0, T0 + 1, T0 + 2]);
  assert.deepEqual(state.history?.open, [3, 5, 9]);
  assert.deepEqual(state.history?.blocked, [null, 0, 0]);
  assert.equal(state.overview?.connections.open, 9);
});

test("a failed history keeps the one that is there", () => {
  const answer = { range: 60, step: 1, time: [T0], open: [3] };
  const state = run([{ type: "history", answer }, { type: "history", error: "down" }]);
  assert.equal(state.historyError, "down");
  assert.deepEqual(state.history?.open, [3]);
});

test("points of one step become their mean, old steps fall out, silence is a gap", () => {
  let series = empty(10, 2);
  series = extend(series, T0, { open: 2 });
  series = extend(series, T0 + 1, { open: 4 });
  assert.deepEqual([series.time, series.open], [[T0], [3]]);
  series = extend(series, T0 + 8, { open: 1 });
  assert.deepEqual(series.open, [3, null, 1]);
  series = extend(series, T0 + 12, { open: 1 });
  assert.equal(series.time[0], T0 + 2);
  assert.equal(extend(series, T0, { open: 9 }), series);
});

test("columns that the server did not send are unknown, not zero", () => {
  assert.deepEqual(fromAnswer({ range: 60, step: 1, time: [1, 2], open: [1, 2] }).loop_busy, [null, null]);
});

test("rates of coming and going are differences", () => {
  assert.equal(pointOf(overview(1, 30), overview(1, 10), 4).accepted_per_s, 5);
  assert.equal(pointOf(overview(1, 30), null, 4).accepted_per_s, null);
  assert.equal(pointOf(overview(1, 0), overview(1, 10), 4).accepted_per_s, 0);
});

test("views keep their newest frame, and an unknown view or action is not swallowed", () => {
  assert.deepEqual(run([frame("connections", { items: [1] }), frame("connections", { items: [2] })]).connections, { items: [2] });
  assert.equal(run([frame("map", {})]).link.lastFrame, 1000);
  assert.throws(() => run([/** @type {any} */ ({ type: "nonsense" })]), /nonsense/);
});

test("the link: a short reconnect raises no alarm, a long one does", () => {
  const live = run([{ type: "link", phase: "live", now: 1000 }, frame("overview", overview(1), T0, 1500)]);
  assert.equal(standing(live.link, 2000).name, "live");
  const lost = run([{ type: "link", phase: "lost", now: 2000 }], live).link;
  assert.deepEqual(standing(lost, 3500), { name: "live", label: "live", alarm: "" });
  assert.equal(standing(lost, 4100).name, "reconnecting");
  assert.match(standing(lost, 9000).alarm, /for 7.0 s/);
});

test("the link: connecting, stale and stopped are said", () => {
  const first = initialState(0).link;
  assert.equal(standing(first, 1000).alarm, "");
  assert.match(standing(first, 3000).alarm, /Still connecting/);
  const live = run([{ type: "link", phase: "live", now: 0 }]).link;
  assert.equal(standing(live, 8000).label, "stale for 8.0 s");
  const stopped = run([{ type: "link", phase: "stopped", why: "too many viewers", now: 0 }]).link;
  assert.match(standing(stopped, 5000).alarm, /too many viewers/);
});

test("viewers are told once for many changes, and frames are acknowledged after that", () => {
  /** @type {(() => void)[]} */
  const tasks = [];
  /** @type {unknown[]} */
  const log = [];
  const store = createStore((task) => tasks.push(task));
  store.subscribe((state) => log.push(state.connections?.matched));
  store.dispatch(frame("connections", { matched: 1 }), () => log.push("first shown"));
  store.dispatch(frame("connections", { matched: 2 }), () => log.push("second shown"));
  assert.equal(tasks.length, 1);
  tasks[0]();
  assert.deepEqual(log, [2, "first shown", "second shown"]);
});

test("a sparkline breaks where nothing is known", () => {
  assert.equal(linePath([0, 10, null, 10], 10), "M0.0 26.0L33.3 2.0M100.0 2.0");
  assert.equal(linePath([], 1), "");
});

test("reduce changes no state that it was given", () => {
  /** @template T @param {T} value @returns {T} */
  const freeze = (value) => {
    if (value && typeof value === "object" && !Object.isFrozen(value)) Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  /** @type {Action[]} */
  const actions = [
    { type: "tick", now: 1 }, { type: "link", phase: "live", now: 2 }, frame("overview", overview(3), T0), { type: "recent", answer: { range: 60, step: 1, time: [T0], open: [1] } },
    frame("overview", overview(4), T0 + 1), frame("events", { items: [], skipped: 0 }), { type: "missed", view: "events" }, { type: "restart", view: "events" },
    { type: "hold", held: true }, { type: "hold", held: false }, { type: "clear" }, { type: "older", page: { items: [], next: null, progress: { scanned: 0, total: 0 } } },
    { type: "histogram", change: { stale: false } }, { type: "transfers", change: () => [] }, { type: "span", span: null }, { type: "zoomed", answer: null },
  ];
  let state = freeze(initialState(0));
  for (const action of actions) state = freeze(reduce(state, freeze(action)));
  assert.equal(state.overview?.connections.open, 4);
});

test("figures may be nothing, zero, huge or text, and are never NaN on a chart", () => {
  const figures = { connections: { open: null, blocked: 0, accepted: "18446744073709551615", closed: -1 }, queue: { bytes: "9007199254740993" }, loop_busy: NaN };
  const state = run([{ type: "history", answer: { range: 60, step: 1, time: [T0], open: [3] } }, frame("overview", figures, T0 + 1)]);
  assert.ok(state.history);
  const values = Object.values(state.history).filter(Array.isArray).map((column) => column.at(-1));
  assert.ok(values.every((value) => value === null || Number.isFinite(value)), JSON.stringify(values));
  assert.equal(state.history.open.at(-1), null);
  assert.equal(state.history.blocked.at(-1), 0);
});

test("a view that can no longer be told says why, and keeps what it showed", () => {
  const state = run([frame("loop", { busy: 1 }), frame("loop", { error: "the log ends here", end: true })]);
  assert.equal(state.refused.loop, "the log ends here");
  assert.deepEqual(state.loop, { busy: 1 });
  assert.equal(run([{ type: "refused", view: "loop", error: "" }], state).refused.loop, "");
});

test("missed frames tear the list of events, and no view whose frames are whole", () => {
  const event = (/** @type {number} */ seq) => row({ seq, time: `2026-11-23T14:00:00.00000000${seq}Z` });
  const shown = (/** @type {string} */ view) => run([frame("events", { items: [event(1)], skipped: 0 }), { type: "missed", view }, frame("events", { items: [event(4)], skipped: 0 })])
    .log.blocks.flatMap(entriesOf).map((entry) => ("gap" in entry ? "gap" : entry.row.seq));
  assert.deepEqual(shown("events"), [1, "gap", 4]);
  assert.deepEqual(shown("overview"), [1, 4]);
});

test("the time of a frame of the past is that of which it tells", () => {
  const state = run([frame("overview", { ...overview(1), at: "2026-11-23T14:00:00Z" }, "2026-11-23T15:00:00Z")]);
  assert.equal(state.overviewTime, Date.UTC(2026, 10, 23, 14) / 1000);
});

test("a viewer that fails keeps no frame from being acknowledged", () => {
  /** @type {(() => void)[]} */
  const tasks = [];
  let shown = 0;
  const store = createStore((task) => tasks.push(task));
  store.subscribe(() => {
    throw new Error("cannot draw");
  });
  store.dispatch(frame("connections", {}), () => (shown += 1));
  assert.throws(() => tasks[0](), /cannot draw/);
  assert.equal(shown, 1);
  store.dispatch({ type: "tick", now: 5 });
  assert.equal(tasks.length, 2, "the next change is shown again");
});

test("a phase of the link lasts from when it began, however often it is said", () => {
  const state = run([{ type: "link", phase: "lost", now: 1000 }, { type: "link", phase: "lost", why: "again", now: 4000 }]);
  assert.deepEqual([state.link.since, state.link.why], [1000, "again"]);
});
