/** No path whose round trip is too long (draft-bonaventure-iccrg-schedulers, "RTT threshold"). */

import type { SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkNumber, checkOptions } from "./checks.ts";
import { lowestRtt } from "./min_rtt.ts";
import { isSilent } from "./paths.ts";

/** Options for {@linkcode rttThreshold}. */
export interface RttThresholdOptions {
  /**
   * Longest smoothed round trip of a path that is used, in milliseconds, above 0. May be tuned while the scheduler runs.
   *
   * @default {100}
   */
  readonly threshold?: number;
}

/** What holds where no option says otherwise: the threshold is ours, as the draft names none. */
export const defaults: Readonly<Required<RttThresholdOptions>> = { threshold: 100 };

/**
 * The lowest round trip first, and of the paths only those with `srtt` of `threshold` at most: it rather waits for one of these than use another. Where no
 * path that works is that near, the nearest is used. A path that its own queue has pushed beyond it is left alone until it is shorter again.
 *
 * @example Usage
 * ```ts
 * import { rttThreshold } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(rttThreshold({ threshold: 50 }).name, "rtt_threshold");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `threshold` is not a number above 0.
 */
export default function rttThreshold(options: RttThresholdOptions = {}): SchedulerPlugin {
  checkOptions("rtt_threshold", options, defaults);
  const { threshold = defaults.threshold } = options;
  const most = (value: unknown): number => {
    return 1e3 * checkNumber("rtt_threshold", "threshold", value, Number.MIN_VALUE);
  };
  const first = most(threshold);
  return {
    kind: "scheduler",
    name: "rtt_threshold",
    family: "selective",
    create: ({ subflows }) => {
      let limit = first;
      const near: SubflowView[] = [];
      return {
        pick(ready, chunk) {
          while (near.length > 0) near.pop();
          for (let i = 0; i < ready.length; i++) {
            if (ready[i]!.srtt <= limit) near.push(ready[i]!);
          }
          const best = lowestRtt(near, chunk);
          if (best !== null || ready.length === 0) return best;
          return waitsFor(subflows, ready[0]!, limit) ?? lowestRtt(ready, chunk);
        },
        tune({ threshold: next, ...others }) {
          const [unknown] = Object.keys(others);
          if (unknown !== undefined) {
            throw new TypeError(`Cannot tune '${unknown}' of rtt_threshold: it has threshold`);
          }
          limit = most(next);
        },
      };
    },
  };
}

/** The nearest path within `limit` that is as good as `like` but for its room; null when there is none. */
function waitsFor(
  subflows: readonly SubflowView[],
  like: SubflowView,
  limit: number,
): SubflowView | null {
  let best: SubflowView | null = null;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (subflow.srtt > limit || subflow.inFlight === 0 || isSilent(subflow)) continue;
    if (subflow.stale !== like.stale || subflow.backup !== like.backup) continue;
    if (best === null || subflow.srtt < best.srtt) best = subflow;
  }
  return best;
}
