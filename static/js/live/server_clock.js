// @ts-check
/** The server's clock: the browser's may be off, and every time that is shown or asked for is the server's. */

let offset = 0;

/** The server's time. @returns {number} milliseconds since 1970 */
export const serverNow = () => Date.now() + offset;

/** Take a time that the server has just said. @param {number} time milliseconds since 1970; NaN is none */
export function setServerNow(time) {
  if (Number.isFinite(time)) offset = time - Date.now();
}
