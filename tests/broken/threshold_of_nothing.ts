import { reno } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Counts its threshold in segments. */
export default function thresholdOfNothing(): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "threshold_of_nothing",
    create: (connection) => {
      const group = reno().create(connection);
      return {
        join(subflow) {
          const inner = group.join(subflow);
          return {
            get cwnd() {
              return inner.cwnd;
            },
            get ssthresh() {
              return inner.ssthresh / subflow.mss;
            },
            onAck: (ack) => inner.onAck(ack),
            onCongestion: (cause, flightSize) => inner.onCongestion(cause, flightSize),
          };
        },
      };
    },
  };
}
