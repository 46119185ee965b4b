// @ts-check
// Runs before the first paint: the page never flashes in the wrong theme. A classic script for that reason.
"use strict";
(() => {
  const NAMES = ["system", "light", "dark"];
  let shown = "system";
  const stored = () => {
    try {
      const name = localStorage.getItem("echoscope-theme") ?? "";
      return NAMES.includes(name) ? name : "system";
    } catch {
      return shown; // site data is blocked: it holds for this page
    }
  };
  const apply = (/** @type {string} */ name) => {
    document.documentElement.dataset.theme = name;
  };
  const label = (/** @type {HTMLElement} */ button) => {
    const name = stored();
    button.setAttribute("aria-label", `Theme: ${name}. Change it`);
    button.title = `Theme: ${name}`;
  };
  apply(stored());
  const START_MS = 20_000;
  const failed = (/** @type {string} */ why) => {
    const banner = /** @type {HTMLElement | null} */ (document.querySelector("[data-ref=banner]"));
    const text = banner?.querySelector("[data-ref=bannerText]");
    if (!banner || !text) return;
    text.textContent = `This page could not start${why ? `: ${why}` : ""}. Reload it.`;
    banner.hidden = false;
  };
  document.addEventListener("startfailed", (event) => failed(/** @type {CustomEvent} */ (event).detail));
  // A module that never comes runs no line of its own.
  setTimeout(() => document.querySelector("script[type=module]") && !document.body.dataset.started && failed("a script did not arrive"), START_MS);
  document.addEventListener("DOMContentLoaded", () => {
    const button = /** @type {HTMLElement} */ (document.querySelector("[data-theme-switch]"));
    label(button);
    button.addEventListener("click", () => {
      const name = NAMES[(NAMES.indexOf(stored()) + 1) % NAMES.length];
      try {
        localStorage.setItem("echoscope-theme", name);
      } catch {
        shown = name;
      }
      apply(name);
      label(button);
      document.dispatchEvent(new Event("themechange"));
    });
  });
})();
