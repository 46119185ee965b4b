// @ts-check
/** Needs attention: the slowest clients with a verdict, from a limit on that the viewer sets. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { bytes, count, duration, toMillis } from "../../model/format.js";
import { BYTES, LIMITS, MOST, SECONDS, fate, isElsewhere, isSlow, calmWords, limitsText, next, readLimits, secondsWords, settled } from "../../model/connection/attention_rules.js";
import { addressBar } from "../../ui/url.js";
import { chip, complaint, stateWords } from "../frame/labels.js";
import { keyedList, linkTo } from "../../ui/keyed_list.js";
import { local } from "../../ui/storage.js";

/** @typedef {import("../../model/connection/attention_rules.js").Entry} Entry @typedef {import("../../live/types.js").Overview} Overview */

const STORED = "echoscope-slow";
const DEFAULTS = { slow: "" };

/** @param {HTMLElement} root @param {import("../../main.js").App} app @returns {(data: Overview) => void} */
export function mountAttention(root, app) {
  const parts = refs(root, { slowSeconds: HTMLSelectElement, slowBytes: HTMLSelectElement });
  const bar = addressBar(DEFAULTS);
  let limits = readLimits(local.get(STORED) ?? "", bar.read().slow);
  /** @type {Entry[]} */
  let entries = [];
  /** @type {Overview | null} */
  let shown = null;
  /** The moment of the entries; null: live. @type {number | null} */
  let of = null;
  const draw = (/** @type {Overview} */ data) => {
    list(parts, entries);
    sayCalm(parts, entries, limits, data);
    showMore(parts, entries, limits, data);
  };
  const update = (/** @type {Overview} */ data) => {
    if (data === shown) return;
    shown = data;
    const at = toMillis(data.at);
    if (isElsewhere(of, at, app.store.get().moment.playing)) entries = [];
    of = at;
    entries = next(entries, data.attention, limits, toMillis(data.at ?? data.time) ?? 0);
    for (const entry of entries) if (entry.over?.how === "") ask(entry);
    draw(data);
  };
  const ask = async (/** @type {Entry} */ { item: { conn }, over }) => {
    entries = settled(entries, conn, "…");
    let how;
    try {
      how = fate(await app.get(`connections/${conn}`));
    } catch (error) {
      how = `what became of it is not known: ${/** @type {Error} */ (error).message}`;
    }
    if (over) entries = settled(entries, conn, how);
    if (shown) draw(shown);
  };
  mountLimits(parts, limits, (chosen) => {
    limits = chosen;
    local.set(STORED, limitsText(limits));
    bar.write({ slow: limitsText(limits) === limitsText(LIMITS) ? "" : limitsText(limits) });
    entries = [];
    const data = shown;
    shown = null;
    if (data) update(data);
  });
  return update;
}

/**
 * @param {{slowSeconds: HTMLSelectElement, slowBytes: HTMLSelectElement}} parts @param {import("../../model/connection/attention_rules.js").Limits} limits
 * @param {(limits: import("../../model/connection/attention_rules.js").Limits) => void} change
 */
function mountLimits({ slowSeconds, slowBytes }, limits, change) {
  slowSeconds.replaceChildren(...SECONDS.map((value) => new Option(secondsWords(value), String(value), false, value === limits.seconds)));
  slowBytes.replaceChildren(...BYTES.map((value) => new Option(value ? bytes(value) : "(size ignored)", String(value), false, value === limits.bytes)));
  const chosen = () => change({ seconds: Number(slowSeconds.value), bytes: Number(slowBytes.value) });
  slowSeconds.addEventListener("change", chosen);
  slowBytes.addEventListener("change", chosen);
}

/** @param {Record<string, HTMLElement>} parts @param {Entry[]} entries */
function list(parts, entries) {
  keyedList(parts.attention, entries.slice(0, MOST), ({ item }) => String(item.conn), (node, { item, over, peak }) => {
    if (over) chip(node.chip, "over", ["empty", "no longer slow; listed for half a minute after it got well or closed"]);
    else chip(node.chip, item.state, stateWords(item.state));
    linkTo(node, item.conn);
    setText(node.figure, over ? item.peer : `${duration(item.waiting_s)} · ${bytes(item.queue_bytes)}`);
    setAttr(node.figure, "data-tip", over ? null : `${item.peer}: how long something has been queued, and how much is`);
    setAttr(node.figure, "tabindex", over ? null : "0");
    node.figure.classList.toggle("term", !over);
    setText(node.detail, over ? `${over.how} (waited ${duration(item.waiting_s)}, at most ${bytes(peak)})` : item.verdict?.sentence ?? complaint(item));
  });
}

/** @param {Record<string, HTMLElement>} parts @param {Entry[]} entries @param {import("../../model/connection/attention_rules.js").Limits} limits @param {Overview} data */
function sayCalm(parts, entries, limits, data) {
  show(parts.calm, entries.length === 0);
  setText(parts.calm, `${calmWords(limits)}.`);
  const queued = data.queue.bytes;
  show(parts.waiting, entries.length === 0 && queued > 0);
  setText(parts.waitingText, `${bytes(queued)} of replies are on their way.`);
}

/** @param {Record<string, HTMLElement>} parts @param {Entry[]} entries @param {import("../../model/connection/attention_rules.js").Limits} limits @param {Overview} data */
function showMore(parts, entries, limits, data) {
  // All that the server named are slow: there may be many more than these.
  const all = data.attention.length > 0 && data.attention.every((item) => isSlow(item, limits));
  const more = Math.max(entries.length, all ? data.connections.blocked : 0) - MOST;
  show(parts.moreSlow, more > 0);
  setText(parts.moreSlow, `${count(more)} more`);
  setAttr(parts.moreSlow, "href", `/connections?q=waiting_s>=${limits.seconds}&sort=-waiting_s`);
}
