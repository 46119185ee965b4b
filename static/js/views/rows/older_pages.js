// @ts-check
/** The way back into the log at the beginning of a list: page after page, with progress and cancel where a filter is rare. */

import { refs, setText, show } from "../../ui/dom.js";
import { count } from "../../model/format.js";
import { isFull, MOST, rowsHeld, untilOldest } from "../../model/rows/row_log.js";
import { follow, givenUp, progressOf, progressWords } from "../../model/rows/paging.js";

/** @typedef {import("../../live/store.js").State} State @typedef {{q: string, mark: string, since: string, until: string}} Shown */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { older: HTMLButtonElement, olderBar: HTMLProgressElement, olderCancel: HTMLButtonElement };

/** Rows of a page. */
const PAGE = 500;
/** With fewer rows a live list begins in the log: the server holds no more in memory. */
const FEW = 100;
const FULL = `This list holds ${count(MOST)} rows, which is all it can. Set Until to the time of its first row to read further back`;

/**
 * @param {ParentNode} root with older, olderText, olderBar and olderCancel @param {import("../../main.js").App} app
 * @param {Shown} set shared with the page @param {string} all what is said when there is nothing older
 */
export function mountPages(root, app, set, all) {
  const parts = refs(root, KINDS);
  let work = new AbortController();
  let busy = false;
  /** What is said below one list, and no other. */
  let [note, noted, stopped] = ["", -1, false];
  const log = () => app.store.get().log;
  const read = async () => {
    const { signal } = (work = new AbortController());
    const { cursor, list } = log();
    const until = cursor ? set.until : untilOldest(log()) || set.until;
    const asked = { ...set, until, limit: PAGE, order: "desc" };
    let rows = 0;
    await follow((next) => app.get("events", { ...asked, cursor: next }, signal), (page) => {
      if (signal.aborted || log().list !== list) throw new DOMException("another list is shown", "AbortError");
      app.store.dispatch({ type: "older", page });
      showProgress(parts, page);
      rows += page.items.length;
      return rows >= PAGE;
    }, cursor ?? "");
  };
  const say = (/** @type {string} */ text) => {
    [note, noted] = [text, log().list];
  };
  const once = async () => {
    busy = true;
    note = "";
    stopped = false;
    setText(parts.olderText, "Reading the log…");
    show(parts.olderCancel, true);
    try {
      await read();
      return "";
    } catch (error) {
      if (!givenUp(error)) return /** @type {Error} */ (error).message;
      if (stopped) say("Stopped. Older rows may be there.");
      return "";
    } finally {
      busy = false;
      show(parts.olderBar, false);
      show(parts.olderCancel, false);
      update(app.store.get());
    }
  };
  /** @type {Promise<string>} */
  let running = Promise.resolve("");
  /** From the beginning of what is held, in place of what is under way. @returns the error */
  const load = () => {
    work.abort();
    return (running = running.then(once));
  };
  const more = async () => {
    if (busy || !log().loaded || log().ended || isFull(log())) return;
    const hadFocus = document.activeElement === parts.older;
    const error = await load();
    if (error) say(`Older rows could not be read: ${error}`);
    update(app.store.get());
    if (hadFocus && document.activeElement === document.body) parts.older.focus();
  };
  /** The list that was begun in the log, which is tried once. */
  let begun = -1;
  const update = (/** @type {State} */ { log: list }) => {
    const empty = list.end === list.first;
    parts.older.disabled = busy || !list.loaded || list.ended || isFull(list);
    if (!busy) {
      const cut = list.cut ? "Rows before these have left the list. They are in the log" : "";
      setText(parts.olderText, isFull(list) ? FULL : list.ended && !empty ? all : (noted === list.list && note) || cut);
    }
    if (set.until || !list.loaded || list.list === begun || busy) return;
    begun = list.list;
    if (rowsHeld(list) < FEW) void more();
  };
  parts.older.addEventListener("click", more);
  parts.olderCancel.addEventListener("click", () => {
    stopped = true;
    work.abort();
    parts.older.disabled = false;
    parts.older.focus();
  });
  return { load, more, update, isReading: () => busy, stop: () => work.abort() };
}

/** @param {Parts} parts @param {import("../../live/types.js").EventsPage} page */
function showProgress(parts, page) {
  const progress = progressOf(page.progress);
  show(parts.olderBar, progress.total > 0);
  parts.olderBar.max = progress.total || 1;
  parts.olderBar.value = progress.scanned;
  setText(parts.olderText, progressWords(progress));
}
