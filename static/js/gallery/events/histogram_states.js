// @ts-check
/** The histogram of events over time. */

import { fromPage } from "../../model/time/bins.js";
import { mountHistogram } from "../../views/events/histogram.js";
import { ago, chance, many } from "../made_up.js";

const SET = { q: "", since: "", until: "" };

/** @param {number} scale events a bar, about @param {string | null} [next] @returns {import("../../live/types.js").HistogramPage} */
export function histogramPage(scale, next = null) {
  const random = chance(5);
  const kinds = {
    echo: many(120, () => Math.floor(scale * random())), write: many(120, () => Math.floor((scale / 8) * random())),
    open: many(120, (index) => (index % 20 === 0 ? Math.ceil(scale / 50) : 0)), full: many(120, (index) => (index === 77 ? Math.min(1, scale) : 0)),
  };
  const total = Object.values(kinds).flat().reduce((sum, value) => sum + value, 0);
  return { since: ago(600), until: ago(0), step_s: 5, kinds, total, progress: { scanned: next ? total : 3 * total, total: 3 * total }, next };
}

/** @param {import("../../live/types.js").HistogramPage} page @returns {import("../../live/store.js").Action} */
const told = (page) => ({ type: "histogram", change: { bins: fromPage(page), stale: false } });

/** @type {import("../stage.js").Component} */
export default {
  page: "events",
  pick: ".histogram",
  mount: (root, app, { figures }) => {
    const histogram = mountHistogram(root, app, figures ?? SET, () => undefined);
    histogram.update(app.store.get());
    return histogram.update;
  },
  states: {
    loading: {},
    empty: { actions: [told(histogramPage(0))] },
    few: { actions: [told(histogramPage(2))] },
    many: { actions: [told(histogramPage(9_000_000))], note: "The one full among millions of echoes is still seen." },
    reading: { actions: [told(histogramPage(40_000, "more"))] },
    cancelled: { actions: [told(histogramPage(40_000, "more")), { type: "histogram", change: { cancelled: true } }] },
    stale: { actions: [told(histogramPage(400)), { type: "histogram", change: { stale: true } }] },
    error: { actions: [{ type: "histogram", change: { error: 'unknown field "foo" in "foo:1"', stale: false } }] },
    "a range": { figures: { ...SET, since: "10m" }, actions: [told(histogramPage(400))] },
  },
};
