// @ts-check
/** The loop, turn by turn: what it waits for, what it does, and whether the kernel agrees with it. */

import { ApiError } from "../../live/api.js";
import { el, refs, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";
import { createTurnChart } from "./turn_chart.js";
import { createPhases } from "./phase_bars.js";
import { reasonOf } from "../../model/errors.js";
import { addressBar } from "../../ui/url.js";

/**
 * @typedef {import("../../live/store.js").State} State @typedef {import("../../live/types.js").LoopFrame} LoopFrame @typedef {import("../../live/types.js").LoopItem} LoopItem
 * @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts
 */

const KINDS = { chart: HTMLCanvasElement, model: HTMLSelectElement, go: HTMLButtonElement };

/** Milliseconds for which it is told at least that a switch failed, frames or not. */
const TOLD_MS = 3000;

const WITHOUT = { blocking: "one connection at a time, in calls that block", threads: "a thread a connection, in calls that block" };
const SHARES = /** @type {const} */ (["p50", "p90", "p99", "max"]);

/** @param {HTMLElement} root @param {import("../../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, KINDS);
  const chart = createTurnChart(parts.chart, parts.told);
  const phases = createPhases(parts.phases, parts.phaseRows);
  const bar = addressBar({ worker: 0, turns: "latest" });
  const chosen = bar.read();
  /** @type {LoopFrame | null} */
  let shown = null;
  const update = (/** @type {LoopFrame} */ data, anew = false) => {
    const item = data.workers.find((one) => one.worker === chosen.worker) ?? data.workers[0];
    workers(parts, data, item);
    models(parts, data);
    absence(parts, data);
    if (!item) return;
    tiles(parts, item);
    spreads(parts, item);
    sets(parts, item.ready.histogram);
    for (const name of ["accepts", "reads", "writes", "eagains"]) setText(parts[name], `${format.rate(item.calls_per_s[name])}/s`);
    table(parts, item.registrations);
    phases.update(item);
    chart.update(chosen.turns === "measured" ? item.measured : item.latest, anew);
  };
  const press = () => parts.which.querySelectorAll("button").forEach((button) => setAttr(button, "aria-pressed", String(button.dataset.turns === chosen.turns)));
  /** @param {HTMLElement} group @param {(data: DOMStringMap) => object} taken what the button that was pressed chooses */
  const choosing = (group, taken) => group.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (!button) return;
    Object.assign(chosen, taken(button.dataset));
    bar.write(chosen);
    press();
    if (shown) update(shown, true);
  });
  choosing(parts.workers, ({ worker }) => ({ worker: Number(worker) }));
  choosing(parts.which, ({ turns }) => ({ turns }));
  press();
  const switching = mountSwitch(parts, app);
  app.wire.watch("loop");
  return (/** @type {State} */ state) => {
    switching(state);
    if (!state.loop || state.loop === shown) return;
    shown = state.loop;
    update(shown);
  };
}

/** A button a worker, when there is more than one. @param {Parts} parts @param {LoopFrame} data @param {LoopItem | undefined} item */
function workers(parts, data, item) {
  const names = data.workers.map((one) => String(one.worker));
  show(parts.workers, names.length > 1);
  if (parts.workers.dataset.names !== names.join()) {
    parts.workers.dataset.names = names.join();
    parts.workers.replaceChildren(...names.map((name) => el("button", { type: "button", "data-worker": name }, `worker ${name}`)));
  }
  for (const button of parts.workers.querySelectorAll("button")) setAttr(button, "aria-pressed", String(button.dataset.worker === String(item?.worker)));
}

/** The models that could be gone on with; the choice follows the model in use until someone has chosen another. @param {Parts} parts @param {LoopFrame} data */
function models(parts, { model, models: names }) {
  const { current } = parts.model.dataset;
  if (current === model) return;
  const chosen = parts.model.value;
  parts.model.dataset.current = model;
  parts.model.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
  // The frame may come after the next choice: it must not take that away.
  parts.model.value = current === undefined || chosen === current ? model : chosen;
  parts.model.disabled = false;
}

/** @param {Parts} parts @param {import("../../main.js").App} app @returns {(state: State) => void} */
function mountSwitch(parts, app) {
  let busy = false;
  /** @type {{at: number, loop: LoopFrame | null} | null} */
  let unreached = null;
  parts.switch.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = parts.model.value;
    parts.go.disabled = busy = true;
    unreached = null;
    setAttr(parts.switched, "data-tone", null);
    setText(parts.switched, `switching to ${wanted}…`);
    try {
      await app.post("model", { model: wanted });
      setText(parts.switched, `${wanted} since ${format.clock(Date.now() / 1000).slice(0, 8)}; every connection kept`);
    } catch (error) {
      setAttr(parts.switched, "data-tone", "bad");
      setText(parts.switched, reasonOf(error));
      if (!(error instanceof ApiError)) unreached = { at: Date.now(), loop: app.store.get().loop };
    } finally {
      parts.go.disabled = busy = false;
    }
  });
  return ({ loop, link, now }) => {
    parts.go.disabled = busy || !loop || link.phase !== "live";
    // A frame says that the server can be reached again.
    if (!unreached || loop === unreached.loop || now < unreached.at + TOLD_MS) return;
    unreached = null;
    setText(parts.switched, "");
  };
}

/** What there is to see of a model without a loop. @param {Parts} parts @param {LoopFrame} data */
function absence(parts, data) {
  const how = /** @type {Record<string, string>} */ (WITHOUT)[data.model];
  show(parts.none, Boolean(how));
  if (how) setText(parts.none, `The model ${data.model} has no loop to show: it serves ${how}. Start the server with --model epoll to see one turn.`);
}

/** @param {Parts} parts @param {LoopItem} item */
function tiles(parts, item) {
  setText(parts.busy, format.percentFigure(item.busy));
  setText(parts.turns, format.rate(item.turns_per_s));
  for (const [name, column] of /** @type {const} */ ([["waited", "wait_us"], ["worked", "busy_us"]])) {
    const [figure, unit] = format.micros(item[column].p50).split(" ");
    setText(parts[name], figure);
    setText(parts[`${name}Unit`], unit ?? "");
    setText(parts[`${name}Note`], `99 of 100 under ${format.micros(item[column].p99)}`);
  }
  setText(parts.ready, format.count(item.ready.p50));
  setText(parts.readyNote, `at most ${format.count(item.ready.max)}`);
  setText(parts.scanned, item.scanned_per_ready === null ? format.UNKNOWN : format.rate(item.scanned_per_ready));
  setText(parts.turnsNote, `${format.count(item.turns)} in ${format.duration(item.span_s)}`);
  setText(parts.queue, format.count(item.accept_queue?.length));
  setText(parts.queueNote, item.accept_queue ? `of ${format.count(item.accept_queue.limit)} that may` : "");
  setText(parts.busyNote, (item.beat_age_s ?? 0) > 2 ? `has not turned for ${format.duration(item.beat_age_s)}` : "");
}

/** @param {Parts} parts @param {LoopItem} item */
function spreads(parts, item) {
  for (const share of SHARES) {
    for (const name of /** @type {const} */ (["wait_us", "busy_us"])) setText(parts[`${name}_${share}`], format.micros(item[name][share]));
    setText(parts[`ready_${share}`], format.count(item.ready[share]));
  }
}

/** Bars of the ready sets, longest as wide as the card. @param {Parts} parts @param {[number, number][]} histogram */
function sets(parts, histogram) {
  const most = Math.max(1, ...histogram.map(([, turns]) => turns));
  while (parts.sets.children.length > histogram.length) parts.sets.lastElementChild?.remove();
  while (parts.sets.children.length < histogram.length) {
    parts.sets.append(el("li", {}, el("span", { class: "bar-name" }), el("meter", { min: "0", max: "1" }), el("span", { class: "bar-figure" })));
  }
  histogram.forEach(([from, turns], index) => {
    const [name, meter, figure] = /** @type {[Element, HTMLMeterElement, Element]} */ (/** @type {unknown} */ (parts.sets.children[index].children));
    const to = from === 0 ? 0 : from * 2 - 1;
    setText(name, to > from ? `${format.count(from)}–${format.count(to)}` : format.count(from));
    meter.value = turns / most;
    setAttr(meter, "aria-label", `${turns} turns`);
    setText(figure, format.plural(turns, "turn"));
  });
}

/** @param {Parts} parts @param {import("../../live/types.js").Registrations | null} found */
function table(parts, found) {
  setText(parts.believed, format.count(found?.believed));
  setText(parts.watched, format.count(found?.watched));
  const different = found?.differences ?? [];
  const calm = found ? "They agree." : "This model keeps no table in the kernel.";
  setText(parts.agreement, different.length ? "" : calm);
  const key = JSON.stringify(different);
  if (parts.differences.dataset.key === key) return;
  parts.differences.dataset.key = key;
  parts.differences.replaceChildren(...different.map(difference));
}

/** @param {import("../../live/types.js").Difference} one */
function difference(one) {
  const line = el("span", { class: "line" }, `descriptor ${one.fd} `);
  if (one.conn) line.append(el("a", { href: `/connections/${one.conn}` }, `#${one.conn}`));
  return el("li", { "data-tone": "bad" }, line, el("span", { class: "detail" }, one.why));
}
