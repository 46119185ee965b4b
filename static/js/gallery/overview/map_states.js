// @ts-check
/** The connection map. */

import { mountMapCard } from "../../views/overview/map_card.js";
import { chance, frame, many } from "../made_up.js";

/** Deflated and in base64, as the server does it. @param {Uint8Array<ArrayBuffer>} cells */
async function pack(cells) {
  const stream = new Blob([cells]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""));
}

/** @param {number} count @returns {Uint8Array<ArrayBuffer>} a byte a connection: state and how lately it was active */
function cells(count) {
  const next = chance(9);
  const state = () => (next() < 0.03 ? 1 : next() < 0.01 ? 2 : next() < 0.01 ? 3 : 0);
  return Uint8Array.from(many(count, () => state() | (Math.floor(next() * 4) << 4)));
}

/** @type {import("../stage.js").Component} */
export default {
  page: "overview",
  pick: ".map-card",
  mount: (root, app, { figures }) => {
    const all = cells(figures);
    const count = (/** @type {number} */ state) => all.reduce((sum, cell) => sum + Number((cell & 15) === state), 0);
    const states = { open: count(0), blocked: count(1), paused: count(2), closing: count(3) };
    pack(all).then((packed) => app.store.dispatch(frame("map", { total: figures, sort: "conn", states, cells: packed })));
    return mountMapCard(root, app);
  },
  states: {
    empty: { figures: 0, note: "It is not shown while no one is connected." },
    few: { figures: 12 },
    "a thousand": { figures: 1000 },
    many: { figures: 100_000 },
  },
};
