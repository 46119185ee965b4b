// @ts-check
/** Moments as people write them: `10m` ago, or RFC 3339. Pure. */

const UNITS = { s: 1, m: 60, h: 3600, d: 86400 };
const RELATIVE = /^(\d{1,9})([smhd])$/;
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
/** An offset whose + was not written as %2B in an address. */
const LOST_PLUS = /(:\d\d(?:\.\d{1,9})?) (\d\d:\d\d)$/;
/** Years enough for any log; a Date can hold no more than 275,000. */
const MOST_AGO_S = 3e9;

/** A moment as it was meant. @param {string} text of an address */
export const meant = (text) => text.trim().replace(LOST_PLUS, "$1+$2");

/** Whether the server would take it for a moment. @param {string} text */
export function isMoment(text) {
  const ago = RELATIVE.exec(text);
  if (ago) return secondsOf(ago) <= MOST_AGO_S;
  return RFC3339.test(text) && !Number.isNaN(Date.parse(text.replace(/(\.\d{3})\d+/, "$1")));
}

/** The moment in RFC 3339. @param {string} text one that `isMoment` @param {number} now milliseconds */
export function absolute(text, now) {
  const ago = RELATIVE.exec(text);
  if (!ago) return text;
  return new Date(now - secondsOf(ago) * 1000).toISOString();
}

/** @param {RegExpExecArray} ago */
const secondsOf = (ago) => Number(ago[1]) * UNITS[/** @type {keyof typeof UNITS} */ (ago[2])];

/** Milliseconds since 1970, fractions included. @param {string} time RFC 3339, UTC, up to nine decimals */
export function timeOf(time) {
  const [whole, decimals = ""] = time.replace("Z", "").split(".");
  return Date.parse(`${whole}Z`) + Number(`0.${decimals || 0}`) * 1000;
}

/** A moment to the microsecond. @param {number} at milliseconds, fractions included */
export function microsecondsOf(at) {
  const whole = Math.floor(at);
  const rest = Math.min(999, Math.max(0, Math.round((at - whole) * 1000)));
  return `${new Date(whole).toISOString().slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

/**
 * The next nanosecond after a time of the log: the end, left out itself, of a range that holds that time.
 * @param {string} time RFC 3339, UTC, nine decimals
 */
export function justAfter(time) {
  const [whole, decimals] = time.replace("Z", "").split(".");
  const next = Number(decimals) + 1;
  if (next < 1e9) return `${whole}.${String(next).padStart(9, "0")}Z`;
  return new Date(Date.parse(`${whole}Z`) + 1000).toISOString().replace(".000Z", ".000000000Z");
}
