// @ts-check
/** The bar that says which part of the charts' time is shown. */

import { refs } from "../../ui/dom.js";
import { showZoom } from "../../views/overview/history.js";
import { NOW } from "../made_up.js";

const END = NOW / 1000;

/** @type {import("../stage.js").Component} */
export default {
  page: "overview",
  pick: ".zoom-bar",
  mount: (root, _app, { figures }) => showZoom(refs(root), figures ?? null),
  states: {
    none: { note: "Without a zoom it is not there." },
    few: { figures: { from: END - 65, to: END - 60 } },
    "some minutes": { figures: { from: END - 240, to: END - 60 } },
    many: { figures: { from: END - 80_000, to: END - 100 } },
  },
};
