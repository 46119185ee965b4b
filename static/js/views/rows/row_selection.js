// @ts-check
/** Rows of a list chosen by mouse and keyboard: looked at in the detail panel, copied as JSON, searched for matches. */

import { copyText } from "../../ui/clipboard.js";
import { refs, setText, show } from "../../ui/dom.js";
import { count, plural } from "../../model/format.js";
import { viewKeys } from "../../ui/keys.js";
import { entryAt, nextMark, shownEnd } from "../../model/rows/row_log.js";
import { mountDetail } from "./row_detail.js";

/** @typedef {import("./row_list.js").RowList} RowList @typedef {import("../../model/rows/row_log.js").RowLog} RowLog */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { table: HTMLTableElement, detail: HTMLElement };

const SAID_MS = 5000;
/** Rows that are copied at once. */
const MOST_COPIED = 50_000;

/**
 * @param {ParentNode} root with what the template rowlist.html has @param {import("../../main.js").App} app
 * @param {() => RowList} list @param {{toEnd: () => void}} hears `toEnd`: to the newest row, and on with it
 */
export function mountPick(root, app, list, { toEnd }) {
  const parts = refs(root, KINDS);
  const log = () => app.store.get().log;
  const say = sayer(parts.rowSaid);
  const detail = mountDetail(root, Number(app.conn));
  const lookAt = (focus = false) => {
    const chosen = list().chosen();
    if (!chosen) return detail.close();
    const entry = entryAt(log(), chosen.active);
    if (entry) detail.show(entry, around(log(), chosen.active), focus);
  };
  const close = () => {
    if (!detail.isOpen()) return list().clear();
    detail.close();
    parts.table.focus({ preventScroll: true });
  };
  const go = (/** @type {number} */ position, extend = false) => {
    list().choose(position, extend);
    if (detail.isOpen()) lookAt();
    if (!parts.detail.contains(document.activeElement)) parts.table.focus({ preventScroll: true });
  };
  const step = (/** @type {number} */ by, extend = false) => {
    const chosen = list().chosen();
    go(chosen ? chosen.active + by : list().lowest(), extend);
  };
  const search = (/** @type {1 | -1} */ by) => {
    const from = list().chosen()?.active ?? list().lowest() + (by > 0 ? 0 : 1);
    const found = nextMark(log(), from + by, by);
    if (found !== null) return go(found);
    const way = by > 0 ? "later" : "earlier";
    say(parts.marks.hidden ? "Nothing is highlighted: write a filter and choose Highlight" : `No ${way} match among the rows of this list`);
  };
  const copy = async () => {
    const rows = chosenRows(log(), list().chosen());
    if (rows.length === 0) return say("Choose a row first, with j, k or a click");
    const done = await copyText(rows.map((row) => JSON.stringify(row)).join("\n"));
    say(done ? `${plural(rows.length, "row")} copied as JSON${rows.length === MOST_COPIED ? `, the first ${count(MOST_COPIED)} of them` : ""}` : "The browser did not let it be copied");
  };
  listenToMouse(parts, list, go, lookAt);
  listenToKeys(parts, list, { step, go, lookAt, close, toEnd, first: () => log().first, end: () => shownEnd(log()) });
  const key = (/** @type {string} */ name, /** @type {string} */ does, /** @type {() => void} */ act) => ({ key: name, does, needs: "#rows", act });
  viewKeys([
    key("j", "next row", () => step(1)), key("k", "previous row", () => step(-1)),
    key("J", "choose the next row too", () => step(1, true)), key("K", "choose the previous row too", () => step(-1, true)),
    key("g", "oldest row of the list", () => go(log().first)), key("G", "newest row, and on with it", toEnd),
    key("c", "copy the chosen rows as JSON", copy),
  ]);
  if (parts.marks) {
    viewKeys([key("n", "next highlighted row", () => search(1)), key("N", "previous highlighted row", () => search(-1))]);
    parts.markNext.addEventListener("click", () => search(1));
    parts.markBefore.addEventListener("click", () => search(-1));
  }
  for (const button of [parts.copyRows, parts.detailCopy]) button.addEventListener("click", copy);
  parts.detailClose.addEventListener("click", close);
  return {
    go,
    /** What is chosen has changed. @param {import("./row_list.js").Chosen | null} chosen */
    chosen: (chosen) => {
      const rows = chosen ? Math.abs(chosen.active - chosen.anchor) + 1 : 0;
      show(parts.copyRows, rows > 1);
      setText(parts.copyRows, `Copy ${plural(rows, "row")}`);
      if (!chosen) detail.close();
    },
  };
}

/** The times between which a row, or what a gap stands for, is. @param {RowLog} log @param {number} position */
function around(log, position) {
  const timeAt = (/** @type {number} */ at) => {
    const entry = entryAt(log, at);
    return entry && "row" in entry ? entry.row.time : "";
  };
  return { before: timeAt(position - 1), after: timeAt(position + 1) };
}

/** @param {RowLog} log @param {import("./row_list.js").Chosen | null} chosen */
function chosenRows(log, chosen) {
  if (!chosen) return [];
  const rows = [];
  const last = Math.max(chosen.active, chosen.anchor);
  for (let at = Math.min(chosen.active, chosen.anchor); at <= last && rows.length < MOST_COPIED; at += 1) {
    const entry = entryAt(log, at);
    if (entry && "row" in entry) rows.push(entry.row);
  }
  return rows;
}

/** Says something for a while. @param {HTMLElement} place */
function sayer(place) {
  let timer = 0;
  return (/** @type {string} */ text) => {
    setText(place, text);
    clearTimeout(timer);
    timer = window.setTimeout(setText, SAID_MS, place, "");
  };
}

/** @param {Parts} parts @param {() => RowList} list @param {(position: number, extend?: boolean) => void} go @param {() => void} lookAt */
function listenToMouse(parts, list, go, lookAt) {
  const body = parts.table.tBodies[0];
  body.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
  body.addEventListener("click", (event) => {
    const position = list().positionOf(event.target);
    const link = event.target instanceof Element && event.target.closest("a");
    if (position === null || link || String(getSelection()) !== "") return;
    go(position, event.shiftKey);
    if (!event.shiftKey) lookAt();
  });
}

/**
 * The keys of a table that has the focus; those of the whole page are told to the keyboard's own module.
 * @param {Parts} parts @param {() => RowList} list @param {Record<"step" | "go", (by: number, extend?: boolean) => void> & {lookAt: (focus?: boolean) => void,
 *   close: () => void, toEnd: () => void, first: () => number, end: () => number}} does
 */
function listenToKeys(parts, list, does) {
  /** @type {Record<string, (shift: boolean) => void>} */
  const keys = {
    ArrowDown: (shift) => does.step(1, shift), ArrowUp: (shift) => does.step(-1, shift),
    PageDown: (shift) => does.step(list().page(), shift), PageUp: (shift) => does.step(-list().page(), shift),
    Home: (shift) => does.go(does.first(), shift), End: (shift) => does.go(does.end() - 1, shift),
    Enter: () => {
      if (!list().chosen()) does.step(0);
      does.lookAt(true);
    },
  };
  parts.table.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    const elsewhere = event.target instanceof Element && event.target.closest("a, button, .term");
    if (!action || elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event.shiftKey);
  });
  for (const part of [parts.table, parts.detail]) {
    part.addEventListener("keydown", (event) => event.key === "Escape" && does.close());
  }
}
