import assert from "node:assert/strict";
import { test } from "node:test";
import { composition, divide } from "../../static/js/model/turn_phases.js";

const measured = { turns: 4, busy_us: 200, accept_us: 20, read_us: 60, write_us: 100, accepts: 2, reads: 30, writes: 25 };

test("the work is divided as in the turns that were measured", () => {
  const phases = divide({ busy: 0.5, turns: 100, phases: measured });
  assert.deepEqual(phases.map(({ name }) => name), ["wait", "accept", "read", "write", "other"]);
  assert.deepEqual(phases.map(({ share }) => share), [0.5, 0.05, 0.15, 0.25, 0.05]);
  assert.deepEqual(phases.map(({ each_us: each }) => each), [null, 10, 2, 4, null]);
});

test("shares of all the time add up to one", () => {
  const sum = divide({ busy: 0.37, turns: 9, phases: { ...measured, busy_us: 1000 } }).reduce((all, { share }) => all + (share ?? 0), 0);
  assert.ok(Math.abs(sum - 1) < 1e-9);
});

test("nothing measured, nothing said of it", () => {
  const none = { turns: 0, busy_us: 0, accept_us: 0, read_us: 0, write_us: 0, accepts: 0, reads: 0, writes: 0 };
  assert.deepEqual(divide({ busy: 0.2, turns: 5, phases: none }).map(({ share }) => share), [0.8, null, null, null, null]);
  assert.equal(divide({ busy: 0, turns: 0, phases: none })[0].share, null);
});

test("a turn's own parts, and none of one that was not measured", () => {
  const columns = { busy_us: [100, 50, 0], accept_us: [0, null, 0], read_us: [25, null, 0], write_us: [50, null, 0] };
  const turns = /** @type {any} */ (columns);
  assert.deepEqual(composition(turns, 0), [["accept", 0], ["read", 0.25], ["write", 0.5], ["other", 0.25]]);
  assert.equal(composition(turns, 1), null);
  assert.equal(composition(turns, 2), null);
});
