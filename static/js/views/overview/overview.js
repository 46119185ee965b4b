// @ts-check
/** Overview: is it well? */

import { mountMapCard } from "./map_card.js";
import { mountAttention } from "./attention.js";
import { mountHistory } from "./history.js";
import { mountNotable } from "./notable.js";
import { mountServer } from "./server_card.js";
import { mountTiles } from "./tiles.js";

/** @param {HTMLElement} root @param {import("../../main.js").App} app */
export function mount(root, app) {
  const always = [mountMapCard(root, app), mountHistory(root, app), mountTiles(root, app)];
  const server = mountServer(root);
  const attention = mountAttention(root, app);
  const notable = mountNotable(root);
  /** @type {import("../../live/types.js").Overview | null} */
  let shown = null;
  return (/** @type {import("../../live/store.js").State} */ state) => {
    for (const update of always) update(state);
    if (state.overview === null || state.overview === shown) return;
    shown = state.overview;
    server(shown);
    attention(shown);
    notable(shown.notable);
  };
}
