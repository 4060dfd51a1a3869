/**
 * fast-check as all tests use it: with one seed, and as many runs as asked for. `PROPERTY_SEED` gives the seed: `.ci/run` takes it from the commit, so that a
 * commit that passes goes on to pass; else each process draws one. `SOAK_PROPERTIES` multiplies the runs, for `deno task soak`.
 */

import * as library from "npm:fast-check@4.10.2";

export * from "npm:fast-check@4.10.2";

/** What a test may say of the runs of a property. */
export interface Runs {
  /** How many, before they are multiplied; 100 unless said otherwise. */
  readonly numRuns?: number;
}

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;

/** The seed that `text` gives, or one that is drawn. */
export function seedFrom(text: string | undefined): number {
  if (text === undefined) return crypto.getRandomValues(new Int32Array(1))[0]!;
  const seed = Number(text);
  if (text.trim() === "" || !Number.isInteger(seed) || seed < LEAST || seed > MOST) {
    throw new RangeError(
      `Cannot run properties as 'PROPERTY_SEED' must be an integer from ${LEAST} to ${MOST}: current value is "${text}"`,
    );
  }
  return seed;
}

/** By how much `text` multiplies all runs. */
export function factorFrom(text: string | undefined): number {
  const factor = Number(text ?? 1);
  if (text === "" || !Number.isInteger(factor) || factor < 1) {
    throw new RangeError(
      `Cannot run properties as 'SOAK_PROPERTIES' must be an integer from 1 on: current value is "${text}"`,
    );
  }
  return factor;
}

const SEED = seedFrom(Deno.env.get("PROPERTY_SEED"));
const FACTOR = factorFrom(Deno.env.get("SOAK_PROPERTIES"));

/** Adds to `error` how the same values are tried again. */
function again(error: unknown): unknown {
  if (error instanceof Error) {
    const factor = FACTOR === 1 ? "" : ` SOAK_PROPERTIES=${FACTOR}`;
    error.message += `\n\nAgain: PROPERTY_SEED=${SEED}${factor} deno test -A FILE`;
  }
  return error;
}

/** Runs `property`; throws, or rejects, with the seed and the smallest counterexample where it does not hold. */
export function assert<T>(property: library.IProperty<T>, runs?: Runs): void;
export function assert<T>(property: library.IAsyncProperty<T>, runs?: Runs): Promise<void>;
export function assert<T>(
  property: library.IProperty<T> | library.IAsyncProperty<T>,
  { numRuns = 100 }: Runs = {},
): void | Promise<void> {
  const runs = { seed: SEED, numRuns: numRuns * FACTOR };
  try {
    const result: unknown = library.assert(property as library.IProperty<T>, runs);
    if (!(result instanceof Promise)) return;
    return result.catch((error) => {
      throw again(error);
    });
  } catch (error) {
    throw again(error);
  }
}

/** Some values of `arbitrary`, by the same seed unless the test has one of its own. */
export function sample<T>(
  arbitrary: library.Arbitrary<T>,
  { numRuns = 10, seed = SEED }: Runs & { readonly seed?: number } = {},
): T[] {
  return library.sample(arbitrary, { seed, numRuns });
}
