import assert from "node:assert/strict";
import { test } from "node:test";

import { accept, faultIn, optionsFor, partAt, termsOf } from "../../static/js/model/rows/filter_completion.js";

/** @param {string} name @param {object} [more] */
const field = (name, more = {}) => ({
  name, type: "number", unit: "", units: [], meaning: `the ${name}`, operators: [":", "!=", ">", ">=", "<", "<="], values: [], examples: [], live: false, ...more,
});
const STATE = field("state", { type: "choice", operators: [":", "!="], values: [{ value: "open", meaning: "well" }, { value: "closed", meaning: "gone" }] });
const QUEUE = field("queue_bytes", { unit: "bytes", units: ["B", "KiB"], examples: ["0", "1KiB"] });
const FIELDS = [STATE, field("queue_chunks"), QUEUE, field("conn")];
const labels = (/** @type {string} */ text, caret = text.length, /** @type {import("../../static/js/live/types.js").FieldValue[]} */ live = []) => optionsFor(partAt(text, caret), FIELDS, live).map(({ label }) => label);

test("terms are split as the server splits them", () => {
  assert.deepEqual(termsOf(' a:1  -b:"x y",z "open').map(({ text }) => text), ["a:1", '-b:"x y",z', '"open']);
  assert.deepEqual(termsOf("").length, 0);
});

test("the term under the caret, and the value between commas", () => {
  assert.equal(partAt("state:open conn:1", 3).name, "sta");
  const part = partAt("state:open,clo,x conn:1", 14);
  assert.deepEqual([part.name, part.operator, part.typed, part.itemFrom, part.itemTo], ["state", ":", "clo", 11, 14]);
  assert.deepEqual([partAt("-st", 3).minus, partAt("-st", 3).name, partAt("-st", 3).itemFrom], [true, "st", 1]);
  assert.equal(partAt("state:open  conn:1", 11).from, 11);
  assert.equal(partAt('peer:"a,b",c', 8).typed, '"a,');
});

test("fields first, those that begin so before those that hold it", () => {
  assert.deepEqual(labels(""), ["state:", "queue_chunks", "queue_bytes", "conn"]);
  assert.deepEqual(labels("c"), ["conn", "queue_chunks"]);
  assert.deepEqual(labels("-STA"), ["state:"]);
  assert.deepEqual(labels("nothing"), []);
});

test("a whole name is followed by its operators, an operator by values", () => {
  assert.deepEqual(labels("state"), ["state:", "state!="]);
  assert.deepEqual(labels("queue_bytes").slice(0, 3), ["queue_bytes:", "queue_bytes!=", "queue_bytes>"]);
  assert.deepEqual(labels("queue_bytes!"), ["queue_bytes:", "queue_bytes!=", "queue_bytes>", "queue_bytes>=", "queue_bytes<", "queue_bytes<="]);
  assert.deepEqual(labels("state:"), ["open", "closed"]);
  assert.deepEqual(labels("state:open,cl"), ["closed"]);
  assert.deepEqual(labels("queue_bytes>="), ["0", "1KiB"]);
  assert.deepEqual(labels("queue_bytes>=64"), ["64B", "64KiB"]);
  assert.deepEqual(labels("foo:"), []);
});

test("values that are there now say so where they stand, and new ones come after", () => {
  const live = [{ value: "closed", meaning: "7 now" }, { value: "new", meaning: "1 now" }];
  const options = optionsFor(partAt("state:", 6), FIELDS, live);
  assert.deepEqual(options.map(({ label }) => label), ["open", "closed", "new"]);
  assert.equal(options[1].detail, "7 now · gone");
});

test("an option replaces its part only", () => {
  const [option] = optionsFor(partAt("conn:1 stat queue_chunks>1", 11), FIELDS);
  assert.deepEqual(accept("conn:1 stat queue_chunks>1", option), { text: "conn:1 state: queue_chunks>1", caret: 13 });
  const [closed] = optionsFor(partAt("state:cl", 8), FIELDS);
  assert.deepEqual(accept("state:cl", closed), { text: "state:closed ", caret: 13 });
});

test("the term that an error names", () => {
  const text = "conn:1 foo:2 conn:1";
  assert.deepEqual(faultIn(text, 'unknown field "foo" in "foo:2"; known: conn'), { from: 7, to: 12, text: "foo:2" });
  assert.equal(faultIn(text, "the link is down"), null);
  const long = `peer:${"x".repeat(80)}`;
  assert.equal(faultIn(long, `bad value in "${long.slice(0, 60)}…"`)?.to, long.length);
});
