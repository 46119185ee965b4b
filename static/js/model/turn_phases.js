// @ts-check
/** Where the time of a loop goes: waiting, accepting, reading, writing, and what is left. Pure. */

/** @typedef {{name: string, share: number | null, each_us: number | null}} Phase */

export const PHASES = ["accept", "read", "write", "other"];

/**
 * Shares of the time from 0 to 1, and how long a call of each took. Waiting is known of every turn; how work divides is
 * known of the measured ones.
 * @param {Pick<import("../live/types.js").LoopItem, "busy" | "turns" | "phases">} item @returns {Phase[]}
 */
export function divide({ busy, turns, phases }) {
  const { accept_us: accept, read_us: read, write_us: write, busy_us: worked } = phases;
  const parts = { accept, read, write, other: Math.max(0, worked - accept - read - write) };
  const calls = { accept: phases.accepts, read: phases.reads, write: phases.writes, other: 0 };
  return [
    { name: "wait", share: turns ? Math.max(0, 1 - busy) : null, each_us: null },
    ...PHASES.map((name) => {
      const [spent, number] = [parts[/** @type {"other"} */ (name)], calls[/** @type {"other"} */ (name)]];
      return { name, share: worked ? (busy * spent) / worked : null, each_us: number ? spent / number : null };
    }),
  ];
}

/**
 * What a turn's work consisted of, as [phase, share of it]; null where it was not measured.
 * @param {import("../live/types.js").TurnColumns} turns @param {number} index @returns {[string, number][] | null}
 */
export function composition(turns, index) {
  const [accept, read, write] = [turns.accept_us[index], turns.read_us[index], turns.write_us[index]];
  if (accept === null || read === null || write === null) return null;
  const worked = Math.max(turns.busy_us[index], accept + read + write);
  if (!worked) return null;
  return [["accept", accept / worked], ["read", read / worked], ["write", write / worked], ["other", (worked - accept - read - write) / worked]];
}
