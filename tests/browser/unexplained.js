// Evaluated in a page: figures without an explanation that can be had by the keyboard, as "where: text".
(root) => {
  const UNIT = "(?: ?(?:%|[KMGTP]?i?B|µs|ms|s|min|h|d|M)(?:/s)?)?";
  const NUMBER = `[−-]?\\d[\\d,.]*${UNIT}(?: \\d+ (?:s|min|h))?`;
  const FIGURE = new RegExp(`^(?:–|${NUMBER}(?: ?(?:[–/·]|of) ?${NUMBER})*)$`);
  const TIP = "[data-tip]:is(button, a[href], [tabindex='0'])";
  // A control, a name or a choice is no figure.
  const NONE = "button, option, [role='option'] *, a, code, kbd, [data-ref='version'], [aria-hidden='true'], [aria-hidden='true'] *";
  // What belongs together: one explanation serves all of it.
  const BLOCK = `.tile, .strip > div, dl > div, figure, .pipe-part, .pipe-flow, .pipe-end, li:has(${TIP})`;

  /** The heads of its column and of its row. @param {HTMLTableCellElement} cell */
  const inTable = (cell) => {
    const row = /** @type {HTMLTableRowElement} */ (cell.parentElement);
    const heads = [cell.closest("table")?.tHead?.rows[0]?.cells[cell.cellIndex], row.querySelector("th")];
    return heads.some((head) => head?.querySelector(TIP));
  };
  const explained = (/** @type {Element} */ node) => {
    if (node.closest(TIP) || node.closest(BLOCK)?.querySelector(TIP) || node.closest("dd")?.querySelector("small")) return true;
    const cell = /** @type {HTMLTableCellElement | null} */ (node.closest("td, th"));
    // A list of one kind of figure is explained by its heading.
    return cell ? inTable(cell) : node.closest("ul") !== null && Boolean(node.closest("section")?.querySelector(`h2 > ${TIP}`));
  };
  const text = (/** @type {Element} */ node) => Array.from(node.childNodes, (one) => (one.nodeType === Node.TEXT_NODE ? one.textContent : "")).join("").trim();
  return Array.from(root.querySelectorAll("*"))
    .filter((node) => FIGURE.test(text(node)) && !node.matches(NONE) && !explained(node))
    .map((node) => `${node.closest(".stage")?.getAttribute("data-state")}, ${node.parentElement?.className} ${node.outerHTML.slice(0, 80)}: ${text(node)}`);
}
