// @ts-check
/** Events: what happened? A live tail that waits for its reader, and the way back into the log. */

import { debounce, refs, setAttr, setText, show } from "../dom.js";
import { getTerm, setTerm } from "../filter.js";
import { count, plural } from "../format.js";
import { standsStill } from "../moment.js";
import { mountDownloads } from "../parts/downloads.js";
import { mountHistogram } from "../parts/histogram.js";
import { mountOlder } from "../parts/older.js";
import { EVENT_TABLE } from "../rows.js";
import { createTable } from "../table.js";
import { rowsIn } from "../tail.js";
import { absolute, isMoment } from "../time.js";
import { addressBar } from "../url.js";

/** @typedef {import("../store.js").State} State @typedef {{q: string, since: string, until: string}} Params */

const DEFAULTS = { q: "", since: "", until: "" };
const TYPING_MS = 250;

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, { table: HTMLTableElement });
  const bar = addressBar(DEFAULTS);
  const params = bar.read();
  const holds = holdings(parts, app);
  const table = createTable(parts.table, { ...EVENT_TABLE, onHold: (held) => holds.set("pointing", held) });
  const older = mountOlder(root, app, params, "That is all: the log has no older rows of this set.");
  const ask = async () => {
    show(parts.clear, Boolean(params.q || params.since || params.until));
    older.stop();
    const error = timeError(params) || (await follow(app, params, older));
    showError(parts, params, error);
    if (error) return;
    bar.write(params);
    histogram.load();
  };
  const change = (/** @type {Partial<Params>} */ next) => {
    Object.assign(params, next);
    pressKinds(parts, params);
    ask();
  };
  const put = mountFields(root, parts, params, change);
  const histogram = mountHistogram(root, app, params, put);
  const downloads = mountDownloads(root, app, () => params);
  app.onAnew(ask);
  pressKinds(parts, params);
  ask();
  /** @type {import("../tail.js").Tail | null} */
  let shown = null;
  return (/** @type {State} */ state) => {
    showMode(parts, state, params, holds);
    histogram.update(state);
    downloads(state);
    if (state.tail === shown) return;
    shown = state.tail;
    table.update(state.tail.entries);
    showNothing(parts, state, params);
    older.update(state);
  };
}

/** Rows live from the newest on; with an end in the past, only from the log. @returns {Promise<string>} the error */
async function follow(/** @type {any} */ app, /** @type {Params} */ params, /** @type {any} */ older) {
  if (params.until) {
    app.wire.unwatch("events");
    app.store.dispatch({ type: "clear" });
    return older.load();
  }
  const from = params.since ? `time>=${absolute(params.since, app.now())}` : "";
  return app.wire.watch("events", { q: [params.q, from].filter(Boolean).join(" ") });
}

/** @param {Params} params @returns {string} */
function timeError({ since, until }) {
  const bad = [since, until].find((value) => value !== "" && !isMoment(value));
  return bad === undefined ? "" : `“${bad}” is no time: write 30s, 10m, 2h or 1d (ago), or 2026-11-23T14:00:00Z`;
}

/** @param {any} parts @param {Params} params @param {string} error */
function showError(parts, params, error) {
  setText(parts.filterError, error);
  show(parts.filterError, error !== "");
  const times = timeError(params) !== "";
  setAttr(parts.q, "aria-invalid", error && !times ? "true" : null);
  for (const name of ["since", "until"]) {
    setAttr(parts[name], "aria-invalid", parts[name].value && !isMoment(parts[name].value) ? "true" : null);
  }
}

/** @param {any} parts @param {Params} params */
function pressKinds(parts, params) {
  for (const button of parts.kinds.children) {
    setAttr(button, "aria-pressed", String(button.dataset.kind === getTerm(params.q, "kind")));
  }
}

/** @returns what sets some of the fields, as if they had been typed */
function mountFields(
  /** @type {HTMLElement} */ root, /** @type {any} */ parts, /** @type {Params} */ params,
  /** @type {(next: Partial<Params>) => void} */ change,
) {
  const names = /** @type {const} */ (["q", "since", "until"]);
  const put = (/** @type {Partial<Params>} */ next) => {
    for (const name of names) parts[name].value = next[name] ?? parts[name].value;
    change(next);
  };
  const typed = debounce(() => {
    const next = { q: parts.q.value.trim(), since: parts.since.value.trim(), until: parts.until.value.trim() };
    if (names.some((name) => next[name] !== params[name])) change(next);
  }, TYPING_MS);
  for (const name of names) {
    parts[name].value = params[name];
    parts[name].addEventListener("input", typed);
  }
  parts.kinds.addEventListener("click", (/** @type {Event} */ event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (button) put({ q: setTerm(parts.q.value, "kind", button.dataset.kind ?? "") });
  });
  parts.clear.addEventListener("click", () => put({ ...DEFAULTS }));
  for (const example of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-example]"))) {
    example.addEventListener("click", () => {
      example.closest("dialog")?.close();
      put({ q: example.dataset.example ?? "" });
    });
  }
  return put;
}

/** Why the list stands still: paused, pointed at, or scrolled away from its top. @param {any} parts @param {any} app */
function holdings(parts, app) {
  const reasons = { paused: false, pointing: false, scrolled: false };
  const set = (/** @type {keyof typeof reasons} */ name, /** @type {boolean} */ value) => {
    if (reasons[name] === value) return;
    reasons[name] = value;
    app.store.dispatch({ type: "hold", held: Object.values(reasons).includes(true) });
  };
  parts.pause.addEventListener("click", () => {
    set("paused", !reasons.paused);
    setAttr(parts.pause, "aria-pressed", String(reasons.paused));
  });
  parts.scroller.addEventListener("scroll", () => set("scrolled", parts.scroller.scrollTop > 8), { passive: true });
  parts.hint.addEventListener("click", () => {
    parts.scroller.scrollTop = 0;
    app.store.dispatch({ type: "hold", held: false });
    if (Object.values(reasons).includes(true)) app.store.dispatch({ type: "hold", held: true });
  });
  return { set, reasons };
}

/** @param {any} parts @param {State} state @param {Params} params @param {{reasons: Record<string, boolean>}} holds */
function showMode(parts, state, params, { reasons }) {
  const { tail } = state;
  const waiting = rowsIn(tail.waiting);
  const why = reasons.paused ? "Paused" : reasons.scrolled ? "Standing still while you read further down" : "Standing still while you point at it";
  const past = state.moment.at !== null;
  const going = past ? "Up to the moment shown, newest first" : "Live, newest first";
  const mode = params.until ? "From the log, up to the time given" : tail.held ? why : going;
  setText(parts.mode, `${mode} · ${plural(rowsIn(tail.entries.filter((entry) => "row" in entry)), "row")} here`);
  setText(parts.pause, reasons.paused ? `Go on (${count(waiting)} waiting)` : "Pause");
  parts.pause.disabled = params.until !== "" || (standsStill(state.moment) && !reasons.paused);
  show(parts.hint, tail.held && waiting > 0);
  setText(parts.hint, `${plural(waiting, "new row")} waiting. Show now`);
  const skipped = Math.round(tail.skippedPerS);
  setText(parts.skipped, skipped > 0 ? `${plural(skipped, "row")} more a second, not shown` : "Every matching row is shown");
  show(parts.skipped, params.until === "" && !past);
}

/** @param {any} parts @param {State} state @param {Params} params */
function showNothing(parts, { tail, moment }, params) {
  show(parts.nothing, tail.loaded && tail.entries.length === 0);
  const filtered = params.q || params.since || params.until;
  const over = params.until !== "" || moment.at !== null;
  const none = filtered ? "Nothing matches yet. New rows that do will show here." : "No events yet. They come as soon as a client connects.";
  setText(parts.nothingText, over ? "Nothing in this range matches." : none);
}
