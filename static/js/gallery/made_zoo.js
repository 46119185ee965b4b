// @ts-check
/** A made-up animal of the zoo, out and back again. Pure. */

import { ago, HELD_UP } from "./made_up.js";

/**
 * @typedef {import("../live/types.js").Zoo} Zoo
 * @typedef {import("../live/types.js").ZooResult} Result
 */

/** @type {import("../live/types.js").ZooAnimal} */
export const ANIMAL = {
  name: "never-reads", title: "Never reads", does: "Sends as long as the server takes it, and never reads a reply.", page: "connection",
  watch: "The pipe fills from the right to the left: `send buffer`, queue, receive buffer.", count: 1, most: 8, seconds: 15,
  expects: { kinds: ["open", "echo", "full", "pause", "close"], reason: "reset", states: ["blocked", "paused"], verdicts: ["peer_not_reading"] },
};

/** @type {import("../live/types.js").ZooRunning} */
export const OUT = {
  name: ANIMAL.name, model: "epoll", count: 1, seconds: 15, began: ago(6), left_s: 9, stage: "sends, reads nothing", connections: 1, sent: 6_815_744, received: 0,
  states: ["open", "blocked", "paused"], verdicts: ["fine", "peer_not_reading"], sentence: HELD_UP.sentence, conns: [23], since: ago(6), notes: [],
};

/** What was seen of it: all of it, unless `met` is false. @param {Partial<Result>} [more] @returns {Result} */
export function result(more = {}) {
  const met = more.met ?? true;
  return {
    name: ANIMAL.name, model: "epoll", count: 1, seconds: 15, began: ago(40), took_s: 15.4, met, notes: [], q: "conn:23", since: ago(40), error: "",
    expectations: [
      { name: "events", wanted: "open, echo, full, pause, close", met: true, seen: "open, echo, full, pause, close" },
      { name: "state", wanted: "blocked or paused", met: true, seen: "open, blocked, paused" },
      { name: "verdict", wanted: "the peer is not reading", met, seen: met ? "the peer is not reading" : "fine" },
      { name: "close reason", wanted: "reset", met: null, seen: "its rows are no longer in the log" },
    ],
    connections: [{ conn: 23, peer: "127.0.0.1:40023", sent: 6_815_744, received: 0, echoed: 6_553_600, messages: 104, sentence: HELD_UP.sentence }],
    ...more,
  };
}

/** @param {Partial<Zoo>} [more] @returns {Zoo} */
export const zoo = (more = {}) => ({ animals: [ANIMAL], running: null, results: {}, busy: "", refusal: "", ...more });
