// @ts-check
/** Gives an order: counted first, and only what was counted can be given. */

import { orderOf } from "../../model/order_words.js";
import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { addressBar } from "../../ui/url.js";
import * as format from "../../model/format.js";

const KINDS = { orderForm: HTMLFormElement, orderGive: HTMLButtonElement };
const DEFAULTS = { q: "", conn: 0 };
/** Milliseconds after which the connections that came back are counted. */
const AFTERWARDS_MS = 2000;

/** @param {HTMLElement} root @param {import("../../main.js").App} app @param {() => void} given */
export function mountOrderForm(root, app, given) {
  const parts = refs(root, KINDS);
  const form = parts.orderForm;
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const say = (/** @type {string} */ text, wrong = false) => {
    setText(parts.orderSaid, text);
    setAttr(parts.orderSaid, "data-wrong", String(wrong));
  };
  let changes = 0;
  const change = () => {
    changes += 1;
    parts.orderGive.disabled = true;
    say("");
    arrange(form, field("what").value, field("target"));
    setText(parts.orderMeaning, meaningOf(parts.orderMeanings, field("what").value));
  };
  const read = () => orderOf(Object.fromEntries(Array.from(new FormData(form), ([name, value]) => [name, String(value)])));
  const count = async () => {
    const mine = changes;
    const { path, body } = read();
    try {
      const { matched } = /** @type {{matched: number}} */ (await app.post(path, { ...body, dry_run: true }));
      if (mine !== changes) return;
      parts.orderGive.disabled = path !== "faults" && matched === 0;
      say(path === "faults" ? `Touches ${format.plural(matched, "open connection")} now.` : `Matches ${format.plural(matched, "open connection")}.`);
    } catch (error) {
      if (mine === changes) say(/** @type {Error} */ (error).message, true);
    }
  };
  const give = async () => {
    parts.orderGive.disabled = true;
    const mine = changes;
    const { path, body } = read();
    try {
      const { items } = await app.get("connections", { sort: "-opened", limit: 1 });
      const answer = await app.post(path, body);
      if (path === "faults") {
        const { id, matched } = /** @type {{id: number, matched: number}} */ (answer);
        say(`Fault ${id} is on; it touches ${format.plural(matched, "open connection")}.`);
      } else {
        const { matched, closed } = /** @type {{matched: number, closed: number}} */ (answer);
        say(`Closing ${format.count(closed)} of ${format.count(matched)}.`);
        setTimeout(() => mine === changes && afterwards(`Closed ${format.count(closed)} of ${format.count(matched)}`, body, items[0]?.opened ?? ""), AFTERWARDS_MS);
      }
    } catch (error) {
      say(/** @type {Error} */ (error).message, true);
    }
    given();
  };
  /** What came back: was opened later than all that there were; some of those may still wait for their peer's FIN. @param {string} done @param {Record<string, unknown>} body @param {string} newest */
  const afterwards = async (done, body, newest) => {
    const mine = changes;
    try {
      const { matched } = /** @type {{matched: number}} */ (await app.post("connections/close", { ...body, q: newest ? `${body.q} opened>${newest}`.trim() : body.q, dry_run: true }));
      if (mine === changes) say(`${done}. Open again ${AFTERWARDS_MS / 1000} s later: ${format.count(matched)}.`);
    } catch (error) {
      if (mine === changes) say(`${done}. What came back is not known: ${/** @type {Error} */ (error).message}`, true);
    }
  };
  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    count();
  });
  parts.orderGive.addEventListener("click", give);
  const { q, conn } = addressBar(DEFAULTS).read();
  field("q").value = q;
  if (conn) {
    field("target").value = "conn";
    field("conn").value = String(conn);
  }
  change();
}

/** Shows and enables what belongs to the order alone. @param {HTMLFormElement} form @param {string} what @param {HTMLInputElement} target */
function arrange(form, what, target) {
  const select = /** @type {HTMLSelectElement} */ (/** @type {unknown} */ (target));
  const closes = what === "close";
  const kinds = /** @type {HTMLSelectElement} */ (form.elements.namedItem("what"));
  const newOnly = kinds.selectedOptions[0]?.dataset.newOnly !== undefined;
  for (const option of select.options) {
    const isNew = option.value === "next" || option.value === "share";
    option.disabled = isNew ? closes : newOnly;
  }
  if (select.selectedOptions[0]?.disabled) select.value = newOnly ? "next" : "q";
  for (const label of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("label"))) {
    const { target: forTarget, order, faults } = label.dataset;
    if (forTarget === undefined && order === undefined && faults === undefined) continue;
    const belongs = forTarget !== undefined ? forTarget === select.value : order !== undefined ? order === what : !closes;
    show(label, belongs);
    for (const input of label.querySelectorAll("input, select")) {
      const control = /** @type {HTMLInputElement} */ (input);
      control.disabled = !belongs;
      control.required = belongs && control.type === "number" && control.name !== "seed";
    }
  }
}

/** @param {HTMLElement} meanings a list of names and meanings @param {string} what */
function meaningOf(meanings, what) {
  const name = Array.from(meanings.querySelectorAll("dt")).find((one) => one.textContent === what);
  return name?.nextElementSibling?.textContent ?? "";
}
