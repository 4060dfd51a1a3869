/** Options that elements take. */

export { checkNames } from "../../option_names.ts";

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
