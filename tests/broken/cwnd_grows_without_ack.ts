import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Counts acknowledgements in place of acknowledged bytes. */
export default function cwndGrowsWithoutAck(): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "cwnd_grows_without_ack",
    create: () => ({
      join: (subflow) => {
        let { cwnd } = subflow;
        let ssthresh = Infinity;
        return {
          get cwnd() {
            return cwnd;
          },
          get ssthresh() {
            return ssthresh;
          },
          onAck({ cwndLimited }) {
            const { mss } = subflow;
            if (cwndLimited) cwnd += cwnd < ssthresh ? mss : mss * mss / cwnd;
          },
          onCongestion(cause, flightSize) {
            ssthresh = Math.max(2 * subflow.mss, flightSize / 2);
            cwnd = cause === "timeout" ? subflow.mss : Math.min(cwnd, ssthresh);
          },
        };
      },
    }),
  };
}
