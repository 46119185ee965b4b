// @ts-check
/** A chart over time. */

import { createChart } from "../../ui/plots/chart.js";
import { byteRate } from "../../model/format.js";
import { chance, many, NOW } from "../made_up.js";

const END = NOW / 1000;

/** @param {number} count @param {(index: number) => number | null} value */
function columns(count, value) {
  const next = chance(11);
  return {
    time: many(count, (index) => END - count + index),
    bytes_out: many(count, (index) => (value(index) === null ? null : (value(index) ?? 0) * (1 + 0.2 * next()))),
    bytes_in: many(count, (index) => (value(index) === null ? null : (value(index) ?? 0) * (0.6 + 0.2 * next()))),
  };
}

/** @type {import("../../ui/plots/chart.js").Design} */
const DESIGN = {
  unit: "bytes", format: byteRate,
  lines: [
    { column: "bytes_out", label: "out", colour: "--notfull", fill: true },
    { column: "bytes_in", label: "in", colour: "--notempty" },
  ],
};

/** @type {import("../stage.js").Component} */
export default {
  page: "overview",
  pick: "[data-chart=bytes]",
  mount: (root, _app, { figures }) => {
    const chart = createChart(/** @type {HTMLElement} */ (root.querySelector(".chart")), DESIGN);
    if (figures) chart.update(figures, [END - 300, END]);
  },
  states: {
    loading: {},
    empty: { figures: columns(0, () => 0) },
    few: { figures: columns(5, (index) => index * 1000) },
    many: { figures: columns(300, (index) => 4e6 + 2e6 * Math.sin(index / 30)) },
    "with a gap": { figures: columns(300, (index) => (index > 100 && index < 140 ? null : 5e5)) },
    "nothing happens": { figures: columns(300, () => 0) },
  },
};
