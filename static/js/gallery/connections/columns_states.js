// @ts-check
/** Which columns of the connections are shown. */

import { mountColumns } from "../../ui/columns.js";

/** @type {import("../stage.js").Component} */
export default {
  page: "connections",
  pick: "#columns, .columns-button, .scroller",
  mount: (root) => {
    mountColumns(root, "echoscope-gallery-columns", () => undefined);
    /** @type {HTMLDialogElement} */ (root.querySelector("dialog")).show();
  },
  states: { open: {} },
};
