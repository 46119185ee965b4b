// @ts-check
/** All figures of a run in a table, and what they differ from another run in. */

import { changed, nameOf, range, shown } from "../../model/lab_comparison.js";
import { el } from "../../ui/dom.js";

/**
 * @typedef {import("../../live/types.js").LabPoint} Point @typedef {import("../../live/types.js").LabComparison} Comparison
 * @typedef {Record<string, import("../../live/types.js").LabMetric>} Metrics
 */

/** @param {HTMLElement} head @param {HTMLElement} body @param {Metrics} metrics @param {Point[]} points @param {Comparison | null} other @param {number} active */
export function drawTable(head, body, metrics, points, other, active) {
  const names = Object.keys(metrics);
  head.replaceChildren(el("tr", {}, heading("Model", "How the server waits"), heading("Idle", "Silent connections besides the active ones", true), ...names.map((name) => {
    const { label, unit, meaning } = metrics[name];
    return heading(label, meaning, true, unit);
  })));
  body.replaceChildren(...points.map((point) => {
    const who = el("th", { scope: "row" }, nameOf(point));
    const row = el("tr", {}, who, el("td", { class: "number" }, point.idle.toLocaleString("en-GB")));
    const why = point.cannot || point.failed;
    const measured = Object.keys(point.figures).length > 0;
    if (why && measured) who.append(el("small", { class: "partly" }, `not in every repeat: ${why}`));
    if (measured && other && !counterpart(point, other)) who.append(el("small", { class: "partly" }, "not in the other run"));
    if (why && !measured) row.append(el("td", { colspan: String(names.length), class: "why" }, el("span", {}, why)));
    else row.append(...names.map((name) => cell(name, point, metrics, other, active)));
    return row;
  }));
}

/** What the other run has of a point. @param {Point} point @param {Comparison} other */
const counterpart = (point, other) => other.points.find((one) => one.model === point.model && one.workers === point.workers && one.idle === point.idle);

/** @param {string} label @param {string} tip @param {boolean} [number] @param {string} [unit] */
function heading(label, tip, number = false, unit = "") {
  return el("th", { scope: "col", ...(number ? { class: "number" } : {}) }, el("span", { class: "term", tabindex: "0", "data-tip": tip }, label, el("small", {}, unit)));
}

/** @param {string} name @param {Point} point @param {Metrics} metrics @param {Comparison | null} other @param {number} active */
function cell(name, point, metrics, other, active) {
  const spread = point.figures[name];
  if (!spread) return el("td", { class: "number" }, "–");
  const td = el("td", { class: "number" }, shown(name, spread.median), el("small", {}, range(name, spread)));
  if (name === "rate" && point.served < active) td.append(el("small", {}, `${point.served} of ${active} served`));
  const difference = other && counterpart(point, other)?.figures[name];
  if (difference) {
    const { text, tone } = changed(name, difference, metrics[name].more);
    td.append(el("small", tone ? { "data-change": tone } : {}, text));
  }
  return td;
}
