// @ts-check
/** The way back into the log at the end of a list: page after page, with progress and cancel where a filter is rare. */

import { refs, setText, show } from "../dom.js";
import { follow, givenUp, progressOf, progressWords } from "../scan.js";
import { untilOldest } from "../tail.js";

/** @typedef {import("../store.js").State} State @typedef {{q: string, since: string, until: string}} Shown */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { older: HTMLButtonElement, olderBar: HTMLProgressElement, olderCancel: HTMLButtonElement };
/** Rows of a page. */
const PAGE = 200;
/** Pixels from the end of the list at which older rows are fetched. */
const NEAR_END = 200;

/**
 * @param {ParentNode} root with older, olderText, olderBar, olderCancel and scroller @param {import("../main.js").App} app
 * @param {Shown} set shared with the page @param {string} all what is said when there is nothing older
 */
export function mountOlder(root, app, set, all) {
  const parts = refs(root, KINDS);
  let work = new AbortController();
  let busy = false;
  let note = "";
  const read = async () => {
    const { signal } = (work = new AbortController());
    const { tail } = app.store.get();
    const until = tail.cursor ? set.until : untilOldest(tail) || set.until;
    const asked = { ...set, until, limit: PAGE, order: "desc" };
    let rows = 0;
    await follow((cursor) => app.get("events", { ...asked, cursor }, signal), (page) => {
      if (signal.aborted) throw signal.reason;
      app.store.dispatch({ type: "older", page });
      showProgress(parts, page);
      rows += page.items.length;
      return rows >= PAGE;
    }, tail.cursor ?? "");
  };
  /** @returns {Promise<string>} the error */
  const load = async () => {
    if (busy) return "";
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
  const more = async () => {
    const error = await load();
    if (error) note = `Older rows could not be read: ${error}`;
    update(app.store.get());
  };
  const update = (/** @type {State} */ { tail }) => {
    const over = tail.ended && tail.entries.length > 0;
    parts.older.disabled = busy || tail.ended || tail.entries.length === 0;
    if (!busy) setText(parts.olderText, over ? all : note);
  };
  parts.older.addEventListener("click", more);
  parts.olderCancel.addEventListener("click", () => {
    work.abort();
    parts.older.disabled = false;
    parts.older.focus();
  });
  parts.scroller.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = parts.scroller;
    if (scrollTop > 8 && scrollTop + clientHeight > scrollHeight - NEAR_END && !app.store.get().tail.ended) more();
  }, { passive: true });
  return { load, update, stop: () => work.abort() };
}

/** @param {Parts} parts @param {import("../types.js").EventsPage} page */
function showProgress(parts, page) {
  const progress = progressOf(page.progress);
  show(parts.olderBar, progress.total > 0);
  parts.olderBar.max = progress.total || 1;
  parts.olderBar.value = progress.scanned;
  setText(parts.olderText, progressWords(progress));
}
