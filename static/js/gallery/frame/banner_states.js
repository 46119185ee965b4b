// @ts-check
/** The head of every page and its banner: how the link stands. */

import { el } from "../../ui/dom.js";
import { mountStatus } from "../../views/frame/status.js";
import { frame, newborn, NOW, overview } from "../made_up.js";

/** @typedef {import("../../live/store.js").Action} Action */

const heard = frame("overview", overview());
/** @param {"lost" | "stopped" | "connecting"} phase @param {number} ms how long ago @param {string} [why] @returns {Action[]} */
const since = (phase, ms, why) => [{ type: "link", phase, why, now: NOW - ms }, { type: "tick", now: NOW }];

/** @type {import("../stage.js").Component} */
export default {
  page: "frame",
  mount: (root) => {
    root.append(el("footer", { class: "foot" }, el("span", { "data-ref": "version" })));
    return mountStatus(root);
  },
  states: {
    live: { actions: [heard] },
    empty: { actions: [frame("overview", newborn())] },
    many: { actions: [frame("overview", overview({ connections: { open: 100_000, blocked: 1204, accepted: 48_213_000, closed: 48_113_000, refused: 7 } }))] },
    loading: { actions: since("connecting", 1000), note: "A short while to connect is no alarm." },
    "loading for long": { actions: since("connecting", 9000) },
    stale: { actions: [heard, { type: "tick", now: NOW + 12_000 }] },
    reconnecting: { actions: [heard, ...since("lost", 7000)] },
    stopped: { actions: [heard, ...since("stopped", 7000, "too many viewers (48)")] },
    error: { actions: [frame("overview", overview({ healthy: false, trouble: "the log cannot be written: no space left on device" }))] },
    lost: { actions: [frame("overview", overview({ recorder: { ...overview().recorder, lost: 1284 } }))] },
    past: { actions: [heard, { type: "moment", moment: { at: NOW - 60_000, playing: false, speed: 1 } }] },
  },
};
