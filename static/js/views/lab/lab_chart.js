// @ts-check
/** A figure against the number of idle connections: medians with their spreads, names at the ends of the lines. */

import uPlot from "../../../../vendor/uPlot.esm.js";
import { colour, onTheme } from "../../ui/plots/colours.js";
import { apart, places, shown } from "../../model/lab_comparison.js";
import { show } from "../../ui/dom.js";

/** @typedef {import("../../model/lab_comparison.js").Line} Line @typedef {uPlot} Plot */

const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const LABEL_PX = 13;
const STEM_PX = 3;

/** @param {HTMLElement} host @param {HTMLElement} nothing shown when there is no line @param {string} metric @param {boolean} logarithmic */
export function createLabChart(host, nothing, metric, logarithmic) {
  /** @type {Plot | null} */
  let plot = null;
  const resize = () => {
    const { clientWidth: width, clientHeight: height } = host;
    if (plot && width > 0 && (width !== plot.width || height !== plot.height)) plot.setSize({ width, height });
  };
  new ResizeObserver(resize).observe(host);
  onTheme(() => plot?.redraw(false, true));
  return {
    /** @param {Line[]} lines @param {number[]} idle */
    update: (lines, idle) => {
      plot?.destroy();
      plot = null;
      show(nothing, lines.length === 0);
      if (!lines.length) return;
      /** @type {[number[], ...(number | null)[][]]} */
      const data = [places(idle), ...lines.map((line) => line.values.map((value) => value && positive(value.median, logarithmic)))];
      plot = new uPlot(options(host, lines, idle, metric, logarithmic), data, host);
    },
  };
}

/** A logarithmic axis has no place for nothing. @param {number} value @param {boolean} logarithmic */
const positive = (value, logarithmic) => (logarithmic ? Math.max(value, 1e-3) : value);

/** @param {Line} line */
const colourOf = (line) => colour(`--model-${line.model}`);

/** @param {HTMLElement} host @param {Line[]} lines @param {number[]} idle @param {string} metric @param {boolean} logarithmic @returns {uPlot.Options} */
function options(host, lines, idle, metric, logarithmic) {
  const at = places(idle);
  const axis = { stroke: () => colour("--muted"), font: FONT, ticks: { show: false } };
  const margin = idle.length > 1 ? 0.12 * (at[at.length - 1] - at[0]) : 0.5;
  const x = /** @type {[number, number]} */ ([at[0] - margin / 2, at[at.length - 1] + margin / 2]);
  return {
    width: host.clientWidth || 300, height: host.clientHeight || 220, padding: [12, 68, 0, 0], legend: { show: false },
    cursor: { drag: { x: false, y: false }, x: false, y: false, points: { size: 9 } },
    scales: {
      x: { time: false, range: x },
      y: logarithmic ? { distr: 3, range: (_u, low, high) => logRange(lines, low, high) } : { range: (_u, _low, high) => [0, Math.max(1, topOf(lines, high) * 1.08)] },
    },
    axes: [
      { ...axis, grid: { show: true, stroke: () => colour("--line"), width: 1 }, size: 26, splits: () => at, values: () => idle.map((number) => number.toLocaleString("en-GB")) },
      {
        ...axis, grid: { stroke: () => colour("--line"), width: 1 }, size: 62, gap: 8, space: 30,
        ...(logarithmic ? { splits: (_u, _axis, low, high) => decades(low, high), filter: (_u, splits) => splits } : {}),
        values: (_u, splits) => splits.map((value) => tick(metric, value)),
      },
    ],
    series: [{}, ...lines.map((line) => ({
      label: line.name, width: line.dashed ? 1.2 : 2, dash: line.dashed ? [5, 4] : undefined, spanGaps: true,
      stroke: () => colourOf(line), points: { show: true, size: line.dashed ? 5 : 7, fill: () => colour("--surface") },
    }))],
    hooks: { draw: [(u) => stems(u, lines, logarithmic), (u) => names(u, lines)] },
  };
}

/** @param {Line[]} lines @param {number} high */
const topOf = (lines, high) => Math.max(high, ...lines.flatMap((line) => line.values.map((value) => value?.high ?? 0)));

/** Whole decades, so that there are always labels. @param {Line[]} lines @param {number} low @param {number} high @returns {[number, number]} */
function logRange(lines, low, high) {
  const bottom = 10 ** Math.floor(Math.log10(Math.max(low, 1e-3)));
  const top = 10 ** Math.ceil(Math.log10(Math.max(topOf(lines, high), bottom * 1.01)));
  return [0.7 * bottom, top];
}

/** 1, 10, 100, …; where these are few, 2 and 5 of each as well. @param {number} low @param {number} high */
function decades(low, high) {
  const [first, last] = [Math.round(Math.log10(low)), Math.round(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  const splits = powers.length > 3 ? powers : powers.flatMap((power) => [power, 2 * power, 5 * power]);
  return splits.filter((value) => value <= high * 1.001);
}

/** @param {string} metric @param {number} value */
const tick = (metric, value) => shown(metric, value).replace(/\.0+$/, "");

/** From the lowest to the highest of the repeats. @param {Plot} u @param {Line[]} lines @param {boolean} logarithmic */
function stems(u, lines, logarithmic) {
  const { ctx } = u;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  for (const line of lines.filter((one) => !one.dashed)) {
    ctx.strokeStyle = colourOf(line);
    ctx.beginPath();
    line.values.forEach((value, index) => {
      if (!value || value.low === value.high) return;
      const x = u.valToPos(u.data[0][index], "x", true);
      const [from, to] = [value.low, value.high].map((end) => u.valToPos(positive(end, logarithmic), "y", true));
      ctx.moveTo(x, from);
      ctx.lineTo(x, to);
      for (const y of [from, to]) {
        ctx.moveTo(x - STEM_PX * devicePixelRatio, y);
        ctx.lineTo(x + STEM_PX * devicePixelRatio, y);
      }
    });
    ctx.stroke();
  }
  ctx.restore();
}

/** The name of each line at its last point, none over another. @param {Plot} u @param {Line[]} lines */
function names(u, lines) {
  const { ctx } = u;
  const ends = lines.filter((line) => !line.dashed).map((line) => {
    const index = line.values.findLastIndex(Boolean);
    const series = lines.indexOf(line) + 1;
    const value = /** @type {number} */ (u.data[series][index]);
    return { line, x: u.valToPos(u.data[0][index], "x", true), y: u.valToPos(value, "y", true) };
  }).sort((a, b) => a.y - b.y);
  const ys = apart(ends.map((end) => end.y), LABEL_PX * devicePixelRatio, u.bbox.top + u.bbox.height - LABEL_PX);
  ctx.save();
  ctx.font = FONT.replace("11px", `${11 * devicePixelRatio}px`);
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ends.forEach(({ line, x }, index) => {
    ctx.fillStyle = colourOf(line);
    ctx.fillText(line.name, x + 9 * devicePixelRatio, ys[index]);
  });
  ctx.restore();
}
