import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { getGroup, getTerm, setGroup, setTerm, terms } from "../../static/js/model/rows/filter_terms.js";
import { absolute, isMoment, justAfter, meant } from "../../static/js/model/time/instants.js";
import { build, parse } from "../../static/js/ui/url.js";
import { KINDS, complaint, eventWords, kindWords, reasonSentence } from "../../static/js/views/frame/labels.js";

test("a term is set and taken out without touching the others", () => {
  const q = 'peer:"a b" state:open -kind:echo';
  assert.deepEqual(terms(q), ['peer:"a b"', "state:open", "-kind:echo"]);
  assert.equal(getTerm(q, "state"), "open");
  assert.equal(getTerm(q, "kind"), "");
  assert.equal(setTerm(q, "state", "blocked"), 'peer:"a b" -kind:echo state:blocked');
  assert.equal(setTerm(q, "state", ""), 'peer:"a b" -kind:echo');
  assert.equal(setTerm("", "state", "closed"), "state:closed");
});

test("the address bar gives back what was put in, and leaves defaults out", () => {
  const defaults = { q: "", sort: "-queue_bytes", page: 1 };
  const params = { q: "state:open,closed a+b&c=%", sort: "conn", page: 12 };
  assert.deepEqual(parse(build(params, defaults), defaults), params);
  assert.equal(build(defaults, defaults), "");
  assert.equal(build({ ...defaults, q: "kind:full" }, defaults), "?q=kind:full");
  assert.deepEqual(parse("?page=-3&q=x&other=1", defaults), { ...defaults, q: "x" });
});

test("moments", () => {
  for (const good of ["30s", "10m", "2h", "1d", "2026-11-23T14:00:00Z", "2026-11-23T14:00:00.123456789+01:00"]) assert.ok(isMoment(good), good);
  for (const bad of ["", "10", "m", "-5m", "2026-11-23", "2026-13-45T14:00:00Z", "14:00"]) assert.ok(!isMoment(bad), bad);
  for (const bad of ["999999999d", "99999d0", "2026-11-30T23:00:00+25:00"]) assert.ok(!isMoment(bad), bad);
  assert.ok(isMoment("30000d"));
  assert.equal(meant("2026-11-23T14:00:00.5 02:00"), "2026-11-23T14:00:00.5+02:00");
  assert.equal(meant("kind:full state:open"), "kind:full state:open");
  assert.equal(absolute("10m", Date.UTC(2026, 10, 23, 14)), "2026-11-23T13:50:00.000Z");
  assert.equal(absolute("2026-11-23T14:00:00Z", 0), "2026-11-23T14:00:00Z");
  assert.equal(justAfter("2026-11-23T14:00:00.000000009Z"), "2026-11-23T14:00:00.000000010Z");
  assert.equal(justAfter("2026-12-31T23:59:59.999999999Z"), "2027-01-01T00:00:00.000000000Z");
});

test("every kind of the catalogue has its mark and meaning", () => {
  const source = readFileSync(new URL("../../core/ring/events.py", import.meta.url), "utf8");
  const names = [...source.split("class Reason")[0].matchAll(/^ {4}([A-Z_]+) = \d+$/gm)].map((match) => match[1].toLowerCase());
  assert.ok(names.length >= 14);
  assert.deepEqual(Object.keys(KINDS).sort(), names.sort());
});

test("every reason of the catalogue has its sentence", () => {
  const source = readFileSync(new URL("../../core/ring/events.py", import.meta.url), "utf8");
  const reasons = source.split("class Reason")[1].split("REASON_MEANING")[0];
  const names = [...reasons.matchAll(/^ {4}([A-Z_]+) = [1-9]\d*$/gm)].map((match) => match[1].toLowerCase().replace("proxy_", "proxy:").replace(/^tls_/, "tls:").replace("fault_", "").replace(/^order_/, ""));
  assert.ok(names.length >= 11);
  for (const name of names) assert.notEqual(reasonSentence(name), name, `${name} is not put into words`);
  assert.equal(reasonSentence("error:ECONNRESET"), "A system call failed with ECONNRESET.");
  assert.match(reasonSentence("ring_full:12"), /12 events/);
  assert.equal(reasonSentence("latency:12"), "Fault 12: replies come later.");
  assert.match(reasonSentence("clock:-30"), /-30 s/);
  assert.equal(reasonSentence("fault:12", "order"), "Order 12: begin or end a fault.");
  assert.equal(reasonSentence("tls:not_tls"), "TLS failed: what came was no TLS.");
  assert.equal(reasonSentence(""), "");
});

test("words for what is not known yet, and for what ails", () => {
  assert.deepEqual(kindWords("unheard_of"), ["life", ""]);
  assert.equal(eventWords({ kind: "close", reason: "reset" })[0], "bad");
  assert.equal(eventWords({ kind: "close", reason: "peer" })[0], "life");
  assert.match(complaint({ state: "blocked", queue_bytes: 2048 }), /^2.00 KiB wait/);
});

test("groups of connections are terms of the filter, beside all others", () => {
  assert.equal(setGroup("bytes_in>1", "abnormal"), "bytes_in>1 end:abnormal");
  assert.equal(getGroup("bytes_in>1 end:abnormal"), "abnormal");
  assert.equal(getGroup("state:closed"), "closed");
  assert.equal(getGroup("end:ordinary"), null);
  assert.equal(setGroup("end:abnormal bytes_in>1", "closing"), "bytes_in>1 state:closing");
  assert.equal(setGroup("end:abnormal", ""), "");
  assert.equal(setGroup("state:closed", "probe"), "end:probe");
  assert.equal(getGroup("end:probe"), "probe");
  assert.equal(setGroup("state:open", "blocked"), "state:blocked,paused");
  assert.equal(getGroup("state:paused,blocked bytes_in>1"), "blocked");
  for (const others of ["state:blocked", "state:open,closing", "state:closed,open"]) assert.equal(getGroup(others), null);
});
