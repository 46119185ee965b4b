// @ts-check
/**
 * The events of a page as a list: live at its end, the log at its beginning, one row looked at. Which rows these are is the
 * page's own affair; here is what stands still and why, and the way back to the newest.
 */

import { refs, setText, show } from "../../ui/dom.js";
import { count, plural } from "../../model/format.js";
import { positionOf } from "../../model/rows/row_search.js";
import { newSince, rowsHeld } from "../../model/rows/row_log.js";
import { EVENT_LIST } from "./row_cells.js";
import { mountPages } from "./older_pages.js";
import { createRowList } from "./row_list.js";
import { mountPick } from "./row_selection.js";

/**
 * @typedef {import("../../live/store.js").State} State @typedef {import("../../model/rows/row_log.js").RowLog} RowLog @typedef {import("../../live/types.js").EventRow} Row
 * @typedef {{paused: boolean, pointing: boolean, reading: boolean}} Reasons why the list stands still
 * @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts @typedef {ReturnType<typeof mountEventList>} EventList
 */

const KINDS = { scroller: HTMLElement, frame: HTMLElement, table: HTMLTableElement, hint: HTMLButtonElement };

/**
 * @param {ParentNode} root with the list, its tools and its hint of templates/rowlist.html @param {import("../../main.js").App} app
 * @param {import("./older_pages.js").Shown} set which rows; shared with the page @param {string} all what is said when there is nothing older
 */
export function mountEventList(root, app, set, all) {
  const parts = refs(root, KINDS);
  /** @type {Reasons} */
  const reasons = { paused: false, pointing: false, reading: false };
  const log = () => app.store.get().log;
  const stand = (/** @type {keyof Reasons} */ name, /** @type {boolean} */ value) => {
    if (reasons[name] === value) return;
    reasons[name] = value;
    app.store.dispatch({ type: "hold", held: Object.values(reasons).includes(true) });
    if (name === "paused") app.store.dispatch({ type: "freeze", frozen: value });
  };
  const release = () => {
    for (const name of /** @type {const} */ (["paused", "pointing", "reading"])) stand(name, false);
    list.update(log(), false);
    list.toEnd();
  };
  const history = mountPages(root, app, set, all);
  const pick = mountPick(root, app, () => list, { toEnd: release });
  const list = createRowList(parts, EVENT_LIST, {
    onFollow: (follows) => stand("reading", !follows), onPoint: (points) => stand("pointing", points),
    onChoose: pick.chosen, onTop: history.more,
  });
  parts.hint.addEventListener("click", release);
  /** @type {RowLog | null} */
  let shown = null;
  return {
    history, reasons, stand,
    /** @param {State} state @param {string} none what is said when there is no row @returns {boolean} whether there is something new */
    update: (state, none) => {
      showHint(parts, state.log, reasons);
      if (state.log === shown) return false;
      shown = state.log;
      const empty = state.log.loaded && state.log.end === state.log.first;
      setText(parts.nothingText, none);
      show(parts.nothing, empty);
      show(parts.scroller, !empty);
      list.update(state.log, reasons.pointing);
      history.update(state);
      return true;
    },
    /** Chooses a row, which has the focus then. @param {Row} row @returns {boolean} false: the list does not hold it */
    choose: (row) => {
      const position = positionOf(log(), row);
      if (position === null) return false;
      list.update(log(), reasons.pointing);
      pick.go(position);
      return true;
    },
  };
}

/** What the list shows, in words. @param {RowLog} log @param {Reasons} reasons @param {string} going when nothing holds it @param {string} [fixed] when nothing can go on */
export function listWords(log, { paused, reading }, going, fixed = "") {
  const why = paused ? "Paused" : reading ? "Standing still while you read" : "Standing still while you point at it";
  return `${fixed || (log.held ? why : going)} · ${plural(rowsHeld(log), "row")} here, newest last`;
}

/** The way to the newest row. @param {Parts} parts @param {RowLog} log @param {Reasons} reasons */
function showHint(parts, log, reasons) {
  const waiting = newSince(log, log.held);
  show(parts.hint, reasons.reading || (log.held !== null && waiting > 0));
  setText(parts.hint, waiting > 0 ? `Jump to newest (${count(waiting)} new) ↓` : "Jump to newest ↓");
}
