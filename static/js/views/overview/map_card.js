// @ts-check
/** The card of the connection map: order, legend, who a cell is. */

import { debounce, refs, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";
import { createMap } from "./map_canvas.js";
import { unpack } from "../../model/connection/map_cells.js";
import { addressBar } from "../../ui/url.js";
import { complaint } from "../frame/labels.js";

const ASK_MS = 60;

/** @param {HTMLElement} root @param {import("../../main.js").App} app @returns {(state: import("../../live/store.js").State) => void} */
export function mountMapCard(root, app) {
  const parts = refs(root, { map: HTMLCanvasElement });
  const bar = addressBar({ map: "conn" });
  const buttons = Array.from(/** @type {NodeListOf<HTMLElement>} */ (parts.mapSorts.querySelectorAll("button")));
  let sort = buttons.some((button) => button.dataset.sort === bar.read().map) ? bar.read().map : "conn";
  const who = identify(parts, app, () => sort);
  const map = createMap(parts.map, who.point, who.open);
  const watch = () => {
    for (const button of buttons) setAttr(button, "aria-pressed", String(button.dataset.sort === sort));
    app.wire.watch("map", { sort });
  };
  parts.mapSorts.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (!button) return;
    sort = button.dataset.sort ?? "conn";
    bar.write({ map: sort });
    watch();
  });
  watch();
  /** @type {import("../../live/types.js").MapFrame | null} */
  let shown = null;
  return (state) => {
    if (!state.map || state.map === shown) return;
    shown = state.map;
    const frame = shown;
    show(parts.mapCard, frame.total > 0);
    legend(parts, frame);
    unpack(frame.cells).then((cells) => frame === shown && map.update(cells));
  };
}

/** @param {Record<string, HTMLElement>} parts @param {import("../../live/types.js").MapFrame} frame */
function legend(parts, { total, states }) {
  setText(parts.mapTotal, format.plural(total, "connection"));
  setText(parts.mapOpen, format.count(states.open));
  setText(parts.mapFull, format.count(states.blocked + states.paused));
  setText(parts.mapClosing, format.count(states.closing));
}

/** Names the connection of a cell, and opens it. @param {Record<string, HTMLElement>} parts @param {import("../../main.js").App} app @param {() => string} sort */
function identify(parts, app, sort) {
  /** @type {number | null} */
  let place = null;
  /** Who stands in a place changes: what is opened is what was named. @type {{place: number, conn: number} | null} */
  let named = null;
  const ask = async (/** @type {number} */ offset) => (await app.get("connections", { sort: sort(), offset, limit: 1 })).items[0];
  const look = debounce(async () => {
    const asked = place;
    if (asked === null) return;
    try {
      const item = await ask(asked);
      if (asked !== place) return;
      named = item ? { place: asked, conn: item.conn } : null;
      setText(parts.mapWho, item ? `#${item.conn} · ${item.peer} · ${complaint(item)} · idle for ${format.duration(item.idle_s)}` : "");
    } catch (error) {
      if (asked === place) setText(parts.mapWho, /** @type {Error} */ (error).message);
    }
  }, ASK_MS);
  return {
    point: (/** @type {number | null} */ index) => {
      place = index;
      named = null;
      if (index === null) setText(parts.mapWho, "");
      else look();
    },
    open: async (/** @type {number} */ index) => {
      try {
        const conn = named?.place === index ? named.conn : (await ask(index))?.conn;
        if (conn !== undefined) app.open(`/connections/${conn}`);
      } catch (error) {
        setText(parts.mapWho, /** @type {Error} */ (error).message);
      }
    },
  };
}
