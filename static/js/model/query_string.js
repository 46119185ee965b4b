// @ts-check
/** The parameters of an address, written. Pure. */

/** The query string of what is not empty. @param {Record<string, string | number>} params */
export function queryOf(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== "") query.set(name, String(value));
  return String(query);
}
