// @ts-check
/**
 * A list of any number of rows of one height, of which only those in sight are in the page. It follows its newest row,
 * at the end, until someone scrolls away or chooses a row; then nothing in it moves, whatever comes and goes.
 */

import { setAttr } from "../../ui/dom.js";
import { atEnd, inSight, pageOf, reveal } from "../../model/rows/virtual_window.js";
import { emptyLog, entryAt, shownEnd } from "../../model/rows/row_log.js";
import { createPool } from "./row_pool.js";

/**
 * @typedef {import("../../model/rows/row_log.js").RowLog} RowLog
 * @typedef {{onFollow: (follows: boolean) => void, onPoint: (points: boolean) => void, onChoose: (chosen: Chosen | null) => void,
 *   onTop: () => void}} Hears `onTop`: it was scrolled to its beginning
 * @typedef {{active: number, anchor: number}} Chosen positions: rows from one to the other are chosen, `active` is the one that keys move from
 * @typedef {ReturnType<typeof createRowList>} RowList
 */

/** Rows from the beginning at which older ones are wanted. */
const NEAR_TOP = 12;

/**
 * @param {{scroller: HTMLElement, frame: HTMLElement, table: HTMLTableElement}} parts the table is in the frame, which is in the scroller
 * @param {import("./row_pool.js").Filling} filling @param {Hears} hears
 */
export function createRowList({ scroller, frame, table }, filling, hears) {
  const pool = createPool(table, filling);
  let log = emptyLog(-1);
  let row = 28;
  let head = 36;
  let follows = true;
  /** Where it was scrolled to by itself: that is no one's wish. */
  let own = 0;
  /** @type {Chosen | null} */
  let chosen = null;
  const count = () => shownEnd(log) - log.first;
  const glass = () => ({ top: scroller.scrollTop, height: scroller.clientHeight, row, head });
  const follow = (/** @type {boolean} */ value) => {
    if (value === follows) return;
    follows = value;
    hears.onFollow(value);
  };
  const scrollTo = (/** @type {number} */ top) => {
    scroller.scrollTop = top;
    own = scroller.scrollTop;
  };
  const draw = () => {
    const { first, last } = inSight(glass(), count());
    frame.style.paddingTop = `${first * row}px`;
    pool.arrange(log.first + first, log.first + last, (position) => entryAt(log, position), log.list);
    paint();
  };
  const paint = () => {
    let activeId = null;
    const [low, high] = chosen ? [Math.min(chosen.active, chosen.anchor), Math.max(chosen.active, chosen.anchor)] : [1, 0];
    pool.each((tr, position) => {
      setAttr(tr, "aria-rowindex", String(position - log.first + 2));
      setAttr(tr, "aria-selected", String(position >= low && position <= high));
      setAttr(tr, "data-active", position === chosen?.active ? "true" : null);
      if (position === chosen?.active) activeId = tr.id;
    });
    setAttr(table, "aria-activedescendant", activeId);
    setAttr(table, "aria-rowcount", String(count() + 1));
  };
  const size = () => {
    frame.style.height = `${head + count() * row}px`;
  };
  const measure = () => {
    const height = pool.rowHeight();
    const headHeight = table.tHead?.getBoundingClientRect().height ?? head;
    if (height === 0 || (Math.abs(height - row) < 0.01 && headHeight === head)) return false;
    const at = scroller.scrollTop / row;
    row = height;
    head = headHeight;
    size();
    scrollTo(follows ? scroller.scrollHeight : at * row);
    return true;
  };
  const resized = () => {
    if (follows) scrollTo(scroller.scrollHeight);
    draw();
    if (measure()) draw();
  };
  const choose = (/** @type {Chosen | null} */ next) => {
    chosen = next;
    if (next) follow(false);
    paint();
    hears.onChoose(next);
  };
  scroller.addEventListener("scroll", () => {
    draw();
    if (Math.abs(scroller.scrollTop - own) < 1) return;
    own = NaN;
    const end = atEnd(glass(), count());
    follow(end);
    if (end) hears.onPoint(false);
    else if (scroller.scrollTop < NEAR_TOP * row) hears.onTop();
  }, { passive: true });
  watchPointer(table.tBodies[0], hears.onPoint);
  new ResizeObserver(resized).observe(scroller);
  return {
    /** @param {RowLog} next @param {boolean} still whether it must not move, although it follows */
    update: (next, still) => {
      const other = next.list !== log.list;
      const gone = other ? 0 : next.first - log.first;
      log = next;
      if (other && chosen) choose(null);
      if (other) follow(true);
      size();
      if (follows && !still) scrollTo(scroller.scrollHeight);
      else if (gone !== 0) scrollTo(scroller.scrollTop - gone * row);
      draw();
      if (measure()) draw();
    },
    /** To the newest row, and on with it. */
    toEnd: () => {
      follow(true);
      scrollTo(scroller.scrollHeight);
      draw();
    },
    /** Choose a row, or all from the anchor to it; scrolls no further than needed. @param {number} position @param {boolean} [extend] */
    choose: (position, extend = false) => {
      const active = Math.max(log.first, Math.min(shownEnd(log) - 1, position));
      if (count() === 0) return;
      choose({ active, anchor: extend && chosen ? chosen.anchor : active });
      scrollTo(reveal(glass(), active - log.first));
      draw();
    },
    clear: () => {
      choose(null);
      follow(atEnd(glass(), count()));
    },
    chosen: () => chosen,
    follows: () => follows,
    positionOf: pool.positionOf,
    /** The last row in sight, although the browser rounds heights. */
    lowest: () => log.first + Math.min(count(), Math.floor((glass().top + glass().height - head) / row + 0.1)) - 1,
    page: () => pageOf(glass()),
  };
}

/** Says when a mouse moves over the rows, and when it leaves them: not when rows move under it. @param {HTMLElement} body @param {(points: boolean) => void} tell */
function watchPointer(body, tell) {
  let before = "";
  body.addEventListener("pointermove", (event) => {
    const at = `${event.screenX},${event.screenY}`;
    if (event.pointerType === "mouse" && before !== "" && at !== before) tell(true);
    before = at;
  });
  body.addEventListener("pointerleave", () => {
    before = "";
    tell(false);
  });
}
