/** BLEST: blocking estimation (Ferlin, Alay, Mehani, Boreli: "BLEST: Blocking Estimation-based MPTCP Scheduler for Heterogeneous Networks", IFIP Networking 2016). */

import type { SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkNumber, checkOptions } from "./checks.ts";
import { lowestRtt } from "./min_rtt.ts";
import { fastestOf } from "./paths.ts";

/** Options for {@linkcode blest}. */
export interface BlestOptions {
  /**
   * λ at first: what the estimate of the fast path's data is multiplied by, from 1 to 2. It moves from 1 to `most` by what happens.
   *
   * @default {1.2}
   */
  readonly lambda?: number;
  /**
   * Most that λ becomes, from 1 to 2.
   *
   * @default {1.3}
   */
  readonly most?: number;
}

/** What holds where no option says otherwise: those of Linux's out-of-tree MPTCP. */
export const defaults: Readonly<Required<BlestOptions>> = { lambda: 1.2, most: 1.3 };

/** What λ gains by a window that blocked within a round trip of the fast path, and loses by a round trip without (Linux's out-of-tree MPTCP). */
const GAIN = 0.04;
const LOSS = 0.01;
/** More rounds of slow start than any window lasts. */
const MOST_ROUNDS = 16;

/**
 * The lowest round trip first. Where only a slow path S has room, its data occupy the connection's window for a round trip of S: S is left out when the
 * fast path F could fill the rest of the window, X·λ > |M| - (in flight on S + a segment), in that time, and so would be blocked behind them.
 *
 * - r = srtt(S) / srtt(F), the rounds of F in one of S; |M| = bytes out + bytes that the peer still allows
 * - X = mss·(w + (r - 1)/2)·r in congestion avoidance, w being cwnd(F) in segments (the paper); cwnd(F)·(2^r - 1) before the first loss (Linux's
 *   out-of-tree MPTCP)
 * - λ grows by 0.04 where the window has blocked in the last round trip of F, and falls by 0.01 where it has not
 *
 * @example Usage
 * ```ts
 * import { blest } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(blest({ lambda: 1 }).name, "blest");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When an option is out of its range.
 */
export default function blest(options: BlestOptions = {}): SchedulerPlugin {
  checkOptions("blest", options, defaults);
  const { lambda: first = defaults.lambda, most = defaults.most } = options;
  checkNumber("blest", "most", most, 1, 2);
  checkNumber("blest", "lambda", first, 1, most);
  return {
    kind: "scheduler",
    name: "blest",
    create: (connection) => {
      const { subflows } = connection;
      let lambda = first;
      let blocked = false;
      let adaptsAt = 0;
      return {
        pick(ready, chunk) {
          const best = lowestRtt(ready, chunk);
          if (best === null || chunk.sentOn.length > 0) return best;
          const fast = fastestOf(subflows, ready)!;
          if (connection.now >= adaptsAt) {
            lambda = blocked ? Math.min(most, lambda + GAIN) : Math.max(1, lambda - LOSS);
            blocked = false;
            adaptsAt = connection.now + fast.srtt;
          }
          if (ready.includes(fast)) return best;
          const window = connection.window + connection.unacked;
          return lambda * dataWhile(fast, best.srtt) > window - best.inFlight - best.mss
            ? fast
            : best;
        },
        onBlocked() {
          blocked = true;
        },
      };
    },
  };
}

/** Bytes that `fast` can send within `time`. */
function dataWhile({ cwnd, mss, srtt, ssthresh }: SubflowView, time: number): number {
  const rounds = time / srtt;
  if (ssthresh === Infinity) return cwnd * (2 ** Math.min(rounds, MOST_ROUNDS) - 1);
  return mss * (cwnd / mss + (rounds - 1) / 2) * rounds;
}
