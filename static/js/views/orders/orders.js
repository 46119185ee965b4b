// @ts-check
/** Orders: who ordered what, and what came of it; the faults that are on; the form that gives an order. */

import { chipIn } from "../rows/row_cells.js";
import { chip } from "../frame/labels.js";
import * as format from "../../model/format.js";
import { onText } from "../../model/order_words.js";
import { createTable } from "../../ui/table.js";
import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { mountArmed } from "./armed_faults.js";
import { mountOrderForm } from "./order_form.js";

/** @typedef {import("../../live/types.js").OrderRecord} OrderRecord */

const KINDS = { orders: HTMLTableElement, newestOrders: HTMLButtonElement, olderOrders: HTMLButtonElement };
const REFRESH_MS = 2000;
const PAGE = 100;

/** @param {string} result */
const resultMark = (result) => (result === "done" || result === "" ? "life" : "bad");

/** @type {Record<string, (row: OrderRecord, cell: HTMLTableCellElement) => string | null>} */
const CELLS = {
  number: (row) => String(row.number),
  time: (row, cell) => (setAttr(cell, "title", row.time), format.stamp(row.time)),
  who: (row) => `${row.who} (${row.role})`,
  from: (row) => row.from,
  what: (row) => row.what,
  on: (row, cell) => (setAttr(cell, "data-wrap", ""), onText(row.on)),
  why: (row, cell) => (setAttr(cell, "data-wrap", ""), row.why),
  result: (row, cell) => {
    setAttr(cell, "data-wrap", "");
    chip(chipIn(cell), row.result || "under way", [resultMark(row.result), ""]);
    return null;
  },
};

/** @param {HTMLElement} root @param {import("../../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, KINDS);
  const table = createTable(parts.orders, { key: (row) => String(row.number), cells: CELLS });
  const armed = mountArmed(parts, app, () => refresh());
  let cursor = 0;
  /** @type {number | null} */
  let next = null;
  let asks = 0;
  let timer = 0;
  const refresh = async () => {
    clearTimeout(timer);
    const mine = (asks += 1);
    try {
      const found = await Promise.all([app.get("orders", { limit: PAGE, cursor: cursor || "" }), app.get("faults")]);
      if (mine !== asks) return;
      showOrders(found[0]);
      armed(found[1].items);
      show(parts.ordersError, false);
    } catch (error) {
      if (mine !== asks) return;
      setText(parts.ordersError, `The record can't be shown: ${/** @type {Error} */ (error).message}`);
      show(parts.ordersError, true);
    }
    timer = window.setTimeout(() => document.hidden || refresh(), REFRESH_MS);
  };
  const showOrders = (/** @type {import("../../live/types.js").OrdersPage} */ page) => {
    next = page.next;
    table.update(page.items);
    show(parts.noOrders, page.items.length === 0);
    setText(parts.noOrdersText, "No order has been given yet.");
    const newest = page.items[0];
    setText(parts.ordersCount, newest && !cursor ? `${format.plural(newest.number, "order")} so far` : "");
    parts.olderOrders.disabled = next === null;
    parts.newestOrders.disabled = cursor === 0;
  };
  const go = (/** @type {number} */ to) => {
    cursor = to;
    table.reset();
    refresh();
  };
  parts.olderOrders.addEventListener("click", () => go(next ?? 0));
  parts.newestOrders.addEventListener("click", () => go(0));
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  app.onAnew(refresh);
  if (parts.orderForm) mountOrderForm(root, app, refresh);
  refresh();
  return () => undefined;
}
