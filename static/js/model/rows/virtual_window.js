// @ts-check
/** Which rows of a long list are in sight: those of fixed height that a scrolled window shows, and a margin. Pure. */

/** Rows above and below the ones in sight. */
const MARGIN = 8;

/**
 * @typedef {{top: number, height: number, row: number, head: number}} Glass pixels: how far it is scrolled, its height, that of a row, and of
 *   the head that covers the first part of it
 */

/** The rows to be in the page: from `first` up to, and without, `last`. @param {Glass} glass @param {number} count @returns {{first: number, last: number}} */
export function inSight({ top, height, row, head }, count) {
  const first = Math.floor(top / row) - MARGIN;
  const last = Math.ceil((top + height - head) / row) + MARGIN;
  return { first: Math.max(0, Math.min(first, count)), last: Math.max(0, Math.min(last, count)) };
}

/** How far to scroll so that a row is in sight, no further than needed. @param {Glass} glass @param {number} index */
export function reveal({ top, height, row, head }, index) {
  const least = (index + 1) * row + head - height;
  return Math.max(Math.min(top, index * row), least);
}

/** Whether the end of the list is in sight. @param {Glass} glass @param {number} count */
export const atEnd = ({ top, height, row, head }, count) => top + height >= head + count * row - row / 2;

/** Rows of a page, for the keys that go by pages. @param {Glass} glass */
export const pageOf = ({ height, row, head }) => Math.max(1, Math.floor((height - head) / row) - 1);
