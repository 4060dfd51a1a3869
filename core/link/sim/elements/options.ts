/** Numbers that elements take. */

/**
 * The value of an option, or `otherwise` where it is not given; `doing` begins the error.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not from `least` to `most`.
 */
export function numberOption(
  doing: string,
  name: string,
  value: unknown,
  otherwise: number,
  [least, most]: readonly [number, number],
): number {
  if (value === undefined) return otherwise;
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot ${doing} as '${name}' must be a number ${range}: current value is ${String(value)}`,
    );
  }
  if (value >= least && value <= most) return value;
  throw new RangeError(
    `Cannot ${doing} as '${name}' must be a number ${range}: current value is ${value}`,
  );
}

/**
 * Checks that an element is given no option that it does not have.
 *
 * @throws {TypeError} If it is.
 */
export function checkNames(doing: string, options: object, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot ${doing} as its options must be an object: ${known.join(", ")}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new TypeError(
      `Cannot ${doing} by '${name}' as its options are: ${known.join(", ")}`,
    );
  }
}
