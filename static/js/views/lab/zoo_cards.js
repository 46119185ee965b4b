// @ts-check
/** The zoo of clients: a card an animal, one of them out at a time, and what was seen of it afterwards. */

import { el, refs, setAttr, setText, show } from "../../ui/dom.js";
import { reasonOf } from "../../model/errors.js";
import { chip, stateWords } from "../frame/labels.js";
import {
  ASK_MS, expectedWords, leftWords, metWords, pageLink, pieces, resultLinks, resultWords, runningWords, shareGone, sumWords, watchLinks,
} from "../../model/zoo_results.js";

/** Milliseconds for which it is told at least why an order was not carried out. */
const TOLD_MS = 3000;

/**
 * @typedef {import("../../main.js").App} App
 * @typedef {import("../../live/types.js").Zoo} Zoo
 * @typedef {import("../../live/types.js").ZooAnimal} ZooAnimal
 * @typedef {import("../../live/types.js").ZooRunning} ZooRunning
 * @typedef {import("../../live/types.js").ZooResult} ZooResult
 * @typedef {ReturnType<typeof makeCard>} Card
 */

/**
 * @param {ParentNode} root the page with templates/zoo.html @param {Pick<App, "get" | "post" | "remove">} app
 * It asks by itself for what it shows.
 */
export function mountZoo(root, app) {
  const parts = refs(root);
  /** @type {Map<string, Card>} */
  const cards = new Map();
  let timer = 0;
  /** How often it was asked: an answer to an earlier question is older. */
  let asked = 0;
  const ask = async () => {
    clearTimeout(timer);
    const mine = (asked += 1);
    let wait = ASK_MS.idle;
    try {
      const zoo = document.hidden ? null : await app.get("zoo");
      if (mine !== asked) return;
      if (zoo) update(parts, cards, zoo);
      if (zoo?.running) wait = ASK_MS.out;
      if (zoo) complain(parts, zoo.refusal && `Nothing can be let out: ${zoo.refusal}.`);
    } catch (error) {
      if (mine !== asked) return;
      show(parts.zooEmpty, false);
      for (const card of cards.values()) card.go.disabled = true;
      complain(parts, `The zoo can't be asked: ${reasonOf(error)}.`);
    }
    clearTimeout(timer);
    timer = window.setTimeout(ask, wait);
  };
  const give = async (/** @type {Card} */ card, /** @type {() => Promise<unknown>} */ order) => {
    // Until an answer has told what the button means now. Not disabled: the focus would be lost.
    setAttr(card.go, "aria-disabled", "true");
    card.ordering = true;
    setText(card.said, "");
    card.told = 0;
    try {
      await order();
    } catch (error) {
      setText(card.said, reasonOf(error));
      card.told = Date.now();
    }
    card.ordering = false;
    ask();
  };
  parts.zooCards.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const card = cards.get(form.dataset.name ?? "");
    if (!card || card.go.getAttribute("aria-disabled")) return;
    if (card.node.dataset.out === "true") give(card, () => app.remove("zoo"));
    else give(card, () => app.post(`zoo/${card.name}`, { count: card.count.valueAsNumber, seconds: card.seconds.valueAsNumber }));
  });
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  ask();
}

/** @param {Record<string, HTMLElement>} parts @param {string} text "" for nothing */
function complain(parts, text) {
  setText(parts.zooTrouble, text);
  show(parts.zooTrouble, text !== "");
}

/**
 * @param {Record<string, HTMLElement>} parts @param {Map<string, Card>} cards @param {Zoo} zoo
 */
function update(parts, cards, zoo) {
  show(parts.zooEmpty, zoo.animals.length === 0);
  setText(parts.zooEmpty, "There are no animals here.");
  setText(parts.zooSum, sumWords(zoo, zoo.animals.length));
  for (const animal of zoo.animals) {
    const card = cards.get(animal.name) ?? makeCard(animal);
    if (!cards.has(animal.name)) {
      cards.set(animal.name, card);
      parts.zooCards.append(card.node);
    }
    if (card.told && Date.now() >= card.told + TOLD_MS) {
      card.told = 0;
      setText(card.said, "");
    }
    const running = zoo.running?.name === animal.name ? zoo.running : null;
    const result = running ? null : (zoo.results[animal.name] ?? null);
    updateCard(card, running, zoo);
    showResult(card, result);
    const { text, path } = pageLink(animal, running?.conns[0] ?? result?.connections[0]?.conn);
    setText(card.page, text);
    setAttr(card.page, "href", path);
  }
}

/** A number that can be chosen. @param {string} label @param {number} value @param {number} least @param {number} most @param {string} step */
function numberField(label, value, least, most, step) {
  const input = el("input", { type: "number", min: String(least), max: String(most), step, required: "" });
  input.value = String(value);
  return { input, field: el("label", { class: "zoo-field" }, label, input) };
}

/** A sentence, with what stands between backticks as code. @param {string} text */
const sentence = (text) => pieces(text).map((piece) => (piece.isCode ? el("code", {}, piece.text) : piece.text));

let made = 0;

/** @param {ZooAnimal} animal */
function makeCard(animal) {
  const title = el("h3", { id: `zoo-${(made += 1)}` }, animal.title);
  const count = numberField("connections", animal.count, 1, animal.most, "1");
  const seconds = numberField("seconds", animal.seconds, 2, 120, "any");
  const go = el("button", { class: "button", "aria-describedby": title.id }, "Let out");
  const form = el("form", { class: "zoo-form", "data-name": animal.name, autocomplete: "off" }, count.field, seconds.field, go);
  const page = el("a");
  const watch = el("p", { class: "zoo-watch" }, el("b", {}, "Watch "), page, ". ", ...sentence(animal.watch));
  const live = el("div", { class: "zoo-live", hidden: "" });
  const said = el("p", { class: "error-note", role: "status" });
  const result = el("div", { class: "zoo-result", hidden: "" });
  const expected = el("p", { class: "zoo-expected soft" }, `Expected: ${expectedWords(animal)}.`);
  const node = el("li", { class: "card zoo-card", "aria-labelledby": title.id }, title, el("p", {}, animal.does), watch, expected, form, said, live, result);
  return { name: animal.name, node, page, form, go, count: count.input, seconds: seconds.input, live, said, result, lines: makeLive(live), shown: "", ordering: false, told: 0 };
}

/** @param {HTMLElement} host */
function makeLive(host) {
  const bar = el("progress", { max: "1", "aria-label": "time gone" });
  const left = el("span", { class: "zoo-left" });
  const doing = el("p", { class: "soft" });
  const seen = el("p", { class: "zoo-seen" });
  const state = el("span");
  const verdict = el("span");
  const links = el("p", { class: "zoo-links" });
  seen.append(state, verdict);
  host.append(el("div", { class: "zoo-time" }, bar, left), doing, seen, links);
  return { bar, left, doing, state, verdict, links };
}

/** @param {Card} card @param {ZooRunning | null} running @param {Zoo} zoo */
function updateCard(card, running, zoo) {
  const isOut = running !== null;
  setAttr(card.node, "data-out", String(isOut));
  setText(card.go, isOut ? "Call back" : "Let out");
  card.go.disabled = !isOut && (zoo.running !== null || zoo.busy !== "" || zoo.refusal !== "");
  setAttr(card.go, "title", card.go.disabled && zoo.busy ? `${zoo.busy} is running; one at a time` : null);
  if (!card.ordering) setAttr(card.go, "aria-disabled", null);
  card.count.disabled = card.seconds.disabled = isOut;
  show(card.live, isOut);
  if (!running) return;
  const { bar, left, doing, state, verdict, links } = card.lines;
  bar.value = shareGone(running);
  setText(left, leftWords(running));
  setText(doing, runningWords(running));
  const latest = running.states.at(-1) ?? "";
  show(state, latest !== "");
  if (latest) chip(state, latest, stateWords(latest));
  setText(verdict, running.sentence);
  drawLinks(links, watchLinks(running));
}

/** @param {HTMLElement} host @param {import("../../model/zoo_results.js").Link[]} wanted */
function drawLinks(host, wanted) {
  const key = wanted.map((link) => link.path).join(" ");
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  host.replaceChildren(...wanted.map(({ text, path }) => el("a", { href: path }, text)));
}

/** @param {Card} card @param {ZooResult | null} result */
function showResult(card, result) {
  show(card.result, result !== null);
  const key = result ? result.began : "";
  if (card.shown === key) return;
  card.shown = key;
  if (!result) return;
  const mark = el("span", { class: "mark", "data-mark": result.met ? "notfull" : "bad", "aria-hidden": "true" });
  const summary = el("summary", {}, mark, el("b", {}, resultWords(result)), el("span", { class: "soft" }, result.model));
  const links = el("p", { class: "zoo-links" });
  drawLinks(links, resultLinks(result));
  const notes = result.notes.map((note) => el("p", { class: "zoo-note soft" }, "An exception of this model: ", ...sentence(note)));
  const details = el("details", {}, summary, expectations(result), ...notes);
  details.open = !result.met;
  card.result.replaceChildren(details, links);
}

/** @param {ZooResult} result */
function expectations(result) {
  const lines = result.expectations.map((one) => {
    const [mark, word] = metWords(one);
    const verdict = el("span");
    chip(verdict, word, [mark, word]);
    const name = el("span", { class: "term", tabindex: "0", "data-tip": `Expected: ${one.wanted}` }, one.name);
    const wanted = one.met ? [] : [el("span", { class: "soft" }, `expected: ${one.wanted}`)];
    return el("li", {}, name, el("span", {}, one.seen), verdict, ...wanted);
  });
  return el("ul", { class: "zoo-expectations" }, ...lines);
}
