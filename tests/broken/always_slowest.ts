import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Compares the wrong way round. */
export default function alwaysSlowest(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "always_slowest",
    create: () => ({
      pick: (ready) => ready.reduce((best, subflow) => subflow.srtt > best.srtt ? subflow : best),
    }),
  };
}
