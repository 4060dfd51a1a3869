/** The draft's scheduler in full: by time-distance, with data bound ahead of their sending (draft §3.5.3.2, SQ-8, A.5). */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** Payload of a full segment at the usual MTU of 1,500 bytes. */
const SEGMENT = 1460;

/** Options for {@linkcode timeDistance}. */
export interface TimeDistanceOptions {
  /**
   * Segments that are bound to a subflow beyond its room: 0 decides when there is room (pull), a few as soon as there is nearly (hybrid), `Infinity` when
   * the application writes (push). The more, the fewer decisions fall to acknowledgements, and the worse is a change of a path.
   *
   * @default {Infinity}
   */
  readonly lookAhead?: number;
  /**
   * Segments that one decision binds: 1 to 44. More of them cost less work for each byte, and give coarser turns.
   *
   * @default {44}
   */
  readonly segments?: number;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<TimeDistanceOptions>> = {
  lookAhead: Infinity,
  segments: 44,
};

/**
 * The subflow on which the next byte arrives first: queue/bandwidth + RTT, the queue being what is bound to it and not sent, the bandwidth its window in a
 * round trip. By pull nothing is queued, and it is the lowest round trip. It is there to be compared: what is bound is bound to what the paths were like
 * when the application wrote.
 *
 * @example Usage
 * ```ts
 * import { timeDistance } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(timeDistance().lookAhead, Infinity);
 * assertEquals(timeDistance({ lookAhead: 2 }).lookAhead, 2920);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `lookAhead` is not a number from 0 on, or `segments` not an integer from 1 to 44.
 */
export default function timeDistance(options: TimeDistanceOptions = {}): SchedulerPlugin {
  checkOptions("time_distance", options, defaults);
  const { lookAhead = defaults.lookAhead, segments = defaults.segments } = options;
  if (!(lookAhead >= 0)) {
    throw new RangeError(
      `Cannot make time_distance as 'lookAhead' must be a number from 0 on: current value is ${lookAhead}`,
    );
  }
  if (!Number.isInteger(segments) || segments < 1 || segments > 44) {
    throw new RangeError(
      `Cannot make time_distance as 'segments' must be an integer from 1 to 44: current value is ${segments}`,
    );
  }
  const bytes = lookAhead * SEGMENT;
  return {
    kind: "scheduler",
    name: "time_distance",
    quantum: segments * SEGMENT,
    lookAhead: bytes,
    create: ({ subflows }) => ({
      pick(ready: readonly SubflowView[], { sentOn }: Chunk): SubflowView | null {
        let best: SubflowView | null = null;
        for (let i = 0; i < ready.length; i++) best = nearer(best, ready[i]!, sentOn);
        if (bytes === 0) return best;
        let regular = false;
        for (let i = 0; i < subflows.length; i++) {
          const { backup, stale } = subflows[i]!;
          regular ||= !backup && !stale;
        }
        for (let i = 0; i < subflows.length; i++) {
          const subflow = subflows[i]!;
          const { backup, stale, mss, cwnd, inFlight, queued, room } = subflow;
          if (stale || (backup && regular) || ready.includes(subflow)) continue;
          // Who has nothing to do, and yet is not ready, is left, or in doubt.
          if (inFlight === 0 && queued === 0) continue;
          // A timeout leaves a segment (RFC 5681 §3.1), and segments may have become smaller since: who has fallen silent gets nothing ahead.
          if (cwnd < 2 * mss) continue;
          if (room + bytes - queued >= mss) best = nearer(best, subflow, sentOn);
        }
        return best;
      },
    }),
  };
}

/** Which of two is nearer to the peer; one that carries the chunk already comes last. */
function nearer(
  best: SubflowView | null,
  other: SubflowView,
  sentOn: readonly SubflowView[],
): SubflowView {
  if (best === null) return other;
  if (sentOn.length > 0) {
    const carries = sentOn.includes(best);
    if (carries !== sentOn.includes(other)) return carries ? other : best;
  }
  return distance(other) < distance(best) ? other : best;
}

/** Microseconds until what is bound to it next is acknowledged. */
function distance({ queued, cwnd, srtt }: SubflowView): number {
  return queued * srtt / cwnd + srtt;
}
