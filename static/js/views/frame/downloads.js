// @ts-check
/** The download dialog: which rows, in which format, how much that is; and every download on its way. */

import { ApiError } from "../../live/api.js";
import { debounce, el, refs, setAttr, setText, show } from "../../ui/dom.js";
import { asOf } from "../../model/time/moment.js";
import { session } from "../../ui/storage.js";
import { mountFilterBoxes, showFault } from "./filter_box.js";
import { reasonOf } from "../../model/errors.js";
import { givenUp } from "../../model/rows/paging.js";
import {
  begun, downloadUrl, estimateWords, heard, isActive, MOST, readTransfers, shareOf, transferWords, unheard, writeTransfers,
} from "../../model/transfers.js";

/** @typedef {import("../../main.js").App} App @typedef {import("../../live/store.js").State} State @typedef {import("../../model/transfers.js").Transfer} Transfer */
/** @typedef {{q: string, since: string, until: string}} Chosen */
/** @typedef {ReturnType<typeof refs<typeof KINDS>>} Parts */

const KINDS = { downloadForm: HTMLFormElement, downloadStart: HTMLButtonElement };
const STORED = "echoscope-downloads";
const TYPING_MS = 300;
const POLL_MS = 500;
/** Milliseconds that the browser has to bring its request to the server. */
const BEGIN_MS = 150;

/**
 * @param {ParentNode} root the page with its dialog @param {App} app @param {() => Chosen} shown what the page shows now
 * @returns {(state: State) => void}
 */
export function mountDownloads(root, app, shown) {
  const parts = refs(root, KINDS);
  const form = parts.downloadForm;
  mountFilterBoxes(form, app);
  const asked = () => chosenSet(form, app, shown());
  const estimate = estimator(parts, app, asked);
  const opened = () => {
    fillForm(parts, app, shown());
    estimate();
  };
  parts.download.addEventListener("opening", opened);
  // It may have been opened before this was there.
  if (parts.download.hasAttribute("open")) opened();
  form.addEventListener("input", () => {
    show(parts.downloadRange, fieldsOf(form).range.value === "chosen");
    estimate();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(app, asked());
  });
  poll(app);
  /** @type {Transfer[] | null} */
  let drawn = null;
  return ({ transfers }) => {
    if (transfers === drawn) return;
    drawn = transfers;
    showTransfers(parts, app, transfers);
  };
}

/** The fields by their names, of which `range` is a group of buttons. @param {HTMLFormElement} form */
const fieldsOf = (form) => /** @type {Record<"q" | "since" | "until" | "format" | "range", {value: string}>} */ (/** @type {unknown} */ (form.elements));

/** @param {Parts} parts @param {App} app @param {Chosen} set */
function fillForm(parts, app, set) {
  const fields = fieldsOf(parts.downloadForm);
  const { since, until } = asOf("events", set, app.store.get().moment);
  const ranged = Boolean(since || until);
  fields.q.value = set.q;
  fields.since.value = String(since);
  fields.until.value = String(until);
  show(parts.downloadShown, ranged);
  setText(parts.downloadShownText, [since && `since ${since}`, until && `until ${until}`].filter(Boolean).join(", "));
  fields.range.value = ranged ? "shown" : "all";
  show(parts.downloadRange, false);
}

/** What the form asks for. @param {HTMLFormElement} form @param {App} app @param {Chosen} set what the page shows */
function chosenSet(form, app, set) {
  const fields = fieldsOf(form);
  const choices = /** @type {Record<string, Record<string, string | number>>} */ ({
    shown: asOf("events", set, app.store.get().moment),
    all: { since: "", until: "" },
    chosen: { since: fields.since.value.trim(), until: fields.until.value.trim() },
  });
  const { since, until } = choices[fields.range.value];
  return { format: fields.format.value, q: fields.q.value.trim(), since: String(since), until: String(until) };
}

/** Asks how much it would be, once typing has stopped. @param {Parts} parts @param {App} app @param {() => Record<string, string>} asked */
function estimator(parts, app, asked) {
  let work = new AbortController();
  const ask = async () => {
    const { signal } = (work = new AbortController());
    try {
      const answer = await app.get("events/estimate", asked(), signal);
      setText(parts.estimate, estimateWords(answer));
      setText(parts.estimateName, answer.name ?? "");
      complain("");
    } catch (error) {
      if (givenUp(error)) return;
      const isWrong = error instanceof ApiError && error.status === 400;
      setText(parts.estimate, isWrong ? "" : `No estimate: ${reasonOf(error)}`);
      setText(parts.estimateName, "");
      complain(isWrong ? error.message : "");
    }
  };
  const complain = (/** @type {string} */ error) => {
    showFault(parts.downloadForm.q, parts.downloadError, error);
    parts.downloadStart.disabled = error !== "";
  };
  const soon = debounce(ask, TYPING_MS);
  return () => {
    work.abort();
    setText(parts.estimate, "Estimating…");
    setText(parts.estimateName, "");
    soon();
  };
}

/** Hands the download to the browser; the token is how the page hears of it. @param {App} app @param {Record<string, string>} set */
function start(app, set) {
  const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const transfer = begun(token, `echoscope.${set.format}`, set.format, Date.now());
  keep(app, (transfers) => [transfer, ...transfers].slice(0, MOST));
  const link = el("a", { href: downloadUrl({ ...set, token }), download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}

/** @param {App} app @param {(transfers: Transfer[]) => Transfer[]} change */
function keep(app, change) {
  app.store.dispatch({ type: "transfers", change });
  session.set(STORED, writeTransfers(app.store.get().transfers));
}

/** Asks after what is under way, now and then; downloads that an earlier page began as well. @param {App} app */
function poll(app) {
  const kept = readTransfers(session.get(STORED));
  if (kept.length > 0) keep(app, () => kept);
  const again = async () => {
    const active = app.store.get().transfers.filter((transfer) => isActive(transfer) && Date.now() - transfer.began > BEGIN_MS);
    await Promise.all(active.map(({ token }) => hear(app, token)));
    setTimeout(again, POLL_MS);
  };
  again();
}

/** @param {App} app @param {string} token */
async function hear(app, token) {
  const now = Date.now();
  const change = (/** @type {(transfer: Transfer) => Transfer} */ step) =>
    keep(app, (transfers) => transfers.map((item) => (item.token === token ? step(item) : item)));
  try {
    const answer = await app.get(`downloads/${token}`);
    change((transfer) => heard(transfer, answer, now));
  } catch (error) {
    // The link may be down: only the server itself can say that it knows of no such download.
    if (error instanceof ApiError && error.status === 404) change((transfer) => unheard(transfer, now));
  }
}

/** @param {Parts} parts @param {App} app @param {Transfer[]} transfers */
function showTransfers(parts, app, transfers) {
  const active = transfers.filter(isActive).length;
  setText(parts.downloadCount, active > 0 ? ` (${active} under way)` : "");
  show(parts.transfersBox, transfers.length > 0);
  const list = parts.transfers;
  const tokens = transfers.map((transfer) => transfer.token);
  for (const item of Array.from(list.children)) if (!tokens.includes(/** @type {HTMLElement} */ (item).dataset.token ?? "")) item.remove();
  transfers.forEach((transfer, at) => {
    const known = list.querySelector(`[data-token="${transfer.token}"]`);
    const item = /** @type {HTMLElement} */ (known ?? newItem(app, transfer));
    if (!known) list.insertBefore(item, list.children[at] ?? null);
    fillItem(item, transfer, parts.transfersSaid);
  });
}

/** @param {App} app @param {Transfer} transfer */
function newItem(app, { token }) {
  const button = el("button", { type: "button", class: "button", "data-ref": "end" });
  button.addEventListener("click", () => end(app, token));
  return el(
    "li", { class: "transfer", "data-token": token },
    el("span", { class: "transfer-name mono", "data-ref": "name" }), button,
    el("progress", { "data-ref": "bar", max: "1" }),
    el("span", { class: "transfer-words", "data-ref": "words" }),
  );
}

/** Cancels what is under way, forgets what is over. @param {App} app @param {string} token */
async function end(app, token) {
  const transfer = app.store.get().transfers.find((item) => item.token === token);
  if (!transfer || !isActive(transfer)) return keep(app, (transfers) => transfers.filter((item) => item.token !== token));
  try {
    await app.remove(`downloads/${token}`);
  } catch (error) {
    // Over already, or the link is down: the next question after it tells.
    console.info(`not cancelled: ${/** @type {Error} */ (error).message}`);
  }
  await hear(app, token);
}

/** @param {HTMLElement} item @param {Transfer} transfer @param {HTMLElement} said where a screen reader hears of what is over */
function fillItem(item, transfer, said) {
  const parts = refs(item);
  const words = transferWords(transfer);
  const share = shareOf(transfer);
  const active = isActive(transfer);
  const before = item.dataset.phase;
  setText(parts.name, transfer.name);
  setText(parts.words, words);
  setText(parts.end, active ? "Cancel" : "Dismiss");
  setAttr(parts.end, "aria-label", `${active ? "Cancel" : "Dismiss"} ${transfer.name}`);
  setAttr(parts.bar, "aria-label", transfer.name);
  setAttr(parts.bar, "value", share === null && active ? null : String(share ?? 0));
  setAttr(parts.bar, "aria-valuetext", words);
  setAttr(item, "data-phase", transfer.phase);
  if (before && before !== transfer.phase && !active) setText(said, `${transfer.name}: ${words}`);
}
