/** BALIA, balanced linked adaptation (draft-walid-mptcp-congestion-control; Peng et al., ToN 2016). */

import type { CongestionControlPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { checkHystart, type SlowStartOptions } from "./aimd.ts";
import { coupledBy, rateOf, totalRate } from "./members.ts";
import type { Member } from "./members.ts";

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/** α of a subflow is counted as so much at most when its window is cut. */
const MOST_ALPHA = 1.5;

/** The largest rate. */
function bestRate(members: readonly Member[]): number {
  let best = 0;
  for (let i = 0; i < members.length; i++) best = Math.max(best, rateOf(members[i]!));
  return best;
}

/**
 * Balanced linked adaptation (Peng, Walid, Hwang and Low; draft-walid-mptcp-congestion-control): between lia, which gives way slowly, and olia, which is
 * slow to come back. With x = w / rtt of each subflow and α_r = max x / x_r
 *
 *     growth for a segment acknowledged = x_r / (rtt_r · (Σx)²) · (1 + α_r) / 2 · (4 + α_r) / 5
 *     cut by a loss                     = w_r / 2 · min(α_r, 3/2)
 *
 * One segment is left at least.
 *
 * @example Usage
 * ```ts
 * import { balia } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(balia().name, "balia");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function balia(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("balia", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("balia", hystart);
  return coupledBy("balia", () => ({
    growth(member, members) {
      const sum = totalRate(members);
      const rate = rateOf(member);
      // Of nothing in use nothing grows.
      if (!(rate > 0)) return 0;
      const alpha = bestRate(members) / rate;
      return rate / (member.rtt * sum * sum) * ((1 + alpha) / 2) * ((4 + alpha) / 5);
    },
    decrease(member, members, flightSize) {
      const rate = rateOf(member);
      const alpha = rate > 0 ? Math.min(bestRate(members) / rate, MOST_ALPHA) : MOST_ALPHA;
      return flightSize * (1 - alpha / 2);
    },
    least: 1,
  }), { hystart });
}
