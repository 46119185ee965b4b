// @ts-check
/** The only module that touches the socket: watches views, acknowledges frames, says how the link stands. */

import { at } from "../base_path.js";
import { io } from "../../../vendor/socket.io.esm.min.js";
import { setServerNow } from "./server_clock.js";

const RETRY_MS = 2000;
const ANSWER_MS = 10_000;
const OPTIONS = {
  path: at("/socket.io"),
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  reconnectionDelay: 250,
  reconnectionDelayMax: 3000,
  timeout: 5000,
};

/**
 * @typedef {{dispatch: (action: import("./store.js").Action, shown?: () => void) => void}} Store
 * @typedef {import("./store.js").FrameAction} FrameAction
 * @typedef {{[V in FrameAction["view"]]: {view: V, n: number, id: number, time: string, data: Extract<FrameAction, {view: V}>["data"]}}[FrameAction["view"]]} Frame
 * @typedef {import("../model/link.js").Link["phase"]} Phase
 * @typedef {import("socket.io-client").Socket} Socket
 * @typedef {{wanted: object, sent: object | null, good: object | null, deaf: boolean, changing: boolean,
 *   id: number, fresh: boolean, over: boolean, broken: boolean, other: boolean, n: number, told: (error: string) => void}} Watch
 *   `n`: the number of the last frame; `fresh`: the first of its view over this link, whose frames count from 1; `id`: what the last question to the server is called, as its frames say; `over`: no one wants it any more;
 *   `broken`: its last frame could not be read; `other`: what is shown answers another question than the one that is asked next
 * @typedef {{watch: (view: string, params?: object) => Promise<string>, unwatch: (view: string) => void, again: () => void,
 *   onReconnect: (task: () => void) => void}} Wire `watch` resolves to the server's error, "" for none
 */

/**
 * Connects, and stays connected.
 * @param {Store} store @param {(view: string) => object} common what a watch says besides its own parameters
 * @returns {Wire}
 */
export function connect(store, common) {
  const socket = io(OPTIONS);
  /** @type {Map<string, Watch>} */
  const watches = new Map();
  const bring = (/** @type {string} */ view, /** @type {Watch} */ watch) => change({ socket, store, common }, view, watch);
  /** @type {(() => void)[]} */
  const reconnected = [];
  let connections = 0;
  const link = (/** @type {Phase} */ phase, why = "") => store.dispatch({ type: "link", phase, why, now: Date.now() });
  socket.on("connect", () => {
    link("live");
    connections += 1;
    // The server knows nothing of what was watched over the old link: first of all, so that nothing is ended that has not begun.
    for (const watch of watches.values()) watch.sent = null;
    if (connections > 1) for (const task of reconnected) task();
    for (const [view, watch] of watches) bring(view, watch);
  });
  socket.on("frame", (/** @type {Frame | null | undefined} */ frame, acknowledge = () => undefined) => {
    const watch = watches.get(frame?.view ?? "");
    if (!frame || !watch || watch.deaf || watch.wanted !== watch.sent) acknowledge();
    else take(store, watch, frame, acknowledge);
  });
  listenForTrouble(socket, link);
  return {
    watch: (view, params = {}) => {
      const watch = watches.get(view) ?? newWatch(params);
      watches.set(view, watch);
      watch.wanted = params;
      watch.other ||= !socket.connected && watch.n > 0;
      return new Promise((resolve) => {
        watch.told = resolve;
        bring(view, watch);
      });
    },
    unwatch: (view) => {
      const watch = watches.get(view);
      if (!watch) return;
      watch.over = true;
      watches.delete(view);
      if (socket.connected) socket.emit("unwatch", { view });
    },
    again: () => {
      for (const [view, watch] of watches) {
        watch.wanted = { ...watch.wanted };
        watch.other ||= !socket.connected && watch.n > 0;
        bring(view, watch);
      }
    },
    onReconnect: (task) => void reconnected.push(task),
  };
}

let lastId = 0;

/** @param {object} wanted @returns {Watch} */
const newWatch = (wanted) => ({
  wanted, sent: null, good: null, deaf: false, changing: false, id: 0, fresh: true, over: false, broken: false, other: false, n: 0, told: () => undefined,
});

/**
 * Hands a frame on. One of an older watch of this view, or one that was here already, is dropped; when numbers are
 * missing before it, that is said first; one that cannot be read leaves the page as it was, and says so.
 * @param {Store} store @param {Watch} watch @param {Frame} frame @param {() => void} acknowledge
 */
function take(store, watch, frame, acknowledge) {
  const { view, n, data } = frame;
  const refused = (/** @type {string} */ error) => store.dispatch({ type: "refused", view, error });
  try {
    if (!Number.isInteger(n) || n < 1) throw new TypeError(`a frame's number is ${n}`);
    if (n <= watch.n || frame.id !== watch.id) return acknowledge();
    if (data === null || typeof data !== "object" || Array.isArray(data)) throw new TypeError("a frame has no figures");
    if (n > watch.n + 1 && (watch.n > 0 || watch.fresh)) store.dispatch({ type: "missed", view });
    watch.n = n;
    if (view === "overview" && !("at" in data)) setServerNow(Date.parse(frame.time));
    store.dispatch({ type: "frame", ...frame, now: Date.now() }, acknowledge);
    if (watch.broken && !("error" in data)) refused("");
    watch.broken = false;
  } catch (error) {
    console.error(`${view}:`, error);
    acknowledge();
    watch.broken = true;
    refused("the server sent something that this page cannot read; loading it again may help");
  }
}

/**
 * Brings the server's watch to what is wanted. What it is told to replace is ended first, so that a frame still under
 * way for the old question is never taken for an answer to the new one. A question that is refused leaves the last
 * good one running.
 * @param {{socket: Socket, store: Store, common: (view: string) => object}} line @param {string} view @param {Watch} watch
 */
async function change({ socket, store, common }, view, watch) {
  if (watch.changing || !socket.connected) return;
  watch.changing = true;
  const ask = (/** @type {string} */ event, params = {}) => socket.timeout(ANSWER_MS).emitWithAck(event, { view, ...params });
  try {
    while (!watch.over && watch.wanted !== watch.sent) {
      const { wanted, told } = watch;
      if (watch.sent) {
        watch.deaf = watch.other = true;
        await ask("unwatch");
        if (watch.over) return;
      }
      if (watch.other) store.dispatch({ type: "restart", view });
      watch.other = false;
      Object.assign(watch, { deaf: false, fresh: !watch.sent, sent: wanted, id: (lastId += 1), n: 0 });
      const answer = await ask("watch", { ...wanted, ...common(view), id: watch.id });
      const error = answer.ok ? "" : answer.error || "not accepted";
      store.dispatch({ type: "refused", view, error });
      told(error);
      if (answer.ok) watch.good = wanted;
      else if (watch.good && watch.wanted === wanted) watch.wanted = watch.good;
    }
  } catch (error) {
    // No answer: the link is gone, and connecting again asks anew; or the server stands still, and is asked anew from here.
    console.info(`${view} is not watched yet: ${/** @type {Error} */ (error).message}`);
    if (socket.connected) watch.wanted = { ...watch.wanted };
  } finally {
    watch.deaf = false;
    watch.changing = false;
  }
  if (!watch.over && watch.wanted !== watch.sent) void change({ socket, store, common }, view, watch);
}

/**
 * What the server, or a proxy before it, has answered instead of a session; "" for no answer.
 * @param {Error & {description?: unknown, context?: unknown}} error
 */
function refusalOf({ description, context }) {
  if (description === 401) return "sign in again";
  if (description !== 400 && description !== 403) return "";
  const answer = /** @type {{responseText?: string} | undefined} */ (context)?.responseText ?? "";
  if (answer.includes("origin")) {
    return "the server does not take this page for its own. A proxy must hand on the Host header, and the server be started with --allow-host NAME";
  }
  return `it answers ${description}`;
}

/** @param {Socket} socket @param {(phase: Phase, why?: string) => void} link */
function listenForTrouble(socket, link) {
  const retry = () => setTimeout(() => socket.connected || socket.connect(), RETRY_MS);
  socket.on("disconnect", (/** @type {string} */ reason) => {
    if (reason !== "io server disconnect") return link("lost", reason);
    link("stopped", "it is stopping, or this page had fallen too far behind");
    retry();
  });
  socket.on("connect_error", (/** @type {Error} */ error) => {
    // A proxy may swallow the handshake of a WebSocket: from now on it is polled first, and a WebSocket tried beside it.
    socket.io.opts.transports = ["polling", "websocket"];
    // The client retries by itself, except when the server itself has said no.
    const why = refusalOf(error);
    if (why) link("stopped", why);
    if (socket.active) return;
    link("stopped", error.message);
    retry();
  });
}
