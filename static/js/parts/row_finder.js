// @ts-check
/** Shows one row of a connection in its table: where it is already there, or the log from that row on. */

import { refs, setText, show } from "../dom.js";
import { clock } from "../format.js";
import { rowKey } from "../tail.js";
import { justAfter } from "../time.js";

/**
 * @param {HTMLElement} root with the table, its `scroller`, `newest` and `rowCount` @param {import("../main.js").App} app
 * @param {{q: string, since: string, until: string}} set what the table shows @param {{load: () => Promise<string>}} older
 */
export function mountRowFinder(root, app, set, older) {
  const parts = refs(root, { table: HTMLTableElement, newest: HTMLButtonElement });
  const find = (/** @type {string} */ key) => /** @type {HTMLElement | null} */ (parts.table.querySelector(`tr[data-key="${key}"]`));
  let said = "";
  const reset = () => {
    set.until = "";
    said = "";
    show(parts.newest, false);
  };
  const focus = (/** @type {HTMLElement | null} */ row) => {
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  };
  parts.newest.addEventListener("click", () => {
    reset();
    app.store.dispatch({ type: "clear" });
    app.wire.watch("events", { q: set.q });
    parts.scroller.focus();
  });
  return {
    reset,
    /** Which rows the table shows, where they are not the newest. */
    said: () => said,
    /** @param {import("../types.js").EventRow | null} row @param {number} at milliseconds, where there is no row */
    goTo: async (row, at) => {
      const shown = row && find(rowKey(row));
      if (shown) return focus(shown);
      app.wire.unwatch("events");
      set.until = row ? justAfter(row.time) : new Date(at).toISOString();
      said = `from the log, up to ${clock(row ? row.time : at / 1000)}`;
      show(parts.newest, true);
      app.store.dispatch({ type: "clear" });
      const error = await older.load();
      if (error) said = `It could not be read: ${error}`;
      setText(parts.rowCount, said);
      // The table follows the state with the next frame of the screen.
      requestAnimationFrame(() => requestAnimationFrame(() => focus(row && find(rowKey(row)))));
    },
  };
}
