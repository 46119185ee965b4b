// @ts-check
/** The way back into the log at the beginning of a list: page after page, with progress and cancel where a filter is rare. */

import { refs, setText, show } from "../dom.js";
import { count } from "../format.js";
import { isFull, MOST, untilOldest } from "../rowlog.js";
import { follow, givenUp, progressOf, progressWords } from "../scan.js";

/** @typedef {import("../store.js").State} State @typedef {{q: string, mark: string, since: string, until: string}} Shown */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { older: HTMLButtonElement, olderBar: HTMLProgressElement, olderCancel: HTMLButtonElement };

/** Rows of a page. */
const PAGE = 500;
const FULL = `This list holds ${count(MOST)} rows, which is all it can. Set Until to the time of its first row to read further back`;

/**
 * @param {ParentNode} root with older, olderText, olderBar and olderCancel @param {import("../main.js").App} app
 * @param {Shown} set shared with the page @param {string} all what is said when there is nothing older
 */
export function mountPages(root, app, set, all) {
  const parts = refs(root, KINDS);
  let work = new AbortController();
  let busy = false;
  let note = "";
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
  const once = async () => {
    busy = true;
    note = "";
    setText(parts.olderText, "Reading the log…");
    show(parts.olderCancel, true);
    try {
      await read();
      return "";
    } catch (error) {
      if (!givenUp(error)) return /** @type {Error} */ (error).message;
      note = "Stopped. Older rows may be there.";
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
    if (busy || log().ended || isFull(log()) || log().end === log().first) return;
    const error = await load();
    if (error) note = `Older rows could not be read: ${error}`;
    update(app.store.get());
  };
  const update = (/** @type {State} */ { log: list }) => {
    const empty = list.end === list.first;
    parts.older.disabled = busy || list.ended || empty || isFull(list);
    if (busy) return;
    const cut = list.cut ? "Rows before these have left the list. They are in the log" : "";
    setText(parts.olderText, empty ? note : isFull(list) ? FULL : list.ended ? all : note || cut);
  };
  parts.older.addEventListener("click", more);
  parts.olderCancel.addEventListener("click", () => {
    work.abort();
    parts.older.disabled = false;
    parts.older.focus();
  });
  return { load, more, update, stop: () => work.abort() };
}

/** @param {Parts} parts @param {import("../types.js").EventsPage} page */
function showProgress(parts, page) {
  const progress = progressOf(page.progress);
  show(parts.olderBar, progress.total > 0);
  parts.olderBar.max = progress.total || 1;
  parts.olderBar.value = progress.scanned;
  setText(parts.olderText, progressWords(progress));
}
