// Walks through all that completion offers: standard input holds {fields, live, starts}, standard output gets the texts of
// whole terms, and those from which no whole term could be reached: by a name, a longer name, an operator, a value.
import { readFileSync } from "node:fs";
import process from "node:process";

import { accept, optionsFor, partAt } from "../static/js/model/rows/filter_completion.js";

const { fields, live, starts } = JSON.parse(readFileSync(0, "utf8"));
const whole = new Set();
/** @type {string[]} */
const dead = [];

/** Whether a whole term can be reached from a text. @param {string} text @param {number} caret @param {number} depth @returns {boolean} */
function walk(text, caret, depth) {
  const part = partAt(text, caret);
  const options = optionsFor(part, fields, live[part.name] ?? []);
  let reached = false;
  for (const option of options) {
    const next = accept(text, option);
    if (option.ends) whole.add(next.text);
    const on = option.ends || (depth > 0 && walk(next.text, next.caret, depth - 1));
    reached ||= on;
  }
  if (options.length > 0 && !reached) dead.push(text);
  // A field without known values (a figure of one's own) is no dead end.
  return reached || options.length === 0;
}

for (const text of starts) walk(text, text.length, 3);
process.stdout.write(JSON.stringify({ whole: [...whole], dead }));
