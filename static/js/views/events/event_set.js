// @ts-check
/** Which events are asked for: filter or highlight, kind and range in their fields, and what is wrong with them. */

import { debounce, refs, setAttr, setText, show } from "../../ui/dom.js";
import { getTerm, setTerm } from "../../model/rows/filter_terms.js";
import { isMoment } from "../../model/time/instants.js";
import { showFault } from "../frame/filter_box.js";

/** @typedef {{q: string, mode: string, since: string, until: string}} Params as they stand in the address bar */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { q: HTMLInputElement, since: HTMLInputElement, until: HTMLInputElement };

/** @type {Params} */
export const DEFAULTS = { q: "", mode: "filter", since: "", until: "" };
const TYPING_MS = 250;
const FIELDS = /** @type {const} */ (["q", "since", "until"]);

/** What a request says of them: rows are chosen by the filter, or told from the others. @param {Params} params */
export function setOf({ q, mode, since, until }) {
  return mode === "highlight" ? { q: "", mark: q, since, until } : { q, mark: "", since, until };
}

/** @param {Params} params @returns {string} */
export function timeError({ since, until }) {
  const bad = [since, until].find((value) => value !== "" && !isMoment(value));
  return bad === undefined ? "" : `“${bad}” is no time: write 30s, 10m, 2h or 1d (ago), or 2026-11-23T14:00:00Z`;
}

/** The fields of a page. @param {ParentNode} root */
export const setParts = (root) => refs(root, KINDS);

/** @param {Parts} parts @param {Params} params @param {string} error */
export function showError(parts, params, error) {
  if (timeError(params)) {
    setText(parts.filterError, error);
    show(parts.filterError, error !== "");
    setAttr(parts.q, "aria-invalid", null);
  } else showFault(parts.q, parts.filterError, error);
  for (const name of /** @type {const} */ (["since", "until"])) {
    setAttr(parts[name], "aria-invalid", parts[name].value && !isMoment(parts[name].value) ? "true" : null);
  }
}

/** What the buttons say of the parameters; the fields themselves are the typist's. @param {Parts} parts @param {Params} params */
export function showChoices(parts, params) {
  for (const button of parts.kinds.querySelectorAll("button")) {
    setAttr(button, "aria-pressed", String(button.dataset.kind === getTerm(params.q, "kind")));
  }
  for (const button of parts.modes.querySelectorAll("button")) setAttr(button, "aria-pressed", String(button.dataset.modeOf === params.mode));
  show(parts.clear, Boolean(params.q || params.since || params.until));
}

/**
 * @param {HTMLElement} root @param {Parts} parts @param {Params} params @param {(next: Partial<Params>, isStep?: boolean) => void} change `isStep`: Back undoes it
 * @returns what sets some of the fields, as if they had been typed
 */
export function mountSet(root, parts, params, change) {
  const put = (/** @type {Partial<Params>} */ next, isStep = false) => {
    for (const name of FIELDS) parts[name].value = next[name] ?? parts[name].value;
    change(next, isStep);
  };
  const typed = debounce(() => {
    const next = { q: parts.q.value.trim(), since: parts.since.value.trim(), until: parts.until.value.trim() };
    if (FIELDS.some((name) => next[name] !== params[name])) change(next);
  }, TYPING_MS);
  for (const name of FIELDS) {
    parts[name].value = params[name];
    parts[name].addEventListener("input", typed);
  }
  const buttonOf = (/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.target).closest("button");
  parts.kinds.addEventListener("click", (event) => {
    const button = buttonOf(event);
    if (button) put({ q: setTerm(parts.q.value, "kind", button.dataset.kind ?? "") });
  });
  parts.modes.addEventListener("click", (event) => {
    const mode = buttonOf(event)?.dataset.modeOf;
    if (mode && mode !== params.mode) change({ mode });
  });
  parts.clear.addEventListener("click", () => put({ q: "", since: "", until: "" }));
  for (const example of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-example]"))) {
    example.addEventListener("click", () => {
      example.closest("dialog")?.close();
      put({ q: example.dataset.example ?? "" });
    });
  }
  return put;
}
