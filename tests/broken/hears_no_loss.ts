import type { SchedulerPlugin } from "../../core/plugin.ts";

/** Leaves a path alone for a while after a loss, which it never hears of: `onLos` is no event. */
export default function hearsNoLoss(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "hears_no_loss",
    create: (connection) => {
      const lost = new Map<number, number>();
      const scheduler = {
        pick: (ready: Parameters<ReturnType<SchedulerPlugin["create"]>["pick"]>[0]) => {
          const { now } = connection;
          const well = ready.filter(({ path }) => now - (lost.get(path) ?? -Infinity) > 100_000);
          return [...well.length > 0 ? well : ready].sort((a, b) => a.srtt - b.srtt)[0] ?? null;
        },
        onLos: ({ path }: { readonly path: number }) => lost.set(path, connection.now),
      };
      return scheduler;
    },
  };
}
