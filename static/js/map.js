// @ts-check
/** The connection map: a cell for every open connection, all of them at once on a canvas. */

import { colour, onTheme } from "./colours.js";

const MOST_PX = 22;
const MOST_HEIGHT = 132;
const MOST_HEIGHT_WIDE = 220;
const WIDE = 2200;
/** Cells from this size on have a gap between them, except where the send buffer is full. */
const GAP_FROM = 4;
/** States in the order of the server, and how they look: colour while active, colour when idle. */
const LOOKS = [["--notfull", "--empty"], ["--full", "--full"], ["--full", "--full"], ["--notempty", "--notempty"]];
const ALPHAS = [0.35, 0.55, 0.8, 1];
const FULL_STATES = [1, 2];
const IDLE_BELOW = 2;

/**
 * How `count` cells lie in a rectangle: as large as they can be, row by row.
 * @param {number} count @param {number} width @param {number} height device pixels
 */
export function layout(count, width, height) {
  let size = Math.max(1, Math.min(MOST_PX, Math.floor(Math.sqrt((width * height) / Math.max(1, count)))));
  while (size > 1 && Math.ceil(count / Math.floor(width / size)) * size > height) size -= 1;
  const columns = Math.max(1, Math.floor(width / size));
  return { size, columns, rows: Math.ceil(count / columns), gap: size >= GAP_FROM ? 1 : 0 };
}

/** The cells of a frame. @param {string} text base64 of deflated bytes @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Pixels of a canvas by cell byte, as ImageData has them. */
function palette() {
  const colours = new Uint32Array(256);
  const page = channels(colour("--surface"));
  LOOKS.forEach(([active, idle], state) => {
    ALPHAS.forEach((alpha, level) => {
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
  let colours = palette();
  const redraw = () => {
    ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    if (width === 0) return;
    place = layout(cells.length, width, Math.round((innerWidth < WIDE ? MOST_HEIGHT : MOST_HEIGHT_WIDE) * ratio));
    // No higher than its rows: what is below comes nearer.
    const height = Math.max(1, place.rows * place.size);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    canvas.style.height = `${height / ratio}px`;
    paint(canvas, cells, place, colours);
    if (chosen !== null) frame(canvas, place, chosen);
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
  new ResizeObserver(redraw).observe(canvas);
  onTheme(() => {
    colours = palette();
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

/** Where a key leads from a cell; undefined: it is not for us. @param {string} key @param {number | null} from @param {number} count @param {number} columns */
export function step(key, from, count, columns) {
  if (key === "Escape") return null;
  const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns });
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (!(key in steps)) return undefined;
  return from === null ? 0 : Math.min(count - 1, Math.max(0, from + steps[key]));
}

/** @param {HTMLCanvasElement} canvas @param {Uint8Array} cells @param {ReturnType<typeof layout>} place @param {Uint32Array} colours */
function paint(canvas, cells, { size, columns, gap }, colours) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = pen.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  const stride = canvas.width;
  for (let index = 0; index < cells.length; index += 1) {
    const cell = cells[index];
    const ink = colours[cell];
    const side = FULL_STATES.includes(cell & 15) ? size : size - gap;
    const start = Math.floor(index / columns) * size * stride + (index % columns) * size;
    for (let y = 0; y < side; y += 1) pixels.fill(ink, start + y * stride, start + y * stride + side);
  }
  pen.putImageData(image, 0, 0);
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
