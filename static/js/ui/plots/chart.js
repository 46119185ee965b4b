// @ts-check
/** A chart of lines over time: uPlot in our colours, cursors in step, figures under the cursor in its caption. */

import uPlot from "../../../../vendor/uPlot.esm.js";
import { colour, onTheme, veil } from "./colours.js";
import { el, refs, setText, show } from "../dom.js";
import { clock } from "../../model/format.js";

/**
 * @typedef {{column: string, label: string, colour: string, fill?: boolean, steps?: boolean}} Line
 * @typedef {{lines: Line[], format: (value: number | null) => string, unit: "bytes" | "count" | "share"}} Design
 */

const KIBI = 1024;
const BYTE_STEPS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const INCREMENTS = {
  bytes: [0, 1, 2, 3, 4, 5].flatMap((power) => BYTE_STEPS.map((step) => step * KIBI ** power)),
  count: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power)),
  share: [0.1, 0.25, 0.5],
};
/** The least upper end of an axis, so that a flat line at nothing does not fill the chart with noise. */
const LEAST_TOP = { bytes: KIBI, count: 4, share: 1 };
const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';

/** @typedef {import("uplot")} Plot @typedef {{time: number[], [column: string]: unknown}} Columns with `time` in seconds */

/**
 * What a chart tells of the pointer: a time was dragged to from another, or all is to be seen again.
 * @typedef {{mark: (one: number, other: number) => void, reset: () => void}} Listener
 */

/** A drag over fewer pixels is a click. */
const LEAST_DRAG = 4;

/**
 * @param {Design} design @param {() => [number, number]} range @param {(u: Plot) => void} onCursor
 * @param {Listener | undefined} listener @returns {import("uplot").Options}
 */
function options(design, range, onCursor, listener) {
  const axis = { stroke: () => colour("--muted"), font: FONT, ticks: { show: false } };
  const grid = { stroke: () => colour("--line"), width: 1 };
  const top = LEAST_TOP[design.unit];
  return {
    width: 300, height: 150, padding: [8, 28, 0, 0], legend: { show: false },
    hooks: { setCursor: [onCursor], setSelect: listener ? [(u) => taken(u, listener)] : [] },
    cursor: {
      sync: { key: "echoscope" }, drag: { x: listener !== undefined, y: false, setScale: false, dist: LEAST_DRAG }, points: { size: 7 }, y: false,
      bind: { dblclick: () => () => (listener?.reset(), null) },
    },
    scales: {
      x: { time: true, range },
      y: { range: (_u, _min, max) => [0, roof(max, top)] },
    },
    axes: [
      { ...axis, grid: { show: false }, space: timeSpace, size: 24, values: timeLabels },
      {
        ...axis, grid, size: 64, gap: 8, space: 34, incrs: INCREMENTS[design.unit],
        values: (_u, splits) => splits.map((value) => tidy(design.format(value))),
      },
    ],
    series: [{}, ...design.lines.map(line)],
  };
}

/** The chart that the drag began in: charts in step are all marked, and the drag may end outside. @type {HTMLElement | null} */
let dragged = null;
document.addEventListener("pointerdown", ({ target }) => (dragged = target instanceof Element ? target.closest(".u-over") : null), true);

/** Tells what was dragged over, and takes the mark away. @param {Plot} u @param {Listener} listener */
function taken(u, { mark }) {
  const { left, width } = u.select;
  if (width === 0) return;
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (width > LEAST_DRAG && u.over === dragged) mark(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
}

/** Upper end of the axis: some air above the highest value. @param {number | null} max @param {number} least */
function roof(max, least) {
  if (least === 1) return 1;
  return Math.max(least, (max ?? 0) * 1.12);
}

/** An axis label without what every label of the axis would repeat: `12.0 MiB/s` is `12 MiB`. @param {string} label */
const tidy = (label) => label.replace(/\.0+(?=$| )/, "").replace("/s", "");

/** Pixels that a label needs, with seconds in it or without; never more than eight labels. @param {Plot} u @param {number} _axis @param {number} min @param {number} max */
const timeSpace = (u, _axis, min, max) => Math.max(u.width / 8, max - min < 200 ? 64 : 46);

/** @param {Plot} u @param {number[]} splits seconds @param {number} _axis @param {number} _space @param {number} step */
function timeLabels(u, splits, _axis, _space, step) {
  return splits.map((value) => clock(value).slice(0, step < 60 ? 8 : 5));
}

/** @param {Line} design */
function line(design) {
  return {
    label: design.label, width: 1.6, spanGaps: false, points: { show: false },
    stroke: () => colour(design.colour),
    fill: design.fill ? () => veil(design.colour, 0.13) : undefined,
    paths: design.steps ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
  };
}

/** One figure of the caption for each line. @param {HTMLElement} host @param {Design} design */
function captions(host, design) {
  return design.lines.map((item) => {
    const figure = el("b");
    const key = el("span", { class: "key", "aria-hidden": "true" });
    key.style.background = `var(${item.colour})`;
    host.append(el("span", { class: "reading" }, key, `${item.label} `, figure));
    return figure;
  });
}

/** The time under the cursor, beside its line. @param {Plot} u @param {HTMLElement} label */
function showTime(u, label) {
  const { idx, left = -1 } = u.cursor;
  const seen = typeof idx === "number" && left >= 0;
  show(label, seen);
  if (!seen) return;
  setText(label, clock(u.data[0][idx]).slice(0, 8));
  label.classList.toggle("left", left > u.over.clientWidth / 2);
  label.style.transform = `translateX(${Math.round(left)}px)`;
}

/**
 * Mounts a chart in a `figure.chart` with `data-ref` plot, readings and nothing.
 * @param {HTMLElement} figure @param {Design} design @param {Listener} [listener] without one nothing can be marked
 */
export function createChart(figure, design, listener) {
  const parts = refs(figure);
  const figures = captions(parts.readings, design);
  /** @type {[number, number]} */
  let range = [0, 1];
  /** @type {[number[], ...(number | null)[][]]} */
  let data = [[], ...design.lines.map(() => [])];
  const read = (/** @type {Plot} */ u) => {
    const { idx } = u.cursor;
    const last = data[0].length - 1;
    // The first frame of a moment has no rates of its own: then those of the step before it are the latest.
    const value = (/** @type {(number | null)[]} */ line) => (typeof idx === "number" ? line[idx] : line[last] ?? line[last - 1]) ?? null;
    figures.forEach((node, at) => setText(node, design.format(value(data[at + 1]))));
    showTime(u, time);
  };
  const time = el("time", { class: "cursor-time", "aria-hidden": "true" });
  const plot = new uPlot(options(design, () => range, read, listener), data, parts.plot);
  plot.over.append(time);
  new ResizeObserver(() => {
    const width = parts.plot.clientWidth;
    const height = parts.plot.clientHeight;
    if (width > 0 && (width !== plot.width || height !== plot.height)) plot.setSize({ width, height });
  }).observe(parts.plot);
  onTheme(() => plot.redraw(false, true));
  return {
    /** @param {Columns} columns @param {[number, number]} span */
    update: (columns, span) => {
      range = span;
      data = [columns.time, ...design.lines.map((item) => /** @type {(number | null)[]} */ (columns[item.column]))];
      plot.setData(data);
      read(plot);
      show(parts.nothing, columns.time.length === 0);
    },
    /** Moves the cursor there and answers what the caption then says; null takes it away. @param {number | null} at seconds */
    point: (at) => {
      plot.setCursor({ left: at === null ? -10 : plot.valToPos(at, "x"), top: 1 });
      return design.lines.map((item, place) => `${item.label} ${figures[place].textContent}`).join(" ");
    },
  };
}
