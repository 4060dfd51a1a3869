/** An example of a congestion control, from its formula. */

import { aimd } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Linked increases (RFC 6356 §4.2), with windows in bytes. */
export default function myLia(): CongestionControlPlugin {
  return aimd("my_lia", (self, { subflows }) => ({
    increase(acked) {
      let best = 0, rate = 0;
      for (const { cwnd, ssthresh, inRecovery, srtt, mss } of subflows) {
        const window = inRecovery ? ssthresh : cwnd;
        best = Math.max(best, window * mss / srtt ** 2);
        rate += window / srtt;
      }
      return Math.min(acked * best / rate ** 2, acked * self.mss / self.cwnd);
    },
  }));
}
