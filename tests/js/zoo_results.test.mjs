import assert from "node:assert/strict";
import { test } from "node:test";
import {
  expectedWords, leftWords, metWords, pageLink, pieces, resultLinks, resultWords, runningWords, score, shareGone, sumWords, watchLinks,
} from "../../static/js/model/zoo_results.js";

const RUNNING = {
  name: "never-reads", model: "epoll", count: 1, seconds: 20, began: "2026-11-23T14:00:00Z", left_s: 5, stage: "holding", connections: 1,
  sent: 2097152, received: 0, states: ["paused"], verdicts: ["peer_not_reading"], sentence: "The peer is not reading.", conns: [17],
  since: "2026-11-23T13:59:59Z", notes: [],
};
const EXPECTATIONS = [
  { name: "rows", wanted: "open close", met: true, seen: "open 1, close 1" },
  { name: "state", wanted: "open", met: false, seen: "never listed" },
  { name: "verdict", wanted: "idle", met: null, seen: "not looked at" },
];
const RESULT = {
  name: "resets", model: "epoll", count: 1, seconds: 2, began: "2026-11-23T14:00:00Z", took_s: 2.5, met: false, expectations: EXPECTATIONS, notes: [],
  q: "conn:17", since: "2026-11-23T13:59:59Z", error: "",
  connections: [{ conn: 17, peer: "127.0.0.1:1", sent: 1, received: 1, echoed: 1, messages: 1, sentence: "" }],
};

test("one that is out: what it does, how long, where to watch it", () => {
  assert.equal(runningWords(RUNNING), "holding; 1 connection, 2.00 MiB sent, 0 B received");
  assert.equal(leftWords(RUNNING), "5.0 s left");
  assert.equal(leftWords({ ...RUNNING, left_s: 0 }), "leaving");
  assert.equal(shareGone(RUNNING), 0.75);
  assert.equal(shareGone({ ...RUNNING, seconds: 0 }), 1);
  assert.deepEqual(watchLinks(RUNNING).map((link) => link.path), ["/connections/17", "/connections?q=opened%3E%3D2026-11-23T13:59:59Z"]);
});

test("a result: in one line, and where it is told", () => {
  assert.deepEqual(score(RESULT), { met: 1, of: 2 });
  assert.equal(resultWords(RESULT), "Not as expected: 1 of 2 not met");
  assert.equal(resultWords({ ...RESULT, met: true, expectations: EXPECTATIONS.slice(0, 1) }), "As expected: 1 of 1");
  assert.equal(resultWords({ ...RESULT, error: "called back" }), "Called back");
  assert.deepEqual(resultLinks(RESULT).map((link) => link.path), [
    "/connections/17", "/connections?q=conn:17", "/events?q=conn:17&since=2026-11-23T13:59:59Z",
  ]);
  assert.deepEqual(resultLinks({ ...RESULT, q: "" }), []);
  const several = { ...RESULT, connections: [17, 18].map((conn) => ({ ...RESULT.connections[0], conn })) };
  assert.deepEqual(resultLinks(several)[0], { text: "post-mortem of its first connection", path: "/connections/17" });
  assert.equal(resultLinks({ ...RESULT, connections: [] }).length, 2);
});

test("each expectation has a mark and a word", () => {
  assert.deepEqual(EXPECTATIONS.map(metWords), [["notfull", "met"], ["bad", "not met"], ["empty", "not checked"]]);
});

test("what to expect of an animal", () => {
  const expects = { kinds: ["open", "close"], reason: "reset", states: ["blocked", "paused"], verdicts: ["peer_not_reading"] };
  assert.equal(expectedWords(/** @type {any} */ ({ expects })), "state blocked or paused, verdict “peer not reading”, close reason “reset”");
  assert.equal(expectedWords(/** @type {any} */ ({ expects: { ...expects, states: ["closed"], verdicts: ["closed"] } })), "close reason “reset”");
});

test("pages, code in sentences, and the sum of all", () => {
  const expects = { kinds: [], reason: "", states: ["open"], verdicts: [] };
  assert.deepEqual(pageLink({ page: "loop", expects }, 17), { text: "Loop", path: "/loop" });
  assert.deepEqual(pageLink({ page: "new", expects }), { text: "new", path: "/" });
  assert.deepEqual(pageLink({ page: "connection", expects }), { text: "Connections", path: "/connections" });
  assert.equal(pageLink({ page: "connection", expects: { ...expects, states: ["blocked", "paused"] } }).path, "/connections?q=state:blocked,paused");
  assert.deepEqual(pageLink({ page: "connection", expects }, 17), { text: "its own page", path: "/connections/17" });
  assert.deepEqual(pieces("with `--model x` all"), [
    { text: "with ", isCode: false }, { text: "--model x", isCode: true }, { text: " all", isCode: false },
  ]);
  assert.equal(sumWords({ running: null, results: {}, busy: "" }, 11), "11 animals, none has been out yet");
  assert.equal(sumWords({ running: null, results: { resets: RESULT }, busy: "" }, 11), "1 of 11 have been out: 0 as expected, 1 not");
  assert.equal(sumWords({ running: null, results: { resets: { ...RESULT, met: true } }, busy: "" }, 11), "1 of 11 have been out: 1 as expected");
  assert.equal(sumWords({ running: RUNNING, results: {}, busy: "" }, 11), "never-reads is out on epoll, 5.0 s left");
  assert.equal(sumWords({ running: null, results: {}, busy: "lab run 3" }, 11), "lab run 3 is running: one thing at a time");
});
