/** An example of a scheduler that beats min_rtt where it should: docs/writing_plugins.md builds it up. */

import type { SchedulerPlugin, SubflowView } from "../../core/plugin.ts";

/** Lowest RTT first; a slower path only where the fastest one would not have all done before it delivers. */
export default function finishFirst(): SchedulerPlugin {
  const faster = (a: SubflowView, b: SubflowView): SubflowView => a.srtt <= b.srtt ? a : b;
  return {
    kind: "scheduler",
    name: "finish_first",
    create: (connection) => ({
      pick(ready, { sentAt }) {
        const best = ready.reduce(faster);
        if (sentAt > 0) return best; // lost with a path: now
        let fast = best;
        for (const s of connection.subflows) {
          if (s.inFlight === 0 || s.stale !== best.stale || s.backup !== best.backup) continue;
          if (s.cwnd > s.mss) fast = faster(fast, s); // one segment is left by a timeout
        }
        const rounds = Math.log2(1 + connection.left / fast.cwnd); // windows double
        return (rounds + 0.5) * fast.srtt < best.srtt / 2 ? fast : best;
      },
    }),
  };
}
