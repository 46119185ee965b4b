// @ts-check
/** One state of a component: its markup cut out of the page that it belongs to, mounted with an app that has no server. */

import { el } from "../ui/dom.js";
import { mountLook } from "../views/frame/status.js";
import { pretend } from "./pretend.js";

/**
 * @typedef {import("../main.js").App} App
 * @typedef {import("./pretend.js").Example} Example
 * @typedef {{
 *   page: "overview" | "connections" | "connection" | "events" | "loop" | "lab" | "frame",
 *   pick?: string,
 *   mount: (root: HTMLElement, app: App, example: Example) => ((state: import("../live/store.js").State) => void) | void,
 *   states: Record<string, Example>,
 * }} Component `page`: whose markup; `pick`: selector of what of it, all when left out; `mount` answers its update, as a view does
 */

/** Attributes that name the id of another element. */
const NAMING = ["for", "aria-labelledby", "aria-describedby", "aria-controls", "list", "data-opens"];

/** @param {Component} component @param {string} name of the state, its own on this page @param {string} title @param {Example} example @returns {HTMLElement} */
export function stage(component, name, title, example) {
  const id = name.replaceAll(" ", "-");
  const box = el("div", { class: "stage page", "data-state": name });
  box.append(...markup(component));
  distinguish(box, `-${id}`);
  const section = el("section", { class: "shown-state", id }, el("h2", {}, el("a", { href: `#${id}` }, title)));
  if (example.note) section.append(el("p", { class: "stage-note soft" }, example.note));
  section.append(box);
  // Sizes are taken when something is mounted: it must be on the page by then.
  requestAnimationFrame(() => bring(component, box, example));
  return section;
}

/** @param {Component} component @param {HTMLElement} box @param {Example} example */
function bring(component, box, example) {
  const app = pretend(example);
  const update = component.mount(box, app, example);
  app.store.subscribe(mountLook(box));
  if (update) app.store.subscribe(update);
  for (const action of example.actions ?? []) app.store.dispatch(action);
  // So that it is shown also where nothing happens.
  app.store.dispatch({ type: "tick", now: app.store.get().now }, () => (box.dataset.mounted = "true"));
}

/** @param {Component} component @returns {Element[]} */
function markup({ page, pick }) {
  const source = /** @type {HTMLTemplateElement} */ (document.getElementById(`page-${page}`));
  const content = /** @type {DocumentFragment} */ (source.content.cloneNode(true));
  const found = Array.from(pick ? content.querySelectorAll(pick) : content.children);
  if (found.length === 0) throw new Error(`the page ${page} has no ${pick}`);
  return found;
}

/** Makes the ids within a box its own, so that many copies can stand on one page. @param {HTMLElement} box @param {string} suffix */
function distinguish(box, suffix) {
  const own = Array.from(box.querySelectorAll("[id]"), (node) => node.id);
  for (const node of box.querySelectorAll("[id]")) node.id += suffix;
  for (const name of NAMING) {
    for (const node of box.querySelectorAll(`[${name}]`)) {
      const named = (node.getAttribute(name) ?? "").split(" ");
      node.setAttribute(name, named.map((id) => (own.includes(id) ? id + suffix : id)).join(" "));
    }
  }
}
