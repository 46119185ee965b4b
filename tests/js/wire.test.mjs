import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

const library = 'export const io = () => globalThis.socket;';
const hook = `export const resolve = (name, context, next) => name.endsWith("/vendor/socket.io.esm.min.js")
  ? { url: "data:text/javascript," + encodeURIComponent(${JSON.stringify(library)}), shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
const { connect } = await import("../../static/js/wire.js");

/** A socket whose other end is the test: `asked` is what was sent, `answers` what is said to it. */
function wired(answers = []) {
  const listeners = {};
  const asked = [];
  const socket = {
    connected: false, active: true,
    on: (name, task) => void (listeners[name] = task),
    emit: (name, message) => void asked.push([name, message]),
    timeout: () => ({
      emitWithAck: async (name, message) => {
        asked.push([name, message]);
        const answer = answers.shift() ?? { ok: true };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    }),
  };
  globalThis.socket = socket;
  const actions = [];
  const store = { dispatch: (action, shown) => void actions.push({ ...action, shown }) };
  const wire = connect(store, () => ({}));
  const happen = (name, ...values) => {
    if (name === "connect") socket.connected = true;
    if (name === "disconnect") socket.connected = false;
    listeners[name](...values);
  };
  return { wire, asked, actions, happen, frames: () => actions.filter((action) => action.type === "frame") };
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
