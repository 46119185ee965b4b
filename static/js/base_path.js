// @ts-check
/** Addresses of this server, wherever a proxy shows it. */

/** The path below which a proxy shows the dashboard ("" or "/echo"): all addresses of this server begin with it. */
const BASE = globalThis.document?.documentElement?.dataset?.base ?? "";

/** An address of this server. @param {string} path which begins with a slash */
export const at = (path) => BASE + path;

/** What `at` makes an address of. @param {string} pathname */
export const within = (pathname) => pathname.slice(BASE.length);
