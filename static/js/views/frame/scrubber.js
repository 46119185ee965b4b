// @ts-check
/** The scrubber in the head: live, standing or playing at a moment that the log holds; the moment in every link. */

import { serverNow } from "../../live/server_clock.js";
import { debounce, refs, setAttr, setText, show } from "../../ui/dom.js";
import { within } from "../../base_path.js";
import { clock, duration, toMillis } from "../../model/format.js";
import { addressParams, atEnd, endOf, fromAddress, LIVE, modeOf, moved, momentWords, nowOf, strideOf, toggled, written } from "../../model/time/moment.js";
import { addressBar, build } from "../../ui/url.js";

/** @typedef {import("../../live/store.js").State} State @typedef {import("../../main.js").App} App @typedef {import("../../model/time/moment.js").Moment} Moment */

const KINDS = { play: HTMLButtonElement, slider: HTMLInputElement, speed: HTMLSelectElement, copyMoment: HTMLButtonElement };
const DEFAULTS = { at: "", speed: "" };
/** How often it is asked what the log holds. */
const SPAN_MS = 15_000;
/** After the last change of a slider that is dragged, or moved by a key that is held. */
const SETTLE_MS = 120;
/** How often the address bar follows what is played. */
const ADDRESS_MS = 1000;
/** The least that something is said for. */
const SAID_MS = 4000;
/** The end of the log is told now and then, and by another clock. */
const AHEAD_MS = 5000;
const PAGES = /^\/(connections(\/\d+)?|events|loop)?$/;

/** The moment that the address bar names. @returns {Moment} */
export function momentOfAddress() {
  const { at, speed } = addressBar(DEFAULTS).read();
  return fromAddress(at, speed, serverNow());
}

/** @param {ParentNode} root @param {App} app @param {() => void} anew called when the page must ask anew what it asked once */
export function mountScrubber(root, app, anew) {
  const parts = refs(root, KINDS);
  const { store, wire } = app;
  const settled = () => {
    writeAddress(store.get().moment);
    anew();
  };
  const settle = debounce(settled, SETTLE_MS);
  const again = debounce(wire.again, SETTLE_MS);
  /** The mode that the server was asked for; playing may end by itself, at the end of the log. */
  let mode = modeOf(store.get().moment);
  const put = (/** @type {Moment} */ moment) => {
    store.dispatch({ type: "moment", moment });
    mode = modeOf(moment);
  };
  const set = (/** @type {Moment} */ moment) => {
    put(moment);
    wire.again();
    settled();
  };
  const step = (/** @type {Moment} */ moment) => {
    put(moment);
    // At once: while it plays, frames of where it was would lead back there.
    wire.again();
    settle();
  };
  const drag = (/** @type {Moment} */ moment) => {
    put(moment);
    again();
    settle();
  };
  const reach = (/** @type {number} */ at) => {
    const { span, moment } = store.get();
    return span ? moved(at, span, moment, serverNow()) : moment;
  };
  const toggle = () => {
    const { span, moment, overviewTime } = store.get();
    // The server's time, not the browser's: it answers for no moment that has not been.
    if (span) set(toggled(moment, overviewTime * 1000 || span.until, span));
  };
  parts.play.addEventListener("click", toggle);
  parts.live.addEventListener("click", () => set(LIVE));
  parts.slider.addEventListener("input", () => {
    const { value, max } = parts.slider;
    // Its end is that of the last drawing: the log has gone on since.
    drag({ ...reach(Number(value) >= Number(max) ? Infinity : Number(value)), playing: false });
  });
  parts.slider.addEventListener("keydown", (event) => {
    const { span, moment } = store.get();
    if (!span || event.ctrlKey || event.altKey || event.metaKey) return;
    const stride = strideOf(event.key, event.shiftKey);
    if (event.key === " ") event.repeat || toggle();
    else if (event.key === "Home") step(reach(span.since));
    else if (event.key === "End") step(reach(Infinity));
    else if (stride !== 0) step(reach(nowOf(moment, endOf(span, serverNow())) + stride));
    else return;
    event.preventDefault();
  });
  parts.speed.addEventListener("change", () => set({ ...store.get().moment, speed: Number(parts.speed.value) }));
  parts.copyMoment.addEventListener("click", () => copy(parts, app));
  keepInLinks(store);
  askSpan(app);
  const update = shower(parts);
  const { at: named } = addressBar(DEFAULTS).read();
  if (named && store.get().moment.at === null) {
    say(parts, `“${named.slice(0, 40)}” names no moment: this is now`);
    writeAddress(LIVE);
  }
  return (/** @type {State} */ state) => {
    const { moment, span } = state;
    if (modeOf(moment) !== mode) set(moment);
    if (span && moment.at !== null && (moment.at < span.since || moment.at > endOf(span, serverNow()) + AHEAD_MS)) {
      const where = moment.at < span.since ? "before the log, which begins here" : span.live ? "in the future: this is now" : "after the log, which ends here";
      say(parts, `${momentWords(moment.at)} is ${where}`);
      set(reach(moment.at));
    }
    // A log that has ended has no present: it opens at its end.
    if (span?.live === false && moment.at === null) set(atEnd(span, moment));
    update(store.get());
  };
}

/** What the log holds, asked for now and then. @param {App} app */
async function askSpan(app) {
  try {
    const { since, until, live } = await app.get("span");
    // Milliseconds were cut off: the first one may be before the log's beginning.
    const span = { since: (toMillis(since) ?? 0) + 1, until: toMillis(until) ?? 0, end: until, live, heard: serverNow() };
    app.store.dispatch({ type: "span", span });
  } catch (error) {
    // The link is down, which the page says already; what is known stays.
    console.info(`no span: ${/** @type {Error} */ (error).message}`);
  }
  setTimeout(askSpan, SPAN_MS, app);
}

/** @param {Moment} moment */
const writeAddress = (moment) => addressBar(DEFAULTS).write(addressParams(moment));

/** A path of this site, with the moment that is shown. @param {string} path @param {Moment} moment */
export function pathAt(path, moment) {
  const [page, search] = path.split("?");
  return page + build(addressParams(moment), DEFAULTS, search);
}

/** The address of this page at a moment. @param {number} at */
const linkTo = (at) => location.origin + location.pathname + build({ at: written(at), speed: "" }, DEFAULTS, location.search);

/** @param {Record<string, HTMLElement>} parts @param {App} app */
async function copy(parts, app) {
  const { moment, overviewTime } = app.store.get();
  const at = Math.floor(moment.at ?? overviewTime * 1000);
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(linkTo(at));
    say(parts, `Link to ${momentWords(at)} copied`);
  } else {
    say(parts, "Copy the address bar: it holds this moment");
  }
}

/** For some seconds. @param {Record<string, HTMLElement>} parts @param {string} text */
function say({ said }, text) {
  setText(said, text);
  show(said, true);
  setTimeout(() => said.textContent === text && show(said, false), Math.max(SAID_MS, text.length * 120));
}

/** A link to another page leads to the same moment there. @param {App["store"]} store */
function keepInLinks(store) {
  const complete = (/** @type {Event} */ event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    // A link that names a moment itself leads to that one.
    if (!link || link.dataset.moment !== undefined || link.origin !== location.origin || !PAGES.test(within(link.pathname))) return;
    link.search = build(addressParams(store.get().moment), DEFAULTS, link.search);
  };
  for (const name of ["click", "auxclick", "contextmenu"]) document.addEventListener(name, complete, { capture: true });
}

/** @param {ReturnType<typeof refs<typeof KINDS>>} parts */
function shower(parts) {
  let addressed = 0;
  return (/** @type {State} */ { moment, span, now, overviewTime }) => {
    const past = moment.at !== null;
    const end = span ? endOf(span, now) : 0;
    const at = moment.at ?? end;
    const mode = modeOf(moment);
    parts.play.disabled = span === null;
    parts.copyMoment.disabled = span === null;
    showSlider(parts.slider, span, at, end, mode);
    setText(parts.playName, !past ? "Stop here" : moment.playing ? "Pause" : "Play");
    setAttr(parts.play, "data-icon", past && !moment.playing ? "play" : "pause");
    show(parts.speedBox, past);
    if (document.activeElement !== parts.speed) parts.speed.value = String(moment.speed);
    setText(parts.when, past ? momentWords(at) : overviewTime > 0 ? clock(overviewTime).slice(0, 8) : "");
    setText(parts.whenNote, past ? (span?.live === false ? "from the log" : "the past") : "");
    show(parts.live, past && span?.live !== false);
    if (!moment.playing || Date.now() - addressed < ADDRESS_MS) return;
    addressed = Date.now();
    writeAddress(moment);
  };
}

/** @param {HTMLInputElement} slider @param {import("../../model/time/moment.js").Span | null} span @param {number} at @param {number} end @param {string} mode */
function showSlider(slider, span, at, end, mode) {
  slider.disabled = span === null;
  if (!span) return;
  setAttr(slider, "min", String(Math.floor(span.since)));
  setAttr(slider, "max", String(Math.ceil(end)));
  if (slider.valueAsNumber !== at) slider.value = String(at);
  slider.style.setProperty("--share", String((at - span.since) / Math.max(1, end - span.since)));
  const ago = mode === "live" ? "live" : `${momentWords(at)}, ${duration(Math.max(0, end - at) / 1000)} before the end, ${mode}`;
  setAttr(slider, "aria-valuetext", ago);
}

