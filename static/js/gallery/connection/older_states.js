// @ts-check
/** The way back into the log, at the beginning of a list. */

import { mountPages } from "../../views/rows/older_pages.js";
import { frame, rows } from "../made_up.js";

const SET = { q: "", mark: "", since: "", until: "" };
const some = frame("events", { items: rows(5), skipped: 0 });

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  pick: ".tail-note",
  mount: (root, app, { figures }) => {
    const pages = mountPages(root, app, SET, "That is all: the log has no older rows of this set");
    if (figures === "pressed") app.store.subscribe(() => void pages.more());
    return pages.update;
  },
  states: {
    empty: { note: "Nothing is there that something could be older than." },
    few: { actions: [some] },
    loading: { actions: [some], figures: "pressed" },
    "that is all": { actions: [some, { type: "older", page: { items: [], next: null, progress: { scanned: 5, total: 5 } } }] },
  },
};
