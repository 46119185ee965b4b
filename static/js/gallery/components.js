// @ts-check
/** What the gallery shows: file name under components/ and title, in the order of its list. */

/** @type {Record<string, string>} */
export const COMPONENTS = {
  banner: "Head and banner",
  scrubber: "Scrubber",
  sparkline: "Sparkline",
  chart: "Chart",
  zoom: "Zoom bar",
  map: "Connection map",
  attention: "Needs attention",
  histogram: "Histogram",
  table: "Table and rows",
  older: "Older pages",
  completion: "Filter completion",
  groups: "Group chips",
  columns: "Column chooser",
  download: "Download dialog",
  pipe: "The pipe",
  timeline: "Timeline",
  kernel: "Kernel facts",
  turns: "Turn chart",
  phases: "Where the time goes",
  zoo: "Zoo of clients",
  overview: "Overview",
  connections: "Connections",
  connection: "Connection",
  events: "Events",
  loop: "Loop",
  lab: "Lab",
};
