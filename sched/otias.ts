/** OTIAS: out-of-order transmission for in-order arrival (Yang, Wang, Amer: "Out-of-Order Transmission for In-Order Arrival Scheduling for Multipath TCP", WAINA 2014). */

import type { SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkInteger, checkNumber, checkOptions } from "./checks.ts";
import { SEGMENT, soonest } from "./paths.ts";

/** Options for {@linkcode otias}. */
export interface OtiasOptions {
  /**
   * Segments that may be bound to a subflow beyond its room, from 1 on; `Infinity`: as many as there are, which costs much where the peer's window is small, as
   * all is bound anew whenever it is in the way.
   *
   * @default {100}
   */
  readonly lookAhead?: number;
  /**
   * Segments that one decision binds: 1 to 44.
   *
   * @default {1}
   */
  readonly segments?: number;
}

/** What holds where no option says otherwise: a decision for each segment is the paper's, which has no bound; this one is ours. */
export const defaults: Readonly<Required<OtiasOptions>> = { lookAhead: 100, segments: 1 };

/**
 * The subflow on which a segment arrives first, counted in windows as they are: ⌈(bound and unsent - room)⁺ / cwnd⌉ round trips to wait, and half a one to
 * get there. Segments are bound when they are written, room or not, so that each arrives in its turn on whichever path; a path that changes meanwhile keeps
 * what it was bound.
 *
 * @example Usage
 * ```ts
 * import { otias } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(otias({ lookAhead: 10 }).lookAhead, 14600);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When an option is out of its range.
 */
export default function otias(options: OtiasOptions = {}): SchedulerPlugin {
  checkOptions("otias", options, defaults);
  const { lookAhead = defaults.lookAhead, segments = defaults.segments } = options;
  checkNumber("otias", "lookAhead", lookAhead, 1);
  checkInteger("otias", "segments", segments, 1, 44);
  const ahead = lookAhead * SEGMENT;
  return {
    kind: "scheduler",
    name: "otias",
    quantum: segments * SEGMENT,
    lookAhead: ahead,
    create: ({ subflows }) => ({
      pick: (ready, chunk) => soonest(subflows, ready, chunk, ahead, arrival),
    }),
  };
}

/** Until a segment of `bytes` that is bound to it now arrives. */
function arrival({ queued, mss, room, cwnd, srtt }: SubflowView, bytes: number): number {
  const waits = Math.ceil(Math.max(0, queued + bytes - room) / Math.max(cwnd, mss));
  return waits * srtt + srtt / 2;
}
