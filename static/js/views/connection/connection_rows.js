// @ts-check
/** A connection's own events: live, or from the log up to a row that was asked for. */

import { refs, setText, show } from "../../ui/dom.js";
import { clock, count } from "../../model/format.js";
import { justAfter } from "../../model/time/instants.js";
import { listWords, mountEventList } from "../rows/event_list.js";

/** @typedef {import("../../live/store.js").State} State @typedef {import("../../live/types.js").EventRow} Row */

const KINDS = { newest: HTMLButtonElement };

/** @param {ParentNode} root @param {import("../../main.js").App} app */
export function mountConnectionRows(root, app) {
  const parts = refs(root, KINDS);
  const set = { q: `conn:${app.conn}`, mark: "", since: "", until: "" };
  const list = mountEventList(root, app, set, "That is all of it");
  /** Up to which moment they are, where not live; or why they could not be read. */
  let upTo = "";
  const choose = (/** @type {Row | null} */ row) => {
    const found = row !== null && list.choose(row);
    if (found) parts.scroller.scrollIntoView({ block: "nearest" });
    return found;
  };
  /** The moment of which the log was read, where not live. @type {number | null} */
  let readAt = null;
  const follow = () => {
    // Rows up to some moment make no beginning for what is live.
    if (set.until) app.store.dispatch({ type: "restart", view: "events" });
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
    /** Live, from the newest on; what was read from the log stays until another moment is shown. */
    follow: () => (set.until === "" || app.store.get().moment.at !== readAt) && follow(),
    /** Shows a row where it is, or else the log up to it. @param {Row | null} row @param {number} at milliseconds, where there is no row */
    goTo: async (row, at) => {
      if (choose(row)) return;
      list.history.stop();
      app.wire.unwatch("events");
      readAt = app.store.get().moment.at;
      set.until = row ? justAfter(row.time) : new Date(at).toISOString();
      upTo = `From the log, up to ${clock(row ? row.time : at / 1000)}`;
      show(parts.newest, true);
      app.store.dispatch({ type: "clear" });
      const error = await list.history.load();
      if (error) upTo = `It could not be read: ${error}`;
      choose(row);
    },
    update: (/** @type {State} */ state) => {
      const { log, moment, connection } = state;
      const over = moment.at !== null ? "Up to the moment shown" : connection?.state === "closed" ? "Closed" : "Live";
      setText(parts.rowCount, listWords(log, list.reasons, over, upTo));
      const none = list.history.isReading() && !log.ended ? "Reading the log…" : "No events of this connection yet.";
      if (!list.update(state, none)) return;
      const skipped = Math.round(log.skippedPerS);
      show(parts.skipped, skipped > 0);
      setText(parts.skipped, `${count(skipped)} more a second, not shown`);
    },
  };
}
