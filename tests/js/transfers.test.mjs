import assert from "node:assert/strict";
import { test } from "node:test";
import {
  begun, downloadUrl, estimateWords, heard, isActive, PATIENCE, rateOf, readTransfers, shareOf, transferWords, unheard, writeTransfers,
} from "../../static/js/model/transfers.js";

/** @typedef {import("../../static/js/live/types.js").TransferAnswer} Answer */

const TOKEN = "0123456789abcdef0123456789abcdef";
const start = () => begun(TOKEN, "a.csv", "csv", 0);
/** @param {Partial<Answer>} [more] @returns {Answer} */
const answer = (more = {}) => ({
  token: TOKEN, state: "running", reason: "", rows: 500, bytes: 1_000_000, estimate: { rows: 2000, bytes: 4_000_000, exact: false }, elapsed_s: 1, name: "log.csv", ...more,
});

test("a download under way: share, rate and what is left", () => {
  let transfer = heard(start(), answer(), 1000);
  assert.equal(rateOf(transfer), null);
  transfer = heard(transfer, answer({ bytes: 2_000_000, rows: 1000 }), 2000);
  assert.equal(rateOf(transfer), 1_000_000);
  assert.equal(shareOf(transfer), 0.5);
  assert.equal(transferWords(transfer), "1,000 of about 2,000 rows · 1.91 MiB of about 3.81 MiB · 977 KiB/s · 2.0 s left");
  assert.equal(transfer.name, "log.csv");
});

test("the rate is that of late, and an estimate is never taken for the end", () => {
  let transfer = heard(start(), answer({ bytes: 0 }), 0);
  for (let at = 1; at <= 20; at += 1) transfer = heard(transfer, answer({ bytes: at <= 10 ? at : 10 + (at - 10) * 100 }), at * 1000);
  assert.equal(rateOf(transfer), 100);
  assert.equal(shareOf(heard(transfer, answer({ bytes: 9_000_000 }), 21_000)), 0.99);
  assert.equal(shareOf(heard(transfer, answer({ state: "done" }), 22_000)), 1);
  assert.equal(shareOf(heard(transfer, answer({ estimate: null }), 22_000)), null);
});

test("ends: done, cancelled, broken off", () => {
  const end = (/** @type {Answer["state"]} */ state) => heard(start(), answer({ state }), 1000);
  assert.equal(transferWords(end("done")), "Done: 500 rows · 977 KiB in 1.0 s");
  assert.match(transferWords(end("cancelled")), /^Cancelled after 500 rows/);
  assert.match(transferWords(end("failed")), /not whole/);
  assert.deepEqual(/** @type {const} */ (["done", "cancelled", "failed", "running"]).map((state) => isActive(end(state))), [false, false, false, true]);
});

test("what the server has not heard of may still come, but not for ever", () => {
  assert.equal(unheard(start(), PATIENCE - 1).phase, "starting");
  assert.equal(unheard(start(), PATIENCE).phase, "refused");
  assert.match(transferWords(unheard(start(), PATIENCE)), /did not start/);
  const refused = heard(start(), { ...answer(), state: "refused", reason: "4 downloads are under way" }, 1);
  assert.equal(isActive(refused), false);
  assert.equal(transferWords(refused), "Refused: 4 downloads are under way");
  assert.equal(unheard(heard(start(), answer(), 1), 2).phase, "forgotten");
});

test("another page of the same tab goes on following; rubbish in the storage is no error", () => {
  const running = heard(start(), answer(), 1);
  const kept = readTransfers(writeTransfers([running, heard(start(), answer({ state: "done" }), 1)]));
  assert.deepEqual(kept.map(({ token, name, phase }) => [token, name, phase]), [[TOKEN, "log.csv", "running"]]);
  for (const text of [null, "", "{", "7", '[{"token":"../x"}]']) assert.deepEqual(readTransfers(text), []);
});

test("estimates and addresses", () => {
  assert.equal(estimateWords({ rows: 1, bytes: 10, exact: true }), "1 row, about 10 B");
  assert.equal(estimateWords({ rows: 12_000, bytes: 2048, exact: false }), "About 12,000 rows, about 2.00 KiB");
  assert.match(estimateWords({ rows: 0, bytes: 0, exact: true }), /Nothing matches/);
  assert.equal(downloadUrl({ format: "csv", q: "", since: "" }), "/api/v1/events/download?format=csv");
  const url = new URL(downloadUrl({ format: "jsonl", q: 'peer:"a&b" bytes_in>1', since: "10m", until: "1m" }), "http://host");
  assert.equal(url.searchParams.get("q"), 'peer:"a&b" bytes_in>1');
});
