import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Halves its window without a floor. */
export default function cwndZero(): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "cwnd_zero",
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
          onAck({ acked, cwndLimited }) {
            if (cwndLimited) cwnd += cwnd < ssthresh ? acked : acked * subflow.mss / cwnd;
          },
          onCongestion() {
            cwnd = Math.floor(cwnd / 2);
            ssthresh = Math.max(2 * subflow.mss, cwnd);
          },
        };
      },
    }),
  };
}
