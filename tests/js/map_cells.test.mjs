import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { layout, paintChanges, strength, step, unpack } from "../../static/js/model/connection/map_cells.js";

test("cells are as large as they can be and all fit", () => {
  for (const [count, width, height] of [[1, 1300, 132], [12, 1300, 132], [1000, 1300, 132], [20_000, 1300, 132], [100_000, 1300, 132], [100_000, 360, 132]]) {
    const { size, columns, rows } = layout(count, width, height);
    assert.ok(columns * size <= width, `${count} cells in width`);
    assert.ok(rows * size <= height || size === 1, `${count} cells in height`);
    assert.ok(columns * rows >= count);
  }
  assert.equal(layout(12, 1300, 132).size, 22);
  assert.equal(layout(12, 1300, 132).gap, 1);
  assert.equal(layout(100_000, 1300, 132).gap, 0);
});

test("cells are of one size whatever the screen's pixels, and what hangs never fades", () => {
  assert.equal(layout(12, 2600, 264, 2).size, 44);
  assert.equal(layout(12, 1625, 165, 1.25).size, 28);
  for (const level of [0, 1, 2, 3]) for (const state of [1, 2]) assert.equal(strength(state, level), 1);
  assert.ok(strength(0, 0) < strength(0, 3));
});

test("cells come deflated", async () => {
  const packed = deflateSync(Buffer.from([1, 2, 3])).toString("base64");
  assert.deepEqual([...(await unpack(packed))], [1, 2, 3]);
});

test("keys lead from cell to cell and stay inside", () => {
  assert.equal(step("ArrowRight", null, 10, 4), 0);
  assert.equal(step("ArrowRight", 9, 10, 4), 9);
  assert.equal(step("ArrowDown", 1, 10, 4), 5);
  assert.equal(step("ArrowUp", 1, 10, 4), 0);
  assert.equal(step("End", 1, 10, 4), 9);
  assert.equal(step("Escape", 1, 10, 4), null);
  assert.equal(step("x", 1, 10, 4), undefined);
});

/** Always the same numbers, from 0 to 1. @param {number} seed */
function dice(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

test("what has changed, painted over what was there, is the picture painted anew", () => {
  const roll = dice(7);
  const colours = Uint32Array.from({ length: 256 }, (_, value) => value + 1);
  for (const [count, width, height] of [[1, 40, 44], [9, 90, 44], [700, 200, 60], [4000, 90, 40]]) {
    const place = layout(count, width, height);
    const size = width * Math.max(height, place.rows * place.size);
    const cell = () => Math.floor(roll() * 4) | (Math.floor(roll() * 4) << 4);
    let before = Uint8Array.from({ length: count }, cell);
    const kept = new Uint32Array(size);
    assert.equal(paintChanges(kept, width, before, null, place, colours), count);
    for (let round = 0; round < 5; round += 1) {
      const cells = before.map((value) => (roll() < 0.3 ? cell() : value));
      const changed = cells.filter((value, index) => value !== before[index]).length;
      assert.equal(paintChanges(kept, width, cells, before, place, colours), changed);
      const anew = new Uint32Array(size);
      paintChanges(anew, width, cells, null, place, colours);
      assert.deepEqual(kept, anew);
      before = cells;
    }
  }
});
