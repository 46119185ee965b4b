// @ts-check
/** Puts the page together: store, wire, what every page has, and the view that the template names. */

import { mountDialogs, mountKeys } from "./keys.js";
import { mountStatus } from "./status.js";
import { createStore } from "./store.js";
import { mountTips } from "./tips.js";
import { connect } from "./wire.js";

/** @typedef {{store: ReturnType<typeof createStore>, wire: import("./wire.js").Wire, conn: string}} App */

const TICK_MS = 500;
const { view = "", conn = "" } = document.body.dataset;

async function start() {
  const { mount } = await import(`./views/${view}.js`);
  const store = createStore();
  const wire = connect(store);
  mountTips(/** @type {HTMLElement} */ (document.getElementById("tip")));
  mountDialogs();
  const help = /** @type {HTMLDialogElement} */ (document.getElementById("help"));
  mountKeys(help, /** @type {HTMLInputElement} */ (help.querySelector("[data-keys-switch]")));
  store.subscribe(mountStatus(document));
  wire.watch("overview");
  store.subscribe(mount(/** @type {HTMLElement} */ (document.getElementById("main")), { store, wire, conn }));
  setInterval(() => store.dispatch({ type: "tick", now: Date.now() }), TICK_MS);
}

start();
