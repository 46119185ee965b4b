import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../static/js/model/format.js";

/** @param {string} name @param {(value: unknown) => string} write @param {[unknown, string][]} pairs */
const cases = (name, write, pairs) =>
  test(name, () => {
    for (const [value, text] of pairs) assert.equal(write(value), text, `${name} of ${JSON.stringify(value)}`);
  });

cases("bytes", format.bytes, [
  [0, "0 B"], [999, "999 B"], [1000, "0.98 KiB"], [1024, "1.00 KiB"], [1536, "1.50 KiB"], [65536, "64.0 KiB"],
  [1 << 20, "1.00 MiB"], [9.999 * 2 ** 20, "10.0 MiB"], [99.97 * 2 ** 20, "100 MiB"], [3.8 * 2 ** 20, "3.80 MiB"], ["9007199254740993", "8.00 PiB"], [null, "–"], [undefined, "–"],
]);
cases("byteRate", format.byteRate, [[2048, "2.00 KiB/s"], [null, "–"]]);
cases("count", format.count, [[0, "0"], [48213, "48,213"], ["1234567", "1,234,567"], [12_345_678, "12.3 M"], ["x", "–"]]);
cases("rate", format.rate, [[0, "0"], [0.25, "0.3"], [9.94, "9.9"], [1051.4, "1,051"], [null, "–"]]);
cases("micros", format.micros, [[0, "0 µs"], [4.25, "4.3 µs"], [48.4, "48 µs"], [1500, "1.5 ms"], [2e6, "2.0 s"], [null, "–"]]);
cases("percent", format.percent, [[0, "0 %"], [0.0321, "3.2 %"], [0.0996, "10 %"], [1, "100 %"], [null, "–"]]);
cases("duration", format.duration, [
  [0, "0 s"], [0.001, "1.0 ms"], [0.017, "17 ms"], [0.4, "400 ms"], [1.25, "1.3 s"], [42, "42 s"], [59.7, "1 min 00 s"], [252, "4 min 12 s"],
  [7500, "2 h 05 min"], [3 * 86400 + 4 * 3600, "3 d 4 h"], [null, "–"],
]);
cases("millis", format.millis, [[12.4, "12 ms"], [2500, "2.5 s"]]);

test("times on the wire keep their milliseconds", () => {
  assert.equal(format.toMillis("2026-11-23T14:22:05.123456789Z"), Date.UTC(2026, 10, 23, 14, 22, 5, 123));
  assert.equal(format.toMillis("2026-11-23T14:22:05Z"), Date.UTC(2026, 10, 23, 14, 22, 5));
  assert.equal(format.toMillis(1.5), 1500);
  assert.equal(format.toMillis("yesterday"), null);
  assert.equal(format.toMillis(null), null);
});

test("clock and stamp are local, and the stamp names another day", () => {
  const time = new Date(2026, 10, 23, 4, 2, 5, 7);
  assert.equal(format.clock(time.getTime() / 1000), "04:02:05.007");
  assert.equal(format.stamp(time.toISOString(), time), "04:02:05");
  assert.match(format.stamp(time.toISOString(), new Date(2026, 10, 24)), /^23 Nov 04:02:05$/);
});

test("plural", () => {
  assert.equal(format.plural(1, "row"), "1 row");
  assert.equal(format.plural(1200, "row"), "1,200 rows");
});

const NOTHING = [null, undefined, "", NaN, Infinity, -Infinity, "twelve", {}];
for (const name of /** @type {const} */ (["bytes", "byteRate", "count", "rate", "percent", "percentFigure", "duration", "micros", "millis"])) {
  test(`${name} of what is no number is unknown, never NaN or 0`, () => {
    for (const value of NOTHING) assert.equal(format[name](value), format.UNKNOWN, `${name} of ${String(value)}`);
  });
  test(`${name} of any number is a figure`, () => {
    for (let exponent = -9; exponent <= 18; exponent += 0.25) {
      for (const sign of [1, -1]) assert.match(format[name](sign * 10 ** exponent), /^-?\d[\d,.]*( |$)/, `${name} of ${sign * 10 ** exponent}`);
    }
    assert.match(format[name](1e300), /^\d/);
    assert.doesNotMatch(format[name](-0), /-/);
  });
}

test("num: 64-bit counts come as text; what is no finite number is null", () => {
  assert.deepEqual(["0", "-7", "18446744073709551615", 0, 2.5].map(format.num), [0, -7, 2 ** 64, 0, 2.5]);
  for (const value of NOTHING) assert.equal(format.num(value), null, String(value));
});

test("no figure jumps to a fourth digit where its unit changes", () => {
  for (const unit of [1, 2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40]) {
    assert.match(format.bytes(999.4 * unit), /^999 /);
    assert.match(format.bytes(999.6 * unit), /^0\.98 /);
  }
  assert.equal(format.count(9_999_999), "9,999,999");
  assert.equal(format.count(1e7), "10.0 M");
  assert.equal(format.count(1e10), "10.0 G");
  assert.equal(format.micros(999.4), "999 µs");
  assert.equal(format.micros(999.6), "1.0 ms");
});

test("negative figures keep their sign and their precision", () => {
  assert.equal(format.count(-48_213), "-48,213");
  assert.equal(format.bytes(-1536), "-1.50 KiB");
  assert.equal(format.bytes(-200 * 2 ** 20), "-200 MiB");
  assert.equal(format.count(-12_345_678), "-12.3 M");
});

test("times on the wire: any zone, any number of decimals, the first second", () => {
  assert.equal(format.toMillis("1970-01-01T00:00:00.000000001Z"), 0);
  assert.equal(format.toMillis("2026-11-23T15:22:05.1+01:00"), Date.UTC(2026, 10, 23, 14, 22, 5, 100));
  assert.equal(format.toMillis("1969-12-31T23:59:59Z"), -1000);
  assert.equal(format.toMillis(0), 0);
  assert.equal(format.toMillis(-1), -1000);
});

test("times that are none are unknown", () => {
  for (const value of [null, undefined, "", "yesterday", NaN, Infinity, 1e300, {}, true]) {
    assert.equal(format.toMillis(value), null, String(value));
    assert.equal(format.clock(value), format.UNKNOWN);
    assert.equal(format.stamp(value), format.UNKNOWN);
  }
});

test("the stamp of the same day of another year names its day", () => {
  const time = new Date(2025, 10, 23, 4, 2, 5);
  assert.match(format.stamp(time.toISOString(), new Date(2026, 10, 23)), /^23 Nov/);
});

test("plural: none are many, and so are huge numbers", () => {
  assert.equal(format.plural(0, "row"), "0 rows");
  assert.equal(format.plural(2, "entry", "entries"), "2 entries");
  assert.equal(format.plural(48_213_000, "row"), "48.2 M rows");
});

test("what identifies is never abbreviated, and no unit is written with four digits", () => {
  assert.equal(format.exactCount(12_345_679), "12,345,679");
  assert.equal(format.exactCount("18014398509481983"), "18,014,398,509,481,983");
  assert.equal(format.exactCount(undefined), format.UNKNOWN);
  assert.deepEqual([5e9, 9.9996e9, 999.6e6].map(format.count), ["5.00 G", "10.0 G", "1.00 G"]);
  assert.equal(format.duration(0.9996), "1.0 s");
});
