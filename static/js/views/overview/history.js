// @ts-check
/** The charts: their history from the first moment on, ranges, and a closer look at a part of it, in all of them alike. */

import { createChart } from "../../ui/plots/chart.js";
import { CHARTS } from "../../model/chart_designs.js";
import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { stamp } from "../../model/format.js";
import { addressBar } from "../../ui/url.js";
import { eventsPath, fromText, marked, panned, question, scaled, toText, words } from "../../model/time/zoom.js";

/**
 * @typedef {import("../../live/store.js").State} State
 * @typedef {import("../../model/time/zoom.js").Zoom} Zoom
 * @typedef {ReturnType<typeof createChart>} Chart
 * @typedef {{range: number, zoom: Zoom | null}} Shown
 */

const DEFAULTS = { range: 300, zoom: "" };
/** History whose steps are longer than live figures come is asked for again so often. */
const REFRESH_MS = 60_000;
/** While the past is played, frames are too far apart to tell what was between them. */
const PLAYED_MS = 1000;
/** How far an arrow key goes, as shares of what is shown. */
const STEP = 1 / 60;
const STRIDE = 1 / 6;

/** @param {HTMLElement} root @param {import("../../main.js").App} app @returns {(state: State) => void} */
export function mountHistory(root, app) {
  const parts = refs(root);
  const bar = addressBar(DEFAULTS);
  const buttons = Array.from(parts.ranges.querySelectorAll("button"));
  const known = buttons.map((button) => Number(button.dataset.range));
  const rangeOf = (/** @type {number} */ range) => (known.includes(range) ? range : DEFAULTS.range);
  const { range, zoom } = bar.read();
  /** @type {Shown} */
  const shown = { range: rangeOf(range), zoom: fromText(zoom) };
  const load = loader(app, shown);
  const apply = (/** @type {Partial<Shown>} */ next) => {
    Object.assign(shown, next);
    if ("zoom" in next) app.store.dispatch({ type: "zoomed", answer: null });
    for (const button of buttons) setAttr(button, "aria-pressed", String(!shown.zoom && Number(button.dataset.range) === shown.range));
    showZoom(parts, shown.zoom);
    draw(app.store.get());
    load();
  };
  const change = (/** @type {Partial<Shown>} */ next, isStep = "zoom" in next && !next.zoom !== !shown.zoom) => {
    bar.write({ range: next.range ?? shown.range, zoom: toText(next.zoom === undefined ? shown.zoom : next.zoom) }, isStep);
    apply(next);
  };
  bar.onReturn((popped) => apply({ range: rangeOf(popped.range), zoom: fromText(popped.zoom) }));
  const charts = Object.entries(CHARTS).map(([name, design]) =>
    createChart(/** @type {HTMLElement} */ (root.querySelector(`[data-chart="${name}"]`)), design, {
      mark: (one, other) => change({ zoom: marked(one, other) }, true),
      reset: () => shown.zoom && change({ zoom: null }),
    }),
  );
  const draw = drawer(charts, shown, app);
  parts.ranges.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (button) change({ range: Number(button.dataset.range), zoom: null });
  });
  parts.wholeRange.addEventListener("click", () => change({ zoom: null }));
  mountKeyboard(parts, charts, { app, shown, change, span: draw.span });
  change({});
  app.onAnew(load);
  // What is zoomed is over and does not change.
  setInterval(() => shown.zoom === null && load(), REFRESH_MS);
  /** One question at a time: an answer that takes longer than the pause would always come too late. */
  const followPlayed = async () => {
    if (shown.zoom === null && app.store.get().moment.playing) await load();
    setTimeout(followPlayed, PLAYED_MS);
  };
  followPlayed();
  let isSpanKnown = app.store.get().span !== null;
  return (state) => {
    if (state.span && !isSpanKnown) {
      isSpanKnown = true;
      if (shown.zoom) load();
    }
    setText(parts.historyError, state.historyError);
    show(parts.historyError, state.historyError !== "");
    draw(state);
  };
}

/** The bar of a zoom. @param {Record<string, HTMLElement>} parts @param {Zoom | null} zoom null: there is none */
export function showZoom(parts, zoom) {
  show(parts.zoomBar, zoom !== null);
  if (!zoom) return;
  setText(parts.zoomWords, words(zoom));
  setAttr(parts.zoomEvents, "href", eventsPath(zoom));
}

/** Asks for what is shown; an answer to an older question is left out. @param {import("../../main.js").App} app @param {Shown} shown */
function loader(app, shown) {
  let asked = 0;
  return async () => {
    const mine = (asked += 1);
    const { range, zoom } = shown;
    const { overviewTime, span } = app.store.get();
    const latest = overviewTime || app.now() / 1000;
    // Of what was before the log the range shows all there is: nothing. Where the log begins is not known yet in the first moments of a page.
    if (zoom && (!span || zoom.to * 1000 <= span.since)) return;
    try {
      const answer = await app.get("series", zoom && span ? question(zoom, span.since / 1000, latest) : { range });
      if (mine !== asked) return;
      app.store.dispatch(zoom ? { type: "zoomed", answer } : { type: "history", answer });
      // What is zoomed stands on its own; behind it the range goes on, so that it is there at once.
      if (!zoom || app.store.get().history) return;
      const behind = await app.get("series", { range });
      if (mine === asked) app.store.dispatch({ type: "history", answer: behind });
    } catch (error) {
      if (mine === asked) app.store.dispatch({ type: "history", error: `No history: ${/** @type {Error} */ (error).message}` });
    }
  };
}

/** Draws when there is something else to draw. @param {Chart[]} charts @param {Shown} shown @param {import("../../main.js").App} app */
function drawer(charts, shown, app) {
  /** @type {unknown[]} */
  let drawn = [];
  const spanOf = (/** @type {State} */ { overviewTime, history }) => {
    if (shown.zoom) return /** @type {[number, number]} */ ([shown.zoom.from, shown.zoom.to]);
    const end = Math.max(overviewTime, history?.time.at(-1) ?? 0) || app.now() / 1000;
    return /** @type {[number, number]} */ ([end - (history?.range ?? shown.range), end]);
  };
  const draw = (/** @type {State} */ state) => {
    const series = (shown.zoom && state.zoomed) || state.history;
    if (!series || document.hidden || (drawn[0] === series && drawn[1] === shown.zoom)) return;
    drawn = [series, shown.zoom];
    const span = spanOf(state);
    for (const chart of charts) chart.update(series, span);
  };
  return Object.assign(draw, { span: () => spanOf(app.store.get()) });
}

/**
 * Arrows move the time under the cursor, + and - look closer and less closely, Escape at all of it, Enter at its events.
 * @param {Record<string, HTMLElement>} parts @param {Chart[]} charts
 * @param {{app: import("../../main.js").App, shown: Shown, change: (next: Partial<Shown>) => void, span: () => [number, number]}} history
 */
function mountKeyboard(parts, charts, { app, shown, change, span }) {
  /** @type {number | null} */
  let at = null;
  const point = (/** @type {number | null} */ time) => {
    at = time;
    const said = charts.map((chart) => chart.point(time));
    setText(parts.chartSays, time === null ? "" : `${stamp(time)}: ${said.join(", ")}`);
  };
  const keys = (/** @type {string} */ key, /** @type {boolean} */ shift) => {
    const [from, to] = span();
    const here = Math.min(to, Math.max(from, at ?? to));
    const stride = (to - from) * (shift ? STRIDE : STEP);
    const near = (/** @type {number} */ factor) => change({ zoom: scaled({ from, to }, here, factor, shown.range) });
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => point(Math.max(from, here - stride)),
      ArrowRight: () => point(Math.min(to, here + stride)),
      Home: () => point(from),
      End: () => point(to),
      "+": () => near(0.5),
      "=": () => near(0.5),
      "-": () => near(2),
      PageUp: () => change({ zoom: panned(marked(from, to), -0.5, to) }),
      PageDown: () => shown.zoom && change({ zoom: panned(shown.zoom, 0.5, app.store.get().overviewTime) }),
      Enter: () => app.open(eventsPath(shown.zoom ?? marked(here - stride, here + stride))),
    };
    return actions[key];
  };
  parts.charts.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== parts.charts) return;
    const action = keys(event.key, event.shiftKey);
    if (!action) return;
    event.preventDefault();
    action();
  });
  parts.charts.addEventListener("blur", () => point(null));
  document.addEventListener("keydown", (event) => {
    const busy = document.querySelector("dialog[open]") || (event.target instanceof Element && event.target.matches("input, select, textarea"));
    if (event.key === "Escape" && shown.zoom && !busy) change({ zoom: null });
  });
}
