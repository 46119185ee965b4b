// @ts-check
/** Made-up figures of every shape that the server sends, for the gallery and for tests. Pure, and the same each time. */

/**
 * @typedef {import("../live/types.js").EventRow} EventRow
 * @typedef {import("../live/types.js").ConnectionItem} ConnectionItem
 * @typedef {import("../live/store.js").Action} Action
 * @typedef {import("../live/store.js").Frames} Frames
 */

/** The moment of everything that is made up, milliseconds. */
export const NOW = Date.UTC(2026, 10, 23, 14, 22, 5);

/** So many seconds before that moment, as the server writes it. @param {number} seconds */
export const ago = (seconds) => new Date(NOW - seconds * 1000).toISOString().replace("Z", "000000Z");

/** Numbers between 0 and 1 that look random and are the same each time. @param {number} seed */
export function chance(seed) {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

/** @template T @param {number} length @param {(index: number) => T} make @returns {T[]} */
export const many = (length, make) => Array.from({ length }, (_, index) => make(index));

/** A frame that came just now. @template {keyof Frames} V @param {V} view @param {Frames[V]} data @param {number} [now] @returns {Action} */
export const frame = (view, data, now = NOW) => /** @type {Action} */ ({ type: "frame", view, data, time: new Date(now).toISOString(), now });

/** @param {Partial<EventRow>} [more] @returns {EventRow} */
export const row = (more = {}) => ({
  seq: 1, time: ago(0), worker: 0, conn: 17, peer: "127.0.0.1:40017", kind: "echo", bytes_in: 64, bytes_out: 91, queue_bytes: 0,
  queue_chunks: 0, emptied: true, reason: "", ...more,
});

/** What a slow reader's connection goes through, over and over, oldest first. @param {number} count @returns {EventRow[]} */
export function rows(count) {
  const kinds = ["echo", "read", "full", "pause", "write", "not_full", "resume"];
  return many(count, (index) => {
    const kind = index === 0 ? "open" : kinds[(index - 1) % kinds.length];
    const queued = ["read", "full", "pause", "write"].includes(kind) ? 65_536 * (1 + (index % 5)) : 0;
    return row({ seq: index + 1, time: ago((count - index) / 5), kind, queue_bytes: queued, queue_chunks: queued > 0 ? 3 : 0, emptied: kind === "echo", reason: kind === "pause" ? "high_water" : "" });
  });
}

/** @param {Partial<ConnectionItem>} [more] @returns {ConnectionItem} */
export const item = (more = {}) => ({
  conn: 17, worker: 0, peer: "127.0.0.1:40017", state: "open", opened: ago(754), closed: null, idle_s: 0.4, waiting_s: 0, bytes_in: 4_823_117,
  bytes_out: 6_858_913, echoes: 75_361, fulls: 0, queue_bytes: 0, queue_chunks: 0, queue_peak_bytes: 8192, reason: "", end: "", bytes_in_per_s: 0, bytes_out_per_s: 0, verdict: "fine", verdict_age_s: null, faults: [], via: "", ...more,
});

/** One that takes too little. @param {Partial<ConnectionItem>} [more] */
export const blocked = (more = {}) =>
  item({ conn: 23, peer: "127.0.0.1:40023", state: "blocked", queue_bytes: 262_144, queue_chunks: 4, queue_peak_bytes: 311_296, fulls: 12, idle_s: 4.2, ...more });

/** Above which of them reading pauses, below which it goes on. */
export const MARKS = { high: 262_144, low: 65_536 };

/** @type {import("../live/types.js").Verdict} */
export const HELD_UP = {
  code: "peer_not_reading",
  sentence: "The peer is not reading: 3.81 MiB wait in the kernel, its window has been closed for 4.2 s.",
  evidence: ["Peer's window: 0 B", "Unsent: 3.70 MiB", "In flight: 112 KiB", "Probes: 1"],
};
/** @type {import("../live/types.js").Verdict} */
export const FINE = { code: "fine", sentence: "Nothing waits: every reply was taken at once.", evidence: [] };

/** @param {Partial<import("../live/types.js").Overview>} [more] @returns {import("../live/types.js").Overview} */
export const overview = (more = {}) => ({
  name: "echoscope", version: "0.2.0", replay: false, uptime_s: 93_784, model: "epoll", reply: "stamp", workers: 0,
  echo: { host: "127.0.0.1", port: 21567 }, connections: { open: 12, blocked: 1, accepted: 48_213, closed: 48_201, refused: 0 },
  bytes_in: 9_412_331_008, bytes_out: 13_385_091_123, echoes: 147_067_672, queue: { bytes: 262_144, chunks: 4, max_bytes: 262_144 },
  recorder: { events: 148_231_456, lost: 0, lag_ms: 212, log_bytes: 331_350_016, dropped: { segments: 0, events: 0, bytes: 0, until: null }, damaged: "", skipped: 0 },
  viewers: 2, accept_queue: { length: 0, limit: 4096 }, echoes_per_s: 48_213, bytes_in_per_s: 3_085_632, bytes_out_per_s: 4_387_383,
  loop_busy: 0.42, attention: [{ ...blocked(), verdict: HELD_UP }], notable: rows(8).map((one) => ({ ...one, kind: "full" })), time: ago(0),
  healthy: true, trouble: "", marks: MARKS, ...more,
});

/** A server that no one has talked to yet. */
export const newborn = () =>
  overview({
    uptime_s: 4, connections: { open: 0, blocked: 0, accepted: 0, closed: 0, refused: 0 }, bytes_in: 0, bytes_out: 0, echoes: 0,
    queue: { bytes: 0, chunks: 0, max_bytes: 0 }, echoes_per_s: 0, bytes_in_per_s: 0, bytes_out_per_s: 0, loop_busy: 0.001, attention: [],
    notable: [row({ kind: "start", conn: 0, peer: "" })],
    recorder: { events: 1, lost: 0, lag_ms: 0, log_bytes: 4096, dropped: { segments: 0, events: 0, bytes: 0, until: null }, damaged: "", skipped: 0 },
  });
