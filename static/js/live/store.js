// @ts-check
/** One state, changed only by a pure reduce; whoever shows it is told once a frame of the screen. */

import { firstLink } from "../model/link.js";
import { LIVE, played } from "../model/time/moment.js";
import { empty, extend, fromAnswer, pointOf, seconds } from "../model/time/series.js";
import * as rowlog from "../model/rows/row_log.js";

/**
 * @typedef {import("../model/link.js").Link} Link
 * @typedef {import("../model/time/series.js").Series} Series
 * @typedef {import("../model/rows/row_log.js").RowLog} RowLog
 * @typedef {import("../model/time/moment.js").Moment} Moment
 * @typedef {import("../model/time/moment.js").Span} Span
 * @typedef {{bins: import("../model/time/bins.js").Bins | null, error: string, cancelled: boolean, stale: boolean}} Histogram
 * @typedef {import("./types.js").ConnectionDetail | import("./types.js").UnknownConnection} Detail
 * @typedef {{now: number, link: Link, overview: import("./types.js").Overview | null, overviewTime: number, recent: Series, history: Series | null, zoomed: Series | null,
 *   historyError: string, connections: import("./types.js").Connections | null, connection: Detail | null, connectionTime: number,
 *   loop: import("./types.js").LoopFrame | null, map: import("./types.js").MapFrame | null, lab: import("./types.js").LabFrame | null, log: RowLog, moment: Moment, span: Span | null,
 *   refused: Record<string, string>, histogram: Histogram, transfers: import("../model/transfers.js").Transfer[]}} State
 * Times of frames are in seconds; `zoomed`: the history of what is looked at more closely; `refused`: what the server said to views that it does not serve
 *
 * @typedef {Omit<import("./types.js").Frames, "connection"> & {connection: Detail}} Frames
 * @typedef {{error: string, end?: boolean}} Trouble what a frame says when its view can no longer be told
 * @typedef {{[V in keyof Frames]: {type: "frame", view: V, data: Frames[V] | Trouble, time?: string | number, now: number}}[keyof Frames]} FrameAction
 * @typedef {{type: "tick", now: number} | {type: "link", phase: Link["phase"], why?: string, now: number} | FrameAction
 *   | {type: "recent", answer: import("../model/time/series.js").Answer} | {type: "history", answer?: import("../model/time/series.js").Answer, error?: string} | {type: "zoomed", answer: import("../model/time/series.js").Answer | null}
 *   | {type: "restart", view: string} | {type: "missed", view: string} | {type: "clear"} | {type: "hold", held: boolean} | {type: "freeze", frozen: boolean} | {type: "older", page: import("./types.js").EventsPage}
 *   | {type: "moment", moment: Moment} | {type: "span", span: Span | null} | {type: "refused", view: string, error: string}
 *   | {type: "histogram", change: Partial<Histogram>} | {type: "transfers", change: (transfers: Transfer[]) => Transfer[]}} Action
 * @typedef {import("../model/transfers.js").Transfer} Transfer
 */

/** Seconds that sparklines show. */
const RECENT = 60;

/** @param {number} now milliseconds @returns {State} */
export function initialState(now) {
  return {
    now, link: firstLink(now), overview: null, overviewTime: 0, recent: empty(RECENT), history: null, zoomed: null,
    historyError: "", connections: null, connection: null, connectionTime: 0, loop: null, map: null, lab: null, log: rowlog.emptyLog(), moment: LIVE, span: null,
    refused: {}, histogram: { bins: null, error: "", cancelled: false, stale: true }, transfers: [],
  };
}

/** @type {{[T in Action["type"]]: (state: State, action: Extract<Action, {type: T}>) => State}} */
const REDUCERS = {
  tick: (state, { now }) => ({ ...state, now }),
  link: (state, { phase, why, now }) => {
    const since = phase === state.link.phase ? state.link.since : now;
    const joined = phase === "live" ? { ...state, log: rowlog.rejoin(state.log) } : state;
    return { ...joined, now, link: { ...state.link, phase, why: why ?? "", since } };
  },
  frame: (state, { view, data, time, now }) => {
    const heard = { ...state, now, link: { ...state.link, lastFrame: now } };
    if ("error" in data) return { ...heard, refused: { ...state.refused, [view]: data.error } };
    const fold = /** @type {(state: State, data: object, time: string | number) => State} */ (FRAMES[view]);
    const { at, time: own } = /** @type {{at?: string, time?: string}} */ (data);
    // A frame of the past says of which moment it is; its own time is when it was sent.
    return fold ? fold(heard, data, at ?? time ?? own ?? now / 1000) : heard;
  },
  recent: (state, { answer }) => ({ ...state, recent: fromAnswer(answer) }),
  history: (state, { answer, error }) => ({
    ...state, history: answer ? fromAnswer(answer) : state.history, historyError: error ?? "",
  }),
  zoomed: (state, { answer }) => ({ ...state, zoomed: answer && fromAnswer(answer), historyError: "" }),
  restart: (state, { view }) => (view === "events" ? { ...state, log: { ...state.log, replace: true } } : state),
  // Every view's frame is whole but those of the events, which are the rows since the one before.
  missed: (state, { view }) => (view === "events" ? { ...state, log: rowlog.rejoin(state.log) } : state),
  clear: (state) => ({ ...state, log: rowlog.another(state.log) }),
  hold: (state, { held }) => ({ ...state, log: rowlog.hold(state.log, held) }),
  older: (state, { page }) => ({ ...state, log: rowlog.older(state.log, page) }),
  freeze: (state, { frozen }) => ({ ...state, log: rowlog.freeze(state.log, frozen) }),
  moment: (state, { moment }) => ({ ...state, moment }),
  span: (state, { span }) => ({ ...state, span }),
  refused: (state, { view, error }) => ({ ...state, refused: { ...state.refused, [view]: error } }),
  histogram: (state, { change }) => ({ ...state, histogram: { ...state.histogram, ...change } }),
  transfers: (state, { change }) => ({ ...state, transfers: change(state.transfers) }),
};

/** @type {{[V in keyof Frames]: (state: State, data: Frames[V], time: string | number) => State}} */
const FRAMES = {
  overview: (state, data, time) => {
    const at = seconds(time);
    const point = pointOf(data, state.overview, at - state.overviewTime);
    return {
      ...state, overview: data, overviewTime: at, moment: played(state.moment, at * 1000, data.end === true, state.span), recent: extend(state.recent, at, point),
      history: state.history && extend(state.history, at, point),
    };
  },
  connections: (state, data) => ({ ...state, connections: data }),
  connection: (state, data, time) => ({ ...state, connection: data, connectionTime: seconds(time) }),
  loop: (state, data) => ({ ...state, loop: data }),
  map: (state, data) => ({ ...state, map: data }),
  lab: (state, data) => ({ ...state, lab: data }),
  events: (state, data) => ({ ...state, log: rowlog.receive(state.log, data, state.now) }),
};

/** The next state. Pure; an unknown action is an error. @param {State} state @param {Action} action @returns {State} */
export function reduce(state, action) {
  const step = /** @type {(state: State, action: Action) => State} */ (REDUCERS[action.type]);
  if (!step) throw new Error(`unknown action ${action.type}`);
  return step(state, action);
}

/** Runs `task` before the next paint, or soon where nothing is painted (a hidden tab). @param {() => void} task */
function beforePaint(task) {
  let done = false;
  const once = () => {
    if (!done) task();
    done = true;
  };
  requestAnimationFrame(once);
  setTimeout(once, document.hidden ? 0 : 500);
}

/**
 * The state and those who show it.
 * @param {(task: () => void) => void} [schedule]
 */
export function createStore(schedule = beforePaint) {
  let state = initialState(Date.now());
  let scheduled = false;
  /** @type {((state: State) => void)[]} */
  const viewers = [];
  /** @type {(() => void)[]} */
  let afterwards = [];
  const render = () => {
    scheduled = false;
    const done = afterwards;
    afterwards = [];
    try {
      for (const update of viewers) update(state);
    } finally {
      for (const task of done) task();
    }
  };
  return {
    get: () => state,
    /** @param {Action} action @param {() => void} [shown] called once the page shows it */
    dispatch: (action, shown) => {
      state = reduce(state, action);
      if (shown) afterwards.push(shown);
      if (!scheduled) schedule(render);
      scheduled = true;
    },
    /** @param {(state: State) => void} update */
    subscribe: (update) => void viewers.push(update),
  };
}
