// @ts-check
/** The address bar holds filter, sort, page and range: a link shows a colleague the same thing. */

import { meant } from "../model/time/instants.js";

/**
 * The parameters of a query string, typed and completed by their defaults; values that do not fit are left out.
 * @template {Record<string, string | number>} T
 * @param {string} search @param {T} defaults
 * @returns {T}
 */
export function parse(search, defaults) {
  const given = new URLSearchParams(search);
  /** @type {Record<string, string | number>} */
  const result = { ...defaults };
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = given.get(name);
    if (value === null) continue;
    if (typeof fallback === "string") result[name] = meant(value);
    else if (/^\d{1,9}$/.test(value)) result[name] = Number(value);
  }
  return /** @type {T} */ (result);
}

/**
 * The query string of the parameters that differ from their defaults: "" or "?q=…".
 * @param {Record<string, string | number>} params @param {Record<string, string | number>} defaults
 * @param {string} [search] a query string, of which other parameters are kept
 */
export function build(params, defaults, search = "") {
  const given = new URLSearchParams(search);
  for (const name of Object.keys(defaults)) given.delete(name);
  for (const [name, value] of Object.entries(params)) {
    if (value !== defaults[name]) given.set(name, String(value));
  }
  // Colons and commas are legal in a query, and a filter is easier to read with them.
  const text = given.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text === "" ? "" : `?${text}`;
}

/** The query string as the page wrote it last; an entry of the history that one goes back to is older. */
let written = "";
let isListening = false;
/** @type {((popped: string) => void)[]} */
const returns = [];

/** @param {string} search @param {boolean} [isStep] */
function write(search, isStep = false) {
  written = search;
  if (isStep) history.pushState(null, "", location.pathname + search);
  else history.replaceState(null, "", location.pathname + search);
}

/** What no one returns to stays as the page shows it. @param {string} popped */
function returnTo(popped) {
  write(written);
  for (const one of returns) one(popped);
}

function listen() {
  isListening = true;
  written = location.search;
  // A link to a part of the page comes here too, with nothing changed.
  addEventListener("popstate", () => location.search !== written && returnTo(location.search));
}

/**
 * Parameters kept in the address bar; those of others stay.
 * @template {Record<string, string | number>} T
 * @param {T} defaults
 */
export function addressBar(defaults) {
  if (!isListening) listen();
  return {
    /** @returns {T} */
    read: () => parse(location.search, defaults),
    /** @param {T} params @param {boolean} [isStep] whether the browser's Back undoes it */
    write: (params, isStep) => write(build(params, defaults, location.search), isStep),
    /** What to do when the browser goes back or forward to other values of these; those of others do not go with them. @param {(params: T) => void} apply */
    onReturn: (apply) => {
      returns.push((popped) => {
        const params = parse(popped, defaults);
        const isOther = build(params, defaults) !== build(parse(written, defaults), defaults);
        write(build(params, defaults, written));
        if (isOther) apply(params);
      });
    },
  };
}
