/** What the rows measured by htsim have in common: its controls, its packets, and hosts that start out of step. */

import { balia, coupled, ewtcp, lia, olia, reno, semiCoupled } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { seededRandom } from "../../core/host/random.ts";
import { minRtt } from "../../sched/mod.ts";
import type { HostPolicies, ScenarioHost, ScenarioShape } from "../../sim/scenario.ts";
import { SIMULATORS_TCP } from "./row.ts";

const PLAIN = { hystart: false } as const;

/** By the names of the papers; slow start goes on until a loss. */
export const CONTROLS = {
  EWTCP: () => ewtcp(PLAIN),
  LIA: () => lia(PLAIN),
  COUPLED: () => coupled(PLAIN),
  SEMI: () => semiCoupled(PLAIN),
  OLIA: () => olia(PLAIN),
  BALIA: () => balia(PLAIN),
  uncoupled: () => reno(PLAIN),
} as const satisfies Readonly<Record<string, () => CongestionControlPlugin>>;

/** A name of a control. */
export type Control = keyof typeof CONTROLS;

/** The policies of a run: every path is filled whenever it has room, as there, where no scheduler is. */
export function policiesOf(control: Control): HostPolicies {
  return { scheduler: minRtt(), congestionControl: CONTROLS[control]() };
}

/** Buffers are never what limits. */
const BUFFERS = { receiveBuffer: 1 << 24, sendBuffer: 1 << 24 } as const;

/** A host with MPTCP over all paths, each of which sends on its own: nothing is repeated on another one unless it was lost with its path. */
export const MULTIPATH: ScenarioHost = {
  tcp: { ...SIMULATORS_TCP, ...BUFFERS },
  mptcp: {
    subflows: 8,
    opportunisticRetransmission: false,
    penalty: false,
    tailReinjection: false,
  },
};

/**
 * The line over which each sender, or subflow, reaches a link of so many packets a second, `packet` bytes each: twice as fast as that. Without it packets that
 * answer what has left the link come back just as the next one leaves, and find room before those of anybody else.
 */
export function feeder(packets: number, packet: number): { readonly forward: ScenarioShape } {
  return { forward: { rate: `${2 * packets * packet * 8 / 1e3} kbit/s`, queue: 2000 } };
}

/** A host with TCP, NewReno. */
export const SINGLE: ScenarioHost = {
  tcp: MULTIPATH.tcp!,
  mptcp: false,
  congestionControl: reno(PLAIN),
};

/** Times at which flows start, evenly drawn from the first 50 ms. */
export function starts(seed: number): () => `${number} us` {
  const { float } = seededRandom(seed)("starts");
  return () => `${Math.round(50e3 * float())} us`;
}
