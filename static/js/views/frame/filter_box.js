// @ts-check
/** Every filter field (`data-filters="events"` or `"connections"`): completion as one types, and the term at fault marked. */

import { debounce, el, setAttr, setText, show } from "../../ui/dom.js";
import { givenUp } from "../../model/rows/paging.js";
import { accept, faultIn, optionsFor, partAt } from "../../model/rows/filter_completion.js";
import { createCombobox } from "../../ui/combobox.js";

/** @typedef {import("../../main.js").App} App @typedef {import("../../live/types.js").FilterField} Field @typedef {import("../../live/types.js").FieldValue} Value */

const LIVE_MS = 120;
/** Milliseconds of typing on after which a term that is not whole yet counts as wrong. */
const PATIENCE_MS = 900;
/** @type {WeakMap<HTMLInputElement, (fault: {from: number, to: number} | null) => void>} */
const markers = new WeakMap();
/** @type {WeakMap<HTMLElement, number>} */
const waiting = new WeakMap();

/** Those that are not mounted yet. @param {ParentNode} root @param {App} app */
export function mountFilterBoxes(root, app) {
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (root.querySelectorAll("input[data-filters]"))) {
    if (markers.has(input)) continue;
    markers.set(input, marker(input));
    mountCompletion(input, app);
  }
}

/** @param {HTMLInputElement} input @param {App} app */
function mountCompletion(input, app) {
  const of = input.dataset.filters ?? "";
  const fields = once(async () => (await app.get("fields", { of })).fields);
  const known = () => fields().catch(unhelped);
  let dismissed = true;
  const live = liveValues(app, of, () => dismissed || refresh(true));
  const box = createCombobox(input, (option) => {
    const { text, caret } = accept(input.value, option);
    input.value = text;
    input.setSelectionRange(caret, caret);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const dismiss = () => {
    dismissed = true;
    box.close();
  };
  const refresh = async (/** @type {boolean} */ asked) => {
    dismissed = false;
    const all = await known();
    if (dismissed || document.activeElement !== input) return box.close();
    const part = partAt(input.value, input.selectionStart ?? input.value.length);
    const field = part.operator ? all.find(({ name }) => name === part.name) : undefined;
    if (!asked && part.from === part.to) return box.close();
    box.set(optionsFor(part, all, field?.live ? live.of(field.name, part.typed) : []));
  };
  input.addEventListener("input", () => refresh(false));
  input.addEventListener("click", () => box.isOpen() && refresh(true));
  input.addEventListener("blur", dismiss);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" ? !box.isOpen() : !KEYS[event.key]?.(box, () => refresh(true))) return;
    if (event.key === "Escape") dismiss();
    event.preventDefault();
    event.stopPropagation();
  });
  input.addEventListener("keyup", ({ key }) => /^(Arrow(Left|Right)|Home|End)$/.test(key) && box.isOpen() && refresh(true));
}

/** @typedef {ReturnType<typeof createCombobox>} Box */
/** What a key does, and whether that was all of it. @type {Record<string, (box: Box, open: () => void) => boolean>} */
const KEYS = {
  ArrowDown: (box, open) => (box.isOpen() ? box.move(1) : open(), true),
  ArrowUp: (box) => box.isOpen() && (box.move(-1), true),
  Enter: (box) => taken(box),
  Tab: (box) => taken(box),
};

/** @param {Box} box */
function taken(box) {
  const option = box.active();
  if (option) box.take(option);
  return option !== null;
}

/** The values that are there now, asked for as one types. @param {App} app @param {string} of @param {() => void} changed */
function liveValues(app, of, changed) {
  let work = new AbortController();
  let asked = { field: "", text: "" };
  let told = asked;
  /** @type {Value[]} */
  let values = [];
  const ask = debounce(async () => {
    work.abort();
    work = new AbortController();
    const now = asked;
    try {
      values = (await app.get("fields/values", { of, ...now }, work.signal)).values;
      told = now;
      changed();
    } catch (error) {
      if (!givenUp(error)) unhelped(error);
    }
  }, LIVE_MS);
  return {
    /** Those that are known already; those that fit better are on their way. @param {string} field @param {string} text */
    of: (field, text) => {
      if (field !== asked.field || text !== asked.text) {
        asked = { field, text };
        ask();
      }
      return field === told.field ? values : [];
    },
  };
}

/** Completion is a help, no more: without it one types all the same. @param {unknown} error @returns {Field[]} */
function unhelped(error) {
  console.info(`no suggestions: ${/** @type {Error} */ (error).message}`);
  return [];
}

/** @template T @param {() => Promise<T>} make @returns {() => Promise<T>} asks again only after a failure */
function once(make) {
  /** @type {Promise<T> | null} */
  let made = null;
  return () => {
    made ??= make();
    made.catch(() => (made = null));
    return made;
  };
}

/** A line under a term in the field: a copy of the text lies over it, of which only the line shows. @param {HTMLInputElement} input */
function marker(input) {
  const copy = el("span", { class: "fault", "aria-hidden": "true", hidden: "" });
  input.after(copy);
  const mark = (/** @type {{from: number, to: number} | null} */ fault) => {
    show(copy, fault !== null);
    if (!fault) return;
    const text = input.value;
    copy.replaceChildren(text.slice(0, fault.from), el("mark", {}, text.slice(fault.from, fault.to)), text.slice(fault.to));
    copy.scrollLeft = input.scrollLeft;
  };
  input.addEventListener("scroll", () => (copy.scrollLeft = input.scrollLeft));
  input.addEventListener("input", () => mark(null));
  return mark;
}

/**
 * Says what is wrong with the filter and marks where; "" when nothing is. While its term is being typed it is not told
 * at once: half a term is no mistake.
 * @param {HTMLInputElement} input @param {HTMLElement} line where it is said @param {string} error @param {string} [consequence]
 */
export function showFault(input, line, error, consequence = "") {
  clearTimeout(waiting.get(line));
  const text = input.value;
  const fault = error ? faultIn(text, error) : null;
  const tell = () => {
    setText(line, error && `Filter not applied: ${error}${consequence && ` ${consequence}`}`);
    show(line, error !== "");
    setAttr(input, "aria-invalid", error ? "true" : null);
    markers.get(input)?.(fault);
  };
  const typing = fault !== null && document.activeElement === input && input.selectionStart === fault.to;
  if (typing) waiting.set(line, window.setTimeout(() => input.value === text && tell(), PATIENCE_MS));
  else tell();
}
