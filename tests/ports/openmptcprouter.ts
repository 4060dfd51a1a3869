/** OpenMPTCProuter's BPF schedulers, by what their documents say of them. Backup paths, stale ones and retransmissions are the core's here. */

import type { SchedulerPlugin, SubflowView } from "../../core/plugin.ts";

const lowest = (ready: readonly SubflowView[]): SubflowView | null =>
  ready.reduce<SubflowView | null>((a, b) => a !== null && a.srtt <= b.srtt ? a : b, null);

/** A timeout has passed there, and nothing has come back since: the core would call it stale after more of them. */
const silent = ({ inRecovery, cwnd, mss }: SubflowView): boolean => inRecovery && cwnd < 2 * mss;

/** bkup: the first path that is no backup; the core offers backups only when no other works. */
export function bkup(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "bkup",
    family: "selective",
    create: ({ subflows }) => ({
      pick: (ready) => {
        const first = subflows.find((s) => s.backup === ready[0]?.backup && !s.stale && !silent(s));
        return first === undefined || first.inFlight === 0 ? ready[0] ?? null : first;
      },
    }),
  };
}

/** first: the first subflow, whatever the others are. */
export function first(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "first",
    family: "selective",
    create: ({ subflows }) => ({
      pick: (ready, { sentOn }) => {
        const [one] = subflows;
        const waits = one !== undefined && sentOn.length === 0 && !one.stale &&
          !silent(one) && one.inFlight > 0 && one.backup === ready[0]?.backup;
        return waits ? one : ready[0] ?? null;
      },
    }),
  };
}

/** minrtt. */
export function minrtt(): SchedulerPlugin {
  return { kind: "scheduler", name: "minrtt", create: () => ({ pick: lowest }) };
}

/** red: all at once. */
export function red(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "red",
    family: "redundant",
    create: () => ({ pick: (ready) => ready }),
  };
}

/** rr: the one after the last. */
export function rr(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "rr",
    create: () => {
      let last = 0;
      return {
        pick: (ready) => {
          const next = ready.find(({ path }) => path > last) ?? ready[0] ?? null;
          last = next?.path ?? last;
          return next;
        },
      };
    },
  };
}

/** dscp: a class is pinned to a WAN, by its local address on the router and its address id on the server; others take the lowest round trip. */
export function dscp(wans: Readonly<Record<number, string | number>>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "dscp",
    create: (connection) => ({
      pick: (ready) => {
        const wan = wans[connection.tag];
        const pinned = connection.subflows.find(({ local, remoteId, stale }) =>
          !stale && (typeof wan === "string" ? local.address === wan : remoteId === wan)
        );
        if (pinned === undefined) return lowest(ready);
        return ready.includes(pinned) || pinned.inFlight > 0 ? pinned : lowest(ready);
      },
    }),
  };
}

/** weight: the WAN of the highest weight, a burst at a time; its weights are set from outside. */
export function weight(weights: Readonly<Record<string, number>>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "weight",
    quantum: 65428,
    create: () => {
      let all: Readonly<Record<string, unknown>> = weights;
      const of = ({ local }: SubflowView): number => Number(all[local.address] ?? 100);
      return {
        pick: (ready) =>
          ready.reduce<SubflowView | null>((a, b) => a && of(a) >= of(b) ? a : b, null),
        tune: (parameters) => void (all = parameters),
      };
    },
  };
}

/** weight-rr: smooth weighted turns. */
export function weightRr(weights: Readonly<Record<string, number>>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "weight_rr",
    create: () => {
      const current = new Map<SubflowView, number>();
      const of = ({ local }: SubflowView): number => weights[local.address] ?? 100;
      return {
        pick: (ready) => {
          let best: SubflowView | null = null;
          for (const s of ready) {
            current.set(s, (current.get(s) ?? 0) + of(s));
            if (best === null || current.get(s)! > current.get(best)!) best = s;
          }
          const sum = ready.reduce((all, s) => all + of(s), 0);
          if (best !== null) current.set(best, current.get(best)! - sum);
          return best && { path: best.path, bytes: best.mss };
        },
        onSubflow: (s, change) => void (change === "left" && current.delete(s)),
      };
    },
  };
}
