// @ts-check
/** The lab: a run is begun, followed and shown; saved ones are opened, compared and deleted. */

import { el, refs, setAttr, setText, show } from "../dom.js";
import * as format from "../format.js";
import { mountLabForm } from "../parts/labform.js";
import { mountLabResults, titleOf } from "../parts/labresults.js";
import { mountZoo } from "../parts/zoo.js";
import { addressBar } from "../url.js";

/**
 * @typedef {import("../store.js").State} State @typedef {import("../types.js").LabRun} Run
 * @typedef {{options: import("../types.js").LabOptions | null, heads: import("../types.js").LabHead[], run: Run | null, other: Run | null,
 *   comparison: import("../types.js").LabComparison | null, listed: boolean, doomed: string}} Known `doomed`: the run that is to be deleted
 */

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, { form: HTMLFormElement, run: HTMLButtonElement, bar: HTMLProgressElement, cancel: HTMLButtonElement, compare: HTMLSelectElement, order: HTMLDetailsElement, firstRun: HTMLButtonElement });
  const bar = addressBar({ run: "", to: "" });
  const results = mountLabResults(root, parts);
  let at = bar.read();
  /** @type {Known} */
  const known = { options: null, heads: [], run: null, other: null, comparison: null, listed: false, doomed: "" };
  const draw = () => {
    const { run, other, comparison, options } = known;
    results.update(run, other, comparison, options?.metrics ?? {});
    drawRuns(parts, known, at);
    show(parts.first, known.listed && !known.heads.length && !app.store.get().lab?.running);
  };
  const load = async () => {
    const { doomed } = known;
    known.doomed = "";
    if (doomed) await app.remove(`lab/runs/${doomed}`);
    known.heads = (await app.get("lab/runs")).items;
    if (!known.listed && !known.heads.length) parts.order.open = true;
    known.listed = true;
    const wanted = known.heads.find((head) => head.id === at.run) ?? known.heads[0];
    const other = known.heads.find((head) => head.id === at.to && head.id !== wanted?.id);
    known.run = wanted ? await app.get(`lab/runs/${wanted.id}`) : null;
    known.other = other ? await app.get(`lab/runs/${other.id}`) : null;
    known.comparison = wanted && other ? await app.get(`lab/runs/${other.id}/compare`, { to: wanted.id }) : null;
    draw();
  };
  const refresh = latest(load, (error) => setText(parts.said, error.message));
  const go = (/** @type {Partial<typeof at>} */ change) => {
    at = { ...at, ...change };
    bar.write(at);
    refresh();
  };
  const form = mountLabForm(parts, app, async (order) => {
    try {
      const { id } = /** @type {{id: string}} */ (await app.post("lab/runs", order));
      parts.order.open = false;
      go({ run: id, to: "" });
      return "";
    } catch (error) {
      return /** @type {Error} */ (error).message;
    }
  });
  mountOrders(parts, app, known, go);
  mountZoo(root, app);
  const offer = async () => {
    known.options = await app.get("lab");
    form.offer(known.options);
    parts.firstRun.disabled = false;
    refresh();
  };
  offer().catch((/** @type {Error} */ error) => absent(parts, error.message));
  app.wire.watch("lab");
  app.onAnew(refresh);
  let changes = -1;
  return (/** @type {State} */ state) => {
    const { lab } = state;
    if (!lab || !known.options) return;
    drawProgress(parts, lab);
    form.hold(lab.busy ? `${lab.busy.what} is under way` : "");
    if (lab.changes !== changes) refresh();
    changes = lab.changes;
  };
}

/** Runs a task whenever it is asked for, never two at a time: what is asked for meanwhile is done once, afterwards. @param {() => Promise<void>} task @param {(error: Error) => void} failed */
function latest(task, failed) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      await task().catch(failed);
    }
    running = false;
  };
}

/** There is no lab here. @param {Record<string, HTMLElement>} parts @param {string} why */
function absent(parts, why) {
  setText(parts.absent, why);
  show(parts.absent, true);
  for (const name of ["order", "first", "kept"]) show(parts[name], false);
}

/** @param {Record<string, HTMLElement> & {bar: HTMLProgressElement, cancel: HTMLButtonElement}} parts @param {import("../types.js").LabFrame} lab */
function drawProgress(parts, { running }) {
  const was = !parts.progress.hidden;
  show(parts.progress, running !== null);
  if (!running) {
    if (was) setText(parts.said, "The run is over.");
    parts.cancel.disabled = false;
    return;
  }
  const { done, total, model, workers, idle, repeat, doing, left_s: left } = running;
  parts.cancel.dataset.id = running.id;
  show(parts.first, false);
  parts.bar.value = done / total;
  setText(parts.done, `${done} of ${total} measurements`);
  setText(parts.doing, `${model}${workers > 1 ? ` × ${workers}` : ""} with ${idle.toLocaleString("en-GB")} idle, repeat ${repeat}: ${doing}`);
  setText(parts.left, `· about ${format.duration(Math.max(1, Math.round(left)))} left`);
  if (!was) setText(parts.said, `Measuring: ${total} measurements.`);
}

/** Buttons that give orders. @param {Record<string, HTMLElement> & {cancel: HTMLButtonElement, compare: HTMLSelectElement, form: HTMLFormElement, firstRun: HTMLButtonElement}} parts @param {import("../main.js").App} app @param {Known} known @param {(change: {run?: string, to?: string}) => void} go */
function mountOrders(parts, app, known, go) {
  const tell = (/** @type {Error} */ error) => setText(parts.said, error.message);
  parts.cancel.addEventListener("click", () => {
    parts.cancel.disabled = true;
    app.post(`lab/runs/${parts.cancel.dataset.id}/cancel`, {}).catch(tell);
  });
  parts.firstRun.addEventListener("click", () => parts.form.requestSubmit());
  parts.compare.addEventListener("change", () => go({ to: parts.compare.value }));
  parts.remove.addEventListener("click", () => {
    if (!known.run || !confirm(`Delete the ${titleOf(known.run.began).toLowerCase()}?`)) return;
    // Between two readings, not in one: a run in a list that has just come could not be read any more.
    known.doomed = known.run.id;
    go({ run: "", to: "" });
  });
  parts.runs.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest("a");
    if (!link?.dataset.id || /** @type {MouseEvent} */ (event).ctrlKey || /** @type {MouseEvent} */ (event).metaKey) return;
    event.preventDefault();
    go({ run: link.dataset.id, to: "" });
  });
}

/** The saved runs, and those that the shown one can be compared with; redrawn only when they are others. @param {Record<string, HTMLElement> & {compare: HTMLSelectElement}} parts @param {Known} known @param {{to: string}} at */
function drawRuns(parts, { heads, run, other }, at) {
  show(parts.kept, heads.length > 0);
  const key = JSON.stringify([heads.map((head) => [head.id, head.state]), run?.id, other?.id, at.to]);
  if (parts.runs.dataset.key === key) return;
  parts.runs.dataset.key = key;
  parts.runs.replaceChildren(...heads.map((head) => {
    const link = el("a", { href: `/lab?run=${head.id}`, "data-id": head.id }, format.stamp(head.began));
    setAttr(link, "aria-current", head.id === run?.id ? "true" : null);
    const { models, idle, repeats, seconds } = head.order;
    return el("li", {}, link, el("span", {}, `${models.join(", ")} with ${idle.join(", ")} idle`), el("span", { class: "soft" }, `${repeats} × ${seconds} s, ${head.state}`));
  }));
  const others = heads.filter((head) => head.id !== run?.id && head.state !== "running");
  parts.compare.replaceChildren(el("option", { value: "" }, "nothing"), ...others.map((head) => el("option", { value: head.id }, titleOf(head.began))));
  parts.compare.value = other?.id ?? "";
}
