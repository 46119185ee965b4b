// @ts-check
/** The Overview as a whole. */

import { mount } from "../../views/overview/overview.js";
import { frame, newborn, NOW, overview } from "../made_up.js";
import { history } from "../made_series.js";

/** @type {import("../stage.js").Component} */
export default {
  page: "overview",
  mount,
  states: {
    loading: {},
    empty: { answers: { series: history(0) }, actions: [frame("overview", newborn())] },
    few: { answers: { series: history(300) }, actions: [frame("overview", overview())] },
    error: { answers: { series: new Error("the server answered 503") }, actions: [frame("overview", overview({ healthy: false, trouble: "the loop has stalled for 3 s" }))] },
    stale: { answers: { series: history(300) }, actions: [frame("overview", overview()), { type: "tick", now: NOW + 12_000 }] },
    past: {
      answers: { series: history(300) },
      actions: [{ type: "moment", moment: { at: NOW, playing: false, speed: 1 } }, frame("overview", { ...overview({ viewers: null, healthy: null }), at: overview().time })],
    },
  },
};
