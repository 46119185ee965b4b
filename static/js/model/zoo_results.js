// @ts-check
/** The zoo of clients in words, numbers and links. Pure. */

import { bytes, duration, plural } from "./format.js";

/**
 * @typedef {import("../live/types.js").ZooAnimal} ZooAnimal
 * @typedef {import("../live/types.js").ZooRunning} ZooRunning
 * @typedef {import("../live/types.js").ZooResult} ZooResult
 * @typedef {import("../live/types.js").ZooExpectation} ZooExpectation
 * @typedef {{text: string, path: string}} Link
 */

/** Milliseconds between two questions: while an animal is out, and while none is. */
export const ASK_MS = { out: 500, idle: 4000 };

const PAGES = /** @type {Record<string, [string, string]>} */ ({
  overview: ["Overview", "/"], connections: ["Connections", "/connections"], connection: ["Connections", "/connections"],
  events: ["Events", "/events"], loop: ["Loop", "/loop"],
});

/** The page on which to watch an animal: where that is a connection's, the list until there is one. @param {Pick<ZooAnimal, "page" | "expects">} animal @param {number} [conn] @returns {Link} */
export function pageLink({ page, expects }, conn) {
  if (page === "connection" && conn) return { text: "its own page", path: `/connections/${conn}` };
  if (page === "connection" && expects.states.includes("blocked")) return { text: "the blocked connections", path: "/connections?q=state:blocked,paused" };
  const [text, path] = PAGES[page] ?? [page, "/"];
  return { text, path };
}

/** Where the one that is out can be watched, its own page first. @param {ZooRunning} running @returns {Link[]} */
export function watchLinks(running) {
  const own = running.conns.slice(0, 3).map((conn) => ({ text: `connection ${conn}`, path: `/connections/${conn}` }));
  const since = `opened>=${running.since}`;
  return [...own, { text: "all of them", path: `/connections?${query({ q: since })}` }];
}

/** Where what an animal left behind is told. @param {ZooResult} result @returns {Link[]} */
export function resultLinks(result) {
  if (!result.q) return [];
  const first = result.connections[0]?.conn;
  const text = result.connections.length === 1 ? "its post-mortem" : "post-mortem of its first connection";
  return [
    ...(first ? [{ text, path: `/connections/${first}` }] : []),
    { text: "its connections", path: `/connections?${query({ q: result.q })}` },
    { text: "its events", path: `/events?${query({ q: result.q, since: result.since })}` },
  ];
}

/** @param {Record<string, string>} params */
const query = (params) => new URLSearchParams(params).toString().replaceAll("%3A", ":").replaceAll("%2C", ",");

/** What it does right now. @param {ZooRunning} running */
export function runningWords(running) {
  const open = plural(running.connections, "connection");
  return `${running.stage}; ${open}, ${bytes(running.sent)} sent, ${bytes(running.received)} received`;
}

/** How long it stays. @param {ZooRunning} running */
export const leftWords = (running) => (running.left_s > 0 ? `${duration(Math.ceil(running.left_s))} left` : "leaving");

/** From 0 to 1: how much of its time has gone. @param {ZooRunning} running */
export const shareGone = (running) => (running.seconds > 0 ? Math.min(1, 1 - running.left_s / running.seconds) : 1);

/** How many of the expectations were met, of those that could be looked at. @param {ZooResult} result */
export function score(result) {
  const looked = result.expectations.filter((one) => one.met !== null);
  return { met: looked.filter((one) => one.met).length, of: looked.length };
}

/** A result in one line. @param {ZooResult} result */
export function resultWords(result) {
  if (result.error) return result.error[0].toUpperCase() + result.error.slice(1);
  const { met, of } = score(result);
  return result.met ? `As expected: ${met} of ${of}` : `Not as expected: ${of - met} of ${of} not met`;
}

/** Mark and word of an expectation. @param {ZooExpectation} one @returns {[string, string]} */
export function metWords({ met }) {
  if (met === null) return ["empty", "not checked"];
  return met ? ["notfull", "met"] : ["bad", "not met"];
}

/** What to expect of an animal, in one line. @param {ZooAnimal} animal */
export function expectedWords({ expects }) {
  const living = (/** @type {string[]} */ words) => words.filter((word) => word !== "closed").map((word) => word.replaceAll("_", " ")).join(" or ");
  const [states, verdicts] = [living(expects.states), living(expects.verdicts)];
  return [states && `state ${states}`, verdicts && `verdict “${verdicts}”`, `close reason “${expects.reason}”`].filter(Boolean).join(", ");
}

/** A text in pieces, of which every other one stood between backticks. @param {string} text @returns {{text: string, isCode: boolean}[]} */
export const pieces = (text) => text.split("`").map((piece, at) => ({ text: piece, isCode: at % 2 === 1 })).filter((piece) => piece.text !== "");

/** What is said above all cards. @param {Pick<import("../live/types.js").Zoo, "running" | "results" | "busy">} zoo @param {number} of */
export function sumWords({ running, results, busy }, of) {
  if (running) return `${running.name} is out on ${running.model}, ${leftWords(running)}`;
  if (busy) return `${busy} is running: one thing at a time`;
  const seen = Object.values(results);
  if (!seen.length) return `${of} animals, none has been out yet`;
  const good = seen.filter((one) => one.met).length;
  return `${seen.length} of ${of} have been out: ${good} as expected${good < seen.length ? `, ${seen.length - good} not` : ""}`;
}
