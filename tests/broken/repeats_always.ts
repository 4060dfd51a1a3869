import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Sends everything on every path, and does not say that it is meant to: two paths carry what one would. */
export default function repeatsAlways(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "repeats_always",
    create: () => ({
      pick: (ready) => ready.reduce((a, b) => a.srtt <= b.srtt ? a : b),
      repeat: () => true,
    }),
  };
}
