// @ts-check
/** The list of events: every kind with its chip, gaps, a row that is looked at. */

import { mountEventList } from "../../views/rows/event_list.js";
import { KINDS } from "../../views/frame/labels.js";
import { ago, frame, many, NOW, row, rows } from "../made_up.js";

/** @typedef {import("../../live/types.js").EventRow} Row */

const SET = { q: "", mark: "", since: "", until: "" };
const shown = (/** @type {Row[]} */ items, skipped = 0, now = NOW) => frame("events", { items, skipped }, now);

const everyKind = Object.keys(KINDS).map((kind, index) =>
  row({
    seq: index + 1, kind, time: ago(20 - index), queue_bytes: kind === "full" ? 262_144 : 0, emptied: kind === "echo",
    conn: ["start", "stop", "lost"].includes(kind) ? 0 : 17,
    reason: /** @type {Record<string, string>} */ ({ close: "reset", pause: "high_water", refuse: "limit", lost: "ring_full:1284" })[kind] ?? "",
  }),
);
const few = rows(3);

/** @type {import("../stage.js").Component} */
export default {
  page: "events",
  pick: ".event-sheet",
  mount: (root, app, { figures }) => {
    const list = mountEventList(root, app, SET, "That is all");
    return (state) => {
      if (list.update(state, "No events yet.") && figures) list.choose(figures);
    };
  },
  states: {
    empty: { actions: [shown([])] },
    few: { actions: [shown(few)] },
    chosen: { actions: [shown(few)], figures: few[1] },
    "every kind": { actions: [shown(everyKind)] },
    "rows left out": { actions: [shown(rows(2)), { type: "missed", view: "events" }, shown([row({ seq: 900, time: ago(0) })], 412, NOW + 250)] },
    many: { actions: [shown(many(200, (index) => row({ seq: index + 1, conn: index % 7, time: ago(40 - index / 5) })))] },
    "what a peer could send": { actions: [shown([row({ peer: "[2001:db8:85a3::8a2e:370:7334]:65535", reason: "error:ECONNABORTED", kind: "close" })])] },
  },
};
