// @ts-check
/** Made-up turns of loops. Pure. */

import { ago, chance, many, NOW } from "./made_up.js";

/** @param {number} count @returns {import("../live/types.js").TurnColumns} */
export function turnColumns(count) {
  const next = chance(3);
  const whole = (/** @type {number} */ most) => many(count, () => Math.floor(next() * most));
  return {
    time: many(count, (index) => NOW / 1000 - (count - index) * 0.002),
    wait_us: many(count, () => 10 ** (1 + 3 * next())), busy_us: many(count, () => 10 ** (1 + 2 * next())),
    accept_us: many(count, (index) => (index % 16 === 0 ? 4.2 : null)),
    read_us: many(count, (index) => (index % 16 === 0 ? 31.5 : null)), write_us: many(count, (index) => (index % 16 === 0 ? 40.1 : null)),
    ready: whole(60), scanned: whole(60), accepts: whole(2), reads: whole(60), writes: whole(60), eagains: whole(3),
  };
}

/** @param {number} p50 @returns {import("../live/types.js").Spread} */
const spread = (p50) => ({ p50, p90: p50 * 2, p99: p50 * 5, max: p50 * 40 });

/** @param {Partial<import("../live/types.js").LoopItem>} [more] @returns {import("../live/types.js").LoopItem} */
export const loopItem = (more = {}) => ({
  worker: 0, beat_age_s: 0.001, span_s: 10, turns: 48_213, turns_per_s: 4821.3, busy: 0.42, wait_us: spread(120), busy_us: spread(48),
  ready: { ...spread(4), histogram: [[0, 12], [1, 8211], [2, 20_114], [4, 14_220], [8, 5100], [16, 556]] }, scanned_per_ready: 1,
  calls_per_s: { accepts: 2.1, reads: 19_284.4, writes: 19_283.2, eagains: 3.3 },
  phases: { turns: 300, busy_us: 14_400, accept_us: 120, read_us: 6300, write_us: 7020, accepts: 2, reads: 1200, writes: 1199 },
  latest: turnColumns(240), measured: turnColumns(120), accept_queue: { length: 0, limit: 4096 },
  registrations: { believed: 14, watched: 14, differences: [] }, report_age_s: 0.8, ...more,
});

/** @param {import("../live/types.js").LoopItem[]} workers @param {string} [model] @returns {import("../live/types.js").LoopFrame} */
export const loopFrame = (workers, model = "epoll") => ({
  time: ago(0), model, models: ["blocking", "busy", "threads", "select", "poll", "epoll", "epoll-et"], workers,
});
