import assert from "node:assert/strict";
import { test } from "node:test";
import { faultText, onText, orderOf, targetText } from "../../static/js/model/order_words.js";

const FORM = { what: "close", target: "q", q: "peer:10.*", how: "rst", why: "a test", seconds: "30" };

test("a form becomes the order that the API takes", () => {
  assert.deepEqual(orderOf(FORM), { path: "connections/close", body: { q: "peer:10.*", how: "rst", why: "a test" } });
  assert.equal(orderOf({ ...FORM, target: "conn", conn: "17" }).body.q, "conn:17");
  const fault = { ...FORM, what: "latency", target: "share", share: "0.1", seed: "7", "latency.latency": "200", "latency.jitter": "" };
  assert.deepEqual(orderOf(fault), {
    path: "faults", body: { kind: "latency", on: { share: 0.1, seed: 7 }, seconds: 30, why: "a test", latency: 200 },
  });
  assert.deepEqual(orderOf({ ...fault, seed: "" }).body.on, { share: 0.1 });
  assert.deepEqual(orderOf({ ...fault, target: "next", next: "5" }).body.on, { next: 5 });
});

test("orders and faults are put into words", () => {
  assert.equal(onText({ conn: 17, how: "fin" }), "conn 17, how fin");
  assert.equal(targetText({ conn: 17 }), "connection 17");
  assert.equal(targetText({ q: "" }), "every connection");
  const fault = { id: 3, kind: "latency", latency: 200, on: { next: 5 }, seconds: 60, why: "slow", who: "ada", matched: 0, began: "", ends: "" };
  assert.equal(faultText(fault), "latency latency 200 on the next 5 new connections; by ada: slow");
  assert.equal(targetText({ share: 0.1, seed: 7 }), "10% of new connections, seed 7");
});
