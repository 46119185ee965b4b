// @ts-check
/** The histogram of the Events page: asked for, added up, shown again now and then; what is marked becomes the range. */

import { addPage, grouped, GROUPS, rangeOf, summary } from "../../model/time/bins.js";
import { el, refs, setAttr, setText, show } from "../../ui/dom.js";
import { count } from "../../model/format.js";
import { standsStill } from "../../model/time/moment.js";
import { follow, givenUp, progressWords } from "../../model/rows/paging.js";
import { absolute } from "../../model/time/instants.js";
import { createBars } from "../../ui/plots/bars.js";

/** @typedef {import("../../live/store.js").State} State @typedef {import("../../model/time/bins.js").Bins} Bins */
/** @typedef {{q: string, since: string, until: string}} Shown the set that the page shows */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { scanBar: HTMLProgressElement };
/** A live histogram is asked for again after so long, and after so many times what the last answer took. */
const REFRESH_MS = 10_000;
const COST_SHARE = 20;
const HINT = "Drag over the bars to see only that time";
/** Pixels of a bar. */
const BAR = 9;

/**
 * @param {ParentNode} root the section of the histogram, or more @param {import("../../main.js").App} app @param {Shown} set shared with the page
 * @param {(range: {since: string, until: string}) => void} choose
 */
export function mountHistogram(root, app, set, choose) {
  const parts = refs(root, KINDS);
  const bars = createBars(parts.bars, {
    onMark: (words) => {
      setText(parts.barWords, words || HINT);
      setAttr(parts.barWords, "data-hint", String(words === ""));
    },
    onSelect: (first, last) => {
      const { bins } = app.store.get().histogram;
      bars.clear();
      if (bins) choose(rangeOf(bins, first, last));
    },
    onReset: () => (set.since || set.until) && choose({ since: "", until: "" }),
  });
  const load = loader(parts, app, set);
  const legend = mountLegend(parts.legend, () => update(app.store.get()));
  parts.wholeRange.addEventListener("click", () => choose({ since: "", until: "" }));
  app.onAnew(() => load());
  /** @type {State["histogram"] | null} */
  let drawn = null;
  const update = (/** @type {State} */ { histogram }) => {
    bars.update(histogram.bins, legend.hidden);
    legend.count(histogram.bins);
    showState(parts, histogram, set);
  };
  return {
    load,
    update: (/** @type {State} */ state) => {
      if (state.histogram === drawn) return;
      drawn = state.histogram;
      update(state);
    },
  };
}

/** Asks, from the start whenever the set has changed. @param {Parts} parts @param {import("../../main.js").App} app @param {Shown} set */
function loader(parts, app, set) {
  let work = new AbortController();
  let timer = 0;
  const tell = (/** @type {Partial<State["histogram"]>} */ change) => app.store.dispatch({ type: "histogram", change });
  const load = async (fresh = true) => {
    work.abort();
    clearTimeout(timer);
    const { signal } = (work = new AbortController());
    const began = performance.now();
    const since = set.since && absolute(set.since, app.now());
    let asked = { ...set, since, bins: Math.round(Math.min(240, Math.max(24, parts.bars.clientWidth / BAR))) };
    /** @type {Bins | null} */
    let bins = null;
    if (fresh) tell({ error: "", cancelled: false, stale: true });
    try {
      await follow((cursor) => app.get("events/histogram", { ...asked, cursor }, signal), (page) => {
        bins = addPage(bins, page);
        // The bars of all pages are the same only if their range is.
        asked = { ...asked, since: page.since, until: page.until };
        if (fresh || bins.whole) tell({ bins, error: "", cancelled: false, stale: false });
        return false;
      });
    } catch (error) {
      if (signal.aborted && givenUp(error)) return;
      tell({ error: /** @type {Error} */ (error).message, stale: false });
    }
    timer = window.setTimeout(again, Math.max(REFRESH_MS, (performance.now() - began) * COST_SHARE));
  };
  const again = () => {
    const { histogram, moment } = app.store.get();
    const idle = document.hidden || histogram.cancelled || standsStill(moment) || set.until !== "";
    if (idle) timer = window.setTimeout(again, REFRESH_MS);
    else load(false);
  };
  parts.scanCancel.addEventListener("click", () => {
    work.abort();
    tell({ cancelled: true, stale: false });
    parts.bars.focus();
  });
  parts.scanAgain.addEventListener("click", () => load());
  return load;
}

/** A button for each group, which says how many there are and hides them. @param {HTMLElement} host @param {() => void} changed */
function mountLegend(host, changed) {
  /** @type {Set<string>} */
  const hidden = new Set();
  const figures = GROUPS.map(({ name, label, kinds }) => {
    const figure = el("b");
    const mark = el("span", { class: "mark", "data-mark": name, "aria-hidden": "true" });
    const tip = `${kinds.join(", ").replaceAll("_", " ")}. Press to hide or show them`;
    const button = el("button", { type: "button", "aria-pressed": "true", "data-tip": tip }, mark, `${label} `, figure);
    button.addEventListener("click", () => {
      if (!hidden.delete(name)) hidden.add(name);
      setAttr(button, "aria-pressed", String(!hidden.has(name)));
      changed();
    });
    host.append(button);
    return figure;
  });
  return {
    hidden,
    count: (/** @type {Bins | null} */ bins) => {
      const rows = bins ? grouped(bins) : [];
      figures.forEach((figure, at) => setText(figure, bins ? count(rows[at].reduce((sum, value) => sum + value, 0)) : ""));
    },
  };
}

/** @param {Parts} parts @param {State["histogram"]} histogram @param {Shown} set */
function showState(parts, { bins, error, cancelled, stale }, set) {
  const scanning = bins !== null && !bins.whole && !cancelled && !error;
  setText(parts.histogramWords, bins ? summary(bins) : "");
  setAttr(parts.bars, "data-stale", String(stale));
  show(parts.histogramNothing, !error && !stale && bins !== null && bins.whole && bins.total === 0);
  show(parts.wholeRange, Boolean(set.since || set.until));
  show(parts.scan, scanning || cancelled);
  show(parts.scanBar, scanning);
  show(parts.scanCancel, scanning);
  show(parts.scanAgain, cancelled);
  show(parts.histogramError, error !== "");
  setText(parts.histogramError, error && `No histogram: ${error}`);
  if (!bins) return;
  const { scanned, total } = bins.progress;
  parts.scanBar.max = total || 1;
  parts.scanBar.value = scanned;
  setText(parts.scanText, cancelled ? `Stopped after ${count(scanned)} of ${count(total)} rows` : scanning ? progressWords(bins.progress) : "");
}
