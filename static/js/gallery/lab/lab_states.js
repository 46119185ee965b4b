// @ts-check
/** The Lab page as a whole. */

import { mount } from "../../views/lab/lab.js";
import { frame } from "../made_up.js";

const ORDER = { models: ["select", "poll", "epoll"], workers: [1], idle: [0, 100, 1000, 10_000], active: 100, size: 64, depth: 1, seconds: 2, repeats: 3, seed: 1 };
const MACHINE = { processor: "a made-up processor", cores: 2, memory_bytes: 8 * 2 ** 30, system: "Linux", python: "CPython 3.11", echoscope: "0.1.0", uvloop: null };
const METRICS = {
  rate: { label: "Echoes", unit: "/s", more: true, meaning: "Messages that came back whole, a second" },
  cpu_us: { label: "CPU", unit: "µs an echo", more: false, meaning: "Processor time of the server for each echo" },
};
const ID = "20261123-142205-0000";
const HEAD = { id: ID, state: "done", began: "2026-11-23T14:22:05Z", ended: "2026-11-23T14:26:05Z", order: ORDER };
const OPTIONS = { models: [...ORDER.models, "asyncio"], references: ["asyncio"], defaults: ORDER, presets: { quick: ORDER }, metrics: METRICS, machine: MACHINE, running: null, busy: null, changes: 0 };
const RUNNING = { id: ID, state: "running", done: 5, total: 36, doing: "measuring", repeat: 1, model: "poll", workers: 1, idle: 1000, elapsed_s: 20, left_s: 124 };

/** @param {string} model @param {(step: number) => number} rate @param {(step: number) => number} cost */
const points = (model, rate, cost) => ORDER.idle.map((idle, step) => {
  const figures = { rate: spread(rate(step)), cpu_us: spread(cost(step)) };
  const cannot = model === "select" && idle > 900 ? "81 connections were refused: select() cannot watch a descriptor of 1024 or more" : "";
  return { model, workers: 1, idle, repeats: 3, served: 100, errors: 0, cannot, failed: "", figures: cannot ? {} : figures };
});

/** @param {number} median */
const spread = (median) => ({ median, low: 0.96 * median, high: 1.03 * median });

const RUN = {
  ...HEAD, error: "", machine: MACHINE, samples: [],
  points: [...points("select", (step) => 90_000 / (1 + step), (step) => 9 + step), ...points("poll", (step) => 95_000 / (1 + 2 * step), (step) => 8 * (1 + step)), ...points("epoll", () => 110_000, () => 8)],
  verdict: [{ code: "fastest", text: "With no idle connection epoll is fastest: 110,000 echoes/s." }, { code: "cannot", text: "select could not be measured with 1,000 and 10,000 idle connections." }],
};
const estimate = { "lab/estimate": { seconds: 240, measurements: 36, order: ORDER } };
const known = { lab: OPTIONS, ...estimate, "lab/runs": { items: [HEAD] }, [`lab/runs/${ID}`]: RUN };
const live = { running: null, busy: null, changes: 1 };

/** @type {import("../stage.js").Component} */
export default {
  page: "lab",
  mount,
  states: {
    loading: {},
    empty: { answers: { lab: OPTIONS, ...estimate, "lab/runs": { items: [] } }, actions: [frame("lab", { ...live, changes: 0 })] },
    many: { answers: known, actions: [frame("lab", live)] },
    running: { answers: known, actions: [frame("lab", { ...live, running: /** @type {any} */ (RUNNING), busy: { what: `lab run ${ID}`, since: 0, seconds: 144 } })] },
    error: { answers: { lab: new Error("there is no lab here: this shows the log of a server that has stopped") } },
  },
};
