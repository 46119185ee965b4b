// @ts-check
/** The timeline of a connection: its events in lanes, with zoom and pan; the range is in the address bar. */

import { onTheme } from "../colours.js";
import { refs, setAttr, setText, show } from "../dom.js";
import { clock, toMillis } from "../format.js";
import { grown, layout, nearest, neighbour, rowWords, summary } from "../lanes.js";
import { atBeginning, atEnd, chosen, edgesOf, fromAddress, panned, toAddress, wholeOf, zoomed } from "../range.js";
import { givenUp } from "../scan.js";
import { microsecondsOf } from "../time.js";
import { addressBar } from "../url.js";
import { GUTTER, paint } from "./lanes.js";
import { readLife } from "./timeline_data.js";
import { listen } from "./timeline_input.js";

/**
 * @typedef {import("../store.js").State} State @typedef {import("../types.js").EventRow} Row
 * @typedef {import("../range.js").Range} Range @typedef {import("../range.js").Bounds} Bounds @typedef {import("../lanes.js").Life} Life
 */

const ADDRESS = { since: "", until: "" };
/** What is followed is asked for again after so long, and after so many times what the last answer took. */
const REFRESH_MS = 5000;
const COST_SHARE = 20;
/** After the last step of a zoom. */
const SETTLE_MS = 150;
/** Pixels within which a row is pointed at. */
const NEAR = 8;
const HINT = "Drag to zoom in, click for the row; click first, then the wheel zooms. Keys: + − 0, arrows from event to event, Shift and arrows move";

/**
 * @param {HTMLElement} root with the parts of templates/timeline.html @param {import("../main.js").App} app
 * @param {(row: Row | null, at: number) => void} goTo shows a row, or what is nearest to a moment (milliseconds), in the table
 */
export function mountTimeline(root, app, goTo) {
  const parts = refs(root, { lanes: HTMLCanvasElement, zoomIn: HTMLButtonElement, zoomOut: HTMLButtonElement, wholeLife: HTMLButtonElement });
  const address = addressBar(ADDRESS);
  /** Null: what is shown where nothing was chosen. @type {Range | null} */
  let range = fromAddress(address.read().since, address.read().until);
  /** @type {Bounds | null} */
  let bounds = null;
  /** @type {Life | null} */
  let life = null;
  /** What is read out: what is at a column, or one row, wherever it moves. @type {{x: number, row: Row | null, at: number} | {row: Row, at: number} | null} */
  let cursor = null;
  /** @type {[number, number] | null} */
  let mark = null;
  const width = () => Math.max(1, Math.floor(parts.lanes.clientWidth - GUTTER));
  const shown = (/** @type {Bounds} */ known) => range ?? wholeOf(known);
  const draw = () => {
    if (!bounds) return;
    const edges = edgesOf(shown(bounds), bounds);
    const lanes = life && layout(life, edges, width());
    const x = cursor && ("x" in cursor ? cursor.x : ((cursor.at - edges.since) / (edges.until - edges.since)) * width());
    paint(parts.lanes, lanes, edges, { cursor: x, mark });
    setAttr(parts.timeline, "aria-valuenow", String(Math.min(100, Math.max(0, Math.round(((x ?? width()) / width()) * 100)))));
    setText(parts.timelineWords, lanes && life ? summary(life, edges, lanes, width()) : "");
    setText(parts.timelineMode, shown(bounds).until === null && bounds.live ? "live" : edgeWords(edges));
    show(parts.wholeLife, range !== null);
  };
  const load = loader(parts, app, () => bounds && { edges: edgesOf(shown(bounds), bounds), width: width(), follows: shown(bounds).until === null && bounds.live }, (next) => {
    life = next;
    draw();
  });
  const choose = (/** @type {Range | null} */ next) => {
    range = next;
    address.write(toAddress(next));
    read(null);
    load(SETTLE_MS);
  };
  const read = (/** @type {typeof cursor} */ next) => {
    cursor = next;
    const words = next ? (next.row ? rowWords(next.row) : clock(next.at / 1000)) : "";
    setText(parts.timelineRow, words || HINT);
    setAttr(parts.timelineRow, "data-hint", String(words === ""));
    setAttr(parts.timeline, "aria-valuetext", words || null);
    draw();
  };
  /** The moment at a column, and the row there if one is. @param {number} x */
  const under = (x) => {
    if (!bounds || !life) return null;
    const { since, until } = edgesOf(shown(bounds), bounds);
    const perPixel = (until - since) / width();
    const at = since + x * perPixel;
    return { x, row: nearest(life, at, NEAR * perPixel), at };
  };
  /** From event to event, by the keyboard. @param {number} step */
  const step = (step) => {
    if (!bounds || !life) return;
    const index = neighbour(life, edgesOf(shown(bounds), bounds), cursor, step);
    if (index !== null) read({ row: life.rows[index], at: life.times[index] });
  };
  const change = (/** @type {(range: Range, bounds: Bounds) => Range | null} */ to) => void (bounds && choose(to(shown(bounds), bounds)));
  listen(parts.timeline, parts.lanes, {
    step, width,
    point: (x) => read(x === null ? null : under(x)),
    mark: (next) => {
      mark = next;
      draw();
    },
    zoom: (factor, anchor) => change((now, known) => zoomed(now, known, factor, anchor)),
    pan: (share) => change((now, known) => panned(now, known, share)),
    select: (from, to) => change((now, known) => chosen(now, known, from, to)),
    begin: () => change(atBeginning), end: () => change(atEnd), whole: () => choose(null),
    open: (x) => {
      const found = x === undefined ? cursor : under(x);
      if (found) goTo(found.row, found.at);
    },
  });
  parts.zoomIn.addEventListener("click", () => change((now, known) => zoomed(now, known, 0.5)));
  parts.zoomOut.addEventListener("click", () => change((now, known) => zoomed(now, known, 2)));
  parts.wholeLife.addEventListener("click", () => choose(null));
  new ResizeObserver(draw).observe(parts.lanes);
  onTheme(draw);
  app.onAnew(() => load(0));
  setText(parts.timelineRow, HINT);
  let drawn = 0;
  return (/** @type {State} */ state) => {
    const item = state.connection;
    if (!item || item.state === null || state.connectionTime * 1000 === drawn) return;
    drawn = state.connectionTime * 1000;
    const known = bounds;
    bounds = boundsOf(item, drawn);
    const jumped = known === null || known.live !== bounds.live || drawn < known.end;
    if (life && (range === null || range.until === null)) life = grown(life, state.tail.entries.flatMap((entry) => ("row" in entry ? [entry.row] : [])));
    if (jumped) load(0);
    draw();
  };
}

/** @param {import("../range.js").Edges} edges */
function edgeWords({ since, until }) {
  const words = (/** @type {number} */ at) => (until - since < 10 ? `${clock(at / 1000)}${microsecondsOf(at).slice(23, 26)}` : clock(at / 1000));
  return `${words(since)} – ${words(until)}`;
}

/** @param {any} item @param {number} now milliseconds @returns {Bounds} */
function boundsOf(item, now) {
  const first = toMillis(item.opened) ?? toMillis(item.history?.[0]?.time) ?? now - 1000;
  const live = item.state !== "closed";
  const end = live ? now : toMillis(item.closed) ?? now;
  return { first, end: Math.max(end, first + 1), live };
}

/**
 * Asks whenever the range has changed, and now and then while it follows what happens.
 * @param {Record<string, HTMLElement>} parts @param {import("../main.js").App} app
 * @param {() => {edges: import("../range.js").Edges, width: number, follows: boolean} | null} wanted @param {(life: Life) => void} show
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
    clearTimeout(timer);
    timer = window.setTimeout(read, wait);
  };
}
