// @ts-check
/** The head of every page: how the link stands, the few figures that matter everywhere, title and icon. */

import { refs, setAttr, setText, show } from "./dom.js";
import { count, num, plural, rate } from "./format.js";
import { standing } from "./link.js";
import { standsStill } from "./moment.js";

const ICONS = { calm: "/static/img/icon.svg", full: "/static/img/icon-full.svg", off: "/static/img/icon-off.svg" };

/** @param {ParentNode} root */
export function mountStatus(root) {
  const parts = refs(root);
  const title = document.title;
  const icon = /** @type {HTMLLinkElement} */ (document.getElementById("icon"));
  return (/** @type {import("./store.js").State} */ state) => {
    const past = state.moment.at !== null;
    const { name, label, alarm } = standing(state.link, state.now, standsStill(state.moment));
    setAttr(parts.link, "data-link", name);
    setText(parts.linkText, past && name === "live" ? "connected" : label);
    setAttr(document.body, "data-link", name);
    const ill = !past && state.overview?.healthy === false ? `The server is in trouble: ${state.overview.trouble}.` : "";
    const refused = state.refused.overview ? `Nothing can be shown: ${state.refused.overview}.` : "";
    setAttr(document.body, "data-refused", String(refused !== ""));
    show(parts.banner, Boolean(alarm || refused || ill));
    setText(parts.bannerText, alarm || refused || ill);
    if (state.overview) figures(parts, state.overview);
    const blocked = num(state.overview?.connections?.blocked) ?? 0;
    const trouble = name === "live" || name === "connecting" ? "" : `(${name}) `;
    const full = blocked > 0 ? `(${count(blocked)} blocked) ` : "";
    const wanted = `${trouble || (past ? "(past) " : full)}${title}`;
    if (document.title !== wanted) document.title = wanted;
    setAttr(icon, "href", trouble ? ICONS.off : blocked > 0 ? ICONS.full : ICONS.calm);
  };
}

/** @param {Record<string, HTMLElement>} parts @param {import("./types.js").Overview} data */
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
