// @ts-check
/** The gallery: one component a page, each of its states below the other, and the list of all components. */

import { el } from "../dom.js";
import { mountDialogs } from "../keys.js";
import { mountTips } from "../tips.js";
import { COMPONENTS } from "./components.js";
import { stage } from "./stage.js";

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {string} chosen */
function showIndex(chosen) {
  const links = Object.entries(COMPONENTS).map(([name, title]) =>
    el("a", { href: `/gallery/${name}`, ...(name === chosen ? { "aria-current": "page" } : {}) }, title),
  );
  byId("gallery-index").append(...links);
}

async function start() {
  // Each stage has a look of its own; that of the whole page stands still.
  document.body.classList.remove("page");
  const names = Object.keys(COMPONENTS);
  const name = byId("gallery").dataset.component || names[0];
  const host = byId("gallery-states");
  showIndex(name);
  byId("gallery-narrow").addEventListener("click", () => void open(location.href, "", "width=360,height=780"));
  mountTips(byId("tip"));
  if (!(name in COMPONENTS)) {
    host.append(el("h1", {}, `There is no component “${name}”`));
    return;
  }
  host.append(el("h1", {}, COMPONENTS[name]));
  /** @type {{default: import("./stage.js").Component}} */
  const { default: component } = await import(`./components/${name}.js`);
  for (const [state, example] of Object.entries(component.states)) host.append(stage(component, state, example));
  mountDialogs();
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  host.dataset.ready = "true";
}

start();
