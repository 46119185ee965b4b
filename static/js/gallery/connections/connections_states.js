// @ts-check
/** The list of connections as a whole. */

import { mount } from "../../views/connections/connections.js";
import { list } from "../made_connections.js";
import { frame, NOW } from "../made_up.js";

/** @type {import("../stage.js").Component} */
export default {
  page: "connections",
  mount,
  states: {
    loading: {},
    empty: { actions: [frame("connections", list(0))] },
    few: { actions: [frame("connections", list(12))] },
    many: { actions: [frame("connections", list(100, 100_000))] },
    error: { refusals: { connections: 'unknown field "foo" in "foo:1"' } },
    stale: { actions: [frame("connections", list(12)), { type: "tick", now: NOW + 12_000 }] },
    past: { actions: [{ type: "moment", moment: { at: NOW, playing: false, speed: 1 } }, frame("connections", list(12))] },
  },
};
