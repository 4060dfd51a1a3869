/** Plugins that note what is asked of them. */

import { reno } from "../../cc/mod.ts";
import type { SubflowChange } from "../../core/plugin.ts";
import { minRtt } from "../../sched/mod.ts";

/** A scheduler and a congestion control, and what was asked of them, in that order. */
export function noted() {
  const notes: string[] = [];
  const scheduler = minRtt();
  const congestionControl = reno();
  return {
    notes,
    policies: {
      scheduler: {
        ...scheduler,
        create: (connection: Parameters<typeof scheduler.create>[0]) => {
          notes.push("scheduler");
          return {
            ...scheduler.create(connection),
            onSubflow: (_: unknown, change: SubflowChange) => void notes.push(change),
          };
        },
      },
      congestionControl: {
        ...congestionControl,
        create: (connection: Parameters<typeof congestionControl.create>[0]) => {
          notes.push("congestion control");
          const group = congestionControl.create(connection);
          return {
            join: (subflow: Parameters<typeof group.join>[0]) => {
              notes.push("join");
              return group.join(subflow);
            },
          };
        },
      },
    },
  };
}
