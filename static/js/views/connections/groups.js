// @ts-check
/** The chips above the connections: which of them, and how many there are of each. */

import { setAttr, setText } from "../../ui/dom.js";
import { count } from "../../model/format.js";

/** @typedef {import("../../live/types.js").StateCounts} Counts */

/** @param {HTMLElement} host with a button a group @param {(group: string) => void} choose a group, "" for all that are connected */
export function mountGroups(host, choose) {
  const buttons = Array.from(host.querySelectorAll("button"), (button) => ({ button, group: button.dataset.group ?? "" }));
  host.addEventListener("click", (event) => {
    const pressed = buttons.find(({ button }) => button.contains(/** @type {Node} */ (event.target)));
    if (pressed) choose(pressed.group);
  });
  return {
    /** @param {string | null} group null: none of them */
    press: (group) => {
      for (const { button, group: own } of buttons) setAttr(button, "aria-pressed", String(own === group));
    },
    /** How many there are of each, whatever the filter. @param {Counts} counts */
    count: (counts) => {
      const { open, blocked, paused, closing } = counts;
      const all = /** @type {Record<string, number>} */ ({ ...counts, blocked: blocked + paused, "": open + blocked + paused + closing });
      for (const { button, group } of buttons) setText(/** @type {Element} */ (button.querySelector("[data-count]")), count(all[group]));
    },
  };
}
