// @ts-check
/** The HTTP API; errors carry the server's own words (RFC 9457). */

import { at } from "../base_path.js";
import { queryOf } from "../model/query_string.js";

export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {Response} response @returns {Promise<string>} */
async function problem(response) {
  if (!(response.headers.get("content-type") ?? "").includes("json")) return `the server answered ${response.status}`;
  const body = await response.json();
  return body.detail || body.title || `the server answered ${response.status}`;
}

/** @param {string} path @param {RequestInit} options @returns {Promise<unknown>} the JSON of the answer */
async function ask(path, options) {
  const response = await fetch(at(`/api/v1/${path}`), { headers: { accept: "application/json" }, ...options });
  if (!response.ok) throw new ApiError(response.status, await problem(response));
  return response.json();
}

/**
 * The API as the page asks it. `complete` adds what all requests have in common, such as the moment that is shown.
 * @param {(path: string, params: Record<string, string | number>) => Record<string, string | number>} complete
 */
export function createApi(complete) {
  return {
    /**
     * @template {string} P
     * @param {P} path @param {Record<string, string | number>} [params] empty values are left out @param {AbortSignal} [signal]
     * @returns {Promise<import("./types.js").Answer<P>>}
     */
    get: (path, params = {}, signal) =>
      /** @type {Promise<import("./types.js").Answer<P>>} */ (ask(`${path}?${queryOf(complete(path, params))}`, { signal })),
    /** Gives an order, which changes something. @param {string} path @param {object} body */
    post: (path, body) => {
      const headers = { accept: "application/json", "content-type": "application/json" };
      return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
    },
    /** @param {string} path */
    remove: (path) => ask(path, { method: "DELETE" }),
  };
}
