// @ts-check
/** The way back into the log, at the end of a list. */

import { mountOlder } from "../../parts/older.js";
import { frame, rows } from "../made_up.js";

const SET = { q: "", since: "", until: "" };
const some = frame("events", { items: rows(5), skipped: 0 });

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  pick: ".scroller, .more",
  mount: (root, app, { figures }) => {
    const older = mountOlder(root, app, SET, "That is all: the log has no older rows of this set.");
    if (figures === "pressed") app.store.subscribe(() => void older.load());
    return older.update;
  },
  states: {
    empty: { note: "Nothing is there that something could be older than." },
    few: { actions: [some] },
    loading: { actions: [some], figures: "pressed" },
    "that is all": { actions: [some, { type: "older", page: { items: [], next: null, progress: { scanned: 5, total: 5 } } }] },
  },
};
