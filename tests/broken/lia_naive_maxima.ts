import { aimd } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Linked increases with the largest window and the largest round trip, where the formula has those of the best subflow (draft §3.5.3.1, CC-7). */
export default function liaNaiveMaxima(): CongestionControlPlugin {
  return aimd("lia_naive_maxima", (self, { subflows }) => ({
    increase(acked) {
      let [most, slowest, rate, total] = [0, 0, 0, 0];
      for (const { cwnd, srtt } of subflows) {
        most = Math.max(most, cwnd);
        slowest = Math.max(slowest, srtt);
        rate += cwnd / srtt;
        total += cwnd;
      }
      const alpha = total * most / (slowest * rate) ** 2;
      return acked * self.mss * Math.min(alpha / total, 1 / self.cwnd);
    },
  }));
}
