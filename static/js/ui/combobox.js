// @ts-check
/** A text field with a list of what could stand under the caret: a combobox as ARIA 1.2 has it. */

import { el, setAttr, setText, show } from "./dom.js";

/** @typedef {import("../model/rows/filter_completion.js").Option} Option */

let made = 0;

/**
 * The field keeps the focus and its text; the list never changes either until an option is taken.
 * @param {HTMLInputElement} input within an element that the list is placed in @param {(option: Option) => void} take
 */
export function createCombobox(input, take) {
  const id = `options-${(made += 1)}`;
  const list = el("ul", { id, class: "options", role: "listbox", "aria-label": "What could stand here", hidden: "" });
  const said = el("span", { class: "sr-only", role: "status" });
  input.after(list, said);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id })) {
    input.setAttribute(name, value);
  }
  /** @type {Option[]} */
  let options = [];
  let active = -1;
  const choose = (/** @type {number} */ index) => {
    active = index;
    Array.from(list.children).forEach((item, at) => setAttr(item, "aria-selected", String(at === index)));
    const item = /** @type {HTMLElement | undefined} */ (list.children[index]);
    setAttr(input, "aria-activedescendant", item?.id ?? null);
    item?.scrollIntoView({ block: "nearest" });
  };
  const set = (/** @type {Option[]} */ next) => {
    const kept = active >= 0 ? next.findIndex(({ label }) => label === options[active]?.label) : -1;
    options = next;
    list.replaceChildren(...next.map((option, at) => optionItem(option, `${id}-${at}`)));
    show(list, next.length > 0);
    setAttr(input, "aria-expanded", String(next.length > 0));
    setText(said, next.length > 0 ? `${next.length} to choose from with the arrow keys` : "");
    choose(kept);
  };
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const at = Array.from(list.children).findIndex((item) => item.contains(/** @type {Node} */ (event.target)));
    if (at >= 0) take(options[at]);
  });
  return {
    set,
    take,
    close: () => set([]),
    isOpen: () => options.length > 0,
    /** The option that is chosen, not taken yet. */
    active: () => options[active] ?? null,
    /** Choose the next or the previous one, round through the text itself. @param {number} step */
    move: (step) => {
      const count = options.length + 1;
      choose(((active + 1 + step + count) % count) - 1);
    },
  };
}

/** @param {Option} option @param {string} id */
function optionItem({ label, detail }, id) {
  return el("li", { id, role: "option", "aria-selected": "false" }, el("b", { class: "mono" }, label), " ", el("span", {}, detail));
}
