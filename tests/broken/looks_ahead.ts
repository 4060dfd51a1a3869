import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Looks ahead by less than nothing. */
export default function looksAhead(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "looks_ahead",
    lookAhead: -1,
    create: () => ({ pick: (ready) => [...ready].sort((a, b) => a.srtt - b.srtt)[0] ?? null }),
  };
}
