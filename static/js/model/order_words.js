// @ts-check
/** Orders and faults in words. */

/** @typedef {Record<string, string | number>} On */

/** What an order is about, as the record has it. @param {On} on */
export const onText = (on) => Object.entries(on).map(([name, value]) => `${name} ${value}`).join(", ");

/** Whom a fault is for. @param {On} on */
export function targetText(on) {
  if (on.conn !== undefined) return `connection ${on.conn}`;
  if (on.next !== undefined) return `the next ${on.next} new connections`;
  if (on.share !== undefined) return `${Number(on.share) * 100}% of new connections, seed ${on.seed}`;
  return on.q ? `connections that match ${on.q}` : "every connection";
}

const KNOWN = new Set(["id", "kind", "on", "seconds", "why", "who", "matched", "began", "ends"]);

/** A fault that is on, in a line. @param {import("../live/types.js").ArmedFault} fault */
export function faultText(fault) {
  const attributes = Object.entries(fault).filter(([name]) => !KNOWN.has(name)).map(([name, value]) => `${name} ${value}`);
  const what = [fault.kind, ...attributes].join(" ");
  const why = fault.why ? `: ${fault.why}` : "";
  return `${what} on ${targetText(fault.on)}; by ${fault.who}${why}`;
}

/**
 * The order that a form holds, as the API takes it: its path and its body.
 * @param {Record<string, string>} form values by name; attributes of a kind are `KIND.NAME` @returns {{path: string, body: Record<string, unknown>}}
 */
export function orderOf(form) {
  const { what, target, q, why } = form;
  if (what === "close") {
    const one = target === "conn" ? `conn:${form.conn}` : q;
    return { path: "connections/close", body: { q: one, how: form.how, why } };
  }
  /** @type {Record<string, unknown>} */
  const on = target === "q" ? { q } : { [target]: Number(form[target]) };
  if (target === "share" && form.seed) on.seed = Number(form.seed);
  const attributes = Object.entries(form).filter(([name, value]) => name.startsWith(`${what}.`) && value !== "");
  const body = { kind: what, on, seconds: Number(form.seconds), why };
  return { path: "faults", body: { ...body, ...Object.fromEntries(attributes.map(([name, value]) => [name.slice(what.length + 1), Number(value)])) } };
}
