// @ts-check
/** The pipe of a connection: the levels, and what flows between them. */

import { refs } from "../../ui/dom.js";
import { createPipe } from "../../views/connection/pipe_drawing.js";
import { detail, gone, SAMPLE, stuck } from "../made_connections.js";
import { ago, FINE, NOW } from "../made_up.js";

/** @typedef {import("../../live/types.js").ConnectionDetail} Detail */

/** Facts of a kernel in which nothing waits. */
const CALM = {
  ...SAMPLE.facts, unread: 0, receive_memory: 0, rcv_wnd: 65_536, unsent: 0, in_flight: 0, send_memory: 0, snd_wnd: 65_536, bytes_received: 4_823_117,
  bytes_acked: 6_858_913,
};
/** @param {Partial<Detail>} more @param {Record<string, number | string | null>} [facts] @returns {Detail} */
const one = (more, facts = {}) => detail({ kernel: { age_s: 0.2, suspects: [], facts: { ...CALM, ...facts } }, verdict: FINE, ...more });

/** Two frames a second apart, between which bytes went through. @param {Detail} item @param {number} bytes @returns {Detail[]} */
function flowing(item, bytes) {
  const facts = item.kernel?.facts ?? {};
  const later = { ...facts, bytes_received: Number(facts.bytes_received) + bytes, bytes_acked: Number(facts.bytes_acked) + bytes };
  return [item, { ...item, bytes_in: item.bytes_in + bytes, bytes_out: item.bytes_out + bytes, kernel: { age_s: 0.2, suspects: [], facts: later } }];
}

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  pick: ".pipe-card",
  mount: (root, _app, { figures = [] }) => {
    const parts = refs(root);
    const pipe = createPipe(parts.pipe, parts.pipeSaid);
    /** @type {Detail[]} */ (figures).forEach((item, index) => pipe.update(item, item.history, NOW / 1000 + index - figures.length));
  },
  states: {
    loading: { note: "Until the first frame the vessels stand empty." },
    empty: { figures: [one({})] },
    "not empty": { figures: [one({ queue_bytes: 65_536, queue_peak_bytes: 131_072 }, { unread: 32_768, receive_memory: 49_152, unsent: 1_200_000, in_flight: 300_000, send_memory: 2_000_000 })] },
    "little flows": { figures: flowing(one({}), 900) },
    "much flows": { figures: flowing(one({}, { in_flight: 260_000, send_memory: 400_000 }), 480_000_000) },
    full: { figures: [stuck()], note: "The peer does not read." },
    paused: { figures: [{ ...stuck(), state: "paused", queue_bytes: 280_000, queue_peak_bytes: 311_296 }], note: "The queue is above high water, and what arrives stays in the receive buffer." },
    "the peer has ended its side": { figures: [one({ state: "closing", queue_bytes: 8192, queue_peak_bytes: 65_536 })] },
    closed: { figures: [gone()] },
    "not known": { figures: [one({ kernel: null, queue_bytes: 65_536, at: ago(0) })], note: "The past: what the kernel held is not recorded." },
  },
};
