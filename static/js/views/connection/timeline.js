// @ts-check
/** The timeline of a connection: its events in lanes, with zoom and pan; the range is in the address bar. */

import { onTheme } from "../../ui/plots/colours.js";
import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { clock, toMillis } from "../../model/format.js";
import { grown, knownUntil, layout, nearest, neighbour, rowWords, summary } from "../../model/connection/timeline_lanes.js";
import { atBeginning, atEnd, chosen, edgesOf, fromAddress, panned, toAddress, wholeOf, zoomed } from "../../model/time/range.js";
import { rowsAfter } from "../../model/rows/row_search.js";
import { givenUp } from "../../model/rows/paging.js";
import { microsecondsOf } from "../../model/time/instants.js";
import { addressBar } from "../../ui/url.js";
import { GUTTER, paint } from "./timeline_canvas.js";
import { readLife } from "./timeline_data.js";
import { listen } from "./timeline_input.js";

/**
 * @typedef {import("../../live/store.js").State} State @typedef {import("../../live/types.js").EventRow} Row
 * @typedef {import("../../model/time/range.js").Range} Range @typedef {import("../../model/time/range.js").Bounds} Bounds @typedef {import("../../model/connection/timeline_lanes.js").Life} Life
 */

const ADDRESS = { since: "", until: "" };
/** What is followed is asked for again after so long, and after so many times what the last answer took. */
const REFRESH_MS = 5000;
const COST_SHARE = 20;
/** After the last step of a zoom. */
const SETTLE_MS = 150;
/** What is shown went on by more than this at once: too far for the rows that frames bring. */
const JUMP_MS = 30_000;
/** Pixels within which a row is pointed at. */
const NEAR = 8;
const HINT = "Drag to zoom in, click for the row; click first, then the wheel zooms. Keys: + − 0, arrows from event to event, Shift and arrows move";

const PARTS = { lanes: HTMLCanvasElement, zoomIn: HTMLButtonElement, zoomOut: HTMLButtonElement, wholeLife: HTMLButtonElement };

/**
 * @typedef {{x: number, row: Row | null, at: number} | {row: Row, at: number} | null} Cursor what is read out: what is at a column, or one row, wherever it moves
 * @typedef {{range: Range | null, bounds: Bounds | null, past: boolean, life: Life | null, cursor: Cursor, mark: [number, number] | null}} Scene
 *   `range`: null shows what is shown where nothing was chosen; `past`: its end is the moment that the page shows
 * @typedef {ReturnType<typeof refs<typeof PARTS>>} Parts
 */

/**
 * @param {HTMLElement} root with the parts of templates/timeline.html @param {import("../../main.js").App} app
 * @param {(row: Row | null, at: number) => void} goTo shows a row, or what is nearest to a moment (milliseconds), in the table
 */
export function mountTimeline(root, app, goTo) {
  const parts = refs(root, PARTS);
  const address = addressBar(ADDRESS);
  /** @type {Scene} */
  const scene = { range: fromAddress(address.read().since, address.read().until), bounds: null, past: false, life: null, cursor: null, mark: null };
  const draw = () => drawScene(parts, scene);
  const load = loader(parts, app, () => wantedOf(parts, scene), (life) => {
    scene.life = life;
    draw();
  });
  const read = (/** @type {Cursor} */ cursor) => {
    scene.cursor = cursor;
    readOut(parts, cursor);
    draw();
  };
  const choose = (/** @type {Range | null} */ range) => {
    scene.range = range;
    address.write(toAddress(range));
    read(null);
    load(SETTLE_MS);
  };
  const change = (/** @type {(range: Range, bounds: Bounds) => Range | null} */ to) => {
    if (scene.bounds) choose(to(shownOf(scene, scene.bounds), scene.bounds));
  };
  listen(parts.timeline, parts.lanes, {
    width: () => widthOf(parts),
    step: (step) => read(beside(scene, step) ?? scene.cursor),
    point: (x) => read(x === null ? null : under(parts, scene, x)),
    mark: (mark) => {
      scene.mark = mark;
      draw();
    },
    zoom: (factor, anchor) => change((now, bounds) => zoomed(now, bounds, factor, anchor)),
    pan: (share) => change((now, bounds) => panned(now, bounds, share)),
    select: (from, to) => change((now, bounds) => chosen(now, bounds, from, to)),
    begin: () => change(atBeginning), end: () => change(atEnd), whole: () => choose(null),
    open: (x) => {
      const found = x === undefined ? scene.cursor : under(parts, scene, x);
      if (found) goTo(found.row, found.at);
    },
  });
  parts.zoomIn.addEventListener("click", () => change((now, bounds) => zoomed(now, bounds, 0.5)));
  parts.zoomOut.addEventListener("click", () => change((now, bounds) => zoomed(now, bounds, 2)));
  parts.wholeLife.addEventListener("click", () => choose(null));
  new ResizeObserver(draw).observe(parts.lanes);
  onTheme(draw);
  app.onAnew(() => load(0));
  document.addEventListener("visibilitychange", () => document.hidden || load(0));
  readOut(parts, null);
  return (/** @type {State} */ state) => {
    const before = scene.bounds;
    if (!follow(scene, state)) return;
    const now = /** @type {Bounds} */ (scene.bounds);
    const { playing, speed } = state.moment;
    const jumped = before !== null && (now.end < before.end || now.end - before.end > JUMP_MS * (playing ? speed : 1));
    if (before === null || before.live !== now.live || jumped) load(0);
    draw();
  };
}

/** Takes what a frame brings; whether there is something new. @param {Scene} scene @param {State} state */
function follow(scene, { connection: item, connectionTime, log, moment }) {
  // A mark is in pixels: on another scale it would be another range. What came meanwhile is taken afterwards.
  if (scene.mark || !item || item.state === null) return false;
  const bounds = boundsOf(item, connectionTime * 1000);
  const { bounds: before, range, life } = scene;
  // Nothing is read anew in a hidden tab, so that a life would grow there without end.
  const next = life && !document.hidden ? growing(life, range, log) : life;
  if (before && before.end === bounds.end && before.live === bounds.live && life && life === next) return false;
  scene.bounds = bounds;
  scene.past = moment.at !== null;
  scene.life = next;
  return true;
}

/** With the live rows, where the range reaches as far as they come. @param {Life} life @param {Range | null} range @param {State["log"]} log */
function growing(life, range, log) {
  if (range !== null && range.until !== null) return life;
  return grown(life, rowsAfter(log, knownUntil(life)));
}

/** Columns of the lanes. @param {Parts} parts */
const widthOf = (parts) => Math.max(1, Math.floor(parts.lanes.clientWidth - GUTTER));

/** @param {Scene} scene @param {Bounds} bounds */
const shownOf = (scene, bounds) => scene.range ?? wholeOf(bounds);

/** What is to be asked for. @param {Parts} parts @param {Scene} scene */
function wantedOf(parts, scene) {
  const { bounds } = scene;
  if (!bounds) return null;
  const range = shownOf(scene, bounds);
  return { edges: edgesOf(range, bounds), width: widthOf(parts), follows: range.until === null && bounds.live };
}

/** @param {Parts} parts @param {Scene} scene */
function drawScene(parts, scene) {
  const { life, cursor, mark } = scene;
  const wanted = wantedOf(parts, scene);
  if (!wanted) return;
  const { edges, width, follows } = wanted;
  const lanes = life && layout(life, edges, width);
  const x = cursor && ("x" in cursor ? cursor.x : ((cursor.at - edges.since) / (edges.until - edges.since)) * width);
  paint(parts.lanes, lanes, edges, { cursor: x, mark });
  setAttr(parts.timeline, "aria-valuenow", String(Math.min(100, Math.max(0, Math.round(((x ?? width) / width) * 100)))));
  setText(parts.timelineWords, lanes && life ? summary(life, edges, lanes, width) : "");
  setText(parts.timelineMode, follows ? (scene.past ? "up to the moment shown" : "live") : edgeWords(edges));
  show(parts.wholeLife, scene.range !== null);
}

/** @param {Parts} parts @param {Cursor} cursor */
function readOut(parts, cursor) {
  const words = cursor ? (cursor.row ? rowWords(cursor.row) : clock(cursor.at / 1000)) : "";
  setText(parts.timelineRow, words || HINT);
  setAttr(parts.timelineRow, "data-hint", String(words === ""));
  setAttr(parts.timeline, "aria-valuetext", words || null);
}

/** The moment at a column, and the row there if one is. @param {Parts} parts @param {Scene} scene @param {number} x */
function under(parts, { range, bounds, life }, x) {
  if (!bounds || !life) return null;
  const { since, until } = edgesOf(range ?? wholeOf(bounds), bounds);
  const perPixel = (until - since) / widthOf(parts);
  const at = since + x * perPixel;
  return { x, row: nearest(life, at, NEAR * perPixel), at };
}

/** From event to event, by the keyboard. @param {Scene} scene @param {number} step @returns {Cursor} */
function beside({ range, bounds, life, cursor }, step) {
  if (!bounds || !life) return null;
  const index = neighbour(life, edgesOf(range ?? wholeOf(bounds), bounds), cursor, step);
  return index === null ? null : { row: life.rows[index], at: life.times[index] };
}

/** @param {import("../../model/time/range.js").Edges} edges */
function edgeWords({ since, until }) {
  const words = (/** @type {number} */ at) => (until - since < 10 ? `${clock(at / 1000)}${microsecondsOf(at).slice(23, 26)}` : clock(at / 1000));
  return `${words(since)} – ${words(until)}`;
}

/** @param {import("../../live/types.js").ConnectionDetail} item @param {number} now milliseconds @returns {Bounds} */
function boundsOf(item, now) {
  const first = toMillis(item.opened) ?? toMillis(item.history[0]?.time) ?? now - 1000;
  const live = item.state !== "closed";
  const end = live ? now : toMillis(item.closed) ?? now;
  return { first, end: Math.max(end, first + 1), live };
}

/**
 * Asks whenever the range has changed, and now and then while it follows what happens.
 * @param {Record<string, HTMLElement>} parts @param {import("../../main.js").App} app
 * @param {() => {edges: import("../../model/time/range.js").Edges, width: number, follows: boolean} | null} wanted @param {(life: Life) => void} show
 */
function loader(parts, app, wanted, show) {
  let work = new AbortController();
  let timer = 0;
  const read = async () => {
    work.abort();
    const { signal } = (work = new AbortController());
    const asked = wanted();
    if (!asked) return;
    const began = performance.now();
    setAttr(parts.timeline, "aria-busy", "true");
    try {
      show(await readLife(app, app.conn, asked.edges, asked.width, signal));
      setText(parts.timelineError, "");
    } catch (error) {
      if (givenUp(error)) return;
      setText(parts.timelineError, `The timeline could not be read: ${/** @type {Error} */ (error).message}`);
    }
    setAttr(parts.timeline, "aria-busy", "false");
    again(Math.max(REFRESH_MS, (performance.now() - began) * COST_SHARE));
  };
  const again = (/** @type {number} */ wait) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => (wanted()?.follows && !document.hidden ? read() : again(REFRESH_MS)), wait);
  };
  return (/** @type {number} */ wait) => {
    // What is being read is what was wanted before; at its end it would also put off what is asked for here.
    work.abort();
    clearTimeout(timer);
    timer = window.setTimeout(read, wait);
  };
}
