// @ts-check
/** The download dialog, and downloads under way. */

import { begun, heard } from "../../model/transfers.js";
import { mountDownloads } from "../../views/frame/downloads.js";
import { many, NOW } from "../made_up.js";

const ESTIMATE = { rows: 1_480_000, bytes: 190_773_000, exact: false, name: "echoscope-log-20261123T142205Z.jsonl" };

/** @param {number} index @param {Partial<import("../../live/types.js").TransferAnswer>} more */
const transfer = (index, more) => {
  const token = String(index).padStart(32, "0");
  const answer = /** @type {const} */ ({ token, state: "running", rows: 740_000, bytes: 95_386_000, estimate: ESTIMATE, elapsed_s: 3.2, name: ESTIMATE.name, reason: "" });
  const first = heard(begun(token, ESTIMATE.name, "jsonl", NOW - 4000), { ...answer, bytes: 40_000_000 }, NOW - 2000);
  return heard(first, { ...answer, ...more }, NOW);
};
/** @param {import("../../model/transfers.js").Transfer[]} transfers @returns {import("../../live/store.js").Action[]} */
const under = (transfers) => [{ type: "transfers", change: () => transfers }];
const ends = /** @type {const} */ (["done", "failed", "cancelled"]);

/** @type {import("../stage.js").Component} */
export default {
  page: "events",
  pick: "#download, .downloads",
  mount: (root, app, { figures }) => {
    const update = mountDownloads(root, app, () => figures ?? { q: "kind:full,not_full", since: "", until: "" });
    const dialog = /** @type {HTMLDialogElement} */ (root.querySelector("dialog"));
    dialog.dispatchEvent(new Event("opening"));
    dialog.show();
    return update;
  },
  states: {
    few: { answers: { "events/estimate": ESTIMATE } },
    empty: { answers: { "events/estimate": { ...ESTIMATE, rows: 0, bytes: 0, exact: true } } },
    loading: {},
    error: { answers: { "events/estimate": new Error('unknown field "foo" in "foo:1"') } },
    "a range": { answers: { "events/estimate": ESTIMATE }, figures: { q: "", since: "10m", until: "" } },
    "under way": { answers: { "events/estimate": ESTIMATE }, actions: under([transfer(1, {})]) },
    refused: { answers: { "events/estimate": ESTIMATE }, actions: under([transfer(1, { state: "refused", reason: "too many downloads are under way" })]) },
    many: {
      answers: { "events/estimate": ESTIMATE },
      actions: under([...many(3, (index) => transfer(index, {})), ...ends.map((state, index) => transfer(index + 5, { state }))]),
    },
  },
};
