// @ts-check
/** The tiles: figures of the moment with their last minute. */

import { refs, setAttr, setText } from "../../ui/dom.js";
import * as format from "../../model/format.js";
import { sparkline } from "../../ui/plots/sparkline.js";

/** Tile, column of the sparkline, least top of it. @type {[string, import("../../model/time/series.js").Column, number][]} */
const SPARKS = [
  ["open", "open", 1], ["blocked", "blocked", 1], ["echoes", "echoes_per_s", 1], ["bytesIn", "bytes_in_per_s", 1],
  ["bytesOut", "bytes_out_per_s", 1], ["queued", "queue_bytes", 1], ["busy", "loop_busy", 0.1],
];

/** @param {HTMLElement} root @param {import("../../main.js").App} app @returns {(state: import("../../live/store.js").State) => void} */
export function mountTiles(root, app) {
  const parts = refs(root);
  mountRecent(app);
  /** @type {unknown} */
  let drawn = null;
  return ({ recent, overview }) => {
    if (recent !== drawn) {
      drawn = recent;
      for (const [tile, column, least] of SPARKS) sparkline(/** @type {Element} */ (parts[`${tile}Spark`]), recent[column], least);
    }
    if (overview) figures(parts, overview);
  };
}

/** What the sparklines begin with. @param {import("../../main.js").App} app */
function mountRecent(app) {
  let asked = 0;
  const load = async () => {
    const mine = (asked += 1);
    try {
      const answer = await app.get("series", { range: 60 });
      if (mine === asked) app.store.dispatch({ type: "recent", answer });
    } catch (error) {
      // The sparklines then begin with the next frames, and the charts say what is wrong.
      console.info(`no recent figures: ${/** @type {Error} */ (error).message}`);
    }
  };
  app.onAnew(load);
  load();
}

/** @param {Record<string, HTMLElement>} parts @param {import("../../live/types.js").Overview} data */
function figures(parts, data) {
  const pair = (/** @type {string} */ name, /** @type {[string, string]} */ [figure, unit], after = "") => {
    setText(parts[name], figure);
    setText(parts[`${name}Unit`], unit + after);
  };
  const blocked = data.connections?.blocked;
  setText(parts.open, format.count(data.connections?.open));
  setText(parts.blocked, format.count(blocked));
  setAttr(/** @type {HTMLElement} */ (parts.blocked.closest(".tile")), "data-some", String(Number(blocked) > 0));
  setText(parts.echoes, format.rate(data.echoes_per_s));
  pair("bytesIn", format.byteParts(data.bytes_in_per_s), "/s");
  pair("bytesOut", format.byteParts(data.bytes_out_per_s), "/s");
  pair("queued", format.byteParts(data.queue?.bytes));
  setText(parts.busy, format.percentFigure(data.loop_busy));
}
