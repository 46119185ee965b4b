// @ts-check
/** One connection as a whole. */

import { mount } from "../../views/connection/connection.js";
import { detail, gone, stuck } from "../made_connections.js";
import { ago, frame, NOW, rows } from "../made_up.js";

const its = frame("events", { items: rows(40), skipped: 0 });

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  mount,
  states: {
    loading: {},
    empty: { actions: [frame("connection", detail({ history: [], kernel: null })), frame("events", { items: [], skipped: 0 })] },
    few: { actions: [frame("connection", detail()), its] },
    stuck: { actions: [frame("connection", stuck()), its] },
    closed: { actions: [frame("connection", gone()), its], note: "The post-mortem." },
    unknown: { refusals: { connection: "no connection 17 is known" }, answers: { events: { items: [], next: null, progress: { scanned: 0, total: 0 } } } },
    stale: { actions: [frame("connection", stuck()), its, { type: "tick", now: NOW + 12_000 }] },
    past: { actions: [{ type: "moment", moment: { at: NOW, playing: false, speed: 1 } }, frame("connection", { ...stuck(), at: ago(0) }), its] },
  },
};
