import { aimd } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Takes every loss for one that has nothing to do with the window. */
export default function cwndNeverFalls(): CongestionControlPlugin {
  return aimd("cwnd_never_falls", (subflow) => ({
    increase: (acked) => acked * subflow.mss / subflow.cwnd,
    decrease: () => subflow.cwnd,
  }));
}
