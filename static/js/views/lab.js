// @ts-check
/** The lab: the models compared on this machine. */

import { mountZoo } from "../parts/zoo.js";

/** @typedef {import("../store.js").State} State */

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  mountZoo(root, app);
  return (/** @type {State} */ _state) => undefined;
}
