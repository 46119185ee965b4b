// @ts-check
/** The verdict on a connection, and the kernel's facts that it rests on. */

import { el, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";

/** Verdicts that are nobody's trouble. */
const CALM = ["fine", "idle", "delivering", "closing"];

/** Titles of the verdicts. @type {Record<string, string>} */
const TITLES = {
  peer_not_reading: "Held up by the peer",
  network: "Held up by the network",
  fault: "Under a fault",
  loop_late: "Held up by our loop",
  policy: "Held up by our own policy",
  delivering: "Being delivered",
  closing: "Closing",
  idle: "Idle",
  fine: "Fine",
  unknown: "Held up, it is not known by whom",
};

/** @param {{code: string}} verdict */
export const verdictTitle = (verdict) => TITLES[verdict.code] ?? verdict.code;

/** Whether someone should look. @param {{code: string}} verdict */
export const troubles = (verdict) => !CALM.includes(verdict.code);

/** A fact as people read it. @param {unknown} value @param {string} unit as in the catalogue */
export function factText(value, unit) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "string") return value || "none";
  if (unit === "bytes") return format.bytes(value);
  if (unit === "bytes/s") return format.byteRate(value);
  if (unit === "us") return shortTime(Number(value) / 1e6);
  if (unit === "ms") return shortTime(Number(value) / 1e3);
  if (Number(value) === 0) return "0";
  return `${format.count(value)} ${Number(value) === 1 ? unit.replace(/s$/, "") : unit}`.trim();
}

/** @param {number} seconds */
function shortTime(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : format.duration(seconds);
}

/** The evidence as a list. @param {HTMLElement} list @param {string[]} lines */
export function showEvidence(list, lines) {
  show(list, lines.length > 0);
  while (list.children.length > lines.length) list.lastElementChild?.remove();
  while (list.children.length < lines.length) list.append(el("li"));
  lines.forEach((line, index) => setText(list.children[index], line));
}

/**
 * The table of facts: rows that this kernel does not tell are hidden.
 * @param {Record<string, HTMLElement>} parts with kernel, kernelAge and kernelSuspects @param {import("../../live/types.js").KernelSample | null | undefined} kernel
 * @param {boolean} closed
 */
export function showFacts(parts, kernel, closed) {
  show(parts.kernel, Boolean(kernel));
  if (!kernel) return;
  setText(parts.kernelAge, closed ? "taken just before it was closed" : "as of now");
  const { length } = kernel.suspects;
  show(parts.kernelSuspects, length > 0);
  setText(parts.kernelSuspects, `${format.plural(length, "fact")} to look at`);
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (parts.kernel.querySelectorAll("[data-fact]"))) {
    const { fact = "", unit = "" } = cell.dataset;
    const known = fact in kernel.facts;
    const row = /** @type {HTMLElement} */ (cell.parentElement);
    show(row, known);
    setAttr(row, "data-suspect", kernel.suspects.includes(fact) ? "true" : null);
    if (known) setText(cell, factText(kernel.facts[fact], unit));
  }
}
