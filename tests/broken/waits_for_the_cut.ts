import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Waits for the nearest path rather than use one four times as far, until it is known that nothing comes back from it. */
export default function waitsForTheCut(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "waits_for_the_cut",
    family: "selective",
    create: ({ subflows }) => ({
      pick(ready, { sentOn }) {
        const near = subflows.filter(({ stale, backup }) => !stale && !backup);
        const fastest = near.reduce((a, b) => a.srtt <= b.srtt ? a : b, ready[0]!);
        const best = ready.reduce((a, b) => a.srtt <= b.srtt ? a : b);
        const waits = best.srtt > 4 * fastest.srtt && fastest.inFlight > 0;
        return waits && sentOn.length === 0 ? null : best;
      },
    }),
  };
}
