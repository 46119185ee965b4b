// @ts-check
/** Why a request failed, in words: what the server said, or that there was none to say anything. Pure. */

/** @param {unknown} error @returns {string} a sentence without its full stop */
export function reasonOf(error) {
  // What fetch throws says no more than "Failed to fetch", each browser in its own words.
  if (error instanceof TypeError) return "the server could not be reached";
  return /** @type {Error} */ (error).message;
}
