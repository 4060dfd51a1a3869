/** ProgMP's examples: Q is the chunk of `pick`, QU what `repeat` asks for, RQ a chunk that others carry; registers are parameters that the application tunes. */

import type { SchedulerPlugin, SubflowView } from "../../core/plugin.ts";

const lowest = (ready: readonly SubflowView[]): SubflowView | null =>
  ready.reduce<SubflowView | null>((a, b) => a !== null && a.srtt <= b.srtt ? a : b, null);

/** SUBFLOWS.FILTER(…).MIN(RTT).PUSH(Q.POP()). */
export function simple(): SchedulerPlugin {
  return { kind: "scheduler", name: "progmp_simple", create: () => ({ pick: lowest }) };
}

/** Round robin over registers: R1 counts turns. */
export function roundRobin(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "progmp_round_robin",
    quantum: 1460,
    create: () => {
      let turn = 0;
      return { pick: (ready) => ready.length === 0 ? null : ready[turn++ % ready.length]! };
    },
  };
}

/** Each subflow first repeats QU that it has not sent, then takes from Q. */
export function redundant(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "progmp_redundant",
    family: "redundant",
    create: () => ({ pick: lowest, repeat: () => true }),
  };
}

/** Q on all that have a window for it now. */
export function opportunisticRedundant(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "progmp_opportunistic",
    family: "redundant",
    create: () => ({ pick: (ready, { sentOn }) => sentOn.length > 0 ? lowest(ready) : ready }),
  };
}

/** QU only while Q is empty. */
export function redundantIfNoQ(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "progmp_redundant_if_no_q",
    create: (connection) => ({ pick: lowest, repeat: () => connection.unsent === 0 }),
  };
}

/** "Compensating": the application signals the end of a flow in R1; what slow subflows carry then is repeated on faster ones. */
export function compensating(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "progmp_compensating",
    create: (connection) => {
      let ended = false;
      return {
        pick: lowest,
        repeat(subflow, { sentOn }) {
          if (!ended || connection.unsent > 0) return false;
          return sentOn.every(({ srtt }) => srtt > subflow.srtt) || "skip";
        },
        tune: ({ R1 }) => void (ended = R1 === 1),
      };
    },
  };
}

/** TAP, preference and target: the metered subflow carries only what the others lack to R1 bytes per second. */
export function targetRate(metered: number): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "progmp_target_rate",
    create: ({ subflows }) => {
      let target = Infinity;
      return {
        pick(ready) {
          const free = ready.filter(({ path }) => path !== metered);
          if (free.length > 0) return lowest(free);
          const others = subflows.filter(({ path, stale }) => path !== metered && !stale);
          const rate = others.reduce((sum, { deliveryRate }) => sum + deliveryRate, 0);
          const busy = others.find(({ inFlight }) => inFlight > 0);
          return rate >= target && busy !== undefined ? busy : lowest(ready);
        },
        tune: ({ R1 }) => void (target = Number(R1)),
      };
    },
  };
}
