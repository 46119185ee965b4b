// @ts-check
/** Pointer, wheel and keys of a timeline. */

import { GUTTER } from "./timeline_canvas.js";

/**
 * @typedef {{point: (x: number | null) => void, step: (step: number) => void, width: () => number, mark: (mark: [number, number] | null) => void,
 *   zoom: (factor: number, anchor?: number) => void, pan: (share: number) => void, select: (from: number, to: number) => void,
 *   begin: () => void, end: () => void, whole: () => void, open: (x?: number) => void}} Deeds pixels from the gutter, shares of the width
 */

/** Pixels after which a press is a drag. */
const DRAG = 4;
const ZOOM = 0.5;

/** @param {HTMLElement} host focusable @param {HTMLCanvasElement} canvas @param {Deeds} deeds */
export function listen(host, canvas, deeds) {
  const placeOf = (/** @type {MouseEvent} */ event) =>
    Math.min(deeds.width() - 0.5, Math.max(0, event.clientX - canvas.getBoundingClientRect().left - GUTTER));
  pointer(host, deeds, placeOf);
  keyboard(host, deeds);
  host.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    // Whoever scrolls past must not be caught: the wheel zooms what was clicked, or with Ctrl.
    if (!event.ctrlKey && document.activeElement !== host) return;
    event.preventDefault();
    if (sideways !== 0) deeds.pan(Math.sign(sideways) * 0.1);
    else deeds.zoom(event.deltaY > 0 ? 1.25 : 0.8, placeOf(event) / deeds.width());
  }, { passive: false });
  host.addEventListener("dblclick", deeds.whole);
}

/** A drag chooses a range, with Shift it moves the timeline; a click opens the row. @param {HTMLElement} host @param {Deeds} deeds @param {(event: MouseEvent) => number} placeOf */
function pointer(host, deeds, placeOf) {
  /** @type {{x: number, moves: boolean, dragged: boolean} | null} */
  let press = null;
  host.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    host.setPointerCapture(event.pointerId);
    press = { x: placeOf(event), moves: event.shiftKey, dragged: false };
  });
  host.addEventListener("pointermove", (event) => {
    const x = placeOf(event);
    if (!press) return deeds.point(x);
    press.dragged ||= Math.abs(x - press.x) > DRAG;
    if (!press.dragged) return;
    if (!press.moves) return deeds.mark([press.x, x]);
    deeds.pan((press.x - x) / deeds.width());
    press.x = x;
  });
  host.addEventListener("pointerup", (event) => {
    const [from, to] = [press, placeOf(event)];
    press = null;
    deeds.mark(null);
    if (!from) return;
    if (!from.dragged) deeds.open(to);
    else if (!from.moves) deeds.select(from.x / deeds.width(), to / deeds.width());
  });
  host.addEventListener("pointercancel", () => {
    press = null;
    deeds.mark(null);
  });
  host.addEventListener("pointerleave", () => press || deeds.point(null));
  host.addEventListener("blur", () => deeds.point(null));
}

/** @param {HTMLElement} host @param {Deeds} deeds */
function keyboard(host, deeds) {
  /** @type {Record<string, (shift: boolean) => void>} */
  const keys = {
    "+": () => deeds.zoom(ZOOM), "=": () => deeds.zoom(ZOOM), "-": () => deeds.zoom(1 / ZOOM), _: () => deeds.zoom(1 / ZOOM), 0: deeds.whole,
    ArrowUp: () => deeds.zoom(ZOOM), ArrowDown: () => deeds.zoom(1 / ZOOM),
    ArrowLeft: (shift) => (shift ? deeds.pan(-0.2) : deeds.step(-1)), ArrowRight: (shift) => (shift ? deeds.pan(0.2) : deeds.step(1)),
    PageUp: () => deeds.pan(-0.8), PageDown: () => deeds.pan(0.8), Home: deeds.begin, End: deeds.end, Enter: () => deeds.open(),
    Escape: () => deeds.point(null),
  };
  host.addEventListener("keydown", (event) => {
    const deed = keys[event.key];
    if (!deed || event.ctrlKey || event.altKey || event.metaKey) return;
    deed(event.shiftKey);
    event.preventDefault();
    event.stopPropagation();
  });
}
