// @ts-check
/** The Events page as a whole. */

import { mount } from "../../views/events/events.js";
import { frame, many, NOW, row, rows } from "../made_up.js";
import { histogramPage } from "./histogram_states.js";

const answers = { "events/histogram": histogramPage(400) };
const some = frame("events", { items: rows(30), skipped: 0 });
const flood = frame("events", { items: many(100, (index) => row({ seq: 10_000 + index })), skipped: 2412 }, NOW + 250);

/** @type {import("../stage.js").Component} */
export default {
  page: "events",
  mount,
  states: {
    loading: {},
    empty: { answers: { "events/histogram": histogramPage(0) }, actions: [frame("events", { items: [], skipped: 0 })] },
    few: { answers, actions: [some] },
    many: { answers, actions: [some, flood] },
    highlighted: { answers, actions: [frame("events", { items: rows(30), skipped: 0, marks: [3, 4, 17], skipped_marks: 0 })] },
    held: { answers, actions: [some, { type: "hold", held: true }, flood] },
    error: { refusals: { events: 'unknown field "foo" in "foo:1"' } },
    past: { answers, actions: [{ type: "moment", moment: { at: NOW, playing: false, speed: 1 } }, some] },
  },
};
