/** EWTCP (Honda et al. 2009): each subflow is a TCP connection of a fraction of the weight. */

import type { CongestionControlPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { checkHystart, type SlowStartOptions } from "./aimd.ts";
import { coupledBy } from "./members.ts";

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/**
 * Equally weighted TCP (Honda et al., PFLDNeT 2009): each of n subflows grows by a / w for a segment acknowledged, a = 1/n², and halves by a loss, so that it
 * takes 1/n of what one TCP connection would take there and n of them over one bottleneck take what one takes. It moves nothing away from congested paths: on
 * paths of their own it takes their mean. (Wischik et al., NSDI 2011, print a = 1/√n, for windows in proportion to a²: with this law of growth that is 1/n².)
 *
 * @example Usage
 * ```ts
 * import { ewtcp } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ewtcp().name, "ewtcp");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function ewtcp(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("ewtcp", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("ewtcp", hystart);
  return coupledBy("ewtcp", () => ({
    growth(member, members) {
      let count = 0;
      for (let i = 0; i < members.length; i++) {
        const { subflow, idle } = members[i]!;
        if (!subflow.stale && !idle) count++;
      }
      count = Math.max(1, count);
      return member.mss / member.subflow.cwnd / (count * count);
    },
  }), { hystart });
}
