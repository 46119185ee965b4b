// @ts-check
/** The Loop page as a whole. */

import { mount } from "../../views/loop/loop.js";
import { loopFrame, loopItem, turnColumns } from "../made_loops.js";
import { frame, NOW } from "../made_up.js";

const NONE = { p50: null, p90: null, p99: null, max: null };
const idle = loopItem({ turns: 0, turns_per_s: 0, busy: 0, wait_us: NONE, busy_us: NONE, ready: { ...NONE, histogram: [] }, scanned_per_ready: null, latest: turnColumns(0), measured: turnColumns(0) });
const suspicious = { believed: 14, watched: 15, differences: [{ fd: 23, why: "is watched, but the program does not know it", conn: 0 }, { fd: 31, why: "is watched for 0x5, the program thinks for 0x1", conn: 17 }] };

/** @type {import("../stage.js").Component} */
export default {
  page: "loop",
  mount,
  states: {
    loading: {},
    empty: { actions: [frame("loop", loopFrame([idle]))] },
    few: { actions: [frame("loop", loopFrame([loopItem()]))] },
    many: { actions: [frame("loop", loopFrame([1, 2, 3, 4].map((worker) => loopItem({ worker }))))] },
    "the kernel disagrees": { actions: [frame("loop", loopFrame([loopItem({ registrations: suspicious })]))] },
    "no loop": { actions: [frame("loop", loopFrame([], "threads"))] },
    error: { actions: [frame("loop", loopFrame([loopItem({ beat_age_s: 4.2, busy: 1 })]))], note: "The loop has not turned for a while." },
    stale: { actions: [frame("loop", loopFrame([loopItem()])), { type: "tick", now: NOW + 12_000 }] },
  },
};
