// @ts-check
/** The table of the kernel's facts, and the evidence of a verdict. */

import { refs } from "../../ui/dom.js";
import { showEvidence, showFacts, verdictTitle } from "../../views/connection/kernel_facts.js";
import { FINE, HELD_UP } from "../made_up.js";
import { SAMPLE } from "../made_connections.js";

/** @type {import("../stage.js").Component} */
export default {
  page: "connection",
  pick: "[data-ref=verdict], [data-ref=kernel]",
  mount: (root, _app, { figures: { verdict, kernel, closed = false } }) => {
    const parts = refs(root);
    parts.verdict.hidden = false;
    parts.verdictTitle.textContent = verdictTitle(verdict);
    parts.verdictText.textContent = verdict.sentence;
    showEvidence(parts.evidence, verdict.evidence);
    showFacts(parts, kernel, closed);
  },
  states: {
    empty: { figures: { verdict: FINE, kernel: null }, note: "The kernel could not be asked: its table is not shown." },
    few: { figures: { verdict: FINE, kernel: { age_s: 0.1, suspects: [], facts: { unread: 0, unsent: 0, rtt: 48 } } }, note: "An old kernel tells less." },
    many: { figures: { verdict: HELD_UP, kernel: SAMPLE } },
    closed: { figures: { verdict: HELD_UP, kernel: SAMPLE, closed: true } },
  },
};
