import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Draws from the platform's chance: no run can be repeated. */
export default function mathRandom(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "math_random",
    create: () => ({ pick: (ready) => ready[Math.floor(Math.random() * ready.length)] ?? null }),
  };
}
