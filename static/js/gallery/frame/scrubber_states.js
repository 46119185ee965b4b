// @ts-check
/** The scrubber in the head. */

import { mountScrubber } from "../../views/frame/scrubber.js";
import { ago, frame, NOW, overview } from "../made_up.js";

const SPAN = { since: ago(86_400), until: ago(0), live: true };
const heard = frame("overview", overview());
/** @param {object} more @returns {import("../../live/store.js").Action} */
const at = (more) => ({ type: "moment", moment: { at: NOW - 3_600_000, playing: false, speed: 1, ...more } });

/** @type {import("../stage.js").Component} */
export default {
  page: "frame",
  pick: ".scrubber",
  mount: (root, app) => mountScrubber(root, app, () => undefined),
  states: {
    live: { answers: { span: SPAN }, actions: [heard] },
    loading: { note: "What the log holds is not known yet." },
    error: { answers: { span: new Error("no answer") }, note: "It stays as it was: the banner says that the link is down." },
    past: { answers: { span: SPAN }, actions: [heard, at({})] },
    playing: { answers: { span: SPAN }, actions: [heard, at({ playing: true, speed: 10 })] },
    "a log that has ended": { answers: { span: { ...SPAN, live: false } }, actions: [at({})] },
  },
};
