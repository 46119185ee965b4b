// @ts-check
/** Overview: is it well? */

import { mountMapCard } from "../map_card.js";
import { mountAttention } from "../parts/attention.js";
import { mountHistory } from "../parts/history.js";
import { mountNotable } from "../parts/notable.js";
import { mountServer } from "../parts/server_card.js";
import { mountTiles } from "../parts/tiles.js";

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  const always = [mountMapCard(root, app), mountHistory(root, app), mountTiles(root, app)];
  const server = mountServer(root);
  const attention = mountAttention(root, app);
  const notable = mountNotable(root);
  /** @type {import("../types.js").Overview | null} */
  let shown = null;
  return (/** @type {import("../store.js").State} */ state) => {
    for (const update of always) update(state);
    if (state.overview === null || state.overview === shown) return;
    shown = state.overview;
    server(shown);
    attention(shown);
    notable(shown.notable);
  };
}
