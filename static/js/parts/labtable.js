// @ts-check
/** All figures of a run in a table, and what they differ from another run in. */

import { changed, nameOf, range, shown } from "../comparison.js";
import { el } from "../dom.js";

/**
 * @typedef {import("../types.js").LabPoint} Point @typedef {import("../types.js").LabComparison} Comparison
 * @typedef {Record<string, import("../types.js").LabMetric>} Metrics
 */

/** @param {HTMLElement} head @param {HTMLElement} body @param {Metrics} metrics @param {Point[]} points @param {Comparison | null} other @param {number} active */
export function drawTable(head, body, metrics, points, other, active) {
  const names = Object.keys(metrics);
  head.replaceChildren(el("tr", {}, heading("Model", "How the server waits"), heading("Idle", "Silent connections besides the active ones", true), ...names.map((name) => {
    const { label, unit, meaning } = metrics[name];
    return heading(`${label}, ${unit}`, meaning, true);
  })));
  body.replaceChildren(...points.map((point) => {
    const row = el("tr", {}, el("th", { scope: "row" }, nameOf(point)), el("td", { class: "number" }, point.idle.toLocaleString("en-GB")));
    const why = point.cannot || point.failed;
    if (why) row.append(el("td", { colspan: String(names.length), class: "why" }, why));
    else row.append(...names.map((name) => cell(name, point, metrics, other, active)));
    return row;
  }));
}

/** @param {string} label @param {string} tip @param {boolean} [number] */
function heading(label, tip, number = false) {
  return el("th", { scope: "col", ...(number ? { class: "number" } : {}) }, el("span", { class: "term", tabindex: "0", "data-tip": tip }, label));
}

/** @param {string} name @param {Point} point @param {Metrics} metrics @param {Comparison | null} other @param {number} active */
function cell(name, point, metrics, other, active) {
  const spread = point.figures[name];
  if (!spread) return el("td", { class: "number" }, "–");
  const td = el("td", { class: "number" }, shown(name, spread.median), el("small", {}, range(name, spread)));
  if (name === "rate" && point.served < active) td.append(el("small", {}, `${point.served} of ${active} served`));
  const same = other?.points.find((one) => one.model === point.model && one.workers === point.workers && one.idle === point.idle);
  const difference = same?.figures[name];
  if (difference) {
    const { text, tone } = changed(difference, metrics[name].more);
    td.append(el("small", tone ? { "data-change": tone } : {}, text));
  }
  return td;
}
