// @ts-check
/** The table of event rows: every kind with its chip, gaps. */

import { refs } from "../../dom.js";
import { EVENT_TABLE } from "../../rows.js";
import { createTable } from "../../table.js";
import { KINDS } from "../../words.js";
import { ago, many, row, rows } from "../made_up.js";

/** @typedef {import("../../tail.js").Entry} Entry */

/** @param {import("../../types.js").EventRow[]} list oldest first @returns {Entry[]} */
const entries = (list) => list.map((one) => ({ key: `${one.worker}:${one.seq}`, row: one })).reverse();

const everyKind = Object.keys(KINDS).map((kind, index) =>
  row({
    seq: index + 1, kind, time: ago(20 - index), queue_bytes: kind === "full" ? 262_144 : 0, emptied: kind === "echo",
    conn: ["start", "stop", "lost"].includes(kind) ? 0 : 17,
    reason: /** @type {Record<string, string>} */ ({ close: "reset", pause: "high_water", refuse: "limit", lost: "ring_full:1284" })[kind] ?? "",
  }),
);

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  pick: ".scroller",
  mount: (root, _app, { figures }) => {
    createTable(refs(root, { table: HTMLTableElement }).table, EVENT_TABLE).update(figures);
  },
  states: {
    empty: { figures: [] },
    few: { figures: entries(rows(3)) },
    "every kind": { figures: entries(everyKind) },
    "rows left out": { figures: [...entries(rows(2)), { key: "gap", gap: 412 }, { key: "gap2", gap: 0 }, ...entries([row({ seq: 900 })])] },
    many: { figures: entries(many(200, (index) => row({ seq: index + 1, conn: index % 7, time: ago(40 - index / 5) }))) },
    "what a peer could send": { figures: entries([row({ peer: "[2001:db8:85a3::8a2e:370:7334]:65535", reason: "error:ECONNABORTED", kind: "close" })]) },
  },
};
