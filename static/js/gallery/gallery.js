// @ts-check
/** The gallery: one component a page, or all, each of its states below the other, and the list of all components. */

import { el } from "../ui/dom.js";
import { mountDialogs } from "../ui/keys.js";
import { mountTips } from "../ui/tips.js";
import { COMPONENTS } from "./components.js";
import { stage } from "./stage.js";

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** The address that shows all components, one below the other. */
const ALL = "all";

/** @param {string} chosen */
function showIndex(chosen) {
  const links = Object.entries({ ...COMPONENTS, [ALL]: { title: "All of them" } }).map(([name, { title }]) =>
    el("a", { href: `/gallery/${name}`, ...(name === chosen ? { "aria-current": "page" } : {}) }, title),
  );
  byId("gallery-index").append(...links);
}

/** @param {string} name @returns {Promise<import("./stage.js").Component>} */
const load = async (name) => (await import(`./${COMPONENTS[name].folder}/${name}_states.js`)).default;

/** The states of one component. @param {import("./stage.js").Component} component @param {string} prefix of their ids */
const stages = (component, prefix) => Object.entries(component.states).map(([state, example]) => stage(component, prefix + state, state, example));

/** @param {HTMLElement} host @param {string} name */
async function show(host, name) {
  if (name === ALL) {
    const all = await Promise.all(Object.entries(COMPONENTS).map(async ([each, { title }]) => ({ each, title, component: await load(each) })));
    host.append(el("h1", {}, "All components"), ...all.flatMap(({ each, title, component }) => [el("h2", {}, title), ...stages(component, `${each}-`)]));
  } else host.append(el("h1", {}, COMPONENTS[name].title), ...stages(await load(name), ""));
  mountDialogs();
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  host.dataset.ready = "true";
}

async function start() {
  // Each stage has a look of its own; that of the whole page stands still.
  document.body.classList.remove("page");
  const name = byId("gallery").dataset.component || Object.keys(COMPONENTS)[0];
  const host = byId("gallery-states");
  showIndex(name);
  byId("gallery-narrow").addEventListener("click", () => void open(location.href, "", "width=360,height=780"));
  mountTips(byId("tip"));
  if (name in COMPONENTS || name === ALL) await show(host, name);
  else host.append(el("h1", {}, `There is no component “${name}”`));
}

start();
