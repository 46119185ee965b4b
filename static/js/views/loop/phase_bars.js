// @ts-check
/** A bar of where the loop's time goes, and a row a phase. */

import { el, setAttr, setText } from "../../ui/dom.js";
import { micros, percent, UNKNOWN } from "../../model/format.js";
import { divide } from "../../model/turn_phases.js";

const NAMES = /** @type {Record<string, string>} */ ({ wait: "wait", accept: "accept", read: "read", write: "write", other: "all else" });

/** @param {HTMLElement} bar @param {HTMLElement} rows a tbody with a row a phase, which has data-phase */
export function createPhases(bar, rows) {
  bar.replaceChildren(...Object.keys(NAMES).map((name) => el("span", { "data-phase": name })));
  return {
    /** @param {import("../../live/types.js").LoopItem} item */
    update: (item) => {
      const phases = divide(item);
      phases.forEach(({ name, share, each_us: each }, index) => {
        /** @type {HTMLElement} */ (bar.children[index]).style.flexGrow = String(share ?? 0);
        const row = rows.querySelector(`[data-phase="${name}"]`);
        if (!row) throw new Error(`no row for the phase ${name}`);
        const [, figure, call] = row.children;
        setText(figure, share === null ? UNKNOWN : percent(share));
        setText(call, each === null ? UNKNOWN : micros(each));
      });
      const told = phases.filter(({ share }) => share !== null).map(({ name, share }) => `${NAMES[name]} ${percent(share)}`);
      setAttr(bar, "aria-label", told.length ? `Of the last ten seconds: ${told.join(", ")}` : "Nothing was measured yet");
    },
  };
}
