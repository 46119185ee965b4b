// @ts-check
/** The timeline of a connection. */

import { mountTimeline } from "../../views/connection/timeline.js";
import { detail, gone } from "../made_connections.js";
import { ago, frame, NOW, row, rows } from "../made_up.js";
import { histogramPage } from "../events/histogram_states.js";

/** @typedef {import("../../live/types.js").EventRow} Row */

const heard = frame("connection", detail({ opened: ago(290) }));

/** What the API says of these events. @param {Row[]} items oldest first */
const answers = (items) => ({
  "events/histogram": { ...histogramPage(1), kinds: {}, total: items.length },
  events: { items, next: null, progress: { scanned: items.length, total: items.length } },
});
const few = [row({ seq: 1, kind: "open", time: ago(280) }), row({ seq: 2, time: ago(200) }), row({ seq: 3, time: ago(30) })];
const ended = [
  ...rows(200), row({ seq: 201, kind: "full", time: ago(6), queue_bytes: 262_144 }), row({ seq: 202, kind: "eof", time: ago(4), queue_bytes: 262_144 }),
  row({ seq: 203, kind: "close", time: ago(3), queue_bytes: 262_144, reason: "reset" }),
];

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  pick: ".timeline-card",
  mount: (root, app) => mountTimeline(root, app, () => undefined),
  states: {
    loading: { actions: [heard] },
    empty: { actions: [heard], answers: answers([]) },
    few: { actions: [heard], answers: answers(few) },
    "full and paused": { actions: [heard], answers: answers(rows(600)) },
    many: { actions: [heard], answers: { ...answers([]), "events/histogram": histogramPage(9_000_000) }, note: "More than can be drawn one by one: counted by the bar." },
    closed: { actions: [frame("connection", { ...gone(), opened: ago(60) })], answers: answers(ended) },
    error: { actions: [heard], answers: { "events/histogram": new Error("the disk is gone") } },
    past: { actions: [{ type: "moment", moment: { at: NOW, playing: false, speed: 1 } }, frame("connection", { ...detail({ opened: ago(290) }), at: ago(0) })], answers: answers(few) },
  },
};
