import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Paces at what was delivered: before the first sample that is 0, and nothing would ever leave. */
export default function pacesAtNothing(): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "paces_at_nothing",
    create: () => ({
      join: (subflow) => ({
        cwnd: subflow.cwnd,
        ssthresh: Infinity,
        get pacingRate() {
          return 1.25 * subflow.deliveryRate;
        },
        onAck: () => {},
        onCongestion: () => {},
      }),
    }),
  };
}
