// @ts-check
/** Events: what happened? A live tail that waits for its reader, and the way back into the log. */

import { get } from "../api.js";
import { debounce, refs, setAttr, setText, show } from "../dom.js";
import { downloadUrl, getTerm, setTerm } from "../filter.js";
import { count, plural } from "../format.js";
import { EVENT_TABLE } from "../rows.js";
import { createTable } from "../table.js";
import { untilOldest, rowsIn } from "../tail.js";
import { absolute, isMoment } from "../time.js";
import { addressBar } from "../url.js";

/** @typedef {import("../store.js").State} State @typedef {{q: string, since: string, until: string}} Params */

const DEFAULTS = { q: "", since: "", until: "" };
const TYPING_MS = 250;
const PAGE = 200;
/** Pixels from the end of the list at which older rows are fetched. */
const NEAR_END = 200;

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root);
  const bar = addressBar(DEFAULTS);
  const params = bar.read();
  const holds = holdings(parts, app);
  const table = createTable(parts.table, { ...EVENT_TABLE, onHold: (held) => holds.set("pointing", held) });
  const history = olderRows(parts, app, params);
  const ask = async () => {
    show(parts.clear, Boolean(params.q || params.since || params.until));
    const error = timeError(params) || (await follow(app, params, history));
    showError(parts, params, error);
    if (error) return;
    bar.write(params);
    showLinks(parts, params);
  };
  const change = (/** @type {Partial<Params>} */ next) => {
    Object.assign(params, next);
    pressKinds(parts, params);
    ask();
  };
  mountFields(root, parts, params, change);
  pressKinds(parts, params);
  showLinks(parts, params);
  ask();
  let shown = null;
  return (/** @type {State} */ state) => {
    showMode(parts, state, params, holds);
    if (state.tail === shown) return;
    shown = state.tail;
    table.update(state.tail.entries);
    showNothing(parts, state, params);
    history.update(state);
  };
}

/** Rows live from the newest on; with an end in the past, only from the log. @returns {Promise<string>} the error */
async function follow(/** @type {any} */ app, /** @type {Params} */ params, /** @type {any} */ history) {
  if (params.until) {
    app.wire.unwatch("events");
    app.store.dispatch({ type: "clear" });
    return history.load();
  }
  const from = params.since ? `time>=${absolute(params.since, Date.now())}` : "";
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
function showLinks(parts, params) {
  for (const format of ["jsonl", "csv"]) setAttr(parts[format], "href", downloadUrl(format, params));
}

/** @param {any} parts @param {Params} params */
function pressKinds(parts, params) {
  for (const button of parts.kinds.children) {
    setAttr(button, "aria-pressed", String(button.dataset.kind === getTerm(params.q, "kind")));
  }
}

/** @param {HTMLElement} root @param {any} parts @param {Params} params @param {(next: Partial<Params>) => void} change */
function mountFields(root, parts, params, change) {
  const names = /** @type {const} */ (["q", "since", "until"]);
  const put = (/** @type {Params} */ next) => {
    for (const name of names) parts[name].value = next[name];
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
    if (button) put({ ...params, q: setTerm(parts.q.value, "kind", button.dataset.kind ?? "") });
  });
  parts.clear.addEventListener("click", () => put({ ...DEFAULTS }));
  for (const example of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-example]"))) {
    example.addEventListener("click", () => {
      example.closest("dialog")?.close();
      put({ ...params, q: example.dataset.example ?? "" });
    });
  }
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

/** Older rows from the log, by the button or at the end of the list. @param {any} parts @param {any} app @param {Params} params */
function olderRows(parts, app, params) {
  let busy = false;
  const load = async () => {
    if (busy) return "";
    busy = true;
    setText(parts.olderText, "Reading the log…");
    try {
      const { tail } = app.store.get();
      const until = tail.cursor ? params.until : untilOldest(tail) || params.until;
      const asked = { q: params.q, since: params.since, until, limit: PAGE, order: "desc", cursor: tail.cursor ?? "" };
      app.store.dispatch({ type: "older", page: await get("events", asked) });
      setText(parts.olderText, "");
      return "";
    } catch (error) {
      setText(parts.olderText, "");
      return /** @type {Error} */ (error).message;
    } finally {
      busy = false;
    }
  };
  const more = async () => {
    const error = await load();
    if (error) setText(parts.olderText, `Older rows could not be read: ${error}`);
  };
  parts.older.addEventListener("click", more);
  parts.scroller.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = parts.scroller;
    const { tail } = app.store.get();
    if (scrollTop > 8 && scrollTop + clientHeight > scrollHeight - NEAR_END && !tail.ended) more();
  }, { passive: true });
  return {
    load,
    update: (/** @type {State} */ { tail }) => {
      parts.older.disabled = tail.ended || tail.entries.length === 0;
      if (tail.ended && tail.entries.length > 0) setText(parts.olderText, "That is all: the log has no older rows of this set.");
      else if (!busy && parts.olderText.textContent.startsWith("That")) setText(parts.olderText, "");
    },
  };
}

/** @param {any} parts @param {State} state @param {Params} params @param {{reasons: Record<string, boolean>}} holds */
function showMode(parts, state, params, { reasons }) {
  const { tail } = state;
  const waiting = rowsIn(tail.waiting);
  const why = reasons.paused ? "Paused" : reasons.scrolled ? "Standing still while you read further down" : "Standing still while you point at it";
  const mode = params.until ? "From the log, up to the time given" : tail.held ? why : "Live, newest first";
  setText(parts.mode, `${mode} · ${plural(rowsIn(tail.entries.filter((entry) => "row" in entry)), "row")} here`);
  setText(parts.pause, reasons.paused ? `Go on (${count(waiting)} waiting)` : "Pause");
  parts.pause.disabled = params.until !== "";
  show(parts.hint, tail.held && waiting > 0);
  setText(parts.hint, `${plural(waiting, "new row")} waiting. Show now`);
  const skipped = Math.round(tail.skippedPerS);
  setText(parts.skipped, skipped > 0 ? `${plural(skipped, "row")} more a second, not shown` : "Every matching row is shown");
  show(parts.skipped, params.until === "");
}

/** @param {any} parts @param {State} state @param {Params} params */
function showNothing(parts, { tail }, params) {
  show(parts.nothing, tail.loaded && tail.entries.length === 0);
  const filtered = params.q || params.since || params.until;
  setText(parts.nothingText, filtered ? "Nothing matches yet. New rows that do will show here." : "No events yet. They come as soon as a client connects.");
}
