// @ts-check
/** Some events of a list in columns: about 60 bytes a row, where an object with its texts takes several hundred. Pure. */

/**
 * @typedef {import("../../live/types.js").EventRow} Row
 * @typedef {"sampled" | "torn" | "unkept"} Why of a gap: there were more than are sent; the link was down; the list was full
 * @typedef {{gap: number, why: Why, marks: number}} Gap rows that are not in the list (0: no one knows how many), and how many of them match the mark
 * @typedef {{row: Row, marked: boolean} | Gap} Entry
 * @typedef {typeof COLUMNS} Columns
 * @typedef {{length: number, rows: number, marks: number, texts: string[]} & {[name in keyof Columns]: InstanceType<Columns[name]>}} Block
 * `rows`: entries that are no gaps; `marks`: rows that match the mark; `texts`: of kinds, peers and reasons
 */

const COLUMNS = {
  second: Float64Array, nano: Uint32Array, seq: Float64Array, conn: Float64Array, worker: Uint16Array,
  kind: Uint16Array, peer: Uint16Array, reason: Uint16Array, flags: Uint8Array,
  bytes_in: Uint32Array, bytes_out: Uint32Array, queue_bytes: Uint32Array, queue_chunks: Uint32Array,
};
const NAMES = /** @type {(keyof Columns)[]} */ (Object.keys(COLUMNS));
const FIGURES = /** @type {const} */ (["seq", "conn", "worker", "bytes_in", "bytes_out", "queue_bytes", "queue_chunks"]);
const EMPTIED = 1;
const MARKED = 2;
const GAP = 4;
/** @type {Why[]} */
const WHYS = ["sampled", "torn", "unkept"];

/** Most entries of a block: texts are numbered with 16 bits, three a row at most. */
export const MOST = 8192;

/** @param {number} length @returns {Block} */
function blank(length) {
  const columns = Object.fromEntries(NAMES.map((name) => [name, new COLUMNS[name](length)]));
  return { length, rows: 0, marks: 0, texts: [], .../** @type {Pick<Block, keyof Columns>} */ (columns) };
}

/** @param {string} time RFC 3339, UTC @returns {[number, number]} seconds since 1970, and nanoseconds */
export function splitTime(time) {
  const [whole, decimals = ""] = time.replace("Z", "").split(".");
  return [Date.parse(`${whole}Z`) / 1000, Number(decimals.padEnd(9, "0"))];
}

/** @param {number} second @param {number} nano */
const joinTime = (second, nano) => `${new Date(second * 1000).toISOString().slice(0, 19)}.${String(nano).padStart(9, "0")}Z`;

/** @param {Entry[]} entries MOST at the most @returns {Block} */
export function pack(entries) {
  const block = blank(entries.length);
  /** @type {Map<string, number>} */
  const codes = new Map();
  const code = (/** @type {string} */ text) => {
    const known = codes.get(text);
    if (known !== undefined) return known;
    codes.set(text, block.texts.length);
    return block.texts.push(text) - 1;
  };
  entries.forEach((entry, at) => {
    if ("gap" in entry) putGap(block, at, entry);
    else putRow(block, at, entry, code);
  });
  return block;
}

/** @param {Block} block @param {number} at @param {Gap} gap */
function putGap(block, at, { gap, why, marks }) {
  block.seq[at] = gap;
  block.conn[at] = marks;
  block.worker[at] = WHYS.indexOf(why);
  block.flags[at] = GAP;
}

/** @param {Block} block @param {number} at @param {{row: Row, marked: boolean}} entry @param {(text: string) => number} code */
function putRow(block, at, { row, marked }, code) {
  [block.second[at], block.nano[at]] = splitTime(row.time);
  for (const name of FIGURES) block[name][at] = row[name];
  block.kind[at] = code(row.kind);
  block.peer[at] = code(row.peer);
  block.reason[at] = code(row.reason);
  block.flags[at] = (row.emptied ? EMPTIED : 0) | (marked ? MARKED : 0);
  block.rows += 1;
  block.marks += Number(marked);
}

/** @param {Block} block @param {number} at @returns {Entry} */
export function unpack(block, at) {
  const flags = block.flags[at];
  if (flags & GAP) return { gap: block.seq[at], why: WHYS[block.worker[at]], marks: block.conn[at] };
  const row = {
    seq: block.seq[at], time: joinTime(block.second[at], block.nano[at]), worker: block.worker[at], conn: block.conn[at],
    peer: block.texts[block.peer[at]], kind: block.texts[block.kind[at]],
    bytes_in: block.bytes_in[at], bytes_out: block.bytes_out[at],
    queue_bytes: block.queue_bytes[at], queue_chunks: block.queue_chunks[at],
    emptied: (flags & EMPTIED) > 0, reason: block.texts[block.reason[at]],
  };
  return { row, marked: (flags & MARKED) > 0 };
}

/** @param {Block} block @param {number} at */
export const isMarked = (block, at) => (block.flags[at] & MARKED) > 0;

/** The place of a row; -1 where it is not in the block. @param {Block} block @param {{worker: number, seq: number}} row */
export function placeOf(block, { worker, seq }) {
  for (let at = block.seq.indexOf(seq); at >= 0; at = block.seq.indexOf(seq, at + 1)) {
    if (block.worker[at] === worker && !(block.flags[at] & GAP)) return at;
  }
  return -1;
}

/** @param {Block} block @returns {Entry[]} */
export const entriesOf = (block) => Array.from({ length: block.length }, (_, at) => unpack(block, at));
