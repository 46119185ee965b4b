// @ts-check
/** How the page stands with the server, in words. A short reconnect raises no alarm. Pure. */

import { duration } from "./format.js";

/**
 * @typedef {{phase: "connecting" | "live" | "lost" | "stopped", since: number, lastFrame: number | null,
 *   why: string}} Link
 * @typedef {{name: "connecting" | "live" | "stale" | "reconnecting" | "stopped", label: string, alarm: string}} Standing
 */

/** Milliseconds of trouble before a word is said. */
export const PATIENCE = 2000;
/** Milliseconds without a frame after which figures count as stale. */
export const STALE = 3500;

/** @param {number} now @returns {Link} */
export const firstLink = (now) => ({ phase: "connecting", since: now, lastFrame: null, why: "" });

/** Whole seconds since. @param {number} from @param {number} now */
const ago = (from, now) => duration(Math.max(1, Math.floor((now - from) / 1000)));

/** What to show of the link. @param {Link} link @param {number} now milliseconds @param {boolean} [still] no frames are due @returns {Standing} */
export function standing(link, now, still = false) {
  const quiet = now - link.since < PATIENCE;
  if (link.phase === "connecting") {
    return { name: "connecting", label: "connecting", alarm: quiet ? "" : "Still connecting to the server…" };
  }
  if (link.phase === "stopped") {
    const alarm = `No live connection: ${link.why}. Trying again…`;
    return { name: "stopped", label: "stopped", alarm: quiet ? "" : alarm };
  }
  if (link.phase === "lost" && !quiet) {
    const alarm = `No connection to the server for ${ago(link.since, now)}: figures are as they were. Trying again…`;
    return { name: "reconnecting", label: "reconnecting", alarm };
  }
  return still ? { name: "live", label: "live", alarm: "" } : liveOrStale(link, now);
}

/** @param {Link} link @param {number} now @returns {Standing} */
function liveOrStale(link, now) {
  const heard = Math.max(link.lastFrame ?? link.since, link.phase === "live" ? link.since : 0);
  if (now - heard < STALE) return { name: "live", label: "live", alarm: "" };
  const time = ago(heard, now);
  const alarm = `Connected, but nothing has come for ${time}: the server may be very busy, or stopped in a debugger.`;
  return { name: "stale", label: `stale for ${time}`, alarm };
}
