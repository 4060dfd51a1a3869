import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Looks among all subflows instead of those that are ready. */
export default function ignoresBackup(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "ignores_backup",
    create: ({ subflows }) => ({
      pick([first]) {
        const able = subflows.filter(({ room, mss, stale }) => room >= mss && !stale);
        return able.reduce((best, s) => s.srtt < best.srtt ? s : best, able[0] ?? first!);
      },
    }),
  };
}
