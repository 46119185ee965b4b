// @ts-check
/** An app as views know it, without a server: answers that were made up, a wire that leads nowhere, the real store. */

import { nowOf } from "../model/time/moment.js";
import { createStore } from "../live/store.js";
import { NOW } from "./made_up.js";

/**
 * @typedef {{note?: string, actions?: import("../live/store.js").Action[], answers?: Record<string, unknown>,
 *   refusals?: Record<string, string>, conn?: string, figures?: any}} Example
 * `actions`: what has happened, in order; `answers`: what the API says to a path (an Error: that it
 * fails), a path that is not there is waited for; `refusals`: what the server says to a watch; `figures`: whatever the component's
 * own mount takes, which only that knows
 */

/** @param {Example} example @returns {import("../main.js").App} */
export function pretend({ answers = {}, refusals = {}, conn = "17" }) {
  const store = createStore();
  store.dispatch({ type: "link", phase: "live", now: NOW });
  const answer = (/** @type {string} */ path) => {
    const known = answers[path];
    if (known instanceof Error) return Promise.reject(known);
    return known === undefined ? new Promise(() => undefined) : Promise.resolve(known);
  };
  return /** @type {import("../main.js").App} */ ({
    store, conn,
    get: answer, post: answer, remove: answer,
    wire: {
      watch: async (/** @type {string} */ view) => refusals[view] ?? "",
      unwatch: () => undefined, again: () => undefined, onReconnect: () => undefined,
    },
    now: () => nowOf(store.get().moment, NOW), onAnew: () => undefined, open: () => undefined,
  });
}
