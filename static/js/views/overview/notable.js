// @ts-check
/** The latest events worth a look, newest first. */

import { refs, setAttr, setText, show } from "../../ui/dom.js";
import { stamp } from "../../model/format.js";
import { chip, eventWords, reasonSentence } from "../frame/labels.js";
import { keyedList, linkTo } from "../../ui/keyed_list.js";

const MOST = 8;

/** @param {HTMLElement} root @returns {(rows: import("../../live/types.js").EventRow[]) => void} */
export function mountNotable(root) {
  const parts = refs(root);
  return (rows) => {
    const newest = rows.slice(0, MOST);
    show(parts.quiet, newest.length === 0);
    keyedList(parts.notable, newest, (row) => `${row.worker}:${row.seq}`, (node, row) => {
      chip(node.chip, row.kind, eventWords(row));
      linkTo(node, row.conn);
      setText(node.figure, stamp(row.time));
      setText(node.detail, [row.reason, row.peer].filter(Boolean).join(" · "));
      setAttr(node.detail, "title", reasonSentence(row.reason, row.kind) || null);
    });
  };
}
