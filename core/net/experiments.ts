/** Checks the experiments that a program or a scenario asks for. */

import type { Experiments } from "../connection/host.ts";
import { checkOptions, describe } from "./policies.ts";

/** Of each whole number the least, and what it counts. */
const NUMBERS = {
  receiveBuffer: [1, "a number of bytes"],
  sendBuffer: [1, "a number of bytes"],
  isn: [0, "a whole number"],
  timeWaits: [0, "a whole number"],
} as const;

const KNOWN: Readonly<Record<keyof Experiments, true>> = {
  receiveBuffer: true,
  sendBuffer: true,
  sendEstimate: true,
  reallocate: true,
  isn: true,
  timeWaits: true,
};

/**
 * `experiments`, as they are. `verb` is what cannot be done with others, "open a host".
 *
 * @throws {TypeError} One is not of its kind, or there is none of that name.
 * @throws {RangeError} One is out of its range.
 */
export function checkExperiments(
  verb: string,
  experiments: Experiments | undefined,
): Experiments | undefined {
  if (experiments === undefined) return undefined;
  checkOptions(`${verb} with 'experiments'`, experiments, KNOWN);
  const refuse = (name: keyof Experiments, must: string): never => {
    const value: unknown = experiments[name];
    const ErrorClass = typeof value === "number" ? RangeError : TypeError;
    throw new ErrorClass(
      `Cannot ${verb} as '${name}' must be ${must}: current value is ${describe(value)}`,
    );
  };
  for (const name of ["receiveBuffer", "sendBuffer", "isn", "timeWaits"] as const) {
    const value: unknown = experiments[name];
    if (value === undefined) continue;
    const [least, what] = NUMBERS[name];
    if (!(Number.isSafeInteger(value) && (value as number) >= least)) {
      refuse(name, `${what} from ${least} on`);
    }
  }
  const { sendEstimate, reallocate } = experiments;
  if (sendEstimate !== undefined && sendEstimate !== "windows" && sendEstimate !== "progress") {
    refuse("sendEstimate", `"windows" or "progress"`);
  }
  if (reallocate !== undefined && typeof reallocate !== "boolean") {
    refuse("reallocate", "true or false");
  }
  return experiments;
}
