// @ts-check
/** A run that was made: verdict, charts, table, machine; alone or beside another. */

import { idleOf, linesOf, measured, nameOf } from "../../model/lab_comparison.js";
import { el, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";
import { createLabChart } from "./lab_chart.js";
import { drawTable } from "./lab_table.js";

/**
 * @typedef {import("../../live/types.js").LabRun} Run @typedef {import("../../live/types.js").LabHead} Head
 * @typedef {import("../../live/types.js").LabComparison} Comparison
 */

const LINEAR = new Set(["rate"]);
/** @type {Record<string, string>} */
const MARKS = { done: "notfull", running: "notempty", cancelled: "bad", failed: "full", interrupted: "bad" };

/** @param {string} began */
export const titleOf = (began) => `Run of ${format.stamp(began)}`;

/** @param {HTMLElement} root @param {Record<string, HTMLElement>} parts */
export function mountLabResults(root, parts) {
  const figures = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-metric]"));
  const charts = Array.from(figures, (figure) => {
    const metric = figure.dataset.metric ?? "";
    return { metric, chart: createLabChart(parts[`plot_${metric}`], parts[`nothing_${metric}`], metric, !LINEAR.has(metric)) };
  });
  /** @type {Set<string>} */
  const hidden = new Set();
  /** @type {{run: Run, other: Run | null} | null} */
  let drawn = null;
  const draw = () => {
    if (!drawn) return;
    const { run, other } = drawn;
    const points = [...run.points, ...(other?.points ?? [])];
    const idle = idleOf(points.filter((point) => Object.keys(point.figures).length));
    for (const { metric, chart } of charts) {
      const lines = [...linesOf(run.points, metric, idle), ...linesOf(other?.points ?? [], metric, idle, true)];
      chart.update(lines.filter((line) => !hidden.has(line.name)), idle);
    }
    keys(parts.keys, run, hidden);
  };
  parts.keys.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (!button?.dataset.name) return;
    if (!hidden.delete(button.dataset.name)) hidden.add(button.dataset.name);
    draw();
  });
  return {
    /** @param {Run | null} run @param {Run | null} other @param {Comparison | null} comparison @param {import("../../live/types.js").LabOptions | null} options */
    update: (run, other, comparison, options) => {
      show(parts.results, run !== null && run.points.length > 0);
      if (!run || !run.points.length) return;
      drawn = { run, other };
      setText(parts.title, titleOf(run.began));
      state(parts.state, run);
      links(parts, run);
      verdict(parts.verdict, run, comparison);
      draw();
      drawTable(parts.head, parts.body, options?.metrics ?? {}, run.points, comparison, run.order.active);
      setText(parts.machine, machineText(run));
    },
  };
}

/** How it ended; after how many measurements, where not all were made, is the verdict's first sentence. @param {HTMLElement} node @param {Run} run */
function state(node, run) {
  setAttr(node, "data-mark", MARKS[run.state]);
  node.replaceChildren(el("span", { class: "mark", "aria-hidden": "true" }), run.error ? `${run.state}: ${run.error}` : run.state);
}

/** @param {Record<string, HTMLElement>} parts @param {Run} run */
function links(parts, run) {
  for (const kind of ["csv", "json"]) setAttr(parts[kind], "href", `/api/v1/lab/runs/${run.id}/download?format=${kind}`);
  /** @type {HTMLButtonElement} */ (parts.remove).disabled = run.state === "running";
}

/** @param {HTMLElement} list @param {Run} run @param {Comparison | null} comparison */
function verdict(list, run, comparison) {
  const sentences = [...run.verdict];
  for (const one of comparison?.apart ?? []) sentences.push({ code: "doubt", text: `The other run differs in ${one.name}: ${one.before ?? "none"} there, ${one.after ?? "none"} here.` });
  if (run.state === "running") sentences.unshift({ code: "doubt", text: "Still being measured: what is said here may change." });
  list.replaceChildren(...sentences.map((one) => el("li", { "data-code": one.code }, one.text)));
}

/** A button a line, to hide it and show it again; those that are there stay, with the focus that they may have. @param {HTMLElement} host @param {Run} run @param {Set<string>} hidden */
function keys(host, run, hidden) {
  const points = run.points.filter((point) => Object.keys(point.figures).length);
  const names = new Map(points.map((point) => [nameOf(point), point.model]));
  const key = [...names.keys()].join();
  if (host.dataset.names !== key) {
    host.dataset.names = key;
    host.replaceChildren(...Array.from(names, ([name, model]) => {
      const colour = el("span", { class: "key", "aria-hidden": "true" });
      colour.style.background = `var(--model-${model})`;
      return el("button", { type: "button", "data-name": name }, colour, name);
    }));
  }
  for (const button of host.children) setAttr(button, "aria-pressed", String(!hidden.has(/** @type {HTMLElement} */ (button).dataset.name ?? "")));
}

/** @param {Run} run */
function machineText(run) {
  const { processor, cores, memory_bytes: memory, system, python, echoscope, uvloop } = run.machine;
  const { active, size, depth } = run.order;
  const asked = `${format.plural(active, "active connection")}, ${format.bytes(size)} a message, ${depth} in flight on each, ${measured(run)}`;
  return `${asked}. Measured on ${processor}, ${cores} cores, ${format.bytes(memory)}; ${system}; ${python}; echoscope ${echoscope}${uvloop ? `; uvloop ${uvloop}` : ""}.`;
}
