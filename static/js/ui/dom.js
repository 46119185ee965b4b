// @ts-check
/** Small hands for the page. Text goes in as text, and only where it changed. */

import { at } from "../base_path.js";

/** An attribute's value; a link of ours is one of this server. @param {string} name @param {string} value */
const valueOf = (name, value) => (name === "href" && value.startsWith("/") ? at(value) : value);

/** @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} node @param {string} name @param {string | null} value null takes the attribute away */
export function setAttr(node, name, value) {
  const wanted = value === null ? null : valueOf(name, value);
  if (node.getAttribute(name) === wanted) return;
  if (wanted === null) node.removeAttribute(name);
  else node.setAttribute(name, wanted);
}

/** @param {HTMLElement} node @param {boolean} visible */
export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, valueOf(name, value));
  node.append(...children);
  return node;
}

/**
 * The elements marked `data-ref`, by that name. Those that must be there and be more than an HTMLElement are named with
 * their class: `refs(root, { q: HTMLInputElement })`. A page without one of them is an error, told at once.
 * @template {Record<string, new () => Element>} K
 * @param {ParentNode} root @param {K} [kinds]
 * @returns {Record<string, HTMLElement> & {[N in keyof K]: InstanceType<K[N]>}}
 */
export function refs(root, kinds) {
  const found = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-ref]"));
  const parts = Object.fromEntries(Array.from(found, (node) => [node.dataset.ref, node]));
  for (const [name, kind] of Object.entries(kinds ?? {})) {
    if (!(parts[name] instanceof kind)) throw new Error(`the page has no ${kind.name} "${name}"`);
  }
  return /** @type {Record<string, HTMLElement> & {[N in keyof K]: InstanceType<K[N]>}} */ (parts);
}

/** Calls `task` once nothing has asked for it for `wait` milliseconds. @param {() => void} task @param {number} wait */
export function debounce(task, wait) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(task, wait);
  };
}
