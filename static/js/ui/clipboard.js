// @ts-check
/** Text into the clipboard, also where the browser keeps its newer interface from a page without TLS. */

import { el } from "./dom.js";

/** @param {string} text @returns {Promise<boolean>} whether it is there */
export async function copyText(text) {
  if (!navigator.clipboard) return copyByCommand(text);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    console.info(`not copied: ${/** @type {Error} */ (error).message}`);
    return copyByCommand(text);
  }
}

/** @param {string} text */
function copyByCommand(text) {
  const before = document.activeElement;
  const field = /** @type {HTMLTextAreaElement} */ (el("textarea", { class: "sr-only", "aria-hidden": "true" }));
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}
