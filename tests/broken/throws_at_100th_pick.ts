import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Has room for 99 decisions. */
export default function throwsAt100thPick(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "throws_at_100th_pick",
    create: () => {
      let picks = 0;
      return {
        pick(ready) {
          if (++picks === 100) throw new Error("out of room");
          return ready.reduce((best, subflow) => subflow.srtt < best.srtt ? subflow : best);
        },
      };
    },
  };
}
