// @ts-check
/** The filter text as one types it: its terms, the one under the caret, and what could stand there. Pure. */

/**
 * @typedef {import("../../live/types.js").FilterField} Field @typedef {import("../../live/types.js").FieldValue} Value
 * @typedef {{from: number, to: number, text: string}} Span a term and where it stands
 * @typedef {{from: number, to: number, minus: boolean, name: string, operator: string, typed: string, itemFrom: number,
 *   itemTo: number}} Part the term under the caret; `typed`: what is before the caret of the value, which stands from
 *   `itemFrom` to `itemTo` (one of several between commas)
 * @typedef {{label: string, detail: string, insert: string, from: number, to: number, ends: boolean}} Option
 *   `insert` replaces the text between `from` and `to`; `ends`: the term is whole with it
 */

const TERM = /(?:[^\s"]|"[^"]*"?)+/g;
const HEAD = /^(-?)([A-Za-z_]*)(!=|>=|<=|[:=<>!])?/;
/** Options that are offered at most. */
export const MOST = 40;

/** @type {Record<string, string>} */
const OPERATORS = { ":": "is, or is one of", "!=": "is not", ">": "more than", ">=": "at least", "<": "less than", "<=": "at most" };
/** @type {Record<string, string>} */
const TIME_OPERATORS = { ">": "after", ">=": "from", "<": "before", "<=": "up to" };

/** @param {string} text @returns {Span[]} */
export function termsOf(text) {
  return Array.from(text.matchAll(TERM), (match) => ({ from: match.index, to: match.index + match[0].length, text: match[0] }));
}

/** What stands under the caret. @param {string} text @param {number} caret @returns {Part} */
export function partAt(text, caret) {
  const { from, to } = termsOf(text).find((term) => term.from <= caret && caret <= term.to) ?? { from: caret, to: caret };
  const term = text.slice(from, to);
  const [head, minus = "", name = "", operator = ""] = HEAD.exec(term) ?? [""];
  const begin = from + head.length;
  if (!operator || operator === "!" || caret < begin) {
    const typed = text.slice(from + minus.length, Math.max(from + minus.length, caret));
    return { from, to, minus: minus !== "", name: typed, operator: "", typed: "", itemFrom: from + minus.length, itemTo: to };
  }
  const [itemFrom, itemTo] = operator === ":" ? itemAround(text, begin, to, caret) : [begin, to];
  return { from, to, minus: minus !== "", name, operator, typed: text.slice(itemFrom, caret), itemFrom, itemTo };
}

/** From and to of the value between commas that the caret is in; commas in quotes are text. */
function itemAround(/** @type {string} */ text, /** @type {number} */ begin, /** @type {number} */ end, /** @type {number} */ caret) {
  let [from, to, quoted] = [begin, end, false];
  for (let at = begin; at < end; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    if (text[at] !== "," || quoted) continue;
    if (at < caret) from = at + 1;
    else return [from, at];
  }
  return [from, to];
}

/**
 * What could stand under the caret, likeliest first.
 * @param {Part} part @param {Field[]} fields @param {Value[]} [live] values of the field that are there now @returns {Option[]}
 */
export function optionsFor(part, fields, live = []) {
  if (part.operator) {
    const field = fields.find(({ name }) => name === part.name);
    return field ? valueOptions(part, field, live) : [];
  }
  const typed = part.name.toLowerCase();
  const bare = typed.replace(/[!:=<>]+$/, "");
  const exact = fields.find(({ name }) => name === bare);
  const others = byFit(fields, bare, ({ name }) => name).filter((field) => field !== exact);
  const operators = exact ? operatorOptions(part, exact) : [];
  return [...operators, ...(typed === bare ? others.map((field) => fieldOption(part, field)) : [])].slice(0, MOST);
}

/** Those that begin with the text, then those that hold it. @template T @param {T[]} all @param {string} text @param {(one: T) => string} nameOf */
function byFit(all, text, nameOf) {
  const place = (/** @type {T} */ one) => nameOf(one).toLowerCase().indexOf(text.toLowerCase());
  return [...all.filter((one) => place(one) === 0), ...all.filter((one) => place(one) > 0)];
}

/** @param {Part} part @param {Field} field @returns {Option} */
function fieldOption({ itemFrom, to }, field) {
  const ordered = field.operators.length > 2;
  const insert = ordered ? field.name : `${field.name}:`;
  return { label: insert, detail: withUnit(field), insert, from: itemFrom, to, ends: false };
}

/** @param {Field} field */
const withUnit = ({ unit, meaning }) => (unit ? `${unit} · ${meaning}` : meaning);

/** @param {Part} part @param {Field} field @returns {Option[]} */
function operatorOptions({ itemFrom, to }, field) {
  const words = field.type === "time" ? { ...OPERATORS, ...TIME_OPERATORS } : OPERATORS;
  return field.operators.map((operator) => {
    const insert = field.name + operator;
    return { label: insert, detail: `${words[operator] ?? ""} · ${withUnit(field)}`, insert, from: itemFrom, to, ends: false };
  });
}

/** @param {Part} part @param {Field} field @param {Value[]} live @returns {Option[]} */
function valueOptions(part, field, live) {
  const { typed, itemFrom, itemTo } = part;
  const now = new Map(live.map(({ value, meaning }) => [value, meaning]));
  const known = field.values.map(({ value, meaning }) => ({ value, meaning: [now.get(value), meaning].filter(Boolean).join(" · ") }));
  const names = new Set(known.map(({ value }) => value));
  // What is known stays where it is when the answer about now arrives: someone may be on the way to it.
  const all = [...known, ...live.filter(({ value }) => !names.has(value)), ...examples(field, typed)];
  if (all.some(({ value }) => value === typed)) return [];
  const fitting = byFit(all, typed, ({ value }) => value);
  return fitting.slice(0, MOST).map(({ value, meaning }) => ({ label: value, detail: meaning, insert: value, from: itemFrom, to: itemTo, ends: true }));
}

/** Figures to begin with, or the units that a figure typed may have. @param {Field} field @param {string} typed @returns {Value[]} */
function examples(field, typed) {
  if (typed === "") return field.examples.map((value) => ({ value, meaning: "for example" }));
  if (!/^\d{1,6}$/.test(typed)) return [];
  return field.units.map((unit) => ({ value: typed + unit, meaning: UNITS[unit] ?? "" }));
}

/** @type {Record<string, string>} */
const UNITS = {
  B: "bytes", kB: "1,000 bytes", MB: "1,000,000 bytes", GB: "10⁹ bytes", KiB: "1,024 bytes", MiB: "1,024 KiB", GiB: "1,024 MiB",
  s: "seconds", m: "minutes", h: "hours", d: "days",
};

/** The text with an option taken, and the caret behind it. @param {string} text @param {Option} option */
export function accept(text, { insert, from, to, ends }) {
  const after = text.slice(to);
  const space = ends && after === "" ? " " : "";
  return { text: text.slice(0, from) + insert + space + after, caret: from + insert.length + space.length };
}

/** The term that the server's error is about: the last one that it names in quotes. @param {string} text @param {string} error @returns {Span | null} */
export function faultIn(text, error) {
  const named = termsOf(text).filter((term) => error.includes(`"${shown(term.text)}"`));
  return named.at(-1) ?? null;
}

/** A term as the server quotes it. @param {string} term */
function shown(term) {
  const letters = Array.from(term);
  return letters.length <= 60 ? term : `${letters.slice(0, 60).join("")}…`;
}
