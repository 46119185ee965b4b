// @ts-check
/** Made-up fields of a filter, and values of now. Pure. */

import { many } from "./made_up.js";

/** @typedef {import("../live/types.js").FilterField} Field */

const KINDS = Object.entries({
  open: "a connection was accepted", echo: "read and answered in one visit", read: "read, the reply waits", write: "queued reply flushed to the kernel",
  full: "the send buffer took less than it was offered", not_full: "the send buffer has room again", pause: "reading stopped", close: "the connection is gone",
});
const IS = [":", "!="];
const ORDERED = [":", "!=", ">", ">=", "<", "<="];

/** @param {Partial<Field> & {name: string, meaning: string}} more @returns {Field} */
const field = (more) => ({ type: "text", unit: "", units: [], operators: IS, values: [], examples: [], live: false, ...more });
/** @param {string} name @param {string} meaning */
const size = (name, meaning) => field({ name, meaning, type: "figure", unit: "bytes", units: ["B", "KiB", "MiB"], operators: ORDERED, examples: ["64KiB", "1MiB"] });

export const FIELDS = [
  field({ name: "kind", meaning: "what the visit of the loop came to", values: KINDS.map(([value, meaning]) => ({ value, meaning })) }),
  field({ name: "conn", meaning: "identity of the connection", type: "figure", operators: ORDERED }),
  field({ name: "peer", meaning: "address and port of the client", live: true }),
  size("bytes_in", "read in this visit"), size("bytes_out", "taken by the kernel in this visit"), size("queue_bytes", "waits after this visit"),
  field({ name: "reason", meaning: "why, for pause, close, refuse and lost", examples: ["reset"] }),
];

/** Peers that are connected now, more than are offered. */
export const PEERS = many(60, (index) => ({ value: index % 4 === 0 ? `[2001:db8::${index}]` : `10.0.0.${index}`, meaning: index % 3 === 0 ? "3 connections" : "1 connection" }));
