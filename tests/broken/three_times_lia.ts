import { aimd } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Linked increases three times as fast, and without the bound that keeps each subflow behind TCP (RFC 6356 §3). */
export default function threeTimesLia(): CongestionControlPlugin {
  return aimd("three_times_lia", (_, { subflows }) => ({
    increase(acked) {
      let [best, rate] = [0, 0];
      for (const { cwnd, mss, srtt } of subflows) {
        best = Math.max(best, cwnd * mss / srtt ** 2);
        rate += cwnd / srtt;
      }
      return 3 * acked * best / rate ** 2;
    },
  }));
}
