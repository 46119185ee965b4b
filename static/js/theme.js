// @ts-check
// Runs before the first paint: the page never flashes in the wrong theme. A classic script for that reason.
"use strict";
(() => {
  const NAMES = ["system", "light", "dark"];
  const stored = () => {
    const name = localStorage.getItem("echoscope-theme");
    return name !== null && NAMES.includes(name) ? name : "system";
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
  document.addEventListener("DOMContentLoaded", () => {
    const button = /** @type {HTMLElement} */ (document.querySelector("[data-theme-switch]"));
    label(button);
    button.addEventListener("click", () => {
      const name = NAMES[(NAMES.indexOf(stored()) + 1) % NAMES.length];
      localStorage.setItem("echoscope-theme", name);
      apply(name);
      label(button);
      document.dispatchEvent(new Event("themechange"));
    });
  });
})();
