// @ts-check
/** The charts of a connection: what waits for it, and what comes and goes. */

import { createChart } from "../chart.js";
import { byteRate, bytes } from "../format.js";
import { beat, emptyPulse, fromRows, WINDOW } from "../pulse.js";

/** @typedef {import("../types.js").KnownConnection} Known */

/** Frames further apart than this are of different moments: the charts begin anew. */
const JUMP_S = 30;

/** @param {HTMLElement} root @returns {(item: Known, now: number) => void} its update, with seconds */
export function mountConnectionCharts(root) {
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
  return (item, now) => {
    const jumped = now < before || now - before > JUMP_S;
    before = now;
    if (jumped || pulse.queue.time.length === 0) pulse = fromRows(item.history);
    if (item.state !== "closed") pulse = beat(pulse, item, now);
    const span = spanOf(item, pulse.queue.time, now);
    queue.update(pulse.queue, span);
    flow.update(pulse.flow, span);
  };
}

/** The last minutes of a living connection, the life of a dead one. @param {Known} item @param {number[]} times @param {number} now @returns {[number, number]} */
function spanOf(item, times, now) {
  const start = times[0] ?? now - 1;
  const end = item.state === "closed" ? Math.max(times.at(-1) ?? now, start + 1) : now;
  return [Math.max(Math.min(start, end - 60), end - WINDOW), end];
}
