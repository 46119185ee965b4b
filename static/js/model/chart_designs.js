// @ts-check
/** The Overview's charts: which column of the history is which line. */

import * as format from "./format.js";

/** @type {Record<string, import("../ui/plots/chart.js").Design>} */
export const CHARTS = {
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
