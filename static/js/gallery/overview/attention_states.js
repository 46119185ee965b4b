// @ts-check
/** Needs attention: who is slow, and who was a moment ago. */

import { mountAttention } from "../../views/overview/attention.js";
import { ago, blocked, HELD_UP, many, newborn, NOW, overview } from "../made_up.js";

/** @typedef {import("../../live/types.js").Overview} Overview */

/** @param {number} conn @param {Partial<import("../../live/types.js").ConnectionItem>} [more] @returns {import("../../live/types.js").StuckConnection} */
const slow = (conn, more = {}) => ({ ...blocked({ conn, peer: `127.0.0.1:${40_000 + conn}`, waiting_s: 4.2, ...more }), verdict: HELD_UP });
/** @param {import("../../live/types.js").StuckConnection[]} attention @param {Partial<Overview>} [more] */
const seen = (attention, more = {}) => overview({ attention, ...more });
const open = overview().connections;

/** @type {import("../stage.js").Component} */
export default {
  page: "overview",
  pick: ".attention-card",
  mount: (root, app, { figures = [] }) => {
    const update = mountAttention(root, app);
    /** @type {Overview[]} */ (figures).forEach(update);
  },
  states: {
    loading: {},
    empty: { figures: [newborn()] },
    "on their way": { figures: [seen([], { queue: { bytes: 8192, chunks: 1, max_bytes: 8192 } })], note: "Something waits, but nothing for long." },
    few: { figures: [seen([slow(23), slow(24, { state: "paused", waiting_s: 0.8, queue_bytes: 311_296 })])] },
    many: { figures: [seen(many(20, (index) => slow(index + 1, { waiting_s: 90 - index })), { connections: { ...open, blocked: 1204 } })] },
    "well again": {
      figures: [seen([slow(23), slow(24)], { time: ago(5) }), seen([slow(23)], { time: ago(0) })],
      answers: { "connections/24": { ...slow(24), state: "closed", closed: ago(2), reason: "reset", waiting_s: 0 } },
    },
    "not known what became of it": {
      figures: [seen([slow(24)], { time: ago(5) }), seen([], { time: ago(0) })],
      answers: { "connections/24": new Error("the server answered 503") },
    },
    past: { figures: [{ ...seen([slow(23)]), at: new Date(NOW).toISOString() }] },
  },
};
