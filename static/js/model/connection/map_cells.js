// @ts-check
/** Where the cells of the connection map lie, and their pixels. Pure. */

/** Of the page, however many of the screen's each is. */
const MOST_PX = 22;
/** Cells from this size on have a gap between them, except where the send buffer is full. */
const GAP_FROM = 4;
/** States of a cell's lower half that have no gap. */
const FULL_STATES = [1, 2];
/** By how lately a cell was active, the longest ago first. */
const STRENGTHS = [0.35, 0.55, 0.8, 1];

/** How strong the colour of a cell is; what hangs never fades, however long it hangs. @param {number} state @param {number} level */
export const strength = (state, level) => (FULL_STATES.includes(state) ? 1 : STRENGTHS[level]);

/** @typedef {{size: number, columns: number, rows: number, gap: number}} Place in device pixels */

/**
 * How `count` cells lie in a rectangle: as large as they can be, row by row.
 * @param {number} count @param {number} width @param {number} height device pixels
 * @param {number} [ratio] device pixels to one of the page
 * @returns {Place}
 */
export function layout(count, width, height, ratio = 1) {
  let size = Math.max(1, Math.min(Math.round(MOST_PX * ratio), Math.floor(Math.sqrt((width * height) / Math.max(1, count)))));
  while (size > 1 && Math.ceil(count / Math.floor(width / size)) * size > height) size -= 1;
  const columns = Math.max(1, Math.floor(width / size));
  return { size, columns, rows: Math.ceil(count / columns), gap: size >= GAP_FROM ? 1 : 0 };
}

/** The cells of a frame. @param {string} text base64 of deflated bytes @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  const written = writer.write(packed).then(() => writer.close());
  const cells = new Uint8Array(await new Response(readable).arrayBuffer());
  await written;
  return cells;
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

/**
 * Paints the cells that are not as they were before.
 * @param {Uint32Array} pixels of the whole picture, `stride` a row @param {number} stride
 * @param {Uint8Array} cells @param {Uint8Array | null} before painted there already, of equal length; null: nothing is
 * @param {Place} place @param {Uint32Array} colours a pixel for each value of a cell
 * @returns {number} how many were painted
 */
export function paintChanges(pixels, stride, cells, before, place, colours) {
  let painted = 0;
  for (let index = 0; index < cells.length; index += 1) {
    if (before !== null && cells[index] === before[index]) continue;
    paintCell(pixels, stride, index, cells[index], place, colours);
    painted += 1;
  }
  return painted;
}

/**
 * @param {Uint32Array} pixels @param {number} stride @param {number} index @param {number} cell @param {Place} place
 * @param {Uint32Array} colours
 */
function paintCell(pixels, stride, index, cell, { size, columns, gap }, colours) {
  const start = Math.floor(index / columns) * size * stride + (index % columns) * size;
  if (size === 1) {
    pixels[start] = colours[cell];
    return;
  }
  const side = FULL_STATES.includes(cell & 15) ? size : size - gap;
  for (let y = 0; y < size; y += 1) {
    const row = start + y * stride;
    pixels.fill(y < side ? colours[cell] : 0, row, row + side);
    // A full cell that has got its gap again leaves none of its colour there.
    pixels.fill(0, row + side, row + size);
  }
}
