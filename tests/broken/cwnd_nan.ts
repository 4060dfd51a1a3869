import { aimd } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Divides by the bytes lost so far, which are 0. */
export default function cwndNan(): CongestionControlPlugin {
  return aimd("cwnd_nan", (subflow) => {
    const lost = 0;
    return { increase: (acked) => (acked - acked) * subflow.mss / lost };
  });
}
