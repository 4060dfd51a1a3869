/** STTF: shortest transfer time first (Hurtig, Grinnemo, Brunstrom, Ferlin, Alay, Kuhn: "Low-Latency Scheduling in MPTCP", ToN 2019). */

import type { SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkInteger, checkNumber, checkOptions } from "./checks.ts";
import { SEGMENT, soonest } from "./paths.ts";

/** Options for {@linkcode sttf}. */
export interface SttfOptions {
  /**
   * Segments that may be bound to a subflow beyond its room, from 1 on. What is bound later is bound to paths as they are then.
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

/** What holds where no option says otherwise: a decision for each segment is the paper's; the bound is ours, twice its largest burst. */
export const defaults: Readonly<Required<SttfOptions>> = { lookAhead: 100, segments: 1 };

/** Rounds that are counted at most. */
const MOST_ROUNDS = 1000;

/**
 * The subflow on which a segment arrives first, by slow start, windows and all that is bound to it before: with n rounds until it is its turn, (n - 1)·RTT +
 * RTT/2. The first round takes what there is room for; the window then doubles each round up to ssthresh, and grows by a segment beyond. A segment is bound to
 * its subflow whether there is room now or not, so short bursts do not spill over to a slow path that would end them later.
 *
 * @example Usage
 * ```ts
 * import { sttf } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sttf().lookAhead, 146000);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When an option is out of its range.
 */
export default function sttf(options: SttfOptions = {}): SchedulerPlugin {
  checkOptions("sttf", options, defaults);
  const { lookAhead = defaults.lookAhead, segments = defaults.segments } = options;
  checkNumber("sttf", "lookAhead", lookAhead, 1);
  checkInteger("sttf", "segments", segments, 1, 44);
  const ahead = lookAhead * SEGMENT;
  return {
    kind: "scheduler",
    name: "sttf",
    quantum: segments * SEGMENT,
    lookAhead: ahead,
    create: ({ subflows }) => ({
      pick: (ready, chunk) => soonest(subflows, ready, chunk, ahead, transferTime),
    }),
  };
}

/** Until a segment of `bytes` that is bound to it now arrives. */
function transferTime(
  { queued, mss, room, cwnd, ssthresh, srtt }: SubflowView,
  bytes: number,
): number {
  let left = queued + bytes - room;
  let window = Math.max(cwnd, mss);
  let rounds = 1;
  while (left > 0 && rounds < MOST_ROUNDS) {
    rounds++;
    left -= window;
    window = window < ssthresh
      ? Math.min(2 * window, Math.max(ssthresh, window + mss))
      : window + mss;
  }
  return (rounds - 1) * srtt + srtt / 2;
}
