import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Binds bytes before there is room, which is not carried out yet: it would decide as late as any other. */
export default function looksAhead(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "looks_ahead",
    lookAhead: Infinity,
    create: () => ({ pick: (ready) => [...ready].sort((a, b) => a.srtt - b.srtt)[0] ?? null }),
  };
}
