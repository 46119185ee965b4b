// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { factText, troubles, verdictTitle } from "../../static/js/views/connection/kernel_facts.js";

test("facts are told with their unit", () => {
  /** @type {[unknown, string, string][]} */
  const cases = [
    [0, "bytes", "0 B"], [4111360, "bytes", "3.92 MiB"], [2048, "bytes/s", "2.00 KiB/s"], [90, "us", "90 µs"], [5530, "us", "5.53 ms"],
    [208000, "us", "208 ms"], [5500, "ms", "5.5 s"], [0, "ms", "0"], [1, "segments", "1 segment"], [15, "segments", "15 segments"],
    [0, "times", "0"], [1, "", "1"], ["ESTABLISHED", "", "ESTABLISHED"], ["", "", "none"], [null, "segments", "none"],
  ];
  for (const [value, unit, text] of cases) assert.equal(factText(value, unit), text);
});

test("a verdict has a title, and is trouble or not", () => {
  assert.equal(verdictTitle({ code: "peer_not_reading" }), "Held up by the peer");
  assert.equal(verdictTitle({ code: "new" }), "new");
  assert.deepEqual(["fine", "idle", "network", "loop_late"].map((code) => troubles({ code })), [false, false, true, true]);
});
