// @ts-check
/** One line of explanation for every `[data-tip]`, on hover and on focus; Escape puts it away. */

import { setText } from "./dom.js";

const MARGIN = 8;
/** What belongs together: pointing at the figure explains it as its label does. */
const EXPLAINED = ".tile, .strip > div, .facts > div, figcaption, .table.plain tbody tr";

/** @param {HTMLElement} tip the one element that all explanations use */
export function mountTips(tip) {
  /** @type {HTMLElement | null} */
  let owner = null;
  const close = () => {
    owner?.removeAttribute("aria-describedby");
    owner = null;
    tip.hidden = true;
  };
  const open = (/** @type {Event} */ event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target && tip.contains(target)) return;
    const found = /** @type {HTMLElement | null} */ (target?.closest("[data-tip]") ?? target?.closest(EXPLAINED)?.querySelector("[data-tip]") ?? null);
    if (found === owner) return;
    close();
    if (!found) return;
    owner = found;
    owner.setAttribute("aria-describedby", tip.id);
    setText(tip, found.dataset.tip ?? "");
    tip.hidden = false;
    place(tip, (found.closest(EXPLAINED) ?? found).getBoundingClientRect());
  };
  document.addEventListener("pointerover", open);
  document.addEventListener("focusin", open);
  document.addEventListener("focusout", close);
  document.addEventListener("scroll", close, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
}

/** Below what is explained, or above it where there is no room; never outside the window. @param {HTMLElement} tip @param {DOMRect} box */
function place(tip, box) {
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(MARGIN, box.left), document.documentElement.clientWidth - width - MARGIN);
  const below = box.bottom + MARGIN;
  const top = below + height > innerHeight ? box.top - height - MARGIN : below;
  tip.style.left = `${Math.max(MARGIN, left)}px`;
  tip.style.top = `${Math.max(MARGIN, top)}px`;
}
