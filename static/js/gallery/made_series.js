// @ts-check
/** Made-up history of the charts. Pure. */

import { chance, many, NOW } from "./made_up.js";

/** @param {number} count points, of a second each @returns {import("../live/types.js").SeriesAnswer} */
export function history(count) {
  const next = chance(17);
  const wave = (/** @type {number} */ height) => many(count, (index) => height * (1 + 0.3 * Math.sin(index / 25) + 0.1 * next()));
  return {
    range: 300, step: 1, time: many(count, (index) => NOW / 1000 - count + index), echoes_per_s: wave(48_000), bytes_in_per_s: wave(3e6),
    bytes_out_per_s: wave(4.3e6), accepted_per_s: wave(3), closed_per_s: wave(3), open: wave(12), blocked: many(count, (index) => Number(index > count / 2)),
    queue_bytes: many(count, (index) => (index > count / 2 ? 262_144 : 0)), loop_busy: wave(0.4),
  };
}
