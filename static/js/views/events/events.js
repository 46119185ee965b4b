// @ts-check
/** Events: what happened? A live tail that waits for its reader, and the way back into the log. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { count } from "../../model/format.js";
import { standsStill } from "../../model/time/moment.js";
import { mountDownloads } from "../frame/downloads.js";
import { DEFAULTS, mountSet, setOf, setParts, showChoices, showError, timeError } from "./event_set.js";
import { listWords, mountEventList } from "../rows/event_list.js";
import { mountFilterBoxes } from "../frame/filter_box.js";
import { mountHistogram } from "./histogram.js";
import { marksHeld, newSince } from "../../model/rows/row_log.js";
import { absolute } from "../../model/time/instants.js";
import { addressBar } from "../../ui/url.js";

/**
 * @typedef {import("../../live/store.js").State} State @typedef {import("./event_set.js").Params} Params
 * @typedef {ReturnType<typeof setOf>} Shown
 * @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts
 */

const KINDS = { pause: HTMLButtonElement, markBefore: HTMLButtonElement, markNext: HTMLButtonElement };

/** @param {HTMLElement} root @param {import("../../main.js").App} app */
export function mount(root, app) {
  const parts = { ...setParts(root), ...refs(root, KINDS) };
  const bar = addressBar(DEFAULTS);
  const params = bar.read();
  if (params.mode !== "highlight") params.mode = DEFAULTS.mode;
  /** What the page shows; its parts share this one object. @type {Shown} */
  const set = setOf(params);
  /** The same without what is highlighted, which chooses nothing. */
  const counted = { q: set.q, since: set.since, until: set.until };
  mountFilterBoxes(root, app);
  const list = mountEventList(root, app, set, "That is all: the log has no older rows of this set");
  const { history, reasons } = list;
  parts.pause.addEventListener("click", () => list.stand("paused", !reasons.paused));
  /** Only what could be applied: the rows of a filter that cannot are not shown, so those of the last one go on. */
  const shows = (/** @type {Shown} */ next) => {
    Object.assign(set, next);
    Object.assign(counted, { q: set.q, since: set.since, until: set.until });
    histogram.load();
  };
  let stood = false;
  /** How often was asked; which of these was the last to end what is live; whether Back is to undo what has not been written yet. */
  let [asks, ended, step] = [0, 0, false];
  /** The moment of which a range was read whole. @type {number | null | undefined} */
  let readAt;
  const ask = async (isStep = false) => {
    const mine = (asks += 1);
    step ||= isStep;
    readAt = undefined;
    // Rows of a range make no beginning for what is live.
    if (stood && !params.until) app.store.dispatch({ type: "restart", view: "events" });
    stood = params.until !== "";
    history.stop();
    const asked = setOf(params);
    let error = timeError(params);
    if (!error && asked.until) {
      app.wire.unwatch("events");
      ended = mine;
      shows(asked);
      app.store.dispatch({ type: "clear" });
    } else if (!error) {
      error = await follow(app, asked);
      // What is accepted runs until another is, though something else has been asked for meanwhile.
      if (!error && ended < mine) shows(asked);
    }
    if (mine !== asks) return;
    showError(parts, params, error);
    if (error) return;
    bar.write(params, step);
    step = false;
    if (!asked.until) return;
    const { at } = app.store.get().moment;
    error = await history.load();
    if (mine !== asks) return;
    showError(parts, params, error);
    if (!error) readAt = at;
  };
  const change = (/** @type {Partial<Params>} */ next, isStep = false) => {
    Object.assign(params, next);
    showChoices(parts, params);
    ask(isStep);
  };
  const put = mountSet(root, parts, params, change);
  const histogram = mountHistogram(root, app, counted, (range) => put(range, true));
  bar.onReturn((popped) => put(popped));
  const downloads = mountDownloads(root, app, () => counted);
  // A range that was read does not change with a break of the link.
  app.onAnew(() => readAt !== app.store.get().moment.at && ask());
  showChoices(parts, params);
  ask();
  return (/** @type {State} */ state) => {
    showMode(parts, state, set, reasons);
    histogram.update(state);
    downloads(state);
    if (list.update(state, noneWords(state, set, history.isReading()))) showCounts(parts, state, set);
  };
}

/** Rows live, from the newest on. @param {import("../../main.js").App} app @param {Shown} asked @returns {Promise<string>} the error */
function follow(app, asked) {
  const from = asked.since ? `time>=${absolute(asked.since, app.now())}` : "";
  return app.wire.watch("events", { q: [asked.q, from].filter(Boolean).join(" "), mark: asked.mark });
}

/** @param {Parts} parts @param {State} state @param {Shown} set @param {import("../rows/event_list.js").Reasons} reasons */
function showMode(parts, { log, moment }, set, reasons) {
  const going = moment.at !== null ? "Up to the moment shown" : "Live";
  setText(parts.mode, listWords(log, reasons, going, set.until && "From the log, up to the time given"));
  setText(parts.pause, reasons.paused ? `Go on (${count(newSince(log, log.frozen))} waiting)` : "Pause");
  setAttr(parts.pause, "aria-pressed", String(reasons.paused));
  parts.pause.disabled = set.until !== "" || (standsStill(moment) && !reasons.paused);
}

/** How many more there are than are shown, and how many match. @param {Parts} parts @param {State} state @param {Shown} set */
function showCounts(parts, { log, moment }, set) {
  const skipped = Math.round(log.skippedPerS);
  const marked = Math.round(log.skippedMarksPerS);
  const matches = set.mark && marked > 0 ? ` (${count(marked)} of them match)` : "";
  const all = set.q ? "Every new row that matches is shown" : "Every new row is shown";
  setText(parts.skipped, skipped > 0 ? `${count(skipped)} more a second, not shown${matches}` : all);
  show(parts.skipped, set.until === "" && (moment.at === null || skipped > 0));
  show(parts.marks, set.mark !== "");
  const marks = marksHeld(log);
  setText(parts.marksText, set.mark ? `${count(marks)} highlighted` : "");
  parts.markBefore.disabled = parts.markNext.disabled = marks === 0;
}

/** Why there is no row. @param {State} state @param {Shown} set @param {boolean} reading the log */
function noneWords({ log, moment }, set, reading) {
  if (reading && !log.ended) return "None of the newest rows matches. Reading the log…";
  if (!log.ended) return "None of the newest rows matches. The log may hold older ones.";
  if (set.until !== "" || moment.at !== null) return "Nothing in this range matches.";
  if (set.q || set.since) return "Nothing matches yet. New rows that do will show here.";
  return "No events yet. They come as soon as a client connects.";
}
