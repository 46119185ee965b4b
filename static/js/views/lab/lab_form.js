// @ts-check
/** What a run of the lab shall measure: presets, models, numbers, and how long that takes. */

import { ApiError } from "../../live/api.js";
import { listed, numbers } from "../../model/lab_comparison.js";
import { debounce, el, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";

/** @typedef {import("../../live/types.js").LabOrder} Order @typedef {import("../../live/types.js").LabOptions} Options */

const WAIT_MS = 250;
const COUNTS = /** @type {const} */ (["active", "size", "depth", "seconds", "repeats"]);
/** @type {Record<string, string>} */
const MEANINGS = {
  blocking: "One connection at a time; the others wait in the accept queue",
  busy: "Asks every socket in turn, without ever waiting",
  threads: "A thread a connection, each in calls that block",
  select: "select(2): three sets of bits, descriptors below 1,024, looked at one by one",
  poll: "poll(2): a list of any length, looked at one by one",
  epoll: "epoll(7), level-triggered: the kernel keeps the list and tells who is ready",
  "epoll-et": "epoll(7), edge-triggered: told once for each change",
  asyncio: "Reference: Python's own event loop with a protocol server",
  uvloop: "Reference: asyncio on libuv, in C",
};

/**
 * @param {Record<string, HTMLElement> & {form: HTMLFormElement, run: HTMLButtonElement}} parts @param {import("../../main.js").App} app
 * @param {(order: Order) => Promise<string>} start begins a run; answers why it could not, or nothing
 */
export function mountLabForm(parts, app, start) {
  const { form } = parts;
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const complain = (/** @type {string} */ text) => {
    setText(parts.error, text);
    show(parts.error, text !== "");
  };
  const read = () => orderOf(form, field);
  /** How often something was entered: an answer to what stood there before is none. */
  let entries = 0;
  let valid = true;
  let held = "";
  /** Why the last order was not taken; it stands until something else is entered. */
  let refused = "";
  const judge = (/** @type {boolean} */ isValid) => {
    valid = isValid;
    parts.run.disabled = !valid || held !== "";
    if (!valid) setText(parts.estimate, "");
  };
  const estimate = debounce(async () => {
    const mine = entries;
    const order = read();
    if (typeof order === "string") return complain(order);
    const { seed: _, ...asked } = order;
    try {
      const found = await app.get("lab/estimate", Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, String(value)])));
      if (mine !== entries) return;
      complain(refused);
      setText(parts.estimate, `${format.plural(found.measurements, "measurement")}, about ${format.duration(found.seconds)}`);
    } catch (error) {
      if (mine !== entries) return;
      setText(parts.estimate, "");
      complain(/** @type {Error} */ (error).message);
      if (error instanceof ApiError && error.status === 400) judge(false);
    }
  }, WAIT_MS);
  const entered = () => {
    entries += 1;
    refused = "";
    judge(typeof read() !== "string");
    estimate();
  };
  const fill = (/** @type {Order} */ order, keepsEntries = false) => {
    for (const box of boxes(form)) box.checked = order.models.includes(box.value);
    const texts = { idle: listed(order.idle), workers: listed(order.workers), ...Object.fromEntries(COUNTS.map((name) => [name, String(order[name])])) };
    for (const [name, text] of Object.entries(texts)) {
      const input = field(name);
      if (!keepsEntries || input.value === input.defaultValue) input.value = text;
    }
    entered();
  };
  form.addEventListener("input", entered);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const order = read();
    refused = typeof order === "string" ? order : await start(order);
    complain(refused);
  });
  return {
    /** What can be asked for is known. @param {Options} options */
    offer: (options) => {
      const models = parts.models;
      models.replaceChildren(...options.models.map((name) => {
        const tip = el("span", { class: "term", "data-tip": MEANINGS[name] ?? "" }, name);
        return el("label", {}, el("input", { type: "checkbox", name: "models", value: name }), tip);
      }));
      parts.presets.replaceChildren(...Object.entries(options.presets).map(([name, order]) => {
        const button = el("button", { type: "button", "data-tip": `${order.models.join(", ")}; idle ${listed(order.idle)}; ${order.repeats} × ${order.seconds} s` }, `${name[0].toUpperCase()}${name.slice(1)} preset`);
        button.addEventListener("click", () => fill(order));
        return button;
      }));
      // The form may have been filled in while the lab could not be asked.
      fill(options.presets.quick ?? options.defaults, true);
    },
    fill,
    /** While something runs nothing else can be begun. @param {string} why empty: it can */
    hold: (/** @type {string} */ why) => {
      held = why;
      judge(valid);
      setAttr(parts.run, "data-tip", why || null);
      setText(parts.orderNote, why);
    },
  };
}

/** @param {HTMLFormElement} form @returns {HTMLInputElement[]} */
const boxes = (form) => Array.from(form.querySelectorAll("input[type=checkbox]"));

/** What is filled in, or what is wrong with it. @param {HTMLFormElement} form @param {(name: string) => HTMLInputElement} field @returns {Order | string} */
function orderOf(form, field) {
  const models = boxes(form).filter((box) => box.checked).map((box) => box.value);
  const [idle, workers] = ["idle", "workers"].map((name) => numbers(field(name).value));
  if (!models.length) return "Choose a model at least.";
  if (!idle) return "Idle connections are whole numbers without grouping, separated by commas or spaces: 0, 100, 1000, 10k.";
  if (!workers) return "Server processes are whole numbers, separated by commas: 1, 2.";
  const [active, size, depth, seconds, repeats] = COUNTS.map((name) => field(name).valueAsNumber);
  if ([active, size, depth, seconds, repeats].some(Number.isNaN)) return "A number is missing.";
  return { models, idle, workers, active, size, depth, seconds, repeats, seed: Math.floor(Math.random() * 2 ** 31) };
}
