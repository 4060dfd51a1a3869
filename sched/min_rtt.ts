/** Lowest round-trip time first (draft §3.5.3.2, RFC 8041 §3.7). */

import type { Chunk, Scheduler, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/**
 * The subflow of `ready` with the lowest smoothed round trip; one that does not carry the chunk yet comes before any that does. `null` when there
 * is none.
 */
export function lowestRtt(ready: readonly SubflowView[], chunk: Chunk): SubflowView | null {
  const { sentOn } = chunk;
  let best: SubflowView | null = null;
  let bestCarries = false;
  for (let i = 0; i < ready.length; i++) {
    const subflow = ready[i]!;
    const carries = sentOn.length > 0 && sentOn.includes(subflow);
    const better = best === null ||
      (carries === bestCarries ? subflow.srtt < best.srtt : bestCarries);
    if (!better) continue;
    best = subflow;
    bestCarries = carries;
  }
  return best;
}

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

/**
 * Fills every subflow as long as there is data, the fastest first. The time-distance to the peer is queue/bandwidth + RTT, and since nothing is
 * queued beyond the window, the RTT (SCH-2, SCH-3).
 *
 * @example Usage
 * ```ts
 * import { minRtt } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(minRtt().name, "min_rtt");
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function minRtt(
  options: Readonly<Record<string, never>> = {},
): SchedulerPlugin {
  checkOptions("min_rtt", options, defaults);
  const scheduler: Scheduler = { pick: lowestRtt };
  return { kind: "scheduler", name: "min_rtt", create: () => scheduler };
}
