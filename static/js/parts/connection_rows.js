// @ts-check
/** A connection's own events: live, up to a row that was asked for, or from the log where the server holds none any more. */

import { refs, setText, show } from "../dom.js";
import { clock, count } from "../format.js";
import { justAfter } from "../time.js";
import { listWords, mountEventList } from "./eventlist.js";

/** @typedef {import("../store.js").State} State @typedef {import("../types.js").EventRow} Row */

const KINDS = { newest: HTMLButtonElement };

/** @param {ParentNode} root @param {import("../main.js").App} app */
export function mountConnectionRows(root, app) {
  const parts = refs(root, KINDS);
  const set = { q: `conn:${app.conn}`, mark: "", since: "", until: "" };
  const list = mountEventList(root, app, set, "That is all of it");
  /** Up to which moment they are, where not live; or why they could not be read. */
  let upTo = "";
  /** The list that was found empty: its rows are asked of the log, once. */
  let empty = -1;
  const read = async () => {
    const error = await list.history.load();
    if (error) upTo = `It could not be read: ${error}`;
  };
  const choose = (/** @type {Row | null} */ row) => {
    const found = row !== null && list.choose(row);
    if (found) parts.scroller.scrollIntoView({ block: "nearest" });
    return found;
  };
  const follow = () => {
    set.until = "";
    upTo = "";
    show(parts.newest, false);
    list.history.stop();
    app.wire.watch("events", { q: set.q });
  };
  parts.newest.addEventListener("click", () => {
    app.store.dispatch({ type: "clear" });
    follow();
    parts.table.focus({ preventScroll: true });
  });
  return {
    /** Live, from the newest on. */
    follow,
    /** Shows a row where it is, or else the log up to it. @param {Row | null} row @param {number} at milliseconds, where there is no row */
    goTo: async (row, at) => {
      if (choose(row)) return;
      list.history.stop();
      app.wire.unwatch("events");
      set.until = row ? justAfter(row.time) : new Date(at).toISOString();
      upTo = `From the log, up to ${clock(row ? row.time : at / 1000)}`;
      show(parts.newest, true);
      app.store.dispatch({ type: "clear" });
      await read();
      choose(row);
    },
    update: (/** @type {State} */ state) => {
      const { log, moment, connection } = state;
      const over = moment.at !== null ? "Up to the moment shown" : connection?.state === "closed" ? "Closed" : "Live";
      setText(parts.rowCount, listWords(log, list.reasons, over, upTo));
      if (!list.update(state, "No events of this connection yet.")) return;
      const skipped = Math.round(log.skippedPerS);
      show(parts.skipped, skipped > 0);
      setText(parts.skipped, `${count(skipped)} more a second, not shown`);
      if (!log.loaded || log.end > log.first || log.list === empty) return;
      empty = log.list;
      void read();
    },
  };
}
