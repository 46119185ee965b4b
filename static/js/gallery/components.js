// @ts-check
/** What the gallery shows: the folder of its `NAME_states.js` and its title, in the order of its list. */

/** @type {Record<string, {folder: string, title: string}>} */
export const COMPONENTS = {
  banner: { folder: "frame", title: "Head and banner" },
  scrubber: { folder: "frame", title: "Scrubber" },
  sparkline: { folder: "overview", title: "Sparkline" },
  chart: { folder: "overview", title: "Chart" },
  zoom: { folder: "overview", title: "Zoom bar" },
  map: { folder: "overview", title: "Connection map" },
  attention: { folder: "overview", title: "Needs attention" },
  histogram: { folder: "events", title: "Histogram" },
  table: { folder: "events", title: "Table and rows" },
  older: { folder: "connection", title: "Older pages" },
  completion: { folder: "events", title: "Filter completion" },
  groups: { folder: "connections", title: "Group chips" },
  columns: { folder: "connections", title: "Column chooser" },
  download: { folder: "events", title: "Download dialog" },
  pipe: { folder: "connection", title: "The pipe" },
  timeline: { folder: "connection", title: "Timeline" },
  kernel: { folder: "connection", title: "Kernel facts" },
  turns: { folder: "loop", title: "Turn chart" },
  phases: { folder: "loop", title: "Where the time goes" },
  zoo: { folder: "lab", title: "Zoo of clients" },
  overview: { folder: "overview", title: "Overview" },
  connections: { folder: "connections", title: "Connections" },
  connection: { folder: "connection", title: "Connection" },
  events: { folder: "events", title: "Events" },
  loop: { folder: "loop", title: "Loop" },
  lab: { folder: "lab", title: "Lab" },
};
