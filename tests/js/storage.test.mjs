// @ts-check
/** What the browser keeps, also where it keeps nothing; and the server's clock. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { serverNow, setServerNow } from "../../static/js/live/server_clock.js";
import { local, session } from "../../static/js/ui/storage.js";

test("a blocked or full storage keeps nothing and throws nothing", () => {
  const blocked = { get localStorage() { throw new DOMException("Access is denied", "SecurityError"); } };
  Object.assign(globalThis, { window: Object.defineProperties({}, Object.getOwnPropertyDescriptors(blocked)) });
  assert.equal(local.get("a"), null);
  local.set("a", "1");
  local.remove("a");
  Object.assign(globalThis, { window: { sessionStorage: { setItem: () => { throw new DOMException("full", "QuotaExceededError"); } } } });
  session.set("a", "1");
});

test("a defect is no blocked storage", () => {
  Object.assign(globalThis, { window: {} });
  assert.throws(() => local.get("a"), /undefined/);
});

test("the server's clock counts", () => {
  const hour = 3_600_000;
  setServerNow(Date.now() + hour);
  assert.ok(Math.abs(serverNow() - Date.now() - hour) < 1000);
  setServerNow(NaN);
  assert.ok(serverNow() - Date.now() > hour - 1000);
});
