/** An example of a scheduler. Try it: `mptcp demo --scheduler ./docs/examples/patient.ts,ratio=3`. */

import type { SchedulerPlugin, SubflowView } from "../../core/plugin.ts";

export const defaults = { ratio: 4 };

/** Lowest RTT first, but waits for the fastest path rather than use one `ratio` times slower. */
export default function patient({ ratio = defaults.ratio } = {}): SchedulerPlugin {
  const faster = (a: SubflowView, b: SubflowView): SubflowView => a.srtt <= b.srtt ? a : b;
  return {
    kind: "scheduler",
    name: "patient",
    family: "selective",
    create: (connection) => ({
      pick(ready) {
        const best = ready.reduce(faster);
        let fastest = best;
        for (const s of connection.subflows) {
          // One that repairs a loss may be gone: nobody waits for it.
          const waits = s.stale === best.stale && s.backup === best.backup && !s.inRecovery;
          if (waits) fastest = faster(fastest, s);
        }
        return best.srtt <= ratio * fastest.srtt ? best : fastest;
      },
    }),
  };
}
