// @ts-check
/** One connection: what is wrong with it, and, once it is gone, what became of it. */

import { createChart } from "../chart.js";
import { refs, setAttr, setText, show } from "../dom.js";
import * as format from "../format.js";
import { showEvidence, showFacts, troubles, verdictTitle } from "../kernel.js";
import { standsStill } from "../moment.js";
import { mountDownloads } from "../parts/downloads.js";
import { mountOlder } from "../parts/older.js";
import { createPipe } from "../parts/pipe.js";
import { mountRowFinder } from "../parts/row_finder.js";
import { mountTimeline } from "../parts/timeline.js";
import { beat, emptyPulse, fromLog, fromRows, WINDOW } from "../pulse.js";
import { EVENT_TABLE } from "../rows.js";
import { createTable } from "../table.js";
import { rowsIn } from "../tail.js";
import { chip, reasonSentence, stateWords } from "../words.js";

/** @typedef {import("../store.js").State} State */

const MOST_ROWS = 1000;
/** Frames further apart than this are of different moments: the charts begin anew. */
const JUMP_S = 30;

/** @param {HTMLElement} root @param {import("../main.js").App} app */
export function mount(root, app) {
  const parts = refs(root, { table: HTMLTableElement });
  const table = createTable(parts.table, {
    ...EVENT_TABLE, onHold: (held) => app.store.dispatch({ type: "hold", held }),
  });
  const draw = mountCharts(root);
  const pipe = createPipe(parts.pipe, parts.pipeSaid);
  const whole = { q: `conn:${app.conn}`, since: "", until: "" };
  // What the table shows; from a row of the past on when one was asked for.
  const set = { ...whole };
  const older = mountOlder(root, app, set, "That is all of it.");
  const downloads = mountDownloads(root, app, () => whole);
  const finder = mountRowFinder(root, app, set, older);
  const timeline = mountTimeline(root, app, finder.goTo);
  app.onAnew(() => {
    finder.reset();
    begin(parts, app);
  });
  begin(parts, app);
  /** @type {any} */
  let item = null;
  /** @type {any} */
  let tail = null;
  return (/** @type {State} */ state) => {
    downloads(state);
    if (state.connection && state.connection !== item) {
      item = state.connection;
      const known = item.state !== null;
      missing(parts, known ? "" : nowhere(app));
      if (known) {
        showItem(parts, item, state.connectionTime * 1000);
        draw(item, state);
        pipe.update(item, rowsOf(item), state.connectionTime);
      } else if (standsStill(state.moment)) lookUp(parts, app);
    }
    timeline(state);
    if (state.tail === tail) return;
    tail = state.tail;
    table.update(tail.entries);
    showTail(parts, state, finder.said());
    older.update(state);
  };
}

/** Watches the connection; one that the server no longer holds is looked up in its log. */
async function begin(/** @type {any} */ parts, /** @type {import("../main.js").App} */ app) {
  app.wire.watch("events", { q: `conn:${app.conn}` });
  const error = await app.wire.watch("connection", { conn: Number(app.conn) });
  if (!error) return;
  app.wire.unwatch("connection");
  lookUp(parts, app);
}

/** What its log tells, as of the moment that is shown. */
async function lookUp(/** @type {any} */ parts, /** @type {import("../main.js").App} */ app) {
  const at = app.now();
  try {
    const { items } = await app.get("events", { q: `conn:${app.conn}`, limit: MOST_ROWS });
    if (items.length === 0) return missing(parts, nowhere(app));
    const { moment } = app.store.get();
    if (moment.at !== null && moment.at !== at) return;
    const time = new Date(at).toISOString();
    app.store.dispatch({ type: "frame", view: "connection", data: fromLog(items), time, now: Date.now() });
  } catch (failure) {
    missing(parts, `It could not be looked up in the log: ${/** @type {Error} */ (failure).message}`);
  }
}

/** @param {import("../main.js").App} app */
function nowhere({ conn, store }) {
  const never = `There is no connection ${conn}: it has never been, or its log has been dropped.`;
  return store.get().moment.at === null ? never : `Connection ${conn} was not there yet at the moment shown, or its log has been dropped.`;
}

/** @param {any} parts @param {string} text why there is nothing to show; "" where there is */
function missing(parts, text) {
  show(parts.missing, text !== "");
  show(parts.known, text === "");
  show(parts.downloads, text === "");
  setText(parts.missingText, text);
}

/** @param {any} item @returns {any[]} its recent rows, oldest first */
const rowsOf = (item) => (Array.isArray(item.history) ? item.history : (item.history?.items ?? []));

/** @param {HTMLElement} root */
function mountCharts(root) {
  const figure = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-chart="${name}"]`));
  const queue = createChart(figure("queue"), {
    unit: "bytes", format: format.bytes,
    lines: [{ column: "queue_bytes", label: "waiting", colour: "--full", fill: true, steps: true }],
  });
  const flow = createChart(figure("bytes"), {
    unit: "bytes", format: format.byteRate,
    lines: [
      { column: "bytes_out", label: "out", colour: "--notfull", fill: true },
      { column: "bytes_in", label: "in", colour: "--notempty" },
    ],
  });
  let pulse = emptyPulse();
  let before = 0;
  return (/** @type {any} */ item, /** @type {State} */ { connectionTime: now }) => {
    const jumped = now < before || now - before > JUMP_S;
    before = now;
    if (jumped || pulse.queue.time.length === 0) pulse = fromRows(rowsOf(item));
    if (item.state !== "closed") pulse = beat(pulse, item, now);
    const span = spanOf(item, pulse.queue.time, now);
    queue.update(pulse.queue, span);
    flow.update(pulse.flow, span);
  };
}

/** The last minutes of a living connection, the life of a dead one. @param {any} item @param {number[]} times @param {number} now */
function spanOf(item, times, now) {
  const start = times[0] ?? now - 1;
  const end = item.state === "closed" ? Math.max(times.at(-1) ?? now, start + 1) : now;
  return /** @type {[number, number]} */ ([Math.max(Math.min(start, end - 60), end - WINDOW), end]);
}

/** @param {any} parts @param {any} item @param {number} now milliseconds */
function showItem(parts, item, now) {
  const closed = item.state === "closed";
  const start = format.toMillis(item.opened);
  const end = format.toMillis(item.closed) ?? now;
  chip(parts.state, item.state, stateWords(item.state));
  setText(parts.peer, item.peer);
  setText(parts.queued, format.bytes(item.queue_bytes));
  setText(parts.chunks, format.count(item.queue_chunks));
  setText(parts.peak, format.bytes(item.queue_peak_bytes));
  setText(parts.fulls, format.count(item.fulls));
  setText(parts.bytesIn, format.bytes(item.bytes_in));
  setText(parts.bytesOut, format.bytes(item.bytes_out));
  setText(parts.echoes, format.count(item.echoes));
  setText(parts.opened, format.stamp(item.opened));
  setAttr(parts.opened, "title", item.opened);
  setText(parts.age, start === null ? format.UNKNOWN : format.duration(Math.max(0, end - start) / 1000));
  setText(parts.idle, closed ? format.UNKNOWN : format.duration(item.idle_s));
  setText(parts.worker, item.worker === 0 ? "0 (thread)" : format.count(item.worker));
  showFacts(parts, item.kernel, closed);
  showVerdict(parts, item, start === null ? null : (end - start) / 1000);
}

/** Who holds it up, or the post-mortem. @param {any} parts @param {any} item @param {number | null} lived seconds */
function showVerdict(parts, item, lived) {
  const closed = item.state === "closed";
  const { verdict } = item;
  show(parts.verdict, closed || Boolean(verdict));
  if (verdict && !closed) {
    setText(parts.verdictTitle, verdictTitle(verdict));
    setText(parts.verdictText, verdict.sentence);
  }
  if (closed) {
    setText(parts.verdictTitle, `Closed ${format.stamp(item.closed)}: ${item.reason || "reason not known"}`);
    const life = `It lived for ${format.duration(lived)}, sent ${format.bytes(item.bytes_in)} and was sent ${format.bytes(item.bytes_out)}.`;
    setText(parts.verdictText, `${verdict?.sentence ?? reasonSentence(item.reason)} ${life}${undelivered(item)}`);
  }
  showEvidence(parts.evidence, verdict?.evidence ?? []);
  const bad = closed ? item.reason !== "peer" : Boolean(verdict) && troubles(verdict);
  setAttr(parts.verdict, "data-tone", bad ? "bad" : null);
}

/** What is left of its queue, which a verdict tells already. @param {any} item */
function undelivered(item) {
  const left = format.num(item.queue_bytes) ?? 0;
  if (left === 0) return " Nothing was left undelivered in the server's queue.";
  return item.verdict ? "" : ` ${format.bytes(left)} of replies could not be delivered.`;
}

/** @param {any} parts @param {State} state @param {string} said which rows these are, where not the newest */
function showTail(parts, { tail }, said) {
  const waiting = rowsIn(tail.waiting);
  const skipped = Math.round(tail.skippedPerS);
  const held = tail.held && waiting > 0 ? `Standing still while you point at it: ${format.plural(waiting, "new row")} waiting` : "";
  setText(parts.rowCount, said || held || (skipped > 0 ? `live, ${format.plural(skipped, "row")} more a second, not shown` : "newest first"));
  show(parts.nothing, tail.loaded && tail.entries.length === 0);
}
