// @ts-check
/** Figures as people read them: every one with its unit, and a dash where nothing is known. */

export const UNKNOWN = "–";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const grouped = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

/**
 * A number from the wire; 64-bit counts come as strings.
 * @param {unknown} value
 * @returns {number | null}
 */
export function num(value) {
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  // No minus before a zero.
  return Number.isFinite(number) ? number + 0 : null;
}

/** Three significant digits, without trailing noise. @param {number} value */
function significant(value) {
  const size = Math.abs(value);
  if (size >= 99.95 || size === 0) return value.toFixed(0);
  return size >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/**
 * `[figure, unit]` of a size in bytes.
 * @param {unknown} value
 * @returns {[string, string]}
 */
export function byteParts(value) {
  let size = num(value);
  if (size === null) return [UNKNOWN, "B"];
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < BYTE_UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return [unit === 0 ? size.toFixed(0) : significant(size), BYTE_UNITS[unit]];
}

/** A size: `3.81 MiB`. @param {unknown} value */
export function bytes(value) {
  const [figure, unit] = byteParts(value);
  return figure === UNKNOWN ? UNKNOWN : `${figure} ${unit}`;
}

/** A rate of bytes: `3.81 MiB/s`. @param {unknown} value */
export function byteRate(value) {
  const text = bytes(value);
  return text === UNKNOWN ? text : `${text}/s`;
}

/** A whole number, grouped: `48,213`; from ten million on, in millions. @param {unknown} value */
export function count(value) {
  const number = num(value);
  if (number === null) return UNKNOWN;
  if (Math.abs(number) < 1e7) return grouped.format(number);
  return Math.abs(number) < 9.995e8 ? `${significant(number / 1e6)} M` : `${significant(number / 1e9)} G`;
}

/** A whole number that identifies something, all of its digits. @param {unknown} value a text where it may be beyond 2⁵³ */
export function exactCount(value) {
  if (typeof value === "string" && /^\d+$/.test(value)) return grouped.format(BigInt(value));
  const number = num(value);
  return number === null ? UNKNOWN : grouped.format(number);
}

/** A rate a second; small ones with a decimal. @param {unknown} value */
export function rate(value) {
  const number = num(value);
  if (number === null) return UNKNOWN;
  return number > 0 && number < 10 ? number.toFixed(1) : count(number);
}

/** A share from 0 to 1 as a figure in percent, without its sign. @param {unknown} value */
export function percentFigure(value) {
  const number = num(value);
  if (number === null) return UNKNOWN;
  const percent = number * 100;
  return percent > 0 && percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0);
}

/** A share from 0 to 1: `3.2 %`. @param {unknown} value */
export function percent(value) {
  const figure = percentFigure(value);
  return figure === UNKNOWN ? figure : `${figure} %`;
}

/** Two digits. @param {number} value */
const two = (value) => String(value).padStart(2, "0");

/** A length of time in seconds: `0.3 s`, `42 s`, `4 min 12 s`, `2 h 05 min`, `3 d 4 h`. @param {unknown} value */
export function duration(value) {
  const seconds = num(value);
  if (seconds === null) return UNKNOWN;
  if (seconds < 0.0005) return "0 s";
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** A length of time in microseconds: `48 µs`, `1.2 ms`. @param {unknown} value */
export function micros(value) {
  const number = num(value);
  if (number === null) return UNKNOWN;
  return number < 999.5 ? `${number < 9.95 && number > 0 ? number.toFixed(1) : number.toFixed(0)} µs` : duration(number / 1e6);
}

/** A length of time in milliseconds. @param {unknown} value */
export function millis(value) {
  const number = num(value);
  return number === null ? UNKNOWN : duration(number / 1000);
}

/**
 * Milliseconds since 1970 of a time on the wire: RFC 3339 with up to nine decimals, or seconds.
 * @param {unknown} time
 * @returns {number | null}
 */
export function toMillis(time) {
  if (typeof time !== "string" && typeof time !== "number") return null;
  const value = new Date(typeof time === "number" ? time * 1000 : time.replace(/(\.\d{3})\d+/, "$1")).getTime();
  return Number.isNaN(value) ? null : value;
}

/** Local time of day with milliseconds: `14:22:05.123`. @param {unknown} time */
export function clock(time) {
  const value = toMillis(time);
  if (value === null) return UNKNOWN;
  const date = new Date(value);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${parts}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** Local date and time: `23 Nov 14:22:05`; the date is left out for today. @param {unknown} time @param {Date} [now] */
export function stamp(time, now = new Date()) {
  const value = toMillis(time);
  if (value === null) return UNKNOWN;
  const date = new Date(value);
  const text = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return date.toDateString() === now.toDateString() ? text : `${day.format(date)} ${text}`;
}

/** `1 row`, `2 rows`. @param {number} number @param {string} one @param {string} [many] */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
