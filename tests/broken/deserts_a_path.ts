import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Lowest RTT first, and nothing more for a path that was ever stale. */
export default function desertsAPath(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "deserts_a_path",
    create: ({ subflows }) => {
      const stale = new Set<number>();
      return {
        pick(ready) {
          const good = ready.filter(({ path }) => !stale.has(path));
          if (good.length > 0) return good.reduce((a, b) => a.srtt <= b.srtt ? a : b);
          const busy = subflows.find(({ path, inFlight }) => !stale.has(path) && inFlight > 0);
          return busy ?? ready[0] ?? null;
        },
        onSubflow: ({ path }, change) => void (change === "stale" && stale.add(path)),
      };
    },
  };
}
