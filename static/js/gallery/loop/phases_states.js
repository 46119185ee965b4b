// @ts-check
/** The card that says where the time of a loop goes. */

import { refs } from "../../ui/dom.js";
import { createPhases } from "../../views/loop/phase_bars.js";
import { loopItem } from "../made_loops.js";

const NONE = { turns: 0, busy_us: 0, accept_us: 0, read_us: 0, write_us: 0, accepts: 0, reads: 0, writes: 0 };
const STORM = { turns: 300, busy_us: 14_400, accept_us: 12_700, read_us: 600, write_us: 500, accepts: 4100, reads: 90, writes: 88 };

/** @type {import("../stage.js").Component} */
export default {
  page: "loop",
  pick: "section:has([data-ref=phases])",
  mount: (root, _app, { figures }) => {
    const parts = refs(root);
    const phases = createPhases(parts.phases, parts.phaseRows);
    if (figures) phases.update(figures);
  },
  states: {
    loading: {},
    empty: { figures: loopItem({ turns: 0, busy: 0, phases: NONE }), note: "No turn yet." },
    "nothing measured": { figures: loopItem({ busy: 0.002, phases: NONE }), note: "How long it waited is known, of the work only how long in all." },
    few: { figures: loopItem({ busy: 0.03 }) },
    many: { figures: loopItem({ busy: 0.998 }) },
    "a storm of connections": { figures: loopItem({ busy: 0.61, phases: STORM }) },
  },
};
