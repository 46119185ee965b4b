// @ts-check
/** What the gallery shows: file name under components/ and title, in the order of its list. */

/** @type {Record<string, string>} */
export const COMPONENTS = {
  banner: "Head and banner",
  scrubber: "Scrubber",
  sparkline: "Sparkline",
  chart: "Chart",
  map: "Connection map",
  histogram: "Histogram",
  table: "Table and rows",
  older: "Older pages",
  columns: "Column chooser",
  download: "Download dialog",
  kernel: "Kernel facts",
  turns: "Turn chart",
  overview: "Overview",
  connections: "Connections",
  connection: "Connection",
  events: "Events",
  loop: "Loop",
  lab: "Lab",
};
