// @ts-check
/** The charts of a connection: what waits for it, and what comes and goes. */

import { createChart } from "../../ui/plots/chart.js";
import { byteRate, bytes } from "../../model/format.js";
import { beat, beginOf, emptyPulse, fromRows, preceded, reaches, WINDOW } from "../../model/connection/connection_series.js";
import { justAfter } from "../../model/time/instants.js";

/** @typedef {import("../../live/types.js").ConnectionDetail} Known */

/** Frames further apart than this are of different moments: the charts begin anew. */
const JUMP_S = 30;

/** @param {HTMLElement} root @param {import("../../main.js").App} app @returns {(item: Known, now: number) => void} its update, with seconds */
export function mountConnectionCharts(root, app) {
  const figure = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-chart="${name}"]`));
  const queue = createChart(figure("queue"), {
    unit: "bytes", format: bytes,
    lines: [{ column: "queue_bytes", label: "waiting", colour: "--full", fill: true, steps: true }],
  });
  const flow = createChart(figure("bytes"), {
    unit: "bytes", format: byteRate,
    lines: [
      { column: "bytes_out", label: "out", colour: "--notfull", fill: true },
      { column: "bytes_in", label: "in", colour: "--notempty" },
    ],
  });
  let pulse = emptyPulse();
  let before = 0;
  let asked = 0;
  const draw = (/** @type {Known} */ item, /** @type {number} */ now) => {
    const span = spanOf(item, pulse.queue.time, now);
    queue.update(pulse.queue, span);
    flow.update(pulse.flow, span);
  };
  /** What the rows that came with the frame do not reach back to. */
  const ask = async (/** @type {Known} */ item, /** @type {number} */ now) => {
    const mine = (asked += 1);
    const begin = beginOf(item, now);
    if (reaches(item.history, begin)) return;
    const until = item.closed ? justAfter(item.closed) : iso(now);
    try {
      const course = await app.get(`connections/${item.conn}/series`, { since: iso(begin), until });
      if (mine !== asked) return;
      pulse = preceded(pulse, course);
      draw(item, before);
    } catch (error) {
      console.info(`connection ${item.conn}: its charts begin with what came since: ${/** @type {Error} */ (error).message}`);
    }
  };
  return (item, now) => {
    const begins = before === 0 || now < before || now - before > JUMP_S;
    before = now;
    if (begins) pulse = fromRows(item.history);
    if (item.state !== "closed") pulse = beat(pulse, item, now);
    draw(item, now);
    if (begins) ask(item, now);
  };
}

const iso = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString();

/** The last minutes of a living connection, the life of a dead one. @param {Known} item @param {number[]} times @param {number} now @returns {[number, number]} */
function spanOf(item, times, now) {
  const start = times[0] ?? now - 1;
  const end = item.state === "closed" ? Math.max(times.at(-1) ?? now, start + 1) : now;
  return [Math.max(Math.min(start, end - 60), end - WINDOW), end];
}
