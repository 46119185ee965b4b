// @ts-check
/** The latest turns on a canvas: work above the line, waiting below, a turn a column; one of them can be asked about. */

import { colour, onTheme, veil } from "../../ui/plots/colours.js";
import { clock, count, micros, percent, plural } from "../../model/format.js";
import { setText } from "../../ui/dom.js";
import { composition } from "../../model/turn_phases.js";

/** @typedef {import("../../live/types.js").TurnColumns} Turns */

/** Colours of the parts of a turn: a read empties a buffer, a write finds room. */
const COLOURS = /** @type {Record<string, string>} */ ({ accept: "--bad", read: "--notempty", write: "--notfull", other: "--accent" });
/** The scale: a microsecond at the line, a second at the edge. */
const DECADES = 6;
const GRID = [10, 1000, 100_000];
const MOST = 240;
const GUTTER = 52;
const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';

/** Share of half the height, 0 to 1, of a time in microseconds. @param {number} us */
export const heightOf = (us) => Math.min(1, Math.max(0, Math.log10(Math.max(us, 1)) / DECADES));

/** What is said of a turn that newer ones have pushed out: the chart waits for whoever reads about it. */
export const HELD = "the chart is held: newer turns are shown when you leave it or press Esc";

/** Where a turn of `turns` is in `next`; -1 when it is no longer there. @param {Turns} turns @param {number} index @param {Turns} next */
export const placeIn = (turns, index, next) => next.time.indexOf(turns.time[index]);

/** A turn in words. @param {Turns} turns @param {number} index */
export function turnWords(turns, index) {
  const calls = [
    [turns.accepts[index], "accept"], [turns.reads[index], "read"], [turns.writes[index], "write"], [turns.eagains[index], "EAGAIN"],
  ].filter(([number]) => Number(number) > 0).map(([number, name]) => plural(Number(number), String(name)));
  const parts = (composition(turns, index) ?? []).filter(([, share]) => share >= 0.005).map(([name, share]) => `${name} ${percent(share)}`);
  return [
    clock(turns.time[index]), `waited ${micros(turns.wait_us[index])}`, `worked ${micros(turns.busy_us[index])}${parts.length ? ` (${parts.join(", ")})` : ""}`,
    `${count(turns.ready[index])} ready of ${count(turns.scanned[index])} looked at`, ...calls,
  ].join(" · ");
}

/** @param {HTMLCanvasElement} canvas @param {HTMLElement} told where the chosen turn is told */
export function createTurnChart(canvas, told) {
  /** @type {Turns | null} */
  let turns = null;
  /** @type {Turns | null} the newest, while the chart is held */
  let newest = null;
  /** @type {number | null} */
  let chosen = null;
  const redraw = () => turns && draw(canvas, turns, chosen);
  const choose = (/** @type {number | null} */ index) => {
    chosen = turns && index !== null ? Math.min(turns.time.length - 1, Math.max(0, index)) : null;
    if (chosen === null && newest) turns = newest;
    say();
    redraw();
  };
  const say = () => {
    const held = turns === newest ? [] : [HELD];
    setText(told, turns && chosen !== null ? [turnWords(turns, chosen), ...held].join(" · ") : "");
  };
  canvas.addEventListener("pointermove", (event) => choose(turns && columnAt(canvas, turns, event.offsetX)));
  canvas.addEventListener("pointerleave", () => choose(null));
  canvas.addEventListener("blur", () => choose(null));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "End") turns = newest;
    const last = (turns?.time.length ?? 0) - 1;
    const steps = { ArrowLeft: (chosen ?? last + 1) - 1, ArrowRight: (chosen ?? last) + 1, Home: 0, End: last };
    const next = event.key === "Escape" ? null : /** @type {Record<string, number>} */ (steps)[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(next);
  });
  new ResizeObserver(redraw).observe(canvas);
  onTheme(redraw);
  return {
    /** @param {Turns} next @param {boolean} [anew] other turns than before, not only newer ones */
    update: (next, anew = false) => {
      newest = next;
      if (anew) choose(null);
      const place = turns && chosen !== null ? placeIn(turns, chosen, next) : null;
      if (place === -1) return say();
      [turns, chosen] = [next, place];
      redraw();
    },
  };
}

/** @param {HTMLCanvasElement} canvas @param {Turns} turns @param {number} x */
function columnAt(canvas, turns, x) {
  const step = (canvas.clientWidth - GUTTER) / MOST;
  return turns.time.length - 1 - Math.floor((canvas.clientWidth - x) / step);
}

/** @param {HTMLCanvasElement} canvas @param {Turns} turns @param {number | null} chosen */
function draw(canvas, turns, chosen) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(ratio, ratio);
  const middle = height / 2;
  grid(pen, width, height);
  const step = (width - GUTTER) / MOST;
  const thick = Math.max(1, step - (step > 3 ? 1 : 0.4));
  const count = turns.time.length;
  for (let index = 0; index < count; index += 1) {
    const x = width - (count - index) * step;
    const strong = chosen === null || chosen === index;
    const up = heightOf(turns.busy_us[index]) * (middle - 4);
    let bottom = middle;
    for (const [name, share] of composition(turns, index) ?? [["work", 1]]) {
      const paint = COLOURS[name] ?? "--accent";
      pen.fillStyle = strong ? colour(paint) : veil(paint, 0.35);
      pen.fillRect(x, bottom - up * Number(share), thick, up * Number(share));
      bottom -= up * Number(share);
    }
    pen.fillStyle = strong ? colour("--empty") : veil("--empty", 0.35);
    pen.fillRect(x, middle + 1, thick, heightOf(turns.wait_us[index]) * (middle - 5));
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
function grid(pen, width, height) {
  const middle = height / 2;
  pen.font = FONT;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const us of GRID) {
    for (const side of [-1, 1]) {
      const y = Math.round(middle + side * heightOf(us) * (middle - 4)) + 0.5;
      pen.fillStyle = colour("--line");
      pen.fillRect(GUTTER, y, width - GUTTER, 1);
      pen.fillStyle = colour("--muted");
      pen.fillText(micros(us), GUTTER - 8, y);
    }
  }
  pen.fillStyle = colour("--edge");
  pen.fillRect(GUTTER, Math.round(middle), width - GUTTER, 1);
}
