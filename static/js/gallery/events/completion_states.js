// @ts-check
/** The filter field: what could stand under the caret, and the term that is at fault. */

import { refs } from "../../ui/dom.js";
import { createCombobox } from "../../ui/combobox.js";
import { mountFilterBoxes, showFault } from "../../views/frame/filter_box.js";
import { optionsFor, partAt } from "../../model/rows/filter_completion.js";
import { FIELDS, PEERS } from "../made_fields.js";

/** @typedef {{text: string, live?: import("../../live/types.js").FieldValue[], chosen?: number, error?: string}} Typed */

/** Really it opens as one types, and only one at a time: here it stands open. @param {HTMLInputElement} input @param {Typed} typed */
function open(input, { text, live = [], chosen }) {
  const box = createCombobox(input, () => undefined);
  if (text !== "") box.set(optionsFor(partAt(text, text.length), FIELDS, live));
  if (chosen !== undefined) box.move(chosen);
}

/** @type {import("../stage.js").Component} */
export default {
  page: "events",
  pick: ".filter, .filter-error",
  mount: (root, app, { figures }) => {
    const parts = refs(root, { q: HTMLInputElement });
    const typed = /** @type {Typed} */ (figures ?? { text: "" });
    parts.q.value = typed.text;
    if (typed.error === undefined) return open(parts.q, typed);
    mountFilterBoxes(root, app);
    showFault(parts.q, parts.filterError, typed.error);
  },
  states: {
    empty: { note: "Nothing is offered before something is typed." },
    "a field": { figures: { text: "by" } },
    "an operator": { figures: { text: "kind:full queue_bytes" } },
    "a value": { figures: { text: "kind:full,", chosen: 2 } },
    "values of now": { figures: { text: "peer:10.", live: PEERS } },
    "a unit": { figures: { text: "bytes_in>=64" } },
    many: { figures: { text: "peer:", live: PEERS } },
    "no such value": { figures: { text: "kind:nothing" }, note: "Nothing fits: nothing is offered." },
    error: { figures: { text: "conn:2 bytes_in>lots worker:0", error: 'bad value "lots" in "bytes_in>lots"' } },
  },
};
