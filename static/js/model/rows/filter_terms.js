// @ts-check
/** Reading and changing single terms of a filter text, without touching the rest of what was typed. */

/** The terms of a filter text; quoted values stay whole. @param {string} q @returns {string[]} */
export function terms(q) {
  return q.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
}

/** The groups of closed connections that are told apart by how they ended. */
const ENDS = ["abnormal", "probe"];

/** The states of the groups that are more than the state of their name: "blocked" is what the tiles and the map count as such. @type {Record<string, string>} */
const STATES = { blocked: "blocked,paused" };

/**
 * Which connections a filter asks for: "" all that are connected, "blocked" those whose replies wait, "abnormal" those
 * that ended abnormally, "probe" those that came and went without a byte, else one state; null when it asks for others. @param {string} q
 */
export function getGroup(q) {
  const [state, end] = [getTerm(q, "state"), getTerm(q, "end")];
  if (end) return state === "" && ENDS.includes(end) ? end : null;
  if (state.split(",").sort().join() === STATES.blocked) return "blocked";
  return state in STATES || state.includes(",") ? null : state;
}

/** The filter asking for another group. @param {string} q @param {string} group */
export function setGroup(q, group) {
  const isEnd = ENDS.includes(group);
  return setTerm(setTerm(q, "state", isEnd ? "" : STATES[group] ?? group), "end", isEnd ? group : "");
}

/** The value of the term `field:value`, or "" if there is none. @param {string} q @param {string} field */
export function getTerm(q, field) {
  const found = terms(q).find((term) => term.startsWith(`${field}:`));
  return found === undefined ? "" : found.slice(field.length + 1);
}

/**
 * The filter with its `field:` term set to `value`, or taken out when `value` is empty.
 * @param {string} q @param {string} field @param {string} value
 */
export function setTerm(q, field, value) {
  const kept = terms(q).filter((term) => !term.startsWith(`${field}:`));
  return (value ? [...kept, `${field}:${value}`] : kept).join(" ");
}
