/** Fully coupled windows (Kelly and Voice 2005; Han et al. 2006): all traffic goes where least is lost. */

import type { CongestionControlPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { checkHystart, type SlowStartOptions } from "./aimd.ts";
import { coupledBy, totalSegments } from "./members.ts";

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/**
 * COUPLED (Kelly and Voice 2005; Wischik et al., NSDI 2011 §2.3): each subflow grows by 1 / w_total for a segment acknowledged, and loses w_total / 2 by a loss,
 * down to one segment. Together they are one TCP connection that uses the paths with the least loss only: the best balance, and the least stable: among
 * equal paths it moves to and fro, and on a path that it has left it hears little of what changes there.
 *
 * @example Usage
 * ```ts
 * import { coupled } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(coupled().name, "coupled");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function coupled(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("coupled", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("coupled", hystart);
  return coupledBy("coupled", () => ({
    growth: (member, members) =>
      1 / Math.max(totalSegments(members), member.subflow.cwnd / member.mss),
    decrease: (member, members, flightSize) => flightSize - totalSegments(members) * member.mss / 2,
    least: 1,
  }), { hystart });
}
