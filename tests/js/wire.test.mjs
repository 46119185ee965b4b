import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";
import { setImmediate } from "node:timers";

const library = 'export const io = () => globalThis.socket;';
const hook = `export const resolve = (name, context, next) => name.endsWith("/vendor/socket.io.esm.min.js")
  ? { url: "data:text/javascript," + encodeURIComponent(${JSON.stringify(library)}), shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
/** @typedef {{type: string, phase?: string, why?: string, error?: string, n?: number, shown: () => void}} Told what the store was told */

const { connect } = await import("../../static/js/live/wire.js");

/** A socket whose other end is the test: `asked` is what was sent, `answers` what is said to it. @param {({ok: boolean, error?: string} | Error)[]} [answers] */
function wired(answers = []) {
  /** @type {Record<string, (...values: unknown[]) => void>} */
  const listeners = {};
  /** @type {[string, {view: string, q?: string}][]} */
  const asked = [];
  /** @type {Record<string, number>} */
  const ids = {};
  const socket = {
    connected: false, active: true, attempts: 0, io: { opts: { transports: ["websocket", "polling"] } },
    connect: () => void (socket.attempts += 1),
    on: (/** @type {string} */ name, /** @type {() => void} */ task) => void (listeners[name] = task),
    emit: (/** @type {string} */ name, /** @type {{view: string}} */ message) => void asked.push([name, message]),
    timeout: () => ({
      emitWithAck: async (/** @type {string} */ name, /** @type {{view: string, id?: number}} */ { id, ...message }) => {
        if (id !== undefined) ids[message.view] = id;
        asked.push([name, message]);
        const answer = answers.shift() ?? { ok: true };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    }),
  };
  Object.assign(globalThis, { socket });
  /** @type {Told[]} */
  const actions = [];
  const dispatched = { refuse: false };
  const store = {
    dispatch: (/** @type {import("../../static/js/live/store.js").Action} */ action, /** @type {() => void} */ shown = () => undefined) => {
      if (dispatched.refuse && action.type === "frame") throw new TypeError("its figures are not what they should be");
      actions.push({ ...action, shown });
    },
  };
  const wire = connect(store, () => ({}));
  /** @param {string} name @param {...unknown} values */
  const happen = (name, ...values) => {
    // A frame is of the latest watch of its view unless it says otherwise.
    const [frame] = /** @type {{view?: string, id?: number}[]} */ (values);
    if (name === "frame" && frame?.view) values[0] = { id: ids[frame.view], ...frame };
    if (name === "connect") socket.connected = true;
    if (name === "disconnect") socket.connected = false;
    listeners[name](...values);
  };
  return { wire, asked, actions, happen, socket, dispatched, frames: () => actions.filter((action) => action.type === "frame") };
}

test("a watch waits for the link, and is asked anew after each break", async () => {
  const { wire, asked, happen, actions } = wired();
  const answered = wire.watch("events", { q: "kind:full" });
  assert.deepEqual(asked, []);
  happen("connect");
  assert.equal(await answered, "");
  happen("disconnect", "transport close");
  happen("connect");
  await new Promise(setImmediate);
  assert.deepEqual(asked, [["watch", { view: "events", q: "kind:full" }], ["watch", { view: "events", q: "kind:full" }]]);
  assert.deepEqual(actions.filter(({ type }) => type === "link").map(({ phase }) => phase), ["live", "lost", "live"]);
});

test("a frame is acknowledged once it has been shown, not before", async () => {
  const { wire, happen, frames } = wired();
  happen("connect");
  await wire.watch("overview");
  let acknowledged = 0;
  happen("frame", { view: "overview", n: 1, time: "", data: {} }, () => (acknowledged += 1));
  assert.equal(acknowledged, 0);
  frames()[0].shown();
  assert.equal(acknowledged, 1);
});

test("a frame that no one asked for is acknowledged and dropped", () => {
  const { happen, frames } = wired();
  happen("connect");
  let acknowledged = 0;
  happen("frame", { view: "loop", n: 1, time: "", data: {} }, () => (acknowledged += 1));
  assert.deepEqual([acknowledged, frames().length], [1, 0]);
});

test("another question ends the old one first; one that is refused leaves the last good one running", async () => {
  const { wire, asked, happen } = wired([{ ok: true }, { ok: true }, { ok: false, error: "unknown field" }]);
  happen("connect");
  await wire.watch("events", { q: "a" });
  assert.equal(await wire.watch("events", { q: "foo:1" }), "unknown field");
  await new Promise(setImmediate);
  assert.deepEqual(asked.map(([name, { q }]) => [name, q]), [["watch", "a"], ["unwatch", undefined], ["watch", "foo:1"], ["unwatch", undefined], ["watch", "a"]]);
});

const settled = () => new Promise(setImmediate);

/** A watch that is running, and how frames come to it. @param {string} view @param {{ok: boolean}[]} [answers] */
async function watching(view, answers = []) {
  const line = wired(answers);
  line.happen("connect");
  await line.wire.watch(view);
  const came = { acknowledged: 0 };
  /** @param {unknown} n @param {unknown} [data] */
  const send = (n, data = {}) => line.happen("frame", { view, n, time: "", data }, () => (came.acknowledged += 1));
  const types = () => line.actions.map(({ type }) => type).filter((type) => type !== "link" && type !== "refused");
  const said = () => line.actions.filter(({ type }) => type === "refused").map(({ error }) => error);
  return { ...line, came, send, types, said };
}

test("numbers that are missing are said before the frame that comes after them", async () => {
  const { send, types } = await watching("events");
  for (const n of [1, 2, 5, 6]) send(n);
  assert.deepEqual(types(), ["frame", "frame", "missed", "frame", "frame"]);
});

test("a first frame that was lost is missed too", async () => {
  const { send, types } = await watching("events");
  send(2);
  assert.deepEqual(types(), ["missed", "frame"]);
});

test("a frame that was here already is acknowledged and dropped", async () => {
  const { send, frames, came } = await watching("overview");
  for (const n of [1, 2, 2, 1]) send(n);
  assert.deepEqual(frames().map(({ n }) => n), [1, 2]);
  assert.equal(came.acknowledged, 2);
});

test("after a reconnect the snapshot has the number 1 again, and is taken", async () => {
  const { send, happen, types, actions } = await watching("overview");
  for (const n of [1, 2, 3]) send(n);
  happen("disconnect", "transport close");
  happen("connect");
  await settled();
  send(1);
  assert.deepEqual(types(), ["frame", "frame", "frame", "frame"]);
  assert.deepEqual(actions.filter(({ type }) => type === "link").map(({ phase }) => phase), ["live", "lost", "live"]);
});

/** @type {[string, unknown, unknown][]} */
const UNREADABLE = [["no number", undefined, {}], ["a number as text", "1", {}], ["a part of a number", 1.5, {}], ["zero", 0, {}],
  ["no figures", 1, null], ["text for figures", 1, "7"], ["a list for figures", 1, []]];

for (const [name, n, data] of UNREADABLE) {
  test(`a frame that cannot be read is said, acknowledged and forgiven: ${name}`, async (context) => {
    const told = context.mock.method(console, "error", () => undefined);
    const { send, frames, said, came } = await watching("overview");
    send(n, data);
    assert.deepEqual([frames().length, came.acknowledged, told.mock.callCount()], [0, 1, 1]);
    assert.match(said().at(-1) ?? "", /cannot read/);
    send(1);
    assert.equal(frames().length, 1);
    assert.equal(said().at(-1), "");
  });
}

test("a frame that the store cannot fold in is said and acknowledged, not thrown", async (context) => {
  context.mock.method(console, "error", () => undefined);
  const { send, said, came, dispatched } = await watching("overview");
  dispatched.refuse = true;
  send(1);
  dispatched.refuse = false;
  assert.match(said().at(-1) ?? "", /cannot read/);
  assert.equal(came.acknowledged, 1);
});

test("frames that are none at all are acknowledged and change nothing", async () => {
  const { happen, types, came } = await watching("overview");
  for (const frame of [null, undefined, 7, "frame", {}, { view: 3 }, { view: "constructor", n: 1, data: {} }]) happen("frame", frame, () => (came.acknowledged += 1));
  assert.deepEqual([types(), came.acknowledged], [[], 7]);
});

test("a frame without an acknowledgement is taken all the same", async () => {
  const { happen, frames } = await watching("overview");
  happen("frame", { view: "overview", n: 1, time: "", data: {} });
  frames()[0].shown();
  happen("frame", null);
  assert.equal(frames().length, 1);
});

test("a view that can no longer be told keeps what the server said of it", async () => {
  const { send, said, frames } = await watching("overview");
  send(1, { error: "the log no longer reaches back so far" });
  assert.equal(frames().length, 1);
  assert.deepEqual(said(), [""], "from the watch itself only");
});

test("a view that is no longer watched is ended, and its frames are dropped", async () => {
  const { wire, asked, send, frames, came } = await watching("events");
  wire.unwatch("events");
  wire.unwatch("events");
  send(1);
  assert.deepEqual(asked.map(([name]) => name), ["watch", "unwatch"]);
  assert.deepEqual([frames().length, came.acknowledged], [0, 1]);
});

test("a view that is left while its question changes is not asked for again", async () => {
  const { wire, asked } = await watching("events");
  wire.watch("events", { q: "other" });
  wire.unwatch("events");
  await settled();
  assert.deepEqual(asked.map(([name]) => name), ["watch", "unwatch", "unwatch"]);
});

test("a frame of an older watch is not taken for an answer to a new one", async () => {
  const { wire, send, frames, came, happen } = await watching("events");
  send(1);
  wire.unwatch("events");
  const answered = wire.watch("events", { q: "other" });
  happen("frame", { view: "events", n: 2, id: 0, time: "", data: {} }, () => (came.acknowledged += 1));
  send(3); // before its answer, and the count goes on
  await answered;
  send(4);
  assert.deepEqual(frames().map(({ n }) => n), [1, 3, 4]);
  assert.equal(came.acknowledged, 1);
});

test("a question that is never answered while the link holds is asked again, the old one ended first", async (context) => {
  context.mock.method(console, "info", () => undefined);
  const { wire, asked, happen } = wired([new Error("operation has timed out")]);
  happen("connect");
  assert.equal(await wire.watch("loop"), "");
  assert.deepEqual(asked.map(([name]) => name), ["watch", "unwatch", "watch"]);
});

test("a server that ends the link is said so, with a reason, and tried again", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { happen, actions, socket } = wired();
  happen("connect");
  happen("disconnect", "io server disconnect");
  assert.deepEqual([actions.at(-1)?.phase, actions.at(-1)?.why], ["stopped", "it is stopping, or this page had fallen too far behind"]);
  assert.equal(socket.attempts, 0);
  context.mock.timers.tick(2000);
  assert.equal(socket.attempts, 1);
});

test("a link that the server refuses names why; one that the client retries itself says nothing yet", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { happen, actions, socket } = wired();
  happen("connect_error", new Error("xhr poll error"));
  assert.deepEqual(actions, []);
  happen("connect_error", Object.assign(new Error("xhr poll error"), { description: 400, context: { responseText: '"Not an accepted origin."' } }));
  assert.match(actions.at(-1)?.why ?? "", /does not take this page for its own.*Host.*--allow-host/);
  happen("connect_error", Object.assign(new Error("xhr poll error"), { description: 401 }));
  assert.equal(actions.at(-1)?.why, "sign in again");
  happen("connect_error", Object.assign(new Error("xhr poll error"), { description: 502 }));
  assert.equal(actions.length, 2);
  socket.active = false;
  happen("connect_error", new Error("too many viewers"));
  assert.deepEqual([actions.at(-1)?.phase, actions.at(-1)?.why], ["stopped", "too many viewers"]);
});

test("after a failed attempt it is polled first, with a WebSocket beside it", () => {
  const { happen, socket } = wired();
  happen("connect_error", new Error("timeout"));
  assert.deepEqual(socket.io.opts.transports, ["polling", "websocket"]);
});

test("who wants to know of a reconnect is told of every one but the first connection", () => {
  const { wire, happen } = wired();
  let told = 0;
  wire.onReconnect(() => (told += 1));
  for (const name of ["connect", "disconnect", "connect", "disconnect", "connect"]) happen(name, "transport close");
  assert.equal(told, 2);
});

test("a question that is changed during a break begins a new list", async () => {
  const { wire, happen, actions } = wired();
  const restarts = () => actions.filter(({ type }) => type === "restart").length;
  wire.watch("events", { q: "kind:echo" });
  happen("connect");
  await new Promise(setImmediate);
  happen("frame", { view: "events", n: 1, time: "", data: {} });
  for (const change of [() => wire.watch("events", { q: "kind:full" }), () => wire.again()]) {
    const before = restarts();
    happen("disconnect", "transport close");
    change();
    happen("connect");
    await new Promise(setImmediate);
    assert.equal(restarts(), before + 1);
    happen("frame", { view: "events", n: 1, time: "", data: {} });
  }
  happen("disconnect", "transport close");
  happen("connect");
  await new Promise(setImmediate);
  assert.equal(restarts(), 2);
});

test("a question whose end is lost with the link begins a new list", async () => {
  const { wire, happen, actions, asked } = wired([{ ok: true }, new Error("operation has timed out")]);
  wire.watch("events", { q: "kind:echo" });
  happen("connect");
  await new Promise(setImmediate);
  happen("frame", { view: "events", n: 1, time: "", data: {} });
  wire.watch("events", { q: "kind:full" });
  happen("disconnect", "transport close");
  await new Promise(setImmediate);
  assert.deepEqual(actions.filter(({ type }) => type === "restart"), []);
  happen("connect");
  await new Promise(setImmediate);
  assert.equal(actions.filter(({ type }) => type === "restart").length, 1);
  assert.deepEqual(asked.at(-1), ["watch", { view: "events", q: "kind:full" }]);
});

test("what is asked anew after a break goes on: nothing is ended that the new link has not begun", async () => {
  const { wire, asked, happen, actions } = wired();
  wire.onReconnect(() => void wire.watch("events", { q: "kind:full" }));
  const answered = wire.watch("events", { q: "kind:full" });
  happen("connect");
  await answered;
  asked.length = actions.length = 0;
  happen("disconnect", "transport close");
  happen("connect");
  await new Promise(setImmediate);
  assert.deepEqual(asked.map(([name]) => name), ["watch"]);
  assert.deepEqual(actions.filter(({ type }) => type === "restart"), []);
});
