/** Semi-coupled increases (Wischik et al., NSDI 2011 §2.4): the growth is shared, a loss is the affair of its own path. */

import type { CongestionControlPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { checkHystart, type SlowStartOptions } from "./aimd.ts";
import { coupledBy, totalSegments } from "./members.ts";

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/**
 * SEMICOUPLED (Wischik et al., NSDI 2011 §2.4): each subflow grows by 1 / w_total for a segment acknowledged and halves by a loss, so that windows are in
 * proportion to 1/p: most goes where least is lost, and some everywhere, to hear when that changes. It is lia with an alpha of 1: more than one TCP connection
 * over a shared bottleneck, and nothing makes up for unequal round trips.
 *
 * @example Usage
 * ```ts
 * import { semiCoupled } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(semiCoupled().name, "semi_coupled");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function semiCoupled(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("semi_coupled", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("semi_coupled", hystart);
  return coupledBy("semi_coupled", () => ({
    // Never more than reno: a window that is in use counts whole in the sum.
    growth: (member, members) =>
      1 / Math.max(totalSegments(members), member.subflow.cwnd / member.mss),
  }), { hystart });
}
