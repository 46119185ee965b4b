// @ts-check
/** Made-up connections in full, and lists of them. Pure. */

import { ago, blocked, chance, FINE, HELD_UP, item, many, MARKS, rows } from "./made_up.js";

/** @type {import("../live/types.js").KernelSample} */
export const SAMPLE = {
  age_s: 0.2, suspects: ["probes", "rwnd_limited"],
  facts: {
    unread: 0, receive_memory: 0, rcv_wnd: 65_536, unsent: 3_880_448, in_flight: 114_688, send_memory: 4_120_576, send_limit: 4_194_304, receive_limit: 131_072, error: 0, state: "ESTABLISHED",
    ca_state: "Open", retransmits: 0, probes: 1, backoff: 4, options: "timestamps, sack, wscale", rto: 204_000, snd_mss: 32_741, rcv_mss: 536,
    unacked: 4, lost: 0, last_data_sent: 4200, last_data_recv: 4210, last_ack_recv: 610, rtt: 48, rttvar: 21, snd_cwnd: 10, min_rtt: 11,
    total_retrans: 0, pacing_rate: 4_294_967_295, max_pacing_rate: null, bytes_acked: 6_858_913, bytes_received: 4_823_117, snd_wnd: 0,
    delivery_rate: 92_000_000, busy_time: 4_300_000, rwnd_limited: 4_200_000, sndbuf_limited: 0,
  },
};

/** @param {Partial<import("../live/types.js").ConnectionDetail>} [more] @returns {import("../live/types.js").ConnectionDetail} */
export const detail = (more = {}) => ({
  ...item(), history: rows(120), events_in_memory: 48_213, kernel: { ...SAMPLE, suspects: [], facts: { ...SAMPLE.facts, unsent: 0, in_flight: 0, snd_wnd: 65_536 } },
  marks: MARKS, verdict: FINE, ...more,
});

export const stuck = () => detail({ ...blocked({ conn: 17, peer: "127.0.0.1:40017" }), kernel: SAMPLE, verdict: HELD_UP });
export const gone = () =>
  detail({ state: "closed", closed: ago(3), reason: "reset", queue_bytes: 65_536, queue_chunks: 1, kernel: SAMPLE, verdict: { ...HELD_UP, code: "peer_reset", sentence: "The peer reset the connection while 3.88 MiB waited." } });

/** A page of a list of `matched` connections, every state among them. @param {number} count @param {number} [matched] @returns {import("../live/types.js").Connections} */
export function list(count, matched = count) {
  const next = chance(13);
  const states = /** @type {const} */ (["open", "open", "open", "blocked", "paused", "closing", "closed"]);
  const items = many(count, (index) => {
    const state = states[index % states.length];
    const queue = state === "blocked" || state === "paused" ? Math.floor(next() * 400_000) : 0;
    return item({
      conn: index + 1, worker: index % 3, peer: `127.0.0.1:${40_000 + index}`, state, queue_bytes: queue, queue_chunks: Math.ceil(queue / 65_536),
      idle_s: next() * 90, closed: state === "closed" ? ago(40) : null, reason: state === "closed" ? (index % 2 ? "reset" : "peer") : "",
      end: state === "closed" ? (index % 2 ? "abnormal" : "ordinary") : "",
    });
  });
  const number = (/** @type {string} */ state) => items.filter((one) => one.state === state).length;
  const counts = {
    open: number("open"), blocked: number("blocked"), paused: number("paused"), closing: number("closing"), closed: number("closed"),
    abnormal: items.filter((one) => one.end === "abnormal").length,
    probe: 0,
  };
  return { total: Math.max(matched, count), matched, items, counts };
}
