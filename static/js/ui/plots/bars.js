// @ts-check
/** Stacked bars of the four states over time, on a canvas; a range of them is marked with the pointer or the keyboard. */

import { barAt, barsOf, barWords, GROUPS, grouped, highest, pieces, roundUp, timeTicks } from "../../model/time/bins.js";
import { colour, onTheme, veil } from "./colours.js";
import { setAttr } from "../dom.js";
import { count } from "../../model/format.js";

/** @typedef {import("../../model/time/bins.js").Bins} Bins */

const AXIS = 18;
const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
/** Pixels between time labels at least. */
const LABEL = 88;

/**
 * @param {HTMLElement} host focusable, with a canvas
 * @param {{onMark: (words: string) => void, onSelect: (first: number, last: number) => void, onReset: () => void}} outlets
 */
export function createBars(host, { onMark, onSelect, onReset }) {
  const canvas = /** @type {HTMLCanvasElement} */ (host.querySelector("canvas"));
  /** @type {Bins | null} */
  let bins = null;
  /** @type {Set<string>} */
  let hidden = new Set();
  /** First and last marked bar; null: none. @type {[number, number] | null} */
  let marked = null;
  const draw = () => paint(canvas, bins, hidden, marked);
  const mark = (/** @type {[number, number] | null} */ next) => {
    marked = bins && next;
    onMark(bins && marked ? barWords(bins, ...marked) : "");
    setAttr(host, "aria-valuenow", String(marked ? marked[1] + 1 : 1));
    setAttr(host, "aria-valuetext", bins && marked ? barWords(bins, ...marked) : null);
    draw();
  };
  const select = () => bins && marked && onSelect(...marked);
  const isDown = pointer(host, () => bins, { mark, select, marked: () => marked });
  keyboard(host, () => bins, { mark, select, reset: onReset, marked: () => marked });
  host.addEventListener("dblclick", onReset);
  new ResizeObserver(draw).observe(host);
  onTheme(draw);
  return {
    /** @param {Bins | null} next @param {Set<string>} without names of groups that are not shown */
    update: (next, without) => {
      const bars = next ? barsOf(next) : 1;
      const before = bins;
      bins = next;
      hidden = without;
      setAttr(host, "aria-valuemax", String(bars));
      // A drag goes on over other bars: it has marked a time, not their numbers.
      if (isDown() && before && next && marked) return mark([sameTime(before, next, marked[0]), sameTime(before, next, marked[1])]);
      if (marked && marked[1] >= bars) marked = null;
      draw();
    },
    clear: () => mark(null),
  };
}

/** The bar that has the middle of one of those before. @param {Bins} before @param {Bins} bins @param {number} bar */
function sameTime(before, bins, bar) {
  const middle = before.since + (bar + 0.5) * before.step;
  return barAt(bins, (middle - bins.since) / ((bins.step || 1) * barsOf(bins)));
}

/** @typedef {{mark: (bars: [number, number] | null) => void, select: () => void, marked: () => [number, number] | null}} Marking */

/** Hover names a bar, a drag marks a range and selects it; answers whether one is under way. @param {HTMLElement} host @param {() => Bins | null} bins @param {Marking} marking */
function pointer(host, bins, { mark, select, marked }) {
  let isDown = false;
  const under = (/** @type {PointerEvent} */ event) => {
    const box = host.getBoundingClientRect();
    const known = bins();
    return known ? barAt(known, (event.clientX - box.left) / box.width) : 0;
  };
  host.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !bins()) return;
    host.setPointerCapture(event.pointerId);
    isDown = true;
    mark([under(event), under(event)]);
  });
  host.addEventListener("pointermove", (event) => {
    if (!bins()) return;
    const at = under(event);
    mark([(isDown ? marked()?.[0] : at) ?? at, at]);
  });
  host.addEventListener("pointerup", () => {
    const range = marked();
    const dragged = isDown && range !== null && range[0] !== range[1];
    isDown = false;
    if (dragged) select();
  });
  host.addEventListener("pointercancel", () => {
    isDown = false;
    mark(null);
  });
  host.addEventListener("pointerleave", () => isDown || mark(null));
  return () => isDown;
}

/** Arrows go from bar to bar, with Shift they mark, Enter selects, Escape lets go and then shows all. */
function keyboard(
  /** @type {HTMLElement} */ host, /** @type {() => Bins | null} */ bins,
  /** @type {Marking & {reset: () => void}} */ { mark, select, reset, marked },
) {
  const jumps = /** @type {Record<string, (at: number, last: number) => number>} */ ({
    ArrowLeft: (at) => at - 1, ArrowRight: (at) => at + 1, ArrowDown: (at) => at - 1, ArrowUp: (at) => at + 1,
    PageDown: (at) => at - 10, PageUp: (at) => at + 10, Home: () => 0, End: (_, last) => last,
  });
  host.addEventListener("keydown", (event) => {
    const known = bins();
    const jump = jumps[event.key];
    if (jump && known) {
      const last = barsOf(known) - 1;
      const [from, to] = marked() ?? [0, -1];
      const next = Math.min(last, Math.max(0, jump(to, last)));
      mark([event.shiftKey ? from : next, next]);
    } else if (event.key === "Enter" && marked()) select();
    else if (event.key === "Escape") marked() ? mark(null) : reset();
    else return;
    event.preventDefault();
  });
  host.addEventListener("blur", () => mark(null));
}

/** @param {HTMLCanvasElement} canvas @param {Bins | null} bins @param {Set<string>} hidden @param {[number, number] | null} marked */
function paint(canvas, bins, hidden, marked) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  if (!pen || !bins || width === 0) return;
  pen.scale(scale, scale);
  pen.font = FONT;
  const rows = grouped(bins).map((row, at) => (hidden.has(GROUPS[at].name) ? row.map(() => 0) : row));
  const top = roundUp(highest(rows));
  const floor = height - AXIS;
  timeAxis(pen, bins, width, floor);
  countAxis(pen, top, width, floor);
  if (marked) {
    const [low, high] = [Math.min(...marked), Math.max(...marked)];
    const bar = width / barsOf(bins);
    pen.fillStyle = veil("--accent", 0.22);
    pen.fillRect(low * bar, 0, (high + 1 - low) * bar, floor);
  }
  stacks(pen, rows, { top, width, floor });
  labels(pen, top);
}

/** @param {CanvasRenderingContext2D} pen @param {number[][]} rows @param {{top: number, width: number, floor: number}} frame */
function stacks(pen, rows, { top, width, floor }) {
  const bars = rows[0].length;
  const size = width / bars;
  const gap = size > 5 ? 1 : size > 3 ? 0.5 : 0;
  const paints = GROUPS.map((group) => colour(group.colour));
  for (let bar = 0; bar < bars; bar += 1) {
    let y = floor;
    pieces(rows.map((row) => row[bar]), top, floor - 4).forEach((piece, at) => {
      if (piece <= 0) return;
      pen.fillStyle = paints[at];
      y -= piece;
      pen.fillRect(bar * size, y, Math.max(1, size - gap), piece);
    });
  }
}

/** @param {CanvasRenderingContext2D} pen @param {Bins} bins @param {number} width @param {number} floor */
function timeAxis(pen, bins, width, floor) {
  pen.strokeStyle = colour("--line");
  pen.fillStyle = colour("--muted");
  pen.textBaseline = "bottom";
  const span = bins.until - bins.since || 1;
  for (const { at, label } of timeTicks(bins.since, bins.until, Math.max(2, Math.floor(width / LABEL)))) {
    const x = ((at - bins.since) / span) * width;
    const half = pen.measureText(label).width / 2;
    if (x - half < 0 || x + half > width) continue;
    pen.beginPath();
    pen.moveTo(Math.round(x) + 0.5, floor);
    pen.lineTo(Math.round(x) + 0.5, floor + 4);
    pen.stroke();
    pen.fillText(label, x - half, floor + AXIS);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} top @param {number} width @param {number} floor */
function countAxis(pen, top, width, floor) {
  pen.strokeStyle = colour("--line");
  for (const share of top > 1 ? [0, 0.5, 1] : [0, 1]) {
    const y = Math.round(floor - share * (floor - 4)) + 0.5;
    pen.beginPath();
    pen.moveTo(0, y);
    pen.lineTo(width, y);
    pen.stroke();
  }
}

/** The count of the upper line, over whatever bar stands behind it. @param {CanvasRenderingContext2D} pen @param {number} top */
function labels(pen, top) {
  const text = count(top);
  pen.textBaseline = "top";
  pen.fillStyle = veil("--surface", 0.85);
  pen.fillRect(0, 5, pen.measureText(text).width + 8, 14);
  pen.fillStyle = colour("--muted");
  pen.fillText(text, 3, 7);
}
