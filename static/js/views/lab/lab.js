// @ts-check
/** The lab: a run is begun, followed and shown; saved ones are opened, compared and deleted. */

import { ApiError } from "../../live/api.js";
import { measured } from "../../model/lab_comparison.js";
import { el, refs, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";
import { mountLabForm } from "./lab_form.js";
import { mountLabResults, titleOf } from "./lab_results.js";
import { mountZoo } from "./zoo_cards.js";
import { reasonOf } from "../../model/errors.js";
import { addressBar } from "../../ui/url.js";

/** Milliseconds until a lab that could not be asked is asked again. */
const AGAIN_MS = 3000;

/**
 * @typedef {import("../../live/store.js").State} State @typedef {import("../../live/types.js").LabRun} Run
 * @typedef {{options: import("../../live/types.js").LabOptions | null, heads: import("../../live/types.js").LabHead[], run: Run | null, other: Run | null,
 *   comparison: import("../../live/types.js").LabComparison | null, listed: boolean, doomed: string, undeleted: string, trouble: string}} Known `doomed`: the run that is to be deleted; `undeleted`: why that failed, until something else is asked for; `trouble`: why the last reading failed
 */

/** @param {HTMLElement} root @param {import("../../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, { form: HTMLFormElement, run: HTMLButtonElement, bar: HTMLProgressElement, cancel: HTMLButtonElement, compare: HTMLSelectElement, order: HTMLDetailsElement, firstRun: HTMLButtonElement });
  const bar = addressBar({ run: "", to: "" });
  const results = mountLabResults(root, parts);
  let at = bar.read();
  /** @type {Known} */
  const known = { options: null, heads: [], run: null, other: null, comparison: null, listed: false, doomed: "", undeleted: "", trouble: "" };
  let shown = "";
  const draw = () => {
    const { run, other, comparison, options } = known;
    // Only when they are others: a table that is made anew loses focus and selection.
    const key = JSON.stringify([versionOf(run), versionOf(other), comparison, options?.metrics]);
    if (key !== shown) results.update(run, other, comparison, options);
    shown = key;
    drawRuns(parts, known, at);
    const gone = [known.undeleted, known.trouble || goneText(known, at)].filter(Boolean).join(" ");
    setText(parts.gone, gone);
    show(parts.gone, gone !== "");
    show(parts.first, known.listed && !known.heads.length && !app.store.get().lab?.running);
  };
  const load = async () => {
    const { doomed } = known;
    known.doomed = "";
    if (doomed) {
      await app.remove(`lab/runs/${doomed}`).catch((error) => {
        known.undeleted = `The run is not deleted: ${reasonOf(error)}.`;
        if (!at.run) bar.write((at = { ...at, run: doomed }));
      });
    }
    const { items: heads } = await app.get("lab/runs");
    const wanted = heads.find((head) => head.id === at.run) ?? heads[0];
    const second = heads.find((head) => head.id === at.to && head.id !== wanted?.id);
    // All of it or nothing: what is deleted or compared is what is shown.
    const run = wanted ? await app.get(`lab/runs/${wanted.id}`) : null;
    const other = second ? await app.get(`lab/runs/${second.id}`) : null;
    const comparison = wanted && second ? await app.get(`lab/runs/${second.id}/compare`, { to: wanted.id }) : null;
    if (!known.listed && !heads.length) parts.order.open = true;
    Object.assign(known, { heads, run, other, comparison, trouble: "", listed: true });
    draw();
  };
  const refresh = latest(load, (error) => {
    known.trouble = `The runs could not be read${known.run ? ", shown is what was read before" : ""}: ${reasonOf(error)}.`;
    draw();
  });
  const go = (/** @type {Partial<typeof at>} */ change, isStep = false) => {
    at = { ...at, ...change };
    known.undeleted = "";
    bar.write(at, isStep);
    refresh();
  };
  bar.onReturn((popped) => {
    at = popped;
    known.undeleted = "";
    refresh();
  });
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
  let timer = 0;
  const offer = latest(async () => {
    clearTimeout(timer);
    if (known.options) return;
    known.options = await app.get("lab");
    show(parts.absent, false);
    form.offer(known.options);
    parts.firstRun.disabled = false;
    refresh();
  }, (error) => {
    if (error instanceof ApiError && error.status === 409) return absent(parts, error.message);
    setText(parts.absent, `The lab can't be asked: ${reasonOf(error)}. Trying again…`);
    show(parts.absent, true);
    timer = window.setTimeout(offer, AGAIN_MS);
  });
  offer();
  app.wire.watch("lab");
  app.onAnew(() => (known.options ? refresh() : offer()));
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

/** What changes as it is measured. @param {Run | null} run */
const versionOf = (run) => run && [run.id, run.state, run.samples.length];

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

/** @param {Record<string, HTMLElement> & {bar: HTMLProgressElement, cancel: HTMLButtonElement}} parts @param {import("../../live/types.js").LabFrame} lab */
function drawProgress(parts, { running }) {
  const was = !parts.progress.hidden;
  const begins = running !== null && (!was || parts.cancel.dataset.id !== running.id);
  show(parts.progress, running !== null);
  if (!running) {
    if (was) setText(parts.said, "The run is over.");
    return;
  }
  const { done, total, model, workers, idle, repeat, doing, left_s: left } = running;
  if (begins) {
    parts.cancel.dataset.id = running.id;
    parts.cancel.disabled = false;
    setText(parts.uncancelled, "");
  }
  show(parts.first, false);
  parts.bar.value = done / total;
  setText(parts.done, `${done} of ${total} measurements`);
  setText(parts.doing, `${model}${workers > 1 ? ` × ${workers}` : ""} with ${idle.toLocaleString("en-GB")} idle, repeat ${repeat}: ${doing}`);
  setText(parts.left, `· about ${format.duration(Math.max(1, Math.round(left)))} left`);
  if (begins) setText(parts.said, `Measuring: ${total} measurements.`);
}

/** Buttons that give orders. @param {Record<string, HTMLElement> & {cancel: HTMLButtonElement, compare: HTMLSelectElement, form: HTMLFormElement, firstRun: HTMLButtonElement}} parts @param {import("../../main.js").App} app @param {Known} known @param {(change: {run?: string, to?: string}, isStep?: boolean) => void} go `isStep`: Back undoes it */
function mountOrders(parts, app, known, go) {
  parts.cancel.addEventListener("click", async () => {
    const { id } = parts.cancel.dataset;
    parts.cancel.disabled = true;
    setText(parts.uncancelled, "");
    try {
      await app.post(`lab/runs/${id}/cancel`, {});
    } catch (error) {
      if (parts.cancel.dataset.id !== id) return;
      parts.cancel.disabled = false;
      setText(parts.uncancelled, `Not cancelled: ${reasonOf(error)}.`);
    }
  });
  parts.firstRun.addEventListener("click", () => parts.form.requestSubmit());
  parts.compare.addEventListener("change", () => go({ to: parts.compare.value }, true));
  parts.remove.addEventListener("click", () => {
    if (!known.run || !confirm(`Delete the run of ${format.stamp(known.run.began)}?`)) return;
    // Between two readings, not in one: a run in a list that has just come could not be read any more.
    known.doomed = known.run.id;
    go({ run: "", to: "" });
  });
  parts.runs.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest("a");
    const { ctrlKey, metaKey, shiftKey } = /** @type {MouseEvent} */ (event);
    if (!link?.dataset.id || ctrlKey || metaKey || shiftKey) return;
    event.preventDefault();
    go({ run: link.dataset.id, to: "" }, true);
  });
}

/** What the address asks for and is not kept, and what is shown instead; empty when all of it is there. @param {Known} known @param {{run: string, to: string}} at */
function goneText({ heads, run, listed }, at) {
  const isGone = (/** @type {string} */ id) => listed && id !== "" && !heads.some((head) => head.id === id);
  const named = (/** @type {string} */ id) => (id.length > 40 ? `${id.slice(0, 40)}…` : id);
  const instead = run ? `: shown instead is the run of ${format.stamp(run.began)}, the newest` : "";
  const first = isGone(at.run) ? `Run ${named(at.run)} is not kept here (any more)${instead}.` : "";
  const second = isGone(at.to) && run ? `Run ${named(at.to)}, to compare with, is not kept here (any more).` : "";
  return [first, second].filter(Boolean).join(" ");
}

/** The saved runs, and those that the shown one can be compared with; redrawn only when they are others. @param {Record<string, HTMLElement> & {compare: HTMLSelectElement}} parts @param {Known} known @param {{to: string}} at */
function drawRuns(parts, known, at) {
  const { heads, run } = known;
  show(parts.kept, heads.length > 0);
  const key = JSON.stringify([heads.map((head) => [head.id, head.state]), run?.id]);
  if (parts.runs.dataset.key !== key) listRuns(parts, known);
  parts.runs.dataset.key = key;
  const others = heads.filter((head) => head.id !== run?.id && head.state !== "running");
  const ids = others.map((head) => head.id).join();
  if (parts.compare.dataset.ids !== ids) parts.compare.replaceChildren(el("option", { value: "" }, "nothing"), ...others.map((head) => el("option", { value: head.id }, titleOf(head.began))));
  parts.compare.dataset.ids = ids;
  // What was chosen, whether it has come yet or not.
  const chosen = heads.some((head) => head.id === at.to && head.id !== run?.id) ? at.to : "";
  if (parts.compare.value !== chosen) parts.compare.value = chosen;
}

/** Made anew; the link that had the focus has it again. @param {Record<string, HTMLElement>} parts @param {Known} known */
function listRuns(parts, { heads, run }) {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  const focused = parts.runs.contains(active) ? active?.dataset.id : "";
  parts.runs.replaceChildren(...heads.map((head) => {
    const link = el("a", { href: `/lab?run=${head.id}`, "data-id": head.id }, format.stamp(head.began));
    setAttr(link, "aria-current", head.id === run?.id ? "true" : null);
    const { models, idle } = head.order;
    return el("li", {}, link, el("span", {}, `${models.join(", ")} with ${idle.join(", ")} idle`), el("span", { class: "soft" }, `${measured(head)}, ${head.state}`));
  }));
  for (const link of parts.runs.querySelectorAll("a")) if (link.dataset.id === focused) link.focus({ preventScroll: true });
}
