// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { paceOf, pipeOf, rateOf, remember, sumsOf } from "../../static/js/model/connection/pipe_levels.js";

const FACTS = {
  unread: 0, receive_memory: 0, receive_limit: 131072, rcv_wnd: 65536, unsent: 0, in_flight: 0, send_memory: 0, send_limit: 4194304,
  snd_wnd: 65536, snd_mss: 1448, last_data_sent: 4200, bytes_received: 100, bytes_acked: 90,
};
const ITEM = { state: "open", queue_bytes: 0, queue_peak_bytes: 0, fulls: 0, bytes_in: 100, bytes_out: 100, marks: { high: 256 << 10, low: 64 << 10 } };
const ROWS = [
  { kind: "full", time: "2026-11-23T14:00:00.000000000Z", emptied: false }, { kind: "echo", time: "2026-11-23T14:00:02.000000000Z", emptied: true },
];
const NOW = Date.parse("2026-11-23T14:00:10Z") / 1000;

/** @param {object} item @param {object | null} facts */
const pipe = (item = {}, facts = {}) => pipeOf({ ...ITEM, ...item, kernel: facts && { facts: { ...FACTS, ...facts } } }, ROWS, [], NOW);

test("a quiet connection is empty, and nothing is shut", () => {
  const { receive, queue, send, peer, flows, said } = pipe();
  assert.deepEqual([receive.mark, queue.mark, send.mark, peer.mark], ["empty", "empty", "empty", "notfull"]);
  assert.deepEqual([receive.share, queue.share, send.share], [0, 0, 0]);
  assert.deepEqual(Object.values(flows).map(({ shut }) => shut), ["", "", "", ""]);
  assert.equal(said, "");
  assert.equal(receive.note, "last read empty 8.0 s ago");
  assert.equal(send.note, "never full");
});

test("a peer that does not read fills everything from the right to the left", () => {
  const { receive, queue, send, peer, flows } = pipe(
    { state: "paused", queue_bytes: 300 << 10, queue_peak_bytes: 320 << 10, fulls: 2 },
    { unread: 60000, receive_memory: 131072, rcv_wnd: 0, unsent: 3000000, in_flight: 1000000, send_memory: 4194304, snd_wnd: 0 },
  );
  assert.deepEqual([receive.mark, queue.mark, send.mark, peer.mark], ["full", "full", "full", "full"]);
  assert.deepEqual([receive.share, send.share, send.part], [1, 1, 0.25]);
  assert.equal(send.figure, "2.86 MiB unsent · 977 KiB in flight");
  assert.equal(send.note, "full 2 times, last 10 s ago");
  assert.equal(peer.note, "closed for 4.2 s");
  assert.deepEqual(flows.read.shut, "reading is paused");
  assert.deepEqual(flows.write.shut, "the send buffer is full");
  assert.deepEqual(flows.leave.shut, "the peer's window is closed");
  assert.ok(queue.lines.every(({ at }) => at > 0 && at <= 1));
});

test("a window that is too small for the next segment is as good as closed", () => {
  assert.equal(pipe({}, { unsent: 5000, snd_wnd: 700 }).peer.mark, "full");
  assert.equal(pipe({}, { unsent: 500, snd_wnd: 700 }).peer.mark, "notfull");
});

test("the buffers are as full as the memory that they take, not as the bytes in them", () => {
  assert.equal(pipe({}, { unread: 5, receive_memory: 65536 }).receive.share, 0.5);
});

test("where the kernel was not asked it is said, and the own queue is still shown", () => {
  const { receive, queue, send, peer, said } = pipe({ state: "blocked", queue_bytes: 1000, queue_peak_bytes: 2000 }, null);
  assert.deepEqual([receive.mark, queue.mark, send.mark, peer.mark], ["unknown", "notempty", "full", "unknown"]);
  assert.equal(receive.share, null);
  assert.match(said, /could not be asked/);
  assert.match(pipeOf({ ...ITEM, at: "x", kernel: null }, [], [], NOW).said, /The past/);
});

test("a closed one shows its last levels, and nothing flows", () => {
  const kept = [{ at: NOW - 1, received: 0, in: 0, out: 0, acked: 0 }, { at: NOW, received: 9, in: 9, out: 9, acked: 9 }];
  const { unsent, in_flight, snd_wnd } = { ...FACTS, unsent: 9000, in_flight: 0, snd_wnd: 0 };
  const item = { ...ITEM, state: "closed", queue_bytes: 10, kernel: { age_s: 1, facts: { unsent, in_flight, snd_wnd } } };
  const { send, flows, said } = pipeOf(item, ROWS, kept, NOW);
  assert.deepEqual([send.mark, send.share], ["full", 1]);
  assert.deepEqual(Object.values(flows).map(({ rate }) => rate), [0, 0, 0, 0]);
  assert.match(said, /just before the close/);
  assert.match(pipeOf({ ...item, kernel: null }, ROWS, [], NOW).said, /no longer kept/);
});

test("without marks there is one reply at most", () => {
  const { queue } = pipe({ marks: null, queue_bytes: 10, queue_peak_bytes: 10 });
  assert.deepEqual(queue.lines, []);
  assert.equal(queue.limit, "one reply at most");
});

test("rates are those of the last second and a half", () => {
  const sums = (/** @type {number} */ at) => sumsOf({ ...ITEM, bytes_in: at * 1000, bytes_out: at * 500, kernel: { facts: { bytes_received: at * 2000 } } }, at);
  let kept = remember([], sums(10));
  assert.equal(rateOf(kept, "in"), null);
  for (const at of [10.5, 11, 11.5, 12, 12.5, 13]) kept = remember(kept, sums(at));
  assert.deepEqual([kept[0].at, kept.at(-1)?.at], [11.5, 13]);
  assert.deepEqual([rateOf(kept, "in"), rateOf(kept, "out"), rateOf(kept, "received"), rateOf(kept, "acked")], [1000, 500, 2000, null]);
  assert.equal(remember(kept, sums(5)).length, 1);
  assert.equal(remember(kept, sums(100)).length, 1);
  assert.equal(remember(kept, sums(13)).length, kept.length);
});

test("marks run faster the more there is, within bounds", () => {
  assert.equal(paceOf(0), 0);
  assert.equal(paceOf(null), 0);
  const paces = [1, 1e3, 1e6, 1e9].map(paceOf);
  assert.deepEqual([...paces].sort((a, b) => a - b), paces);
  assert.ok(paces[0] > 0.2 && paceOf(1e15) <= 3);
});
