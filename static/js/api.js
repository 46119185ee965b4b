// @ts-check
/** The HTTP API; errors carry the server's own words (RFC 9457). */

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

/**
 * The JSON at an address of the API.
 * @param {string} path @param {Record<string, string | number>} [params] empty values are left out
 */
export async function get(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== "") query.set(name, String(value));
  const response = await fetch(`/api/v1/${path}?${query}`, { headers: { accept: "application/json" } });
  return answer(response);
}

/** Gives an order, which changes something. @param {string} path @param {object} body */
export async function post(path, body) {
  const headers = { accept: "application/json", "content-type": "application/json" };
  return answer(await fetch(`/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** @param {Response} response */
async function answer(response) {
  if (!response.ok) throw new ApiError(response.status, await problem(response));
  return response.json();
}
