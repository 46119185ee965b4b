// @ts-check
/** Puts the page together: store, wire, API, what every page has, and the view that the template names. */

import { at } from "./base_path.js";
import { createApi } from "./live/api.js";
import { mountDialogs, mountKeys } from "./ui/keys.js";
import { asOf, nowOf, watchParams } from "./model/time/moment.js";
import { momentOfAddress, mountScrubber, pathAt } from "./views/frame/scrubber.js";
import { mountLook, mountStatus, mountTab } from "./views/frame/status.js";
import { createStore } from "./live/store.js";
import { mountTips } from "./ui/tips.js";
import { connect } from "./live/wire.js";
import { serverNow, setServerNow } from "./live/server_clock.js";

/**
 * @typedef {ReturnType<typeof createApi> & {store: ReturnType<typeof createStore>, wire: import("./live/wire.js").Wire, conn: string,
 *   now: () => number, onAnew: (task: () => void) => void, open: (path: string) => void}} App
 * `now`: milliseconds, of the moment that is shown; `onAnew`: what was asked once must be asked again, after a break of
 * the link or a jump in time; `open`: goes to another page. A view needs to know no more of the past than these three.
 */

const TICK_MS = 500;
const { view = "", conn = "", now = "" } = document.body.dataset;
setServerNow(Number(now || NaN));

/** @returns {App & {anew: () => void}} */
function createApp() {
  const store = createStore();
  const moment = () => store.get().moment;
  const wire = connect(store, (view) => watchParams(view, moment()));
  /** @type {(() => void)[]} */
  const tasks = [];
  const anew = () => {
    for (const task of tasks) task();
  };
  wire.onReconnect(anew);
  return {
    ...createApi((path, params) => asOf(path, params, moment())), store, wire, conn, anew,
    now: () => nowOf(moment(), serverNow()), onAnew: (task) => void tasks.push(task),
    open: (path) => location.assign(at(pathAt(path, moment()))),
  };
}

async function start() {
  const { mount } = await import(`./views/${view}/${view}.js`);
  const app = createApp();
  const { store, wire } = app;
  store.dispatch({ type: "moment", moment: momentOfAddress() });
  mountTips(/** @type {HTMLElement} */ (document.getElementById("tip")));
  mountDialogs();
  const help = /** @type {HTMLDialogElement} */ (document.getElementById("help"));
  mountKeys(help, /** @type {HTMLInputElement} */ (help.querySelector("[data-keys-switch]")));
  for (const update of [mountLook(document.body), mountStatus(document), mountTab()]) store.subscribe(update);
  store.subscribe(mountScrubber(/** @type {HTMLElement} */ (document.getElementById("scrubber")), app, app.anew));
  wire.watch("overview");
  store.subscribe(mount(/** @type {HTMLElement} */ (document.getElementById("main")), app));
  setInterval(() => store.dispatch({ type: "tick", now: Date.now() }), TICK_MS);
  document.body.dataset.started = "true";
}

start().catch((error) => {
  document.dispatchEvent(new CustomEvent("startfailed", { detail: String(error) }));
  throw error;
});
