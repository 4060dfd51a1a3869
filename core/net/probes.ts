/** Checks of what a user gives as a probe. */

import { type Probe, PROBE_METHODS } from "../subflow/probe.ts";
import { describe } from "./policies.ts";

/** What is misspelt in a literal nobody would call; an object of a class may have methods of its own. */
function checkMethods(verb: string, option: string, probe: object): void {
  if (Object.getPrototypeOf(probe) !== Object.prototype) return;
  for (const [name, member] of Object.entries(probe)) {
    if (typeof member !== "function" || PROBE_METHODS.has(name)) continue;
    throw new TypeError(
      `Cannot ${verb} as '${option}' has no method '${name}': the methods are ${
        [...PROBE_METHODS].join(", ")
      }`,
    );
  }
}

/**
 * The probe that an option names; undefined: none.
 *
 * @throws {TypeError} it is no probe: it must have one of the methods at least, and what has the name of one must be a function.
 */
export function checkProbe(verb: string, option: string, probe: unknown): Probe | undefined {
  if (probe === undefined) return undefined;
  if (typeof probe === "object" && probe !== null) {
    const named = [...PROBE_METHODS].filter((name) => name in probe);
    const functions = named.filter((name) =>
      typeof (probe as Record<string, unknown>)[name] === "function"
    );
    if (named.length > 0 && functions.length === named.length) {
      checkMethods(verb, option, probe);
      return probe;
    }
  }
  throw new TypeError(
    `Cannot ${verb} as '${option}' must be an object with methods of a probe, such as segmentSent(): current value is ${
      describe(probe)
    }`,
  );
}
