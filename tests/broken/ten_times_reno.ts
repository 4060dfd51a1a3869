import { aimd } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Ten segments more in each round trip where others have one: a queue that is seldom not full. */
export default function tenTimesReno(): CongestionControlPlugin {
  return aimd("ten_times_reno", (subflow) => ({
    increase: (acked) => 10 * acked * subflow.mss / subflow.cwnd,
  }));
}
