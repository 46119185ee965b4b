// @ts-check
/** The chips above the connections: which of them, and how many there are of each. */

import { refs } from "../../ui/dom.js";
import { mountGroups } from "../../views/connections/groups.js";
import { list } from "../made_connections.js";

/** @typedef {{chosen?: string, counts?: import("../../live/types.js").StateCounts}} Chips */

/** @type {import("../stage.js").Component} */
export default {
  page: "connections",
  pick: ".chips",
  mount: (root, _app, { figures }) => {
    const { chosen = "", counts } = /** @type {Chips} */ (figures ?? {});
    const groups = mountGroups(refs(root).groups, (group) => groups.press(group));
    groups.press(chosen);
    if (counts) groups.count(counts);
  },
  states: {
    loading: {},
    empty: { figures: { counts: list(0).counts } },
    few: { figures: { counts: list(12).counts } },
    many: { figures: { counts: { open: 98_211, blocked: 1204, paused: 571, closing: 14, closed: 20_000, abnormal: 10_000, probe: 10_000 } } },
    chosen: { figures: { chosen: "abnormal", counts: list(100).counts } },
  },
};
