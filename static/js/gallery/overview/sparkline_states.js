// @ts-check
/** The last minute of one figure. */

import { sparkline } from "../../ui/plots/sparkline.js";
import { chance, many } from "../made_up.js";

const next = chance(7);

/** @type {import("../stage.js").Component} */
export default {
  page: "overview",
  pick: ".tile[data-tile=echoes]",
  mount: (root, _app, { figures }) => sparkline(/** @type {Element} */ (root.querySelector(".spark")), figures),
  states: {
    empty: { figures: [] },
    few: { figures: [3, 4] },
    many: { figures: many(60, () => 40_000 + 9000 * next()) },
    "with a gap": { figures: many(60, (index) => (index > 20 && index < 30 ? null : 50 + 50 * Math.sin(index / 6))) },
    "nothing happens": { figures: many(60, () => 0) },
  },
};
