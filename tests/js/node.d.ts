/**
 * What the tests use of Node.js, and no more: its whole types would also offer `process` or `Buffer` to the modules of the
 * pages, which run where there are none. No globals here; tests import what they need.
 */

declare module "node:assert/strict" {
  interface Assert {
    ok(value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    match(text: string, pattern: RegExp, message?: string): void;
    doesNotMatch(text: string, pattern: RegExp, message?: string): void;
    throws(task: () => unknown, error?: RegExp): void;
    rejects(promise: Promise<unknown>, error?: RegExp): Promise<void>;
  }
  const assert: Assert;
  export default assert;
}

declare module "node:test" {
  interface Mock {
    method(object: object, name: string, instead: () => void): { mock: { callCount(): number } };
    timers: { enable(options: { apis: string[] }): void; tick(milliseconds: number): void };
  }
  export function test(name: string, task: (context: { mock: Mock }) => void | Promise<void>): void;
}

declare module "node:buffer" {
  export class Buffer extends Uint8Array {
    static from(bytes: ArrayLike<number>): Buffer;
    toString(encoding?: string): string;
  }
}

declare module "node:fs" {
  export function readFileSync(path: string | number | URL, encoding: "utf8"): string;
}

declare module "node:module" {
  export function register(specifier: string): void;
}

declare module "node:process" {
  const process: { argv: string[]; stdout: { write(text: string): void }; exit(status: number): never };
  export default process;
}

declare module "node:timers" {
  export function setImmediate(task: (value?: unknown) => void): void;
}

declare module "node:zlib" {
  import type { Buffer } from "node:buffer";
  export function deflateSync(bytes: Uint8Array): Buffer;
}
