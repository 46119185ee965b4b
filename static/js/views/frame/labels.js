// @ts-check
/** What kinds, states and reasons mean, and which of the four marks they carry. Pure but for `chip`. */

import { el, setAttr, setText } from "../../ui/dom.js";
import { bytes, num } from "../../model/format.js";

/** Marks: a circle is the receive buffer, a square the send buffer; filled: not empty, full. */
export const KINDS = {
  start: ["server", "the server began to listen"],
  stop: ["server", "the server stopped"],
  open: ["life", "a connection was accepted"],
  echo: ["notempty", "read and answered in one visit"],
  read: ["notempty", "read, the reply waits in the connection's queue"],
  write: ["notfull", "queued reply flushed to the kernel"],
  full: ["full", "the send buffer took less than it was offered"],
  not_full: ["notfull", "the send buffer has room again"],
  pause: ["full", "reading stopped: the queue is above high water"],
  resume: ["notfull", "reading taken up again: the queue is below low water"],
  eof: ["empty", "the peer ended its side (half-close)"],
  close: ["life", "the connection is gone"],
  refuse: ["bad", "a connection was not accepted"],
  lost: ["bad", "events that could not be recorded"],
  fault: ["bad", "a fault began on this connection, or ended"],
  order: ["life", "an order was carried out"],
};

export const STATES = {
  open: ["notfull", "open: replies go out as they come"],
  blocked: ["full", "blocked: the send buffer is full, replies wait in the queue"],
  paused: ["full", "paused: the queue is above high water, so the server has stopped reading"],
  closing: ["notempty", "closing: the peer has ended its side, the last replies are being delivered"],
  closed: ["empty", "closed: the connection is gone, its log remains"],
};

const REASONS = {
  peer: "The peer ended its side and was sent all that was queued.",
  reset: "The peer reset the connection.",
  idle: "Nothing was read or written for the idle timeout, so the server closed it.",
  operator: "Someone closed it from outside.",
  shutdown: "The server stopped.",
  limit: "The limit of open connections was reached.",
  high_water: "The queue passed its high-water mark.",
  ring_full: "The recorder was behind and had no room left.",
  disk: "After a crash neither the log nor the ring had it.",
  select_limit: "select() cannot watch a descriptor of 1024 or more.",
  max_queued: "All queues together passed their limit, and this was one of the largest.",
  proxy: "The PROXY header was refused",
  tls: "TLS failed",
  clock: "The clock was set, or the machine was suspended; the rows from here on follow it.",
  crash: "The server was killed; this was closed in the record at its next start.",
  fault: "A fault that someone ordered ended the connection.",
};

/** What an order was, after the name of its row. @type {Record<string, string>} */
const ORDERS = { close: "close connections", model: "go on with another model", fault: "begin or end a fault", lab: "the lab", zoo: "the zoo" };

/** What a fault does, by its kind. */
const FAULTS = {
  latency: "replies come later", bandwidth: "replies come at a limited rate", slicer: "replies come in small pieces",
  stop_reading: "the server does not read", hold: "replies are kept until it ends", corrupt: "single bits of replies are flipped",
  limit_data: "closed after a number of reply bytes", timeout: "no reply comes, then the connection is closed",
  reset_peer: "reset after a time", half_close: "the server ends its side and reads on", refuse: "reset as soon as it was accepted",
};

/** @param {Record<string, string[]>} table @param {string} name @returns {string[]} mark and meaning */
const lookUp = (table, name) => table[name] ?? ["life", ""];

/** Mark and meaning of an event kind. @param {string} kind */
export const kindWords = (kind) => lookUp(KINDS, kind);

/** Ends that someone should look at. */
const ABNORMAL = /^(reset|crash|error:)/;

/** Mark and meaning of an event: as its kind, but for an abnormal end. @param {{kind: string, reason: string}} row */
export function eventWords(row) {
  const words = kindWords(row.kind);
  return row.kind === "close" && ABNORMAL.test(row.reason) ? ["bad", words[1]] : words;
}

/** Mark and meaning of a connection state. @param {string} state */
export const stateWords = (state) => lookUp(STATES, state);

/** @type {Record<string, string>} */
const ENDS = {
  peer: "ended by the peer", reset: "reset by the peer", idle: "idle too long", operator: "closed from outside",
  shutdown: "server stopped", crash: "server killed", fault: "ended by a fault", proxy: "PROXY header refused", tls: "TLS failed", limit: "limit reached",
};

/** Why a connection ended, in a few words. @param {string} reason */
export function endWords(reason) {
  const [name, detail] = reason.split(":");
  return ENDS[name] ?? (name === "error" ? `error ${detail}` : reason);
}

/** What the number behind a reason counts; behind the others stands that of an order. @type {Record<string, string>} */
const COUNTED = { ring_full: "events", disk: "events", clock: "s" };

/** Why TLS failed. @type {Record<string, string>} */
const TLS = {
  not_tls: "what came was no TLS", version: "there is no version in common", cipher: "there is no cipher in common",
  timeout: "the handshake took longer than 10 s", truncated: "the peer left within the handshake", bad_record: "a record was damaged",
  alert_unknown_ca: "the peer does not know who signed the certificate", alert_certificate: "the peer does not accept the certificate",
  alert: "the peer sent an alert", error: "in another way",
};

/** The reason of a row as a sentence; "" for none. @param {string} reason @param {string} [kind] of the row */
export function reasonSentence(reason, kind = "") {
  if (!reason) return "";
  const [name, detail] = reason.split(":");
  if (name === "error") return `A system call failed with ${detail}.`;
  if (name === "tls") return `${REASONS.tls}: ${TLS[detail] ?? detail}.`;
  if (name === "proxy") return `${REASONS.proxy}: ${detail.replace("_", " ")}.`;
  if (name in ORDERS && (kind === "order" || !(name in REASONS))) return `Order${detail ? ` ${detail}` : ""}: ${ORDERS[name]}.`;
  const fault = /** @type {Record<string, string>} */ (FAULTS)[name];
  if (fault) return `Fault${detail ? ` ${detail}` : ""}: ${fault}.`;
  const sentence = /** @type {Record<string, string>} */ (REASONS)[name] ?? reason;
  if (!detail) return sentence;
  return `${sentence} (${name in COUNTED ? `${detail} ${COUNTED[name]}` : `order ${detail}`})`;
}

/** One line that says what ails a connection. @param {{state: string, queue_bytes: number}} item */
export function complaint(item) {
  const queued = num(item.queue_bytes) ?? 0;
  if (item.state === "paused") return `${bytes(queued)} wait, reading is paused until the peer takes some`;
  if (item.state === "blocked") return `${bytes(queued)} wait, the peer takes too little`;
  if (queued > 0) return `${bytes(queued)} wait in the queue`;
  return stateWords(item.state)[1];
}

/** A chip: shape and word. @param {HTMLElement} host @param {string} word @param {string[]} words mark and meaning */
export function chip(host, word, [mark, meaning]) {
  if (host.dataset.word === word && host.dataset.mark === mark) return;
  host.dataset.word = word;
  if (!host.firstElementChild) host.replaceChildren(el("span", { class: "mark", "aria-hidden": "true" }), el("span"));
  host.classList.add("chip");
  setAttr(host, "data-mark", mark);
  setAttr(host, "title", meaning);
  setText(/** @type {Element} */ (host.lastElementChild), word.replace("_", " "));
}
