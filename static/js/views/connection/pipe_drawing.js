// @ts-check
/** The pipe, drawn: a vessel for each buffer, between them what flows, at both ends the peer. The page gives it frames. */

import { el, setAttr, setText, show } from "../../ui/dom.js";
import { byteRate, UNKNOWN } from "../../model/format.js";
import { paceOf, pipeOf, remember, sumsOf } from "../../model/connection/pipe_levels.js";
import { chip } from "../frame/labels.js";

/** @typedef {import("../../model/connection/pipe_levels.js").Pipe} Pipe @typedef {import("../../model/connection/pipe_levels.js").Vessel} Vessel @typedef {import("../../model/connection/pipe_levels.js").Flow} Flow */

const SVG = "http://www.w3.org/2000/svg";
/** Pixels from one moving mark to the next, as in the style sheet, and the milliseconds for them at pace 1. */
const PERIOD = 24;
const PERIOD_MS = 1200;

const VESSELS = {
  receive: ["Receive buffer", "In our kernel: what has arrived and the server has not read yet. Full, our window closes and the peer has to wait"],
  queue: ["Our queue", "In the server: replies that the send buffer had no room for. Above high water reading stops, at low water it goes on"],
  send: ["Send buffer", "In our kernel: left what was not sent yet, right what is in flight, sent and not acknowledged. Full, the server must queue"],
};
const FLOWS = {
  arrive: ["arrives", "Bytes a second that our kernel takes from the peer. The marks run faster the more there are, on a logarithmic scale"],
  read: ["is read", "Bytes a second that the server reads from the receive buffer"],
  write: ["is written", "Bytes a second that the send buffer takes from the server"],
  leave: ["is acknowledged", "Bytes a second that the peer's kernel acknowledges"],
};
const MEANINGS = {
  empty: "empty: nothing is in it", notempty: "not empty: something waits in it", full: "full: it takes nothing more for now",
  notfull: "not full: it has room", unknown: "not known: the kernel was not asked",
};

/** @param {string} tag @param {Record<string, string>} attributes @param {...Element} children */
function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** @param {string} label @param {string} tip @param {string} [name] its class */
const term = (label, tip, name = "term") => el("span", { class: name, tabindex: "0", "data-tip": tip }, label);

/** @template {object} T @param {T} table */
const namesOf = (table) => /** @type {(keyof T & string)[]} */ (Object.keys(table));

/**
 * One of each in a table of labels and tips.
 * @template {Record<string, string[]>} T @template Made @param {T} table @param {(name: string, label: string, tip: string) => Made} create
 * @returns {Record<keyof T & string, Made>}
 */
function each(table, create) {
  const made = namesOf(table).map((name) => [name, create(name, table[name][0], table[name][1])]);
  return Object.fromEntries(made);
}

/** @param {HTMLElement} host an empty `.pipe` @param {HTMLElement} said where it says of when the levels are */
export function createPipe(host, said) {
  const sends = createEnd("Peer sends", "The client's side: what it has written is under way to us");
  const reads = createEnd("Peer reads", "The client's side: the window is the room that its receive buffer offers. Closed, it is the client that does not read");
  const vessels = each(VESSELS, createVessel);
  const flows = each(FLOWS, createFlow);
  host.append(
    sends.root, flows.arrive.root, vessels.receive.root, flows.read.root, vessels.queue.root,
    flows.write.root, vessels.send.root, flows.leave.root, reads.root,
  );
  /** @type {import("../../model/connection/pipe_levels.js").Sums[]} */
  let kept = [];
  return {
    /** @param {import("../../model/connection/pipe_levels.js").Item} item @param {import("../../model/connection/pipe_levels.js").Row[]} rows its recent rows, oldest first @param {number} now seconds */
    update: (item, rows, now) => {
      kept = remember(kept, sumsOf(item, now));
      const pipe = pipeOf(item, rows, kept, now);
      for (const name of namesOf(vessels)) vessels[name].update(pipe[name]);
      for (const name of namesOf(flows)) flows[name].update(pipe.flows[name]);
      sends.update({ ...pipe.peer, mark: "unknown", figure: item.state === "closing" ? "has ended its side" : "", note: "" });
      reads.update(pipe.peer);
      setAttr(host, "data-state", item.state);
      setText(said, pipe.said);
    },
  };
}

/** @param {string} label @param {string} tip */
function createEnd(label, tip) {
  const state = el("span");
  const figure = el("span", { class: "pipe-figure" });
  const note = el("span", { class: "pipe-note" });
  const words = el("div", { class: "pipe-words" }, term(label, tip, "term pipe-name"), state, figure, note);
  const root = el("div", { class: "pipe-end" }, el("div", { class: "pipe-drawing" }, el("span", { class: "pipe-peer", "aria-hidden": "true" })), words);
  return {
    root,
    update: (/** @type {Pipe["peer"]} */ peer) => {
      showState(state, peer.mark, peer.word);
      setText(figure, peer.figure);
      setText(note, peer.note);
    },
  };
}

/** @param {HTMLElement} node @param {import("../../model/connection/pipe_levels.js").Mark} mark @param {string} word */
function showState(node, mark, word) {
  show(node, mark !== "unknown");
  if (mark !== "unknown") chip(node, word, [mark, MEANINGS[mark]]);
}

/** @param {string} name @param {string} label @param {string} tip */
function createVessel(name, label, tip) {
  const fill = svg("rect", { class: "pipe-fill", x: "0", width: "100" });
  const flying = svg("rect", { class: "pipe-flying" });
  const walls = svg("g", {});
  const drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, fill, flying, walls);
  const labels = el("div", { class: "pipe-lines", "aria-hidden": "true" });
  const box = el("div", { class: "pipe-vessel", "data-tip": tip });
  box.append(drawing, labels);
  const state = el("span");
  const [figure, limit, note] = ["figure", "limit", "note"].map((part) => el("span", { class: `pipe-${part}` }));
  const words = el("div", { class: "pipe-words" }, term(label, tip, "term pipe-name"), state, figure, limit, note);
  return {
    root: el("div", { class: "pipe-part", "data-vessel": name }, el("div", { class: "pipe-drawing" }, box), words),
    update: (/** @type {Vessel} */ vessel) => {
      setAttr(box, "data-mark", vessel.mark);
      level(fill, flying, vessel);
      drawLines(walls, labels, vessel.lines);
      showState(state, vessel.mark, vessel.word);
      setText(figure, vessel.figure || (vessel.mark === "unknown" ? "not known" : ""));
      setText(limit, vessel.limit);
      setText(note, vessel.note);
    },
  };
}

/** Filled to its share; what is in flight to the right. @param {Element} fill @param {Element} flying @param {Vessel} vessel */
function level(fill, flying, { share, part = 0 }) {
  // A level that there is at all can be seen.
  const height = share === null || share === 0 ? 0 : Math.max(2.5, share * 100);
  const split = 100 - part * 100;
  for (const [node, x, width] of /** @type {[Element, number, number][]} */ ([[fill, 0, split], [flying, split, 100 - split]])) {
    setAttr(node, "x", x.toFixed(2));
    setAttr(node, "width", width.toFixed(2));
    setAttr(node, "y", (100 - height).toFixed(2));
    setAttr(node, "height", height.toFixed(2));
  }
}

/** @param {Element} walls @param {HTMLElement} labels @param {import("../../model/connection/pipe_levels.js").Line[]} lines */
function drawLines(walls, labels, lines) {
  while (walls.children.length > lines.length) (walls.lastElementChild?.remove(), labels.lastElementChild?.remove());
  while (walls.children.length < lines.length) {
    walls.append(svg("line", { x1: "0", x2: "100" }));
    labels.append(el("span"));
  }
  lines.forEach(({ at, mark, words }, index) => {
    const y = (100 - at * 100).toFixed(2);
    setAttr(walls.children[index], "y1", y);
    setAttr(walls.children[index], "y2", y);
    setAttr(walls.children[index], "data-mark", mark);
    const label = /** @type {HTMLElement} */ (labels.children[index]);
    label.style.top = `${y}%`;
    setAttr(label, "data-mark", mark);
    setText(label, words);
  });
}

/** @param {string} name @param {string} label @param {string} tip */
function createFlow(name, label, tip) {
  const strip = el("span", { class: "pipe-strip" });
  const valve = el("span", { class: "pipe-valve" });
  const track = el("div", { class: "pipe-track", "aria-hidden": "true" }, strip, valve);
  const rate = term(UNKNOWN, tip, "term pipe-rate");
  const what = el("span", { class: "pipe-note" });
  const motion = strip.animate([{ transform: "translateX(0)" }, { transform: `translateX(${PERIOD}px)` }], { duration: PERIOD_MS, iterations: Infinity });
  motion.pause();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  return {
    root: el("div", { class: "pipe-flow", "data-flow": name }, el("div", { class: "pipe-drawing" }, track), el("div", { class: "pipe-words" }, rate, what)),
    update: (/** @type {Flow} */ flow) => {
      const pace = paceOf(flow.rate);
      setAttr(track, "data-flows", String(pace > 0));
      if (pace > 0 && !still.matches) {
        motion.updatePlaybackRate(pace);
        motion.play();
      } else motion.pause();
      show(valve, flow.shut !== "");
      setText(rate, flow.rate === null ? UNKNOWN : byteRate(flow.rate));
      setText(what, flow.shut || label);
      setAttr(what, "data-shut", String(flow.shut !== ""));
    },
  };
}
