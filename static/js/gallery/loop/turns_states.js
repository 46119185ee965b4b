// @ts-check
/** The latest turns of a loop. */

import { refs } from "../../ui/dom.js";
import { createTurnChart } from "../../views/loop/turn_chart.js";
import { turnColumns } from "../made_loops.js";

/** @type {import("../stage.js").Component} */
export default {
  page: "loop",
  pick: ".turns",
  mount: (root, _app, { figures }) => {
    const parts = refs(root, { chart: HTMLCanvasElement });
    const chart = createTurnChart(parts.chart, parts.told);
    if (figures) chart.update(figures);
  },
  states: {
    loading: {},
    empty: { figures: turnColumns(0) },
    few: { figures: turnColumns(6) },
    many: { figures: turnColumns(240) },
  },
};
