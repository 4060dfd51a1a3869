import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Looks among all subflows instead of those that are ready. */
export default function ignoresBackup(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "ignores_backup",
    create: ({ subflows }) => ({
      pick: () =>
        subflows.filter(({ room, mss, stale }) => room >= mss && !stale)
          .reduce((best, subflow) => subflow.srtt < best.srtt ? subflow : best),
    }),
  };
}
