// @ts-check
/**
 * The keyboard, and the map of it (`?`), both from one list: what works everywhere stands here, what a page adds stands at
 * its elements. `data-hotkey` and `data-does`: a key that clicks the element, or goes to it. `data-keys-of`: what the keys do
 * on an element that has the focus, in its `data-keys` or its text. Single keys can be switched off (WCAG 2.1.4).
 */

import { el } from "./dom.js";
import { local } from "./storage.js";
import { moveRow, openRow } from "./table.js";

/** @typedef {{keys: string[], does: string}} Line of the map @typedef {{key: string, does: string, needs: string, act: () => void}} Key */

/** Keys of the view that is shown, before the general ones. @type {Key[]} */
const ofView = [];

/** @param {Key[]} keys */
export const viewKeys = (keys) => void ofView.push(...keys);

const STORED = "echoscope-keys";
const ROWS = "table[data-rows]";

/** @type {Key[]} */
const EVERYWHERE = [
  { key: "j", does: "next row", needs: ROWS, act: () => moveRow(1) },
  { key: "k", does: "previous row", needs: ROWS, act: () => moveRow(-1) },
  { key: "?", does: "this help", needs: "#help", act: () => openDialog(document.getElementById("help")) },
];
/** Keys that belong to what has the focus. */
const AT_THE_FOCUS = [
  { keys: ["Enter"], does: "open the connection of the row", needs: ROWS },
  { keys: ["↓", "↑"], does: "in the filter: what could stand there; Enter or Tab takes it", needs: "input[data-filters]" },
  { keys: ["Esc"], does: "close a list, a dialog, an explanation; leave a field", needs: "body" },
];

/** What a letter is typed into; a slider, a box to tick and a button have no use for letters. */
const TYPED = "input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=submit]), select, textarea, [contenteditable]";
/** @param {EventTarget | null} target */
const typing = (target) => target instanceof Element && target.matches(TYPED);

/** Whether it could be clicked as well. @param {HTMLElement} element */
const isUsable = (element) => element.checkVisibility() && !element.matches(":disabled");

/** The elements of the page that have a key. @returns {HTMLElement[]} */
const marked = () => Array.from(document.querySelectorAll("[data-hotkey]"));

/** @param {HTMLDialogElement} help @param {HTMLInputElement} toggle */
export function mountKeys(help, toggle) {
  toggle.checked = local.get(STORED) !== "off";
  toggle.addEventListener("change", () => local.set(STORED, toggle.checked ? "on" : "off"));
  help.addEventListener("opening", () => fillMap(help));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") openRow(event.target);
    if (event.key === "Escape" && typing(event.target)) leave(event);
    const action = actionOf(event.key);
    if (!action || !toggle.checked || document.querySelector("dialog[open]") || typing(event.target)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

/** Chromium would empty a search field, and say so by no `input` event once the field has lost the focus. @param {KeyboardEvent} event */
function leave(event) {
  event.preventDefault();
  /** @type {HTMLElement} */ (event.target).blur();
}

/** @param {string} key @returns {(() => void) | undefined} */
function actionOf(key) {
  const element = marked().find((one) => one.dataset.hotkey === key && isUsable(one));
  if (element) return () => (typing(element) ? element.focus() : element.click());
  return [...ofView, ...EVERYWHERE].find((one) => one.key === key)?.act;
}

/** The map of this page, made when it is opened. @param {HTMLElement} help */
function fillMap(help) {
  const here = (/** @type {{needs: string}} */ { needs }) => document.querySelector(needs) !== null;
  const keys = marked().map(({ dataset }) => ({ keys: [dataset.hotkey ?? ""], does: dataset.does ?? "" }));
  const lines = [...keys, ...[...ofView, ...EVERYWHERE].filter(here).map(({ key, does }) => ({ keys: [key], does })), ...AT_THE_FOCUS.filter(here)];
  help.querySelector("[data-keys-list]")?.replaceChildren(...lines.map(({ keys: names, does }) =>
    entry(names.flatMap((name) => [el("kbd", {}, name), " "]), does)));
  const widgets = /** @type {HTMLElement[]} */ (Array.from(document.querySelectorAll("[data-keys-of]")));
  help.querySelector("[data-widgets-list]")?.replaceChildren(...widgets.map(({ dataset, textContent }) =>
    entry([dataset.keysOf ?? ""], dataset.keys ?? textContent ?? "")));
}

/** @param {(Node | string)[]} name @param {string} text */
const entry = (name, text) => el("div", {}, el("dt", {}, ...name), el("dd", {}, text));

/** A dialog hears `opening` before it is shown. @param {HTMLElement | null} dialog */
function openDialog(dialog) {
  if (!(dialog instanceof HTMLDialogElement)) return;
  dialog.dispatchEvent(new Event("opening"));
  dialog.showModal();
}

/** Buttons that open a dialog and those that close it. */
export function mountDialogs() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-opens]"))) {
    button.addEventListener("click", () => openDialog(document.getElementById(button.dataset.opens ?? "")));
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    // A selection of text that ends on the backdrop is a click there, too.
    let pressed = false;
    dialog.addEventListener("pointerdown", ({ target }) => (pressed = target === dialog));
    dialog.addEventListener("click", ({ target }) => pressed && target === dialog && dialog.close());
  }
}
