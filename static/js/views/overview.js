// @ts-check
/** Overview: is it well? */

import { createChart } from "../chart.js";
import { el, refs, setAttr, setText, show } from "../dom.js";
import * as format from "../format.js";
import { mountMapCard } from "../map_card.js";
import { sparkline } from "../sparkline.js";
import { addressBar } from "../url.js";
import { chip, complaint, eventWords, reasonSentence, stateWords } from "../words.js";

/** @typedef {import("../store.js").State} State */

/** @type {Record<string, import("../chart.js").Design>} */
const CHARTS = {
  echoes: {
    unit: "count", format: format.rate,
    lines: [{ column: "echoes_per_s", label: "a second", colour: "--accent", fill: true }],
  },
  bytes: {
    unit: "bytes", format: format.byteRate,
    lines: [
      { column: "bytes_out_per_s", label: "out", colour: "--notfull", fill: true },
      { column: "bytes_in_per_s", label: "in", colour: "--notempty" },
    ],
  },
  connections: {
    unit: "count", format: format.count,
    lines: [
      { column: "open", label: "open", colour: "--notfull", fill: true },
      { column: "blocked", label: "blocked", colour: "--full", fill: true },
    ],
  },
  queue: {
    unit: "bytes", format: format.bytes,
    lines: [{ column: "queue_bytes", label: "waiting", colour: "--full", fill: true }],
  },
  busy: {
    unit: "share", format: format.percent,
    lines: [{ column: "loop_busy", label: "busy", colour: "--accent", fill: true }],
  },
  churn: {
    unit: "count", format: format.rate,
    lines: [
      { column: "accepted_per_s", label: "accepted/s", colour: "--notfull" },
      { column: "closed_per_s", label: "closed/s", colour: "--empty" },
    ],
  },
};

/** Tile, column of the sparkline, least top of it. @type {[string, import("../series.js").Column, number][]} */
const SPARKS = [
  ["open", "open", 1], ["blocked", "blocked", 1], ["echoes", "echoes_per_s", 1], ["bytesIn", "bytes_in_per_s", 1],
  ["bytesOut", "bytes_out_per_s", 1], ["queued", "queue_bytes", 1], ["busy", "loop_busy", 0.1],
];

/** History whose steps are longer than live figures come is asked for again so often. */
const REFRESH_MS = 60_000;

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root);
  const charts = Object.entries(CHARTS).map(([name, design]) =>
    createChart(/** @type {HTMLElement} */ (root.querySelector(`[data-chart="${name}"]`)), design),
  );
  const map = mountMapCard(root, app);
  mountRanges(parts, app);
  mountCopy(parts);
  /** @type {any} */
  let drawn = null;
  return (/** @type {State} */ state) => {
    const data = state.overview;
    map(state);
    setText(parts.historyError, state.historyError);
    show(parts.historyError, state.historyError !== "");
    if (state.history && state.history !== drawn) {
      drawn = state.history;
      const end = Math.max(state.overviewTime, state.history.time.at(-1) ?? 0) || app.now() / 1000;
      for (const chart of charts) chart.update(state.history, [end - state.history.range, end]);
    }
    for (const [tile, column, least] of SPARKS) sparkline(/** @type {Element} */ (parts[`${tile}Spark`]), state.recent[column], least);
    if (!data) return;
    tiles(parts, data);
    server(parts, data);
    recorder(parts, data);
    attention(parts, data);
    notable(parts, data.notable ?? []);
  };
}

/** Range buttons, kept in the address bar, and the history they ask for. @param {Record<string, any>} parts @param {import("../main.js").App} app */
function mountRanges(parts, app) {
  const bar = addressBar({ range: 300, map: "conn" });
  const buttons = Array.from(/** @type {NodeListOf<HTMLElement>} */ (parts.ranges.querySelectorAll("button")));
  const known = buttons.map((button) => Number(button.dataset.range));
  let range = known.includes(bar.read().range) ? bar.read().range : 300;
  let asked = 0;
  const load = async () => {
    const mine = (asked += 1);
    try {
      const answer = await app.get("series", { range });
      if (mine === asked) app.store.dispatch({ type: "history", answer });
    } catch (error) {
      app.store.dispatch({ type: "history", error: `No history: ${/** @type {Error} */ (error).message}` });
    }
  };
  const press = () => buttons.forEach((button) => setAttr(button, "aria-pressed", String(Number(button.dataset.range) === range)));
  parts.ranges.addEventListener("click", (/** @type {Event} */ event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (!button) return;
    range = Number(button.dataset.range);
    bar.write({ ...bar.read(), range });
    press();
    load();
  });
  press();
  load();
  mountRecent(app);
  app.onAnew(load);
  setInterval(load, REFRESH_MS);
}

/** What the sparklines begin with. @param {import("../main.js").App} app */
function mountRecent(app) {
  const load = async () => {
    try {
      app.store.dispatch({ type: "recent", answer: await app.get("series", { range: 60 }) });
    } catch (error) {
      // The sparklines then begin with the next frames, and the charts say what is wrong.
      console.info(`no recent figures: ${/** @type {Error} */ (error).message}`);
    }
  };
  app.onAnew(load);
  load();
}

/** @param {Record<string, any>} parts */
function mountCopy(parts) {
  parts.copy.addEventListener("click", async () => {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(parts.command.textContent);
      setText(parts.copy, "Copied");
    } else {
      getSelection()?.selectAllChildren(parts.command);
    }
  });
}

/** @param {Record<string, any>} parts @param {any} data */
function tiles(parts, data) {
  const pair = (/** @type {string} */ name, /** @type {[string, string]} */ [figure, unit], after = "") => {
    setText(parts[name], figure);
    setText(parts[`${name}Unit`], unit + after);
  };
  const blocked = data.connections?.blocked;
  setText(parts.open, format.count(data.connections?.open));
  setText(parts.blocked, format.count(blocked));
  setAttr(parts.blocked.closest(".tile"), "data-some", String(Number(blocked) > 0));
  setText(parts.echoes, format.rate(data.echoes_per_s));
  pair("bytesIn", format.byteParts(data.bytes_in_per_s), "/s");
  pair("bytesOut", format.byteParts(data.bytes_out_per_s), "/s");
  pair("queued", format.byteParts(data.queue?.bytes));
  setText(parts.busy, format.percentFigure(data.loop_busy));
}

/** Where a client on the viewer's machine would connect. @param {{host: string, port: number}} echo */
function reachable(echo) {
  const everywhere = ["", "0.0.0.0", "::"].includes(echo.host);
  return everywhere ? location.hostname.replace(/^\[|\]$/g, "") : echo.host;
}

/** @param {Record<string, any>} parts @param {any} data */
function server(parts, data) {
  const { host = "", port = "" } = data.echo ?? {};
  setText(parts.address, host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  setText(parts.command, `nc ${reachable({ host, port })} ${port}`);
  show(parts.welcome, !data.replay && Number(data.connections?.accepted) === 0 && Number(data.connections?.open) === 0);
  setText(parts.model, data.model ?? format.UNKNOWN);
  setText(parts.reply, data.reply ?? format.UNKNOWN);
  setText(parts.workers, workersWords(format.num(data.workers)));
  setText(parts.uptime, format.duration(data.uptime_s));
  setText(parts.viewers, format.count(data.viewers));
}

/** @param {number | null} number unknown where a log does not tell */
function workersWords(number) {
  if (number === null) return format.UNKNOWN;
  return number > 0 ? format.plural(number, "process", "processes") : "0 (a thread)";
}

/** @param {Record<string, any>} parts @param {any} data */
function recorder(parts, data) {
  const { events, lost, lag_ms: lag, log_bytes: size, dropped } = data.recorder ?? {};
  setText(parts.recorded, format.count(events));
  setText(parts.lost, format.count(lost));
  setAttr(parts.lostBox, "data-some", String(Number(lost) > 0));
  setText(parts.lag, format.millis(lag));
  setText(parts.logSize, format.bytes(size));
  show(parts.droppedBox, Number(dropped?.events) > 0);
  setText(parts.dropped, format.count(dropped?.events));
  setAttr(parts.dropped, "title", dropped?.until ? `up to ${format.stamp(dropped.until)}` : null);
  setText(parts.accepted, format.count(data.connections?.accepted));
  setText(parts.closed, format.count(data.connections?.closed));
  setText(parts.refused, format.count(data.connections?.refused));
  setAttr(parts.refusedBox, "data-some", String(Number(data.connections?.refused) > 0));
  setText(parts.echoesTotal, format.count(data.echoes));
  setText(parts.inTotal, format.bytes(data.bytes_in));
  setText(parts.outTotal, format.bytes(data.bytes_out));
}

/**
 * A list whose items are made anew only when one of them is another; otherwise filled in place.
 * @param {HTMLElement} list @param {any[]} items @param {(item: any) => string} key
 * @param {(parts: Record<string, any>, item: any) => void} fill
 */
function keyedList(list, items, key, fill) {
  const keys = items.map(key).join(" ");
  if (list.dataset.keys !== keys && !list.contains(document.activeElement)) {
    list.dataset.keys = keys;
    list.replaceChildren(...items.map(listItem));
  }
  if (list.dataset.keys !== keys) return;
  items.forEach((item, index) => fill(refs(list.children[index]), item));
}

function listItem() {
  const line = el("span", { class: "line" }, el("span", { "data-ref": "chip" }), el("a", { "data-ref": "link" }));
  return el("li", {}, line, el("span", { class: "figure", "data-ref": "figure" }), el("span", { class: "detail", "data-ref": "detail" }));
}

/** @param {Record<string, any>} item parts of a list item @param {unknown} conn */
function linkTo(item, conn) {
  show(item.link, Number(conn) > 0);
  setAttr(item.link, "href", `/connections/${conn}`);
  setText(item.link, `#${conn}`);
}

/** @param {Record<string, any>} parts @param {any} data */
function attention(parts, data) {
  const items = data.attention ?? [];
  const queued = format.num(data.queue?.bytes) ?? 0;
  show(parts.calm, items.length === 0 && queued === 0);
  show(parts.waiting, items.length === 0 && queued > 0);
  setText(parts.waitingText, `${format.bytes(queued)} of replies are on their way; no client holds them up.`);
  keyedList(parts.attention, items, (item) => String(item.conn), (node, item) => {
    chip(node.chip, item.state, stateWords(item.state));
    linkTo(node, item.conn);
    setText(node.figure, item.peer);
    setText(node.detail, item.verdict?.sentence ?? complaint(item));
  });
}

/** @param {Record<string, any>} parts @param {any[]} rows */
function notable(parts, rows) {
  const newest = rows.slice(0, 8);
  show(parts.quiet, newest.length === 0);
  keyedList(parts.notable, newest, (row) => `${row.worker}:${row.seq}`, (node, row) => {
    chip(node.chip, row.kind, eventWords(row));
    linkTo(node, row.conn);
    setText(node.figure, format.stamp(row.time));
    setText(node.detail, [row.reason, row.peer].filter(Boolean).join(" · "));
    setAttr(node.detail, "title", reasonSentence(row.reason) || null);
  });
}
