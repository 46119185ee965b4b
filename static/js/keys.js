// @ts-check
/** The keyboard: `/` filter, `j` `k` rows, Enter opens, `p` pause, `l` back to live, `?` help. It can be switched off (WCAG 2.1.4). */

import { moveRow, openRow } from "./table.js";

const STORED = "echoscope-keys";

/** @param {EventTarget | null} target */
const typing = (target) => target instanceof Element && target.matches("input, select, textarea, [contenteditable]");

/** @param {HTMLDialogElement} help @param {HTMLInputElement} toggle */
export function mountKeys(help, toggle) {
  const marked = (/** @type {string} */ key) =>
    /** @type {HTMLElement | null} */ (document.querySelector(`[data-hotkey="${key}"]`));
  /** @type {Record<string, () => void>} */
  const actions = {
    "/": () => marked("/")?.focus(),
    "?": () => help.showModal(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    p: () => marked("p")?.click(),
    l: () => marked("l")?.click(),
  };
  toggle.checked = localStorage.getItem(STORED) !== "off";
  toggle.addEventListener("change", () => localStorage.setItem(STORED, toggle.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") openRow(event.target);
    if (event.key === "Escape" && typing(event.target)) /** @type {HTMLElement} */ (event.target).blur();
    const action = actions[event.key];
    if (!action || !toggle.checked || document.querySelector("dialog[open]") || typing(event.target)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

/** Buttons that open a dialog and those that close it; a dialog hears `opening` before it is shown. */
export function mountDialogs() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-opens]"))) {
    const dialog = document.getElementById(button.dataset.opens ?? "");
    if (!(dialog instanceof HTMLDialogElement)) continue;
    button.addEventListener("click", () => {
      dialog.dispatchEvent(new Event("opening"));
      dialog.showModal();
    });
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
}
