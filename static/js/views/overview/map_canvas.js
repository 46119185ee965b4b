// @ts-check
/** The connection map: a cell for every open connection, all of them at once on a canvas. */

import { colour, onTheme } from "../../ui/plots/colours.js";
import { layout, paintChanges, step, strength } from "../../model/connection/map_cells.js";

const MOST_HEIGHT = 132;
const MOST_HEIGHT_WIDE = 220;
const WIDE = 2200;
/** States in the order of the server, and how they look: colour while active, colour when idle. */
const LOOKS = [["--notfull", "--empty"], ["--full", "--full"], ["--full", "--full"], ["--notempty", "--notempty"]];
const LEVELS = [0, 1, 2, 3];
const IDLE_BELOW = 2;

/** Pixels of a canvas by cell byte, as ImageData has them. */
function palette() {
  const colours = new Uint32Array(256);
  const page = channels(colour("--surface"));
  LOOKS.forEach(([active, idle], state) => {
    LEVELS.forEach((level) => {
      const alpha = strength(state, level);
      const ink = channels(colour(level < IDLE_BELOW ? idle : active));
      const [red, green, blue] = ink.map((value, at) => Math.round(value * alpha + page[at] * (1 - alpha)));
      colours[state | (level << 4)] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    });
  });
  return colours;
}

/** @param {string} text `rgb(…)` */
const channels = (text) => (text.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);

/**
 * The picture of the cells. What is there already is kept, so that a frame costs what has changed in it.
 * @param {HTMLCanvasElement} canvas
 */
function createPicture(canvas) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  let image = pen.createImageData(1, 1);
  let pixels = new Uint32Array(image.data.buffer);
  let colours = palette();
  /** @type {Uint8Array | null} */
  let painted = null;
  let place = layout(0, 1, 1);
  return {
    /** In other colours. */
    recolour: () => {
      colours = palette();
      painted = null;
    },
    /** @param {Uint8Array} cells @param {ReturnType<typeof layout>} next @param {number} width @param {number} height */
    show: (cells, next, width, height) => {
      const fits = painted?.length === cells.length && image.width === width && image.height === height && next.size === place.size;
      if (!fits || painted === null) {
        if (canvas.width !== width) canvas.width = width;
        if (canvas.height !== height) canvas.height = height;
        image = pen.createImageData(width, height);
        pixels = new Uint32Array(image.data.buffer);
        painted = null;
      }
      place = next;
      paintChanges(pixels, width, cells, painted, place, colours);
      painted = cells;
      pen.putImageData(image, 0, 0);
    },
  };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(index: number | null) => void} onPoint a cell is pointed at, by its place; null: none
 * @param {(index: number) => void} onOpen
 */
export function createMap(canvas, onPoint, onOpen) {
  let cells = new Uint8Array();
  let ratio = 1;
  /** @type {number | null} */
  let chosen = null;
  let place = layout(0, 1, 1);
  let width = 0;
  let wide = false;
  const picture = createPicture(canvas);
  const redraw = () => {
    if (width === 0) return;
    place = layout(cells.length, width, Math.round((wide ? MOST_HEIGHT_WIDE : MOST_HEIGHT) * ratio), ratio);
    // No higher than its rows: what is below comes nearer.
    const height = Math.max(1, place.rows * place.size);
    picture.show(cells, place, width, height);
    const style = `${height / ratio}px`;
    if (canvas.style.height !== style) canvas.style.height = style;
    if (chosen !== null) frame(canvas, place, chosen);
  };
  const resized = () => {
    ratio = devicePixelRatio || 1;
    width = Math.round(canvas.clientWidth * ratio);
    wide = innerWidth >= WIDE;
    redraw();
  };
  const choose = (/** @type {number | null} */ index) => {
    const next = index !== null && index >= 0 && index < cells.length ? index : null;
    if (next === chosen) return;
    chosen = next;
    redraw();
    onPoint(chosen);
  };
  canvas.addEventListener("pointermove", (event) => {
    const column = Math.floor((event.offsetX * ratio) / place.size);
    choose(column < place.columns ? Math.floor((event.offsetY * ratio) / place.size) * place.columns + column : null);
  });
  canvas.addEventListener("pointerleave", () => choose(null));
  canvas.addEventListener("blur", () => choose(null));
  canvas.addEventListener("click", () => chosen !== null && onOpen(chosen));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && chosen !== null) return onOpen(chosen);
    const next = step(event.key, chosen, cells.length, place.columns);
    if (next === undefined) return undefined;
    event.preventDefault();
    return choose(next);
  });
  new ResizeObserver(resized).observe(canvas);
  onTheme(() => {
    picture.recolour();
    redraw();
  });
  return {
    /** @param {Uint8Array<ArrayBuffer>} next */
    update: (next) => {
      cells = next;
      if (chosen !== null && chosen >= cells.length) choose(null);
      redraw();
    },
  };
}

/** @param {HTMLCanvasElement} canvas @param {ReturnType<typeof layout>} place @param {number} index */
function frame(canvas, { size, columns }, index) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const x = (index % columns) * size;
  const y = Math.floor(index / columns) * size;
  pen.strokeStyle = colour("--text");
  pen.lineWidth = 2;
  pen.strokeRect(x - 1, y - 1, size + 1, size + 1);
}
