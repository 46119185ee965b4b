// @ts-check
/** Connections: which one? Filter, order and page are the server's work. */

import { mountColumns } from "../../ui/columns.js";
import { debounce, refs, setAttr, setText, show } from "../../ui/dom.js";
import { getGroup, setGroup } from "../../model/rows/filter_terms.js";
import * as format from "../../model/format.js";
import { mountFilterBoxes, showFault } from "../frame/filter_box.js";
import { mountGroups } from "./groups.js";
import { chipIn, connectionLink } from "../rows/row_cells.js";
import { createTable, headsOf } from "../../ui/table.js";
import { addressBar, build } from "../../ui/url.js";
import { chip, endWords, reasonSentence, stateWords } from "../frame/labels.js";

/**
 * @typedef {import("../../live/types.js").Connections} Connections @typedef {import("../../live/types.js").ConnectionItem} Row @typedef {typeof DEFAULTS} Params
 * @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts @typedef {(next: Partial<Params>) => void} Change
 */

const KINDS = { table: HTMLTableElement, q: HTMLInputElement, size: HTMLSelectElement, page: HTMLInputElement };
const DEFAULTS = { q: "", sort: "-queue_bytes", page: 1, size: 100 };
const SIZES = [50, 100, 200];
const STORED_COLUMNS = "echoscope-columns";
const TYPING_MS = 250;
/** How the server's answer to an order that it does not know begins. */
const NO_SORT = "unknown sort ";
/** Columns that read best from the top: a first click sorts them downwards. */
const UPWARDS_FIRST = new Set(["conn", "worker", "peer", "state", "reason"]);

/** @type {Record<string, (row: Row, cell: HTMLTableCellElement) => string | null>} */
const CELLS = {
  conn: (row, cell) => (connectionLink(cell, row.conn), null),
  state: (row, cell) => (chip(chipIn(cell), row.state, stateWords(row.state)), null),
  worker: (row) => String(row.worker),
  peer: (row) => row.peer,
  queue_bytes: (row) => format.bytes(row.queue_bytes),
  queue_chunks: (row) => format.count(row.queue_chunks),
  queue_peak_bytes: (row) => format.bytes(row.queue_peak_bytes),
  bytes_in: (row) => format.bytes(row.bytes_in),
  bytes_out: (row) => format.bytes(row.bytes_out),
  echoes: (row) => format.count(row.echoes),
  fulls: (row) => format.count(row.fulls),
  idle_s: (row) => (row.state === "closed" ? "" : format.duration(row.idle_s)),
  opened: (row, cell) => (setAttr(cell, "title", row.opened), format.stamp(row.opened)),
  closed: (row, cell) => (setAttr(cell, "title", row.closed), row.closed ? format.stamp(row.closed) : ""),
  reason: (row, cell) => (setAttr(cell, "title", reasonSentence(row.reason) || null), row.reason ? endWords(row.reason) : ""),
};

/** @param {Row} row */
const rowMark = ({ state, end }) => {
  if (state === "blocked" || state === "paused") return "full";
  return state !== "closed" ? "" : end === "abnormal" ? "bad" : "closed";
};

/** @param {HTMLElement} root @param {import("../../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, KINDS);
  const bar = addressBar(DEFAULTS);
  const params = bar.read();
  if (!SIZES.includes(params.size)) params.size = DEFAULTS.size;
  params.page = Math.max(1, params.page);
  let fresh = false;
  /** @type {Connections | null} */
  let shown = null;
  const table = createTable(parts.table, {
    key: (row) => String(row.conn), cells: CELLS, mark: rowMark,
    onWaiting: (waiting) => show(parts.hint, waiting), onHold: (held) => show(parts.held, held),
  });
  let asks = 0;
  const ask = async (note = "") => {
    const mine = (asks += 1);
    const { q, sort, page, size } = params;
    const asked = { q, sort, limit: size, offset: (page - 1) * size };
    const error = await app.wire.watch("connections", asked);
    fresh ||= !error;
    if (mine !== asks) return;
    if (error.startsWith(NO_SORT) && sort !== DEFAULTS.sort) {
      params.sort = orderFor(q, DEFAULTS.sort);
      showControls(parts, params);
      ask(`There is no order “${sort.slice(0, 40)}”: the rows stand in the usual one.`);
      return;
    }
    showError(parts, error, shown !== null);
    if (error) return;
    showNote(parts, note);
    bar.write(params);
  };
  const change = (/** @type {Partial<Params>} */ next) => {
    Object.assign(params, { page: 1 }, next);
    showControls(parts, params);
    groups.press(getGroup(params.q));
    offer("closed", asksForClosed(params.q));
    ask();
  };
  const groups = mountGroups(parts.groups, (group) => {
    parts.q.value = setGroup(parts.q.value, group);
    change({ q: parts.q.value, sort: orderFor(parts.q.value, params.sort) });
  });
  const offer = mountColumns(root, STORED_COLUMNS, table.release);
  mountFilterBoxes(root, app);
  mountFilter(root, parts, params, change);
  mountOrder(parts, params, change);
  const page = mountPager(root, parts, params, change);
  parts.hint.addEventListener("click", table.release);
  showControls(parts, params);
  groups.press(getGroup(params.q));
  offer("closed", asksForClosed(params.q));
  parts.q.value = params.q;
  ask();
  return (/** @type {import("../../live/store.js").State} */ state) => {
    const data = state.connections;
    if (!data || data === shown) return;
    shown = data;
    if (fresh) table.reset();
    fresh = false;
    table.update(data.items);
    page(data);
    groups.count(data.counts);
    showNothing(parts, data, params);
  };
}

/** @param {Parts} parts @param {string} error @param {boolean} isFilled whether there were rows before */
function showError(parts, error, isFilled) {
  showFault(parts.q, parts.filterError, error, isFilled ? "(The rows are those of the last filter that worked.)" : "");
  if (!error || isFilled) return;
  show(parts.nothing, true);
  show(parts.clear, true);
  setText(parts.nothingText, "No rows yet: this filter cannot be applied.");
}

/** What else is to be said of the rows, where it would be said of the filter. @param {Parts} parts @param {string} note */
function showNote(parts, note) {
  if (!note) return;
  setText(parts.filterError, note);
  show(parts.filterError, true);
}

/** What heads and pager say of the parameters; the filter field itself is the typist's. @param {Parts} parts @param {Params} params */
function showControls(parts, params) {
  const down = params.sort.startsWith("-");
  if (parts.order) setAttr(parts.order, "href", `/orders${build({ q: params.q }, { q: "" })}`);
  for (const head of headsOf(parts.table)) {
    const sorted = head.dataset.col === params.sort.replace("-", "");
    setAttr(head, "aria-sort", sorted ? (down ? "descending" : "ascending") : null);
  }
  if (document.activeElement !== parts.size) parts.size.value = String(params.size);
  if (document.activeElement !== parts.page) parts.page.value = String(params.page);
}

/** Whether a filter asks for closed connections. @param {string} q */
const asksForClosed = (q) => ["closed", "abnormal", "probe"].includes(getGroup(q) ?? "");

/** The order that another group begins with: of closed ones the latest first, unless someone chose an order. @param {string} q @param {string} sort */
function orderFor(q, sort) {
  if (asksForClosed(q)) return sort === DEFAULTS.sort ? "-closed" : sort;
  return sort === "-closed" ? DEFAULTS.sort : sort;
}

/** @param {HTMLElement} root @param {Parts} parts @param {Params} params @param {Change} change */
function mountFilter(root, parts, params, change) {
  const put = (/** @type {string} */ q) => {
    parts.q.value = q;
    change({ q });
  };
  const typed = debounce(() => parts.q.value.trim() !== params.q && change({ q: parts.q.value.trim() }), TYPING_MS);
  parts.q.addEventListener("input", typed);
  parts.clear.addEventListener("click", () => put(""));
  for (const example of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-example]"))) {
    example.addEventListener("click", () => {
      example.closest("dialog")?.close();
      put(example.dataset.example ?? "");
    });
  }
}

/** @param {Parts} parts @param {Params} params @param {Change} change */
function mountOrder(parts, params, change) {
  parts.table.tHead?.addEventListener("click", (event) => {
    const name = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.sort;
    if (!name) return;
    const first = UPWARDS_FIRST.has(name) ? name : `-${name}`;
    const other = UPWARDS_FIRST.has(name) ? `-${name}` : name;
    change({ sort: params.sort === first ? other : first });
  });
}

/** @param {HTMLElement} root @param {Parts} parts @param {Params} params @param {Change} change */
function mountPager(root, parts, params, change) {
  let last = 1;
  const go = (/** @type {number} */ page) => {
    const next = Math.min(last, Math.max(1, Math.trunc(page) || 1));
    parts.page.value = String(next);
    if (next !== params.page) change({ page: next });
  };
  const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (root.querySelectorAll("[data-go]"));
  for (const button of buttons) button.disabled = true;
  parts.page.disabled = true;
  const target = () => ({ first: 1, previous: params.page - 1, next: params.page + 1, last });
  for (const button of buttons) {
    button.addEventListener("click", () => go(target()[/** @type {keyof ReturnType<typeof target>} */ (button.dataset.go)]));
  }
  parts.page.addEventListener("change", () => go(Number(parts.page.value)));
  parts.size.addEventListener("change", () => change({ size: Number(parts.size.value) }));
  return (/** @type {Connections} */ data) => {
    const { matched, total, items } = data;
    last = Math.max(1, Math.ceil(matched / params.size));
    const from = (params.page - 1) * params.size;
    setText(parts.matched, `${format.count(matched)} matched of ${format.count(total)}`);
    const rows = items.length > 0 ? `Rows ${format.count(from + 1)}–${format.count(from + items.length)} of ${format.count(matched)}` : "No rows";
    setText(parts.range, rows);
    setText(parts.pages, `of ${format.count(last)}`);
    if (document.activeElement !== parts.page) parts.page.disabled = last <= 1 && params.page <= 1;
    for (const button of buttons) {
      const backwards = button.dataset.go === "first" || button.dataset.go === "previous";
      const isEnd = backwards ? params.page <= 1 : params.page >= last;
      // A button that cannot be used any more does not keep the focus: it goes on to the page beside it.
      if (isEnd && document.activeElement === button && !parts.page.disabled) parts.page.focus();
      button.disabled = isEnd;
    }
  };
}

/** @param {Parts} parts @param {Connections} data @param {Params} params */
function showNothing(parts, data, params) {
  show(parts.nothing, data.items.length === 0);
  show(parts.clear, params.q !== "");
  setText(parts.nothingText, nothingText(data, params.q));
}

/** Why there are no rows, and what to do. @param {Connections} data @param {string} q */
function nothingText({ matched }, q) {
  if (matched > 0) return "This page is past the last row: go to an earlier one.";
  const group = getGroup(q);
  return (group !== null && q === setGroup("", group) && NOTHING[group]) || "Nothing matches this filter.";
}

/** @type {Record<string, string>} */
const NOTHING = {
  "": "No connections yet. As soon as a client connects, it shows here.",
  blocked: "No client is blocked: all of them take their replies.",
  closed: "None has closed yet.",
  abnormal: "No abnormal end: no reset, no error, no timeout.",
  probe: "No probe: every connection that closed had sent something.",
};
