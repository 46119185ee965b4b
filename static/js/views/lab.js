// @ts-check
/** The lab: the models compared on this machine. */

/** @typedef {import("../store.js").State} State */

/** @param {HTMLElement} _root @param {import("../main.js").App} _app */
export function mount(_root, _app) {
  return (/** @type {State} */ _state) => undefined;
}
