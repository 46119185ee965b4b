// @ts-check
/** What the browser keeps between pages. Where it keeps nothing (site data blocked), every page begins with its defaults. */

/** @param {"localStorage" | "sessionStorage"} kind */
const kept = (kind) => ({
  /** @param {string} name @returns {string | null} */
  get: (name) => attempt(() => window[kind].getItem(name)) ?? null,
  /** @param {string} name @param {string} value */
  set: (name, value) => void attempt(() => window[kind].setItem(name, value)),
  /** @param {string} name */
  remove: (name) => void attempt(() => window[kind].removeItem(name)),
});

/** @template T @param {() => T} act @returns {T | undefined} */
function attempt(act) {
  try {
    return act();
  } catch (error) {
    // SecurityError: blocked. QuotaExceededError: full.
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}

/** For all tabs, until it is removed. */
export const local = kept("localStorage");
/** For this tab, until it is closed. */
export const session = kept("sessionStorage");
