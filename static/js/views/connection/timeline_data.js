// @ts-check
/** What a timeline shows, asked for: counts of everything, and the rows themselves as far as they are few enough. */

import { addPage } from "../../model/time/bins.js";
import { lifeOf, PAUSES } from "../../model/connection/timeline_lanes.js";
import { follow } from "../../model/rows/paging.js";
import { microsecondsOf } from "../../model/time/instants.js";

/** @typedef {import("../../model/connection/timeline_lanes.js").Life} Life @typedef {import("../../model/time/range.js").Edges} Edges @typedef {import("../../live/types.js").EventRow} Row */

/** Rows that are drawn one by one at most; of more the echoes, or all, are counted by the bar. */
export const MOST_ROWS = 4000;
const PAGE = 1000;
const MOST_BARS = 500;

/**
 * @param {import("../../main.js").App} app @param {string} conn @param {Edges} edges @param {number} width columns @param {AbortSignal} signal
 * @returns {Promise<Life>}
 */
export async function readLife(app, conn, edges, width, signal) {
  const since = microsecondsOf(edges.since);
  // The end of a range is left out itself.
  const until = microsecondsOf(edges.until + 0.001);
  const q = `conn:${conn}`;
  const bins = await readBins(app, { q, since, until, bins: Math.min(MOST_BARS, Math.max(24, Math.round(width / 2))) }, signal);
  const echoes = (bins?.kinds.echo ?? []).reduce((sum, value) => sum + value, 0);
  const total = bins?.total ?? 0;
  const missing = total <= MOST_ROWS ? "" : total - echoes <= MOST_ROWS ? "echo" : "all";
  const wanted = missing === "echo" ? `${q} -kind:echo` : q;
  const rows = missing === "all" || total === 0 ? [] : await readRows(app, { q: wanted, since, until }, signal);
  const last = async (/** @type {string} */ of) => (await app.get("events", { q: of, until: since, limit: 1, order: "desc" }, signal)).items[0] ?? null;
  const before = await last(q);
  const pause = before && before.kind !== "open" ? await last(`${q} kind:${[...PAUSES].join(",")}`) : null;
  return lifeOf(rows, { bins, missing, before, paused: pause?.kind === "pause", total });
}

/** @param {import("../../main.js").App} app @param {{q: string, since: string, until: string, bins: number}} set @param {AbortSignal} signal */
async function readBins(app, set, signal) {
  /** @type {import("../../model/time/bins.js").Bins | null} */
  let bins = null;
  let asked = set;
  await follow((cursor) => app.get("events/histogram", { ...asked, cursor }, signal), (page) => {
    bins = addPage(bins, page);
    // The bars of all pages are the same only if their range is.
    asked = { ...asked, since: page.since, until: page.until };
    return false;
  });
  return /** @type {import("../../model/time/bins.js").Bins | null} */ (bins);
}

/** @param {import("../../main.js").App} app @param {{q: string, since: string, until: string}} set @param {AbortSignal} signal */
async function readRows(app, set, signal) {
  /** @type {Row[]} */
  const rows = [];
  await follow((cursor) => app.get("events", { ...set, limit: PAGE, cursor }, signal), (page) => {
    rows.push(...page.items);
    return rows.length > 2 * MOST_ROWS;
  });
  return rows;
}
