// @ts-check
/** The lanes of a timeline on a canvas. */

import { timeTicks } from "../../model/time/bins.js";
import { colour, veil } from "../../ui/plots/colours.js";
import { bytes } from "../../model/format.js";

/** @typedef {import("../../model/connection/timeline_lanes.js").Layout} Layout @typedef {import("../../model/time/range.js").Edges} Edges */

const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const AXIS = 20;
/** Pixels between time labels at least. */
const LABEL = 92;
/** Names of the lanes, on the left of them. */
export const GUTTER = 58;
const LANES = ["in", "out", "queue", "full", "life"];
/** Shares of the height. */
const HEIGHTS = [0.2, 0.2, 0.28, 0.16, 0.16];

/**
 * @param {HTMLCanvasElement} canvas @param {Layout | null} lanes @param {Edges} edges
 * @param {{cursor: number | null, mark: [number, number] | null}} at in pixels from the gutter
 */
export function paint(canvas, lanes, edges, at) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  if (!pen || width <= GUTTER) return;
  pen.scale(scale, scale);
  pen.font = FONT;
  const floor = height - AXIS;
  const tops = HEIGHTS.map((_, index) => HEIGHTS.slice(0, index).reduce((sum, share) => sum + share, 0) * floor);
  const lane = (/** @type {number} */ index) => ({ top: tops[index] + 4, high: HEIGHTS[index] * floor - 7 });
  frame(pen, width, floor, tops);
  axis(pen, width, floor, edges);
  if (!lanes) return;
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, width - GUTTER, floor);
  pen.clip();
  pen.translate(GUTTER, 0);
  if (at.mark) {
    pen.fillStyle = veil("--accent", 0.18);
    pen.fillRect(Math.min(...at.mark), 0, Math.abs(at.mark[1] - at.mark[0]), floor);
  }
  bars(pen, lanes.ins, lane(0), "--notempty");
  bars(pen, lanes.outs, lane(1), "--notfull");
  queue(pen, lanes, lane(2));
  states(pen, lanes, lane(3));
  life(pen, lanes, lane(4));
  if (at.cursor !== null) {
    pen.fillStyle = colour("--accent");
    pen.fillRect(Math.round(at.cursor) - 0.5, 0, 1.5, floor);
  }
  pen.restore();
}

/** @typedef {CanvasRenderingContext2D} Pen @typedef {{top: number, high: number}} Lane */

/** @param {Pen} pen @param {number} width @param {number} floor @param {number[]} tops */
function frame(pen, width, floor, tops) {
  pen.strokeStyle = colour("--line");
  pen.fillStyle = colour("--muted");
  pen.textBaseline = "middle";
  tops.forEach((top, index) => {
    line(pen, 0, top, width, top);
    pen.fillText(LANES[index], 2, top + (HEIGHTS[index] * floor) / 2);
  });
  line(pen, 0, floor, width, floor);
}

/** @param {Pen} pen @param {number} x @param {number} y @param {number} toX @param {number} toY */
function line(pen, x, y, toX, toY) {
  pen.beginPath();
  pen.moveTo(Math.round(x) + 0.5, Math.round(y) + 0.5);
  pen.lineTo(Math.round(toX) + 0.5, Math.round(toY) + 0.5);
  pen.stroke();
}

/** @param {Pen} pen @param {number} width @param {number} floor @param {Edges} edges */
function axis(pen, width, floor, { since, until }) {
  pen.textBaseline = "bottom";
  const room = width - GUTTER;
  for (const { at, label } of timeTicks(since, until, Math.max(2, Math.floor(room / LABEL)))) {
    const x = GUTTER + ((at - since) / (until - since)) * room;
    const half = pen.measureText(label).width / 2;
    if (x - half < GUTTER || x + half > width) continue;
    line(pen, x, floor, x, floor + 4);
    pen.fillText(label, x - half, floor + AXIS);
  }
}

/** As high as the logarithm of what happened in the column: one event can be seen beside ten thousand. @param {Pen} pen @param {Float64Array} counts @param {Lane} lane @param {string} name */
function bars(pen, counts, { top, high }, name) {
  const most = counts.reduce((value, next) => Math.max(value, next), 0);
  pen.fillStyle = colour(name);
  counts.forEach((value, x) => {
    if (value <= 0) return;
    const size = Math.max(3, (high * (1 + Math.log2(1 + value))) / (1 + Math.log2(1 + most)));
    pen.fillRect(x, top + high - size, 1, size);
  });
}

/** @param {Pen} pen @param {Layout} lanes @param {Lane} lane */
function queue(pen, { queue: levels, top: most }, { top, high }) {
  if (most <= 0) return;
  const y = (/** @type {number} */ level) => (level > 0 ? Math.max(1.5, (level / most) * high) : 0);
  pen.fillStyle = veil("--full", 0.3);
  levels.forEach((level, x) => pen.fillRect(x, top + high - y(level), 1, y(level)));
  pen.fillStyle = colour("--full");
  levels.forEach((level, x) => level > 0 && pen.fillRect(x, top + high - y(level), 1, 1.5));
  const text = bytes(most);
  pen.textBaseline = "top";
  pen.fillStyle = veil("--surface", 0.85);
  pen.fillRect(2, top, pen.measureText(text).width + 6, 13);
  pen.fillStyle = colour("--muted");
  pen.fillText(text, 5, top + 1);
}

/** Full above, reading paused below. @param {Pen} pen @param {Layout} lanes @param {Lane} lane */
function states(pen, { full, paused }, { top, high }) {
  const half = high / 2 - 1;
  pen.fillStyle = colour("--full");
  for (const [from, to] of full) pen.fillRect(from, top, Math.max(1.5, to - from), half);
  pen.fillStyle = colour("--bad");
  for (const [from, to] of paused) pen.fillRect(from, top + half + 2, Math.max(1.5, to - from), half);
  pen.textBaseline = "middle";
  pen.fillStyle = colour("--on-accent");
  for (const [from, to] of full) if (to - from > 30) pen.fillText("full", from + 4, top + half / 2 + 0.5);
  for (const [from, to] of paused) if (to - from > 48) pen.fillText("paused", from + 4, top + half * 1.5 + 2.5);
}

/** @param {Pen} pen @param {Layout} lanes @param {Lane} lane */
function life(pen, { marks }, { top, high }) {
  const size = Math.min(15, high);
  const middle = top + high / 2;
  for (const { x, letter, kind } of marks) {
    const left = Math.max(0, x - size / 2);
    pen.fillStyle = colour(kind === "close" ? "--text" : "--empty");
    pen.fillRect(x - 0.75, top, 1.5, high);
    pen.fillRect(left, middle - size / 2, size, size);
    pen.fillStyle = colour("--surface");
    pen.textBaseline = "middle";
    pen.fillText(letter, left + (size - pen.measureText(letter).width) / 2, middle + 0.5);
  }
}
