/** Probabilities as elements take them. */

/**
 * Checks the probability of a `what` and gives it back.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not in [0, 1].
 */
export function checkProbability(value: unknown, what: string): number {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot use ${String(value)} as a ${what} as it must be a number from 0 to 1, such as 0.01`,
    );
  }
  if (!(value >= 0 && value <= 1)) {
    throw new RangeError(
      `Cannot use ${value} as a ${what} as it must be a number from 0 to 1: 0.01 is one packet in a hundred`,
    );
  }
  return value;
}
