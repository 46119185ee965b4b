// @ts-check
/** One connection: what is wrong with it, and, once it is gone, what became of it. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import * as format from "../../model/format.js";
import { showEvidence, showFacts, troubles, verdictTitle } from "./kernel_facts.js";
import { mountConnectionCharts } from "./connection_charts.js";
import { mountConnectionRows } from "./connection_rows.js";
import { later } from "../../ui/lazy.js";
import { createPipe } from "./pipe_drawing.js";
import { mountTimeline } from "./timeline.js";
import { chip, reasonSentence, stateWords } from "../frame/labels.js";

/**
 * @typedef {import("../../main.js").App} App @typedef {import("../../live/store.js").State} State @typedef {import("../../live/types.js").ConnectionDetail} Known
 * @typedef {ReturnType<typeof refs<{}>>} Parts
 */

/** @param {HTMLElement} root @param {App} app */
export function mount(root, app) {
  const parts = refs(root);
  const rows = mountConnectionRows(root, app);
  const timeline = mountTimeline(root, app, rows.goTo);
  const pipe = createPipe(parts.pipe, parts.pipeSaid);
  const draw = mountConnectionCharts(root, app);
  const whole = { q: `conn:${app.conn}`, since: "", until: "" };
  const downloads = later(() => import("../frame/downloads.js"), ({ mountDownloads }) => mountDownloads(root, app, () => whole));
  let asked = 0;
  const begin = () => {
    const mine = (asked += 1);
    rows.follow();
    follow(parts, app, () => mine === asked);
  };
  app.onAnew(begin);
  begin();
  /** @type {State["connection"]} */
  let item = null;
  return (/** @type {State} */ state) => {
    downloads(state);
    if (state.connection && state.connection !== item) {
      item = state.connection;
      missing(parts, item.state === null ? nowhere(app) : "");
      if (item.state !== null) {
        showItem(parts, item, state.connectionTime * 1000);
        draw(item, state.connectionTime);
        pipe.update(item, item.history, state.connectionTime);
      }
    }
    timeline(state);
    rows.update(state);
  };
}

/** Watches the connection, of which the server knows what the log has, too. @param {Parts} parts @param {App} app @param {() => boolean} isNewest whether no one has asked since */
async function follow(parts, app, isNewest) {
  const error = await app.wire.watch("connection", { conn: Number(app.conn) });
  if (!error || !isNewest()) return;
  app.wire.unwatch("connection");
  missing(parts, error.startsWith("no connection ") ? nowhere(app) : error);
}

/** @param {App} app */
function nowhere({ conn, store }) {
  const never = `There is no connection ${conn}: it has never been, or its log has been dropped.`;
  return store.get().moment.at === null ? never : `Connection ${conn} was not there yet at the moment shown, or its log has been dropped.`;
}

/** @param {Parts} parts @param {string} text why there is nothing to show; "" where there is */
function missing(parts, text) {
  show(parts.missing, text !== "");
  show(parts.known, text === "");
  show(parts.downloads, text === "");
  setText(parts.missingText, text);
}

/** @param {Parts} parts @param {Known} item @param {number} now milliseconds */
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

/** Who holds it up, or the post-mortem. @param {Parts} parts @param {Known} item @param {number | null} lived seconds */
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
    const life = `It lived for ${format.duration(lived)}, sent ${format.bytes(item.bytes_in)}, and ${format.bytes(item.bytes_out)} for it were handed to the kernel.`;
    setText(parts.verdictText, `${verdict?.sentence ?? reasonSentence(item.reason)} ${life}${undelivered(item)}`);
  }
  showEvidence(parts.evidence, verdict?.evidence ?? []);
  const bad = closed ? item.end === "abnormal" : Boolean(verdict && troubles(verdict));
  setAttr(parts.verdict, "data-tone", bad ? "bad" : null);
}

/** What is left of its queue, which a verdict tells already. @param {Known} item */
function undelivered(item) {
  const left = format.num(item.queue_bytes) ?? 0;
  if (left === 0) return " Nothing was left undelivered in the server's queue.";
  return item.verdict ? "" : ` ${format.bytes(left)} of replies could not be delivered.`;
}
