/**
 * Assertions for tests. Stands in for `@std/assert`: the same names, types and errors for what the repository uses.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";

// deno-lint-ignore no-explicit-any -- the type that constructors of any error fit, as in @std/assert
type ErrorClass<E extends Error = Error> = abstract new (...args: any[]) => E;

/** Thrown when an assertion does not hold. */
export class AssertionError extends Error {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

function inspect(value: unknown): string {
  return Deno.inspect(value, {
    depth: 8,
    sorted: true,
    trailingComma: true,
    strAbbreviateSize: 400,
  });
}

function raise(text: string, message: string | undefined): never {
  throw new AssertionError(message === undefined ? text : `${text}: ${message}`);
}

/** Whether two values are deeply equal. */
export function equal(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && firstDifference(a, b) === -1;
  }
  return a === b || isDeepStrictEqual(a, b);
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i;
  return a.length === b.length ? -1 : shorter;
}

function compared(actual: unknown, expected: unknown): string {
  if (actual instanceof Uint8Array && expected instanceof Uint8Array) {
    const at = firstDifference(actual, expected);
    const part = (bytes: Uint8Array): string => inspect(bytes.subarray(at, at + 16));
    return `\n    lengths ${actual.length} and ${expected.length}, first difference at ${at}` +
      `\n    actual:   ${part(actual)}\n    expected: ${part(expected)}`;
  }
  const left = inspect(actual).split("\n");
  const right = inspect(expected).split("\n");
  if (left.length === 1 && right.length === 1) {
    return `\n    actual:   ${left[0]}\n    expected: ${right[0]}`;
  }
  // What both begin and end with is context; the lines between are the difference.
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head++;
  let tail = 0;
  while (
    tail < Math.min(left.length, right.length) - head && left.at(-1 - tail) === right.at(-1 - tail)
  ) tail++;
  return "\n" + [
    ...left.slice(Math.max(0, head - 3), head).map((line) => `    ${line}`),
    ...left.slice(head, left.length - tail).map((line) => `-   ${line}`),
    ...right.slice(head, right.length - tail).map((line) => `+   ${line}`),
    ...left.slice(left.length - tail, left.length - tail + 3).map((line) => `    ${line}`),
  ].join("\n") + "\n    (- actual, + expected)";
}

/** Asserts that `value` is truthy. */
export function assert(value: unknown, message = ""): asserts value {
  if (!value) throw new AssertionError(message || "Expected a truthy value");
}

/** Asserts that `value` is falsy. */
export function assertFalse(value: unknown, message?: string): asserts value is false {
  if (value) raise(`Expected a falsy value, got ${inspect(value)}`, message);
}

/** Asserts that two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (!equal(actual, expected)) {
    throw new AssertionError(
      `Values are not equal${message === undefined ? "" : `: ${message}`}${
        compared(actual, expected)
      }`,
    );
  }
}

/** Asserts that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  if (equal(actual, expected)) raise(`Expected a value other than ${inspect(actual)}`, message);
}

/** Asserts that two values are the same. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    raise(`Values are not the same${compared(actual, expected)}`, message);
  }
}

/** Asserts that two values are not the same. */
export function assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void {
  if (Object.is(actual, expected)) raise(`Expected another than ${inspect(actual)}`, message);
}

/** Asserts that `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) raise(`Expected a value, got ${actual}`, message);
}

/** Asserts that `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  if (!(actual > expected)) raise(`Expected ${inspect(actual)} > ${inspect(expected)}`, message);
}

/** Asserts that `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual >= expected)) raise(`Expected ${inspect(actual)} >= ${inspect(expected)}`, message);
}

/** Asserts that `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  if (!(actual < expected)) raise(`Expected ${inspect(actual)} < ${inspect(expected)}`, message);
}

/** Asserts that `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual <= expected)) raise(`Expected ${inspect(actual)} <= ${inspect(expected)}`, message);
}

/** Asserts that two numbers differ by at most `tolerance`, by default 1e-7 of `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void {
  if (Object.is(actual, expected)) return;
  const most = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (!(Math.abs(expected - actual) <= most)) {
    raise(`Expected ${actual} to be within ${most} of ${expected}`, message);
  }
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  if (!actual.includes(expected)) {
    raise(`Expected ${inspect(actual)} to contain ${inspect(expected)}`, message);
  }
}

/** Asserts that `actual` holds each of `expected`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void {
  const missing = Array.from(expected).filter((wanted) =>
    !Array.from(actual).some((value) => equal(value, wanted))
  );
  if (missing.length > 0) raise(`Missing: ${inspect(missing)} in ${inspect(actual)}`, message);
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  if (!expected.test(actual)) raise(`Expected ${inspect(actual)} to match ${expected}`, message);
}

/** Asserts that `actual` does not match `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, message?: string): void {
  if (expected.test(actual)) raise(`Expected ${inspect(actual)} not to match ${expected}`, message);
}

/** Asserts that `actual` is an instance of `type`. */
export function assertInstanceOf<T>(
  actual: unknown,
  // deno-lint-ignore no-explicit-any -- any class
  type: abstract new (...args: any[]) => T,
  message = "",
): asserts actual is T {
  if (!(actual instanceof type)) {
    throw new AssertionError(
      message || `Expected an instance of ${type.name}, got ${inspect(actual)}`,
    );
  }
}

/** Asserts that `error` is an error of the class given and that its message contains `includes`. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  type?: ErrorClass<E>,
  includes?: string | RegExp,
  message?: string,
): asserts error is E {
  if (!(error instanceof Error)) raise(`Expected an Error, got ${inspect(error)}`, message);
  if (type && !(error instanceof type)) {
    raise(`Expected ${type.name}, got ${error.constructor.name}: ${error.message}`, message);
  }
  const fits = includes === undefined ||
    (typeof includes === "string"
      ? error.message.includes(includes)
      : includes.test(error.message));
  if (!fits) {
    raise(`Expected a message with ${inspect(includes)}, got ${inspect(error.message)}`, message);
  }
}

/** Asserts that `fn` throws; gives what was thrown. */
export function assertThrows(fn: () => unknown, message?: string): unknown;
/** Asserts that `fn` throws an error of the class given whose message contains `includes`; gives the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  type: ErrorClass<E>,
  includes?: string,
  message?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  typeOrMessage?: ErrorClass<E> | string,
  includes?: string,
  message?: string,
): unknown {
  const text = typeof typeOrMessage === "string" ? typeOrMessage : message;
  try {
    fn();
  } catch (error) {
    if (typeof typeOrMessage === "function") assertIsError(error, typeOrMessage, includes, text);
    return error;
  }
  raise("Expected the function to throw", text);
}

/** Asserts that the promise of `fn` rejects; gives the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, message?: string): Promise<unknown>;
/** Asserts that the promise of `fn` rejects with an error of the class given whose message contains `includes`; gives the error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  type: ErrorClass<E>,
  includes?: string,
  message?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  typeOrMessage?: ErrorClass<E> | string,
  includes?: string,
  message?: string,
): Promise<unknown> {
  const text = typeof typeOrMessage === "string" ? typeOrMessage : message;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    raise(`Expected a rejected promise, but the function threw: ${inspect(error)}`, text);
  }
  try {
    await promise;
  } catch (error) {
    if (typeof typeOrMessage === "function") assertIsError(error, typeOrMessage, includes, text);
    return error;
  }
  raise("Expected the promise to reject", text);
}

/** Fails. */
export function fail(message?: string): never {
  raise("Failed assertion", message);
}

/** Fails: this place must not be reached. */
export function unreachable(reason?: string): never {
  raise("Unreachable", reason);
}
