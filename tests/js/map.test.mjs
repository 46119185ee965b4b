import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

globalThis.document = /** @type {any} */ ({
  createElement: () => ({ style: {} }), documentElement: { append: () => undefined },
});
const { layout, step, unpack } = await import("../../static/js/map.js");

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
