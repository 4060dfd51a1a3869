/** Options of the measurements that are programs of their own. */

import { UsageError } from "../cli/arguments.ts";
import { report } from "../cli/output.ts";

/** Refuses whatever a program does not know. */
export function refuseUnknown(usage: string): (name: string) => never {
  return (name) => {
    throw new UsageError(`Cannot measure as there is no option ${name}\n\n${usage}`);
  };
}

/** The value of an option that is a whole number from 1 on. */
export function readCount(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new UsageError(
    `Cannot measure as --${name} must be an integer from 1 on: current value is ${text}`,
  );
}

/** Those whose name has `only` in it; that none has is told. */
export function pickNamed<T extends { readonly name: string }>(
  all: readonly T[],
  only: string,
): readonly T[] {
  const picked = all.filter(({ name }) => name.includes(only));
  if (picked.length > 0) return picked;
  throw new UsageError(
    `Cannot measure as --only ${only} is in no name: there are ${
      all.map(({ name }) => name).join("; ")
    }`,
  );
}

/** Runs such a program: what its user has written wrongly is told in words, without a stack, and ends it with 2. */
export async function runProgram(main: () => Promise<void> | void): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    report(error.message);
    Deno.exit(2);
  }
}
