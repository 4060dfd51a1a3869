/** XQUIC's reinjection controllers, each with the lowest round trip for new data. A path repeats a chunk once. */

import type { SchedulerPlugin, SubflowView } from "../../core/plugin.ts";

const lowest = (ready: readonly SubflowView[]): SubflowView | null =>
  ready.reduce<SubflowView | null>((a, b) => a !== null && a.srtt <= b.srtt ? a : b, null);

/** Rapid, by capacity: once all is sent, what is unacknowledged goes on whichever path has a window left. */
export function rapid(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "xquic_rapid",
    create: (connection) => ({
      pick: lowest,
      repeat: (_, { sentOn }) => connection.unsent === 0 && (sentOn.length === 1 || "skip"),
    }),
  };
}

/** Backup: the standby path carries nothing new; it repeats what the active ones have had out for `patience` round trips, or lost by a timeout. */
export function backup(standby: number, patience = 1.5): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "xquic_backup",
    family: "selective",
    create: (connection) => ({
      pick(ready, { sentOn }) {
        const active = ready.filter(({ path }) => path !== standby);
        if (active.length > 0) return lowest(active);
        // Not for one that repairs a loss: it may be cut.
        const other = connection.subflows.find(({ path, stale, inFlight, inRecovery }) =>
          path !== standby && !stale && !inRecovery && inFlight > 0
        );
        return sentOn.length === 0 && other !== undefined ? other : lowest(ready);
      },
      repeat({ path }, { sentAt, sentOn }) {
        if (path !== standby) return false;
        const late = (s: SubflowView): boolean =>
          connection.now - sentAt > patience * s.srtt || s.stale;
        return sentOn.every(late) || "skip";
      },
    }),
  };
}

/** Deadline: what is older than max(min(factor · lowest srtt, hard), least) milliseconds is repeated, once. */
export function deadline(factor = 1.1, hard = 500, least = 20): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "xquic_deadline",
    family: "redundant",
    create: (connection) => ({
      pick: lowest,
      repeat(_, { sentAt, sentOn }) {
        const nearest = Math.min(...connection.subflows.map(({ srtt }) => srtt));
        const due = sentAt + Math.max(Math.min(factor * nearest, hard * 1e3), least * 1e3);
        // The oldest come first: what follows is younger. Nothing else need come in time.
        if (due > connection.now) connection.wake(due);
        if (due > connection.now) return false;
        return sentOn.length === 1 || "skip";
      },
    }),
  };
}
