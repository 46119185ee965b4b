// @ts-check
/** A sparkline: the last minute of one figure, as an SVG path. */

import { setAttr } from "../dom.js";

const WIDTH = 100;
const HEIGHT = 28;

/**
 * Path data of a line through the values, oldest first; what is not known is a gap.
 * @param {(number | null)[]} values @param {number} top value at the upper edge
 */
export function linePath(values, top) {
  const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
  let pen = "M";
  let path = "";
  values.forEach((value, index) => {
    if (value === null) pen = "M";
    else {
      path += `${pen}${(index * step).toFixed(1)} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`;
      pen = "L";
    }
  });
  return path;
}

/** Draws into an `svg` with one `path`. @param {Element} svg @param {(number | null)[]} values @param {number} [least] least upper edge */
export function sparkline(svg, values, least = 1) {
  const top = values.reduce((/** @type {number} */ max, value) => Math.max(max, value ?? 0), least);
  setAttr(/** @type {Element} */ (svg.firstElementChild), "d", linePath(values, top));
}
