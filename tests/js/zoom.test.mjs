import assert from "node:assert/strict";
import { test } from "node:test";
import { LEAST_S, eventsPath, fromText, marked, panned, question, scaled, toText } from "../../static/js/model/time/zoom.js";

const T0 = Date.parse("2026-11-23T14:00:00Z") / 1000;
const HOUR = { from: T0, to: T0 + 3600 };

test("the address names a zoom, and what it names is the same zoom", () => {
  assert.equal(toText(HOUR), "2026-11-23T14:00:00Z,2026-11-23T15:00:00Z");
  assert.deepEqual(fromText(toText(HOUR)), HOUR);
  assert.equal(toText(null), "");
});

test("an address that names none is told", () => {
  for (const text of ["", "x", "2026-11-23T14:00:00Z", "2026-11-23T15:00:00Z,2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z,nonsense", "5,6"]) {
    assert.equal(fromText(text), null, text);
  }
});

test("what is marked is in order, in whole seconds and not too short", () => {
  assert.deepEqual(marked(T0 + 90.2, T0 + 30.7), { from: T0 + 30, to: T0 + 91 });
  for (const width of [0, 0.3, 1, 2, 4.9]) {
    const { from, to } = marked(T0, T0 + width);
    assert.ok(to - from >= LEAST_S && from <= T0 && to >= T0 + width);
  }
});

test("closer and back again; at last all of it", () => {
  const closer = scaled(HOUR, T0 + 1800, 0.5, 3600);
  assert.deepEqual(closer, { from: T0 + 900, to: T0 + 2700 });
  assert.ok(closer);
  assert.equal(scaled(closer, T0 + 1800, 2, 3600), null);
  const edge = scaled(HOUR, T0, 0.5, 3600);
  assert.deepEqual(edge, { from: T0, to: T0 + 1800 });
});

test("later goes no farther than now", () => {
  assert.deepEqual(panned(HOUR, -0.5, T0 + 4000), { from: T0 - 1800, to: T0 + 1800 });
  assert.deepEqual(panned(HOUR, 0.5, T0 + 4000), { from: T0 + 400, to: T0 + 4000 });
  assert.deepEqual(panned(HOUR, 0.5, T0 + 100), HOUR);
});

test("the server is asked for a range that it answers, and never for the future", () => {
  assert.deepEqual(question({ from: T0, to: T0 + 10 }, T0 - 900, T0 + 100), { range: 60, at: "2026-11-23T14:00:11Z" });
  assert.deepEqual(question(HOUR, T0 - 900, T0 + 7200), { range: 3602, at: "2026-11-23T15:00:01Z" });
  assert.deepEqual(question(HOUR, T0 - 900, T0 + 1000), { range: 1001 });
  assert.equal(question({ from: T0, to: T0 + 999_999 }, T0 - 900, T0 + 2_000_000).range, 86_400);
});

test("the server is never asked for a moment before its log", () => {
  assert.deepEqual(question({ from: T0, to: T0 + 10 }, T0 + 10.3, T0 + 100), { range: 60, at: "2026-11-23T14:00:11Z" });
  assert.deepEqual(question({ from: T0, to: T0 + 10 }, T0 + 11.3, T0 + 100), { range: 60, at: "2026-11-23T14:00:12Z" });
  assert.deepEqual(question({ from: T0, to: T0 + 10 }, T0 + 9.3, T0 + 9.6), { range: 60 });
});

test("a zoom leads to its events", () => {
  assert.equal(eventsPath(HOUR), "/events?since=2026-11-23T14:00:00Z&until=2026-11-23T15:00:00Z");
});
