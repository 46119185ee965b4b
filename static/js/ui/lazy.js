// @ts-check
/** Parts that the first figures of a page can do without: their modules are fetched once those are there. */

/** @typedef {import("../live/store.js").State} State */

/** Milliseconds until a module that could not be fetched is asked for again. */
const AGAIN_MS = 5000;

/**
 * @template Module
 * @param {() => Promise<Module>} fetched an `import()` @param {(module: Module) => (state: State) => void} mount answers the part's update
 * @returns {(state: State) => void} its update, as if it had been there from the beginning
 */
export function later(fetched, mount) {
  /** @type {((state: State) => void) | null} */
  let update = null;
  /** @type {State | null} */
  let latest = null;
  let asked = false;
  const begin = async () => {
    asked = true;
    try {
      update = mount(await fetched());
    } catch (error) {
      console.error(/** @type {Error} */ (error).message);
      setTimeout(() => (asked = false), AGAIN_MS);
      return;
    }
    if (latest) update(latest);
  };
  return (state) => {
    latest = state;
    if (update) update(state);
    else if (!asked && state.overview) void begin();
  };
}
