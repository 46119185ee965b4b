// @ts-check
/** The style sheet's colours as the canvas needs them, in the theme of the moment. */

/** @type {Map<string, string>} */
const known = new Map();
const probe = document.createElement("span");
probe.hidden = true;
document.documentElement.append(probe);

/** `rgb(…)` of a custom property. @param {string} name such as "--full" */
export function colour(name) {
  let value = known.get(name);
  if (value === undefined) {
    probe.style.color = `var(${name})`;
    value = getComputedStyle(probe).color;
    known.set(name, value);
  }
  return value;
}

/** The same, let through. @param {string} name @param {number} alpha 0 to 1 */
export function veil(name, alpha) {
  const [red, green, blue] = colour(name).match(/[\d.]+/g) ?? ["128", "128", "128"];
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

/** Calls `task` whenever the theme changes. @param {() => void} task */
export function onTheme(task) {
  const changed = () => {
    known.clear();
    task();
  };
  document.addEventListener("themechange", changed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
