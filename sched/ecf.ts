/** ECF: earliest completion first (Lim, Nahum, Towsley, Gibbens: "ECF: An MPTCP Path Scheduler to Manage Heterogeneous Paths", CoNEXT 2017). */

import type { SchedulerPlugin } from "../core/plugin.ts";
import { checkNumber, checkOptions } from "./checks.ts";
import { lowestRtt } from "./min_rtt.ts";
import { fastestOf } from "./paths.ts";

/** Options for {@linkcode ecf}. */
export interface EcfOptions {
  /**
   * β: by how much more the slow path must be worth it, once it was waited for; from 0 on.
   *
   * @default {0.25}
   */
  readonly beta?: number;
}

/** What holds where no option says otherwise: the paper's. */
export const defaults: Readonly<Required<EcfOptions>> = { beta: 0.25 };

/**
 * The fastest path f as long as it has room. Where only a slower one s has, what is left may be done sooner by waiting for f. With k bytes unsent,
 * taken for a window at least, δ = max(rttVar(f), rttVar(s)), and `waiting`, whether the last decision was to wait:
 *
 * - wait when (1 + k/cwnd(f))·srtt(f) < (1 + waiting·β)·(srtt(s) + δ) and k/cwnd(s)·srtt(s) ≥ 2·srtt(f) + δ
 * - else send on s, and where the first of these does not hold, `waiting` is over
 *
 * @example Usage
 * ```ts
 * import { ecf } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ecf().name, "ecf");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `beta` is not a number from 0 on.
 */
export default function ecf(options: EcfOptions = {}): SchedulerPlugin {
  checkOptions("ecf", options, defaults);
  const { beta = defaults.beta } = options;
  checkNumber("ecf", "beta", beta, 0);
  return {
    kind: "scheduler",
    name: "ecf",
    create: (connection) => {
      const { subflows } = connection;
      let waiting = false;
      return {
        pick(ready, chunk) {
          const slow = lowestRtt(ready, chunk);
          if (slow === null || chunk.sentOn.length > 0) return slow;
          const fast = fastestOf(subflows, ready)!;
          if (ready.includes(fast)) return slow;
          const { unsent } = connection;
          const spread = Math.max(fast.rttVar, slow.rttVar);
          const byFast = (1 + Math.max(unsent, fast.cwnd) / fast.cwnd) * fast.srtt;
          const bySlow = slow.srtt + spread;
          if (byFast >= (waiting ? 1 + beta : 1) * bySlow) {
            waiting = false;
            return slow;
          }
          if (Math.max(unsent, slow.cwnd) / slow.cwnd * slow.srtt < 2 * fast.srtt + spread) {
            return slow;
          }
          waiting = true;
          return fast;
        },
      };
    },
  };
}
