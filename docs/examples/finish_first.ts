/** An example of a scheduler that beats min_rtt where it should: docs/writing_plugins.md builds it up. */

import type { SchedulerPlugin, SubflowView } from "../../core/plugin.ts";

/** Lowest RTT first; a slower path only where the fastest one would not have all done before it delivers. */
export default function finishFirst(): SchedulerPlugin {
  const faster = (a: SubflowView, b: SubflowView): SubflowView => a.srtt <= b.srtt ? a : b;
  return {
    kind: "scheduler",
    name: "finish_first",
    create: (connection) => ({
      pick(ready, { sentOn }) {
        const best = ready.reduce(faster);
        if (sentOn.length > 0) return best; // lost with a path: now
        const fast = connection.subflows
          .filter((s) => s.inFlight > 0 && s.stale === best.stale && s.backup === best.backup)
          .filter((s) => s.cwnd > s.mss) // one segment is left by a timeout: it may be cut
          .reduce(faster, best);
        const rounds = Math.log2(1 + connection.left / fast.cwnd); // windows double
        return (rounds + 0.5) * fast.srtt < best.srtt / 2 ? fast : best;
      },
    }),
  };
}
