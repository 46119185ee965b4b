// @ts-check
/** What every page says of the link and the server: in its head, in the tab (title and icon), in the look of all of it. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { count, num, plural, rate } from "../../model/format.js";
import { standing } from "../../model/link.js";
import { modeOf, standsStill } from "../../model/time/moment.js";

const ICONS = { calm: "/static/img/icon.svg", full: "/static/img/icon-full.svg", off: "/static/img/icon-off.svg" };

/** @typedef {import("../../live/store.js").State} State */

/** @param {State} state */
const standingOf = (state) => standing(state.link, state.now, standsStill(state.moment));

/** What the style sheets go by: how the link stands, which moment is shown. @param {HTMLElement} page */
export function mountLook(page) {
  return (/** @type {State} */ state) => {
    setAttr(page, "data-link", standingOf(state).name);
    setAttr(page, "data-refused", String(Boolean(state.refused.overview)));
    setAttr(page, "data-mode", modeOf(state.moment));
    setAttr(page, "data-replay", String(state.overview?.replay === true || state.span?.live === false));
  };
}

/** The title and the icon of the tab. */
export function mountTab() {
  const title = document.title;
  const icon = /** @type {HTMLLinkElement} */ (document.getElementById("icon"));
  return (/** @type {State} */ state) => {
    const { name, alarm } = standingOf(state);
    const blocked = num(state.overview?.connections?.blocked) ?? 0;
    // The first moment of a page is no trouble.
    const trouble = name === "live" || (name === "connecting" && !alarm) ? "" : `(${name}) `;
    const full = blocked > 0 ? `(${count(blocked)} blocked) ` : "";
    const wanted = `${trouble || (state.moment.at !== null ? "(past) " : full)}${title}`;
    if (document.title !== wanted) document.title = wanted;
    setAttr(icon, "href", trouble ? ICONS.off : blocked > 0 ? ICONS.full : ICONS.calm);
  };
}

/** The head and the banner. @param {ParentNode} root */
export function mountStatus(root) {
  const parts = refs(root);
  let said = "";
  return (/** @type {State} */ state) => {
    const past = state.moment.at !== null;
    const { name, label, alarm } = standingOf(state);
    setAttr(parts.link, "data-link", name);
    setText(parts.linkText, past && name === "live" ? "connected" : label);
    const ill = !past && state.overview?.healthy === false ? `The server is in trouble: ${state.overview.trouble}.` : "";
    const damaged = !past && !ill && state.overview?.trouble ? `A part of the log is damaged: ${state.overview.trouble}.` : "";
    const refused = state.refused.overview ? `Nothing can be shown: ${state.refused.overview}.` : "";
    show(parts.banner, Boolean(alarm || refused || ill || damaged));
    setText(parts.bannerText, alarm || refused || ill || damaged);
    // Said once: what is shown counts seconds.
    const kind = alarm ? name : refused || ill || damaged;
    if (kind !== said) setText(parts.bannerSaid, alarm || refused || ill || damaged);
    said = kind;
    if (state.overview) figures(parts, state.overview);
  };
}

/** @param {Record<string, HTMLElement>} parts @param {import("../../live/types.js").Overview} data */
function figures(parts, data) {
  const lost = num(data.recorder?.lost) ?? 0;
  setText(parts.version, data.version ?? "");
  setText(parts.headOpen, count(data.connections?.open));
  setText(parts.headBlocked, count(data.connections?.blocked));
  setAttr(parts.headBlockedBox, "data-some", String((num(data.connections?.blocked) ?? 0) > 0));
  setText(parts.headRate, rate(data.echoes_per_s));
  show(parts.headLostBox, lost > 0);
  setText(parts.headLost, plural(lost, "event"));
}
