import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Waits for a round trip below 10 ms, which may never come. */
export default function waitsForEver(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "waits_for_ever",
    create: () => ({ pick: (ready) => ready.find(({ srtt }) => srtt < 10e3) ?? null }),
  };
}
