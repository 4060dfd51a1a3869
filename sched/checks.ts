/** Checks of options, the same for all schedulers. */

/** A value as an error names it. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "function" ? "a function" : String(value);
}

/**
 * Checks that a factory is given no option that it does not have: a misspelt one would do nothing, without a word, as programs run unchecked. `defaults` has
 * them all.
 *
 * @throws {TypeError} It is, or `options` is no object.
 */
export function checkOptions(name: string, options: unknown, defaults: object): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `Cannot make ${name} as its options must be an object: current value is ${shown(options)}`,
    );
  }
  const unknown = Object.keys(options).find((option) => !Object.hasOwn(defaults, option));
  if (unknown === undefined) return;
  const known = Object.keys(defaults).join(", ");
  throw new TypeError(
    `Cannot make ${name} as there is no option '${unknown}': ${
      known === "" ? "it has none" : `the options are ${known}`
    }`,
  );
}

/** What stands in the errors of a number that is not in its range. */
function wrong(scheduler: string, name: string, range: string, value: unknown): RangeError {
  return new RangeError(
    `Cannot make ${scheduler} as '${name}' must be ${range}: current value is ${String(value)}`,
  );
}

/**
 * `value`, which must be a number from `least` to `most`.
 *
 * @throws {RangeError} When it is not.
 */
export function checkNumber(
  scheduler: string,
  name: string,
  value: unknown,
  least: number,
  most = Infinity,
): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  const range = most === Infinity ? `from ${least} on` : `from ${least} to ${most}`;
  throw wrong(scheduler, name, `a number ${range}`, value);
}

/**
 * `value`, which must be an integer from `least` to `most`.
 *
 * @throws {RangeError} When it is not.
 */
export function checkInteger(
  scheduler: string,
  name: string,
  value: unknown,
  least: number,
  most: number,
): number {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) {
    return Number(value);
  }
  throw wrong(scheduler, name, `an integer from ${least} to ${most}`, value);
}

/**
 * `value`, which must be one of `choices`.
 *
 * @throws {RangeError} When it is not.
 */
export function checkChoice<T extends string>(
  scheduler: string,
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw wrong(scheduler, name, `one of ${choices.join(", ")}`, JSON.stringify(value));
}

/**
 * Numbers separated by "/" or ":", at least one, each from `least` on: "3/1".
 *
 * @throws {RangeError} When they are not.
 */
export function checkNumbers(
  scheduler: string,
  name: string,
  value: unknown,
  least: number,
): number[] {
  const numbers = typeof value === "string" && value !== "" ? value.split(/[/:]/).map(Number) : [];
  if (numbers.length > 0 && numbers.every((each) => each >= least && each < Infinity)) {
    return numbers;
  }
  throw wrong(scheduler, name, `numbers from ${least} on, as "3/1"`, JSON.stringify(value));
}
