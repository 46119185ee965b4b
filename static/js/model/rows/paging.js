// @ts-check
/** Long reads of the log: page after page, with how far it has come. Pure. */

import { count, num, percent } from "../format.js";

/** @typedef {{scanned: number, total: number}} Progress rows looked at, of all in the range */

/**
 * Asks page after page until one is enough, is the last one, or the question is given up (then `ask` throws).
 * @template {{next: string | null}} Page
 * @param {(cursor: string) => Promise<Page>} ask @param {(page: Page) => boolean} enough @param {string} [cursor] where to begin
 */
export async function follow(ask, enough, cursor = "") {
  for (let next = /** @type {string | null} */ (cursor); next !== null; ) {
    const page = await ask(next);
    if (enough(page)) return;
    next = page.next ?? null;
  }
}

/** @param {import("../../live/types.js").PageProgress | null | undefined} progress as the server tells it @returns {Progress} */
export function progressOf(progress) {
  const total = num(progress?.total) ?? 0;
  return { scanned: Math.min(total, num(progress?.scanned) ?? 0), total };
}

/** @param {Progress} progress */
export function progressWords({ scanned, total }) {
  if (total === 0) return "Reading the log…";
  return `Reading the log: ${count(scanned)} of ${count(total)} rows (${percent(scanned / total)})`;
}

/** Whether a failed question was given up by the page itself. @param {unknown} error */
export const givenUp = (error) => error instanceof DOMException && error.name === "AbortError";
