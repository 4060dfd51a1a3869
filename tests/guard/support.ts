/** Hosts of guards. */

import type { FaultReport, GuardHost } from "../../core/guard/faults.ts";

/** A host that passes faults on, where time stands still unless `now` says otherwise, and whose random numbers are all 0. */
export function hears(report: FaultReport = () => {}, now: () => number = () => 0): GuardHost {
  return { report, now, random: () => 0 };
}

/** A host on which nothing may go wrong. */
export const SOUND: GuardHost = hears(({ plugin, what }) => {
  throw new Error(`${plugin} ${what}`);
});
