// @ts-check
/** Events: what happened? A live tail that waits for its reader, and the way back into the log. */

import { refs, setAttr, setText, show } from "../dom.js";
import { count, plural } from "../format.js";
import { standsStill } from "../moment.js";
import { mountDownloads } from "../parts/downloads.js";
import { DEFAULTS, mountSet, setOf, setParts, showChoices, showError, timeError } from "../parts/eventset.js";
import { mountHistogram } from "../parts/histogram.js";
import { mountPages } from "../parts/logpages.js";
import { createRowList } from "../parts/rowlist.js";
import { mountPick } from "../parts/rowpick.js";
import { marksHeld, newSince, rowsHeld } from "../rowlog.js";
import { EVENT_LIST } from "../rows.js";
import { absolute } from "../time.js";
import { addressBar } from "../url.js";

/**
 * @typedef {import("../store.js").State} State @typedef {import("../rowlog.js").RowLog} RowLog @typedef {import("../parts/eventset.js").Params} Params
 * @typedef {ReturnType<typeof setOf>} Shown
 * @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts
 */

const KINDS = {
  scroller: HTMLElement, frame: HTMLElement, table: HTMLTableElement, pause: HTMLButtonElement, markBefore: HTMLButtonElement, markNext: HTMLButtonElement,
};

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  app.store.dispatch({ type: "openLog" });
  const parts = { ...setParts(root), ...refs(root, KINDS) };
  const bar = addressBar(DEFAULTS);
  const params = bar.read();
  if (params.mode !== "highlight") params.mode = DEFAULTS.mode;
  /** What the page shows; its parts share this one object. @type {Shown} */
  const set = setOf(params);
  /** The same without what is highlighted, which chooses nothing. */
  const counted = { q: set.q, since: set.since, until: set.until };
  const holds = holdings(parts, app);
  const history = mountPages(root, app, set, "That is all: the log has no older rows of this set");
  const pick = mountPick(root, app, () => list, { toEnd: () => holds.release(list) });
  const list = createRowList(parts, EVENT_LIST, {
    onFollow: (follows) => holds.set("reading", !follows), onPoint: (points) => holds.set("pointing", points),
    onChoose: pick.chosen, onTop: history.more,
  });
  parts.hint.addEventListener("click", () => holds.release(list));
  let stood = false;
  const ask = async () => {
    // Rows of a range make no beginning for what is live.
    if (stood && !params.until) app.store.dispatch({ type: "restart", view: "events" });
    stood = params.until !== "";
    Object.assign(set, setOf(params));
    Object.assign(counted, { q: set.q, since: set.since, until: set.until });
    history.stop();
    const error = timeError(params) || (await follow(app, set, history));
    showError(parts, params, error);
    if (error) return;
    bar.write(params);
    histogram.load();
  };
  const change = (/** @type {Partial<Params>} */ next) => {
    Object.assign(params, next);
    showChoices(parts, params);
    ask();
  };
  const put = mountSet(root, parts, params, change);
  const histogram = mountHistogram(root, app, counted, put);
  const downloads = mountDownloads(root, app, () => counted);
  app.onAnew(ask);
  showChoices(parts, params);
  ask();
  /** @type {RowLog | null} */
  let shown = null;
  return (/** @type {State} */ state) => {
    const log = /** @type {RowLog} */ (state.log);
    showMode(parts, state, log, set, holds.reasons);
    histogram.update(state);
    downloads(state);
    if (log === shown) return;
    shown = log;
    showNothing(parts, state, log, set);
    list.update(log, holds.reasons.pointing);
    showCounts(parts, state, log, set);
    history.update(state);
  };
}

/** Rows live from the newest on; with an end in the past, only from the log. @param {import("../main.js").App} app @param {Shown} set @param {{load: () => Promise<string>}} history @returns {Promise<string>} the error */
async function follow(app, set, history) {
  if (set.until) {
    app.wire.unwatch("events");
    app.store.dispatch({ type: "clear" });
    return history.load();
  }
  const from = set.since ? `time>=${absolute(set.since, app.now())}` : "";
  return app.wire.watch("events", { q: [set.q, from].filter(Boolean).join(" "), mark: set.mark });
}

/** Why the list stands still: paused, pointed at, or read further up. @param {Parts} parts @param {import("../main.js").App} app */
function holdings(parts, app) {
  const reasons = { paused: false, pointing: false, reading: false };
  const set = (/** @type {keyof typeof reasons} */ name, /** @type {boolean} */ value) => {
    if (reasons[name] === value) return;
    reasons[name] = value;
    app.store.dispatch({ type: "hold", held: Object.values(reasons).includes(true) });
    if (name === "paused") app.store.dispatch({ type: "freeze", frozen: value });
  };
  parts.pause.addEventListener("click", () => set("paused", !reasons.paused));
  /** To the newest row, whatever it stood still for. @param {import("../parts/rowlist.js").RowList} list */
  const release = (list) => {
    for (const name of /** @type {const} */ (["paused", "pointing", "reading"])) set(name, false);
    list.update(/** @type {RowLog} */ (app.store.get().log), false);
    list.toEnd();
  };
  return { set, reasons, release };
}

/** @param {Parts} parts @param {State} state @param {RowLog} log @param {Shown} set @param {Record<"paused" | "pointing" | "reading", boolean>} reasons */
function showMode(parts, state, log, set, reasons) {
  const past = state.moment.at !== null;
  const why = reasons.paused ? "Paused" : reasons.reading ? "Standing still while you read" : "Standing still while you point at it";
  const going = past ? "Up to the moment shown" : "Live";
  const mode = set.until ? "From the log, up to the time given" : log.held ? why : going;
  setText(parts.mode, `${mode} · ${plural(rowsHeld(log), "row")} here, newest last`);
  setText(parts.pause, reasons.paused ? `Go on (${count(newSince(log, log.frozen))} waiting)` : "Pause");
  setAttr(parts.pause, "aria-pressed", String(reasons.paused));
  parts.pause.disabled = set.until !== "" || (standsStill(state.moment) && !reasons.paused);
  const waiting = newSince(log, log.held);
  show(parts.hint, reasons.reading || (log.held !== null && waiting > 0));
  setText(parts.hint, waiting > 0 ? `Jump to newest (${count(waiting)} new) ↓` : "Jump to newest ↓");
}

/** How many more there are than are shown, and how many match. @param {Parts} parts @param {State} state @param {RowLog} log @param {Shown} set */
function showCounts(parts, { moment }, log, set) {
  const skipped = Math.round(log.skippedPerS);
  const marked = Math.round(log.skippedMarksPerS);
  const matches = set.mark && marked > 0 ? ` (${count(marked)} of them match)` : "";
  const all = set.q ? "Every matching row is shown" : "Every row is shown";
  setText(parts.skipped, skipped > 0 ? `${count(skipped)} more a second, not shown${matches}` : all);
  show(parts.skipped, set.until === "" && (moment.at === null || skipped > 0));
  show(parts.marks, set.mark !== "");
  const marks = marksHeld(log);
  setText(parts.marksText, set.mark ? `${count(marks)} highlighted` : "");
  parts.markBefore.disabled = parts.markNext.disabled = marks === 0;
}

/** @param {Parts} parts @param {State} state @param {RowLog} log @param {Shown} set */
function showNothing(parts, { moment }, log, set) {
  const empty = log.loaded && log.end === log.first;
  show(parts.nothing, empty);
  show(parts.scroller, !empty);
  const filtered = set.q || set.since || set.until;
  const over = set.until !== "" || moment.at !== null;
  const none = filtered ? "Nothing matches yet. New rows that do will show here." : "No events yet. They come as soon as a client connects.";
  setText(parts.nothingText, over ? "Nothing in this range matches." : none);
}
