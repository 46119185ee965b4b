// @ts-check
/** The pipe of one connection: what stands where, of how much, in which of the four states, and how fast it flows. Pure. */

import { bytes, clock, duration, num, toMillis } from "../format.js";

/**
 * @typedef {import("../../live/types.js").ConnectionDetail} Known @typedef {import("../../live/types.js").KernelSample} KernelSample @typedef {import("../../live/types.js").EventRow} EventRow
 * @typedef {"empty" | "notempty" | "full" | "notfull" | "unknown"} Mark
 * @typedef {{at: number, mark: string, words: string}} Line a mark on the wall of a vessel, `at` a share of its height
 * @typedef {{mark: Mark, word: string, share: number | null, part?: number, figure: string, limit: string, note: string, lines: Line[]}} Vessel
 *   `share`: how far it is filled, 0 to 1, null where no one knows; `part`: how much of that is in flight
 * @typedef {{rate: number | null, shut: string}} Flow bytes a second, null: not known; `shut`: why nothing can pass, "" where it can
 * @typedef {{receive: Vessel, queue: Vessel, send: Vessel, peer: {figure: string, note: string, mark: Mark, word: string},
 *   flows: {arrive: Flow, read: Flow, write: Flow, leave: Flow}, said: string}} Pipe
 * @typedef {Pick<Known, "queue_bytes" | "queue_peak_bytes" | "fulls" | "bytes_in" | "bytes_out" | "marks"> & {state: string,
 *   kernel?: Pick<KernelSample, "facts"> | null, at?: string}} Item what it takes of a connection
 * @typedef {Pick<EventRow, "time" | "kind" | "emptied">} Row
 * @typedef {{at: number, received: number | null, in: number, out: number, acked: number | null}} Sums bytes since the connection began; seconds
 */

/** @type {Record<Mark, string>} */
export const WORDS = { empty: "empty", notempty: "not empty", full: "full", notfull: "not full", unknown: "not known" };

/** Rates are those of this many seconds, so that the marks on the page neither stutter nor lag. */
export const RATE_S = 1.5;
/** A jump in time: what was measured before says nothing of after. */
const JUMP_S = 30;
/** The kernel calls a socket writable again at this share of its limit (sk_stream_is_writeable() in include/net/sock.h). */
const WRITABLE = 2 / 3;
/** Most that a send buffer may take where nothing was changed (the default of net.ipv4.tcp_wmem), for when its own limit is not known. */
const USUAL = 4 << 20;
/** The queue's vessel reaches so far beyond its high-water mark: one read may go beyond it. */
const HEADROOM = 1.25;

/** What a frame says of sums. @param {Pick<Item, "kernel" | "bytes_in" | "bytes_out">} item @param {number} at seconds @returns {Sums} */
export function sumsOf(item, at) {
  const facts = item.kernel?.facts ?? {};
  return { at, received: num(facts.bytes_received), in: num(item.bytes_in) ?? 0, out: num(item.bytes_out) ?? 0, acked: num(facts.bytes_acked) };
}

/** The sums that rates are made of, one frame more. @param {Sums[]} kept oldest first @param {Sums} now @returns {Sums[]} */
export function remember(kept, now) {
  const last = kept.at(-1);
  if (!last || now.at < last.at || now.at - last.at > JUMP_S) return [now];
  if (now.at === last.at) return [...kept.slice(0, -1), now];
  const first = kept.findLastIndex(({ at }) => now.at - at >= RATE_S);
  return [...kept.slice(Math.max(0, first)), now];
}

/** Bytes a second of one sum; null while there is nothing to compare. @param {Sums[]} kept @param {"received" | "in" | "out" | "acked"} name */
export function rateOf(kept, name) {
  const [first, last] = [kept[0], kept.at(-1)];
  if (!first || !last || last.at <= first.at) return null;
  const [then, now] = [first[name], last[name]];
  return then === null || now === null ? null : Math.max(0, now - then) / (last.at - first.at);
}

/** How fast marks run, for a rate: a thousand times the bytes are about twice the speed. 0: they stand. @param {number | null} rate bytes/s */
export function paceOf(rate) {
  return rate === null || rate <= 0 ? 0 : Math.min(3, 0.25 + 0.28 * Math.log10(1 + rate));
}

/** @param {number | null} level @param {number | null} limit */
function shareOf(level, limit) {
  return level === null || limit === null || limit <= 0 ? null : Math.min(1, Math.max(0, level / limit));
}

/** When something last happened among the rows, in words. @param {Row[]} rows oldest first @param {(row: Row) => boolean} is @param {number} now seconds */
function lastOf(rows, is, now) {
  const row = rows.findLast(is);
  if (!row) return "";
  const ago = Math.max(0, now - (toMillis(row.time) ?? 0) / 1000);
  return ago < 3600 ? `${duration(ago)} ago` : clock(row.time).slice(0, 8);
}

/** The kernel's receive buffer. @param {Item} item @param {Row[]} rows @param {number} now @returns {Vessel} */
function receiveOf(item, rows, now) {
  const facts = item.kernel?.facts ?? {};
  const unread = num(facts.unread);
  const [taken, limit] = [num(facts.receive_memory), num(facts.receive_limit)];
  const share = unread === 0 ? 0 : shareOf(taken ?? unread, limit);
  const shut = num(facts.rcv_wnd) === 0;
  /** @type {Mark} */
  const mark = unread === null ? "unknown" : unread === 0 ? "empty" : shut ? "full" : "notempty";
  const emptied = lastOf(rows, (row) => row.emptied === true, now);
  return {
    mark, word: WORDS[mark], share, figure: unread === null ? "" : bytes(unread), limit: limit === null ? "" : `takes ${bytes(taken)} of ${bytes(limit)}`,
    note: emptied ? `last read empty ${emptied}` : "", lines: [],
  };
}

/** The server's own queue, with its marks. @param {Item} item @returns {Vessel} */
function queueOf(item) {
  const level = num(item.queue_bytes) ?? 0;
  const peak = num(item.queue_peak_bytes) ?? 0;
  const marks = item.marks ?? null;
  const top = Math.max((marks?.high ?? 0) * HEADROOM, peak, 1);
  /** @type {Mark} */
  const mark = item.state === "paused" || (marks && level > marks.high) ? "full" : level > 0 ? "notempty" : "empty";
  /** @type {Line[]} */
  const lines = marks ? [
    { at: marks.high / top, mark: "full", words: `high ${bytes(marks.high)}` },
    { at: marks.low / top, mark: "notfull", words: `low ${bytes(marks.low)}` },
  ] : [];
  if (peak > level) lines.push({ at: peak / top, mark: "peak", words: "" });
  return {
    mark, word: WORDS[mark], share: level / top, figure: bytes(level),
    limit: marks ? `reading stops above ${bytes(marks.high)}` : "one reply at most", note: peak > 0 ? `peak ${bytes(peak)}` : "never used", lines,
  };
}

/** The kernel's send buffer: unsent, and in flight. @param {Item} item @param {Row[]} rows @param {number} now @returns {Vessel} */
function sendOf(item, rows, now) {
  const facts = item.kernel?.facts ?? {};
  const [unsent, flying] = [num(facts.unsent), num(facts.in_flight)];
  const [taken, limit] = [num(facts.send_memory), num(facts.send_limit)];
  const held = unsent === null ? null : unsent + (flying ?? 0);
  const isFull = (num(item.queue_bytes) ?? 0) > 0;
  /** @type {Mark} */
  const mark = isFull ? "full" : held === null ? "unknown" : held === 0 ? "empty" : "notfull";
  const full = lastOf(rows, (row) => row.kind === "full", now);
  const fulls = num(item.fulls) ?? 0;
  const times = fulls === 1 ? "once full" : `full ${fulls} times`;
  return {
    mark, word: WORDS[mark], share: held === 0 ? 0 : limit === null && isFull ? 1 : shareOf(taken ?? held, limit ?? Math.max(held ?? 0, USUAL)), part: held ? (flying ?? 0) / held : 0,
    figure: held === null ? "" : `${bytes(unsent)} unsent · ${bytes(flying)} in flight`,
    limit: limit === null ? "" : `takes ${bytes(taken ?? held)} of ${bytes(limit)}`,
    note: fulls === 0 ? "never full" : `${times}${full ? `, last ${full}` : ""}`,
    lines: limit === null ? [] : [{ at: WRITABLE, mark: "notfull", words: "not full" }],
  };
}

/** The peer's end: the window that it offers. @param {Item} item */
function peerOf(item) {
  const facts = item.kernel?.facts ?? {};
  const window = num(facts.snd_wnd);
  const unsent = num(facts.unsent) ?? 0;
  const small = window !== null && window < Math.min(unsent, num(facts.snd_mss) ?? 0);
  /** @type {Mark} */
  const mark = window === null ? "unknown" : window === 0 || small ? "full" : "notfull";
  const since = num(facts.last_data_sent);
  const note = window === 0 && unsent > 0 && since !== null ? `closed for ${duration(since / 1000)}` : small ? "too small to send" : "";
  return { mark, word: WORDS[mark], figure: window === null ? "" : `window ${bytes(window)}`, note };
}

/**
 * All of it, of one frame.
 * @param {Item} item a connection as the API tells it @param {Row[]} rows its recent rows, oldest first
 * @param {Sums[]} kept as `remember` keeps them @param {number} now seconds
 * @returns {Pipe}
 */
export function pipeOf(item, rows, kept, now) {
  const closed = item.state === "closed";
  const receive = receiveOf(item, rows, now);
  const queue = queueOf(item);
  const send = sendOf(item, rows, now);
  const peer = peerOf(item);
  const gone = closed ? "closed" : "";
  const ended = closed ? gone : item.state === "closing" ? "the peer has ended its side" : "";
  const paused = item.state === "paused" ? "reading is paused" : "";
  const full = send.mark === "full" ? "the send buffer is full" : "";
  const shut = peer.mark === "full" && !closed ? "the peer's window is closed" : "";
  const flow = (/** @type {number | null} */ rate, /** @type {string} */ why) => ({ rate: closed ? 0 : rate, shut: why });
  return {
    receive, queue, send, peer,
    flows: {
      arrive: flow(rateOf(kept, "received") ?? rateOf(kept, "in"), ended), read: flow(rateOf(kept, "in"), ended || paused),
      write: flow(rateOf(kept, "out"), gone || full), leave: flow(rateOf(kept, "acked") ?? rateOf(kept, "out"), gone || shut),
    },
    said: asOf(item, closed),
  };
}

/** Of when the levels are. @param {Item} item @param {boolean} closed */
function asOf(item, closed) {
  if (!item.kernel) {
    if (closed) return "Closed. What the kernel held just before is no longer kept: only the server's own queue is shown.";
    return item.at ? "The past: only the server's own queue is recorded; what the kernel holds is asked of the present alone."
      : "Only the server's own queue is shown: the kernel could not be asked.";
  }
  return closed ? "Closed. These are the last levels, taken just before the close; of the buffers' limits there is no record." : "";
}
