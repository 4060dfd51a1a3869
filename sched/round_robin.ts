/** One subflow after the other. */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";

/** Payload of a full segment at the usual MTU of 1,500 bytes. */
const SEGMENT = 1460;

/** Options for {@linkcode roundRobin}. */
export interface RoundRobinOptions {
  /**
   * Segments that a subflow gets in a row: 1 to 44. More of them cost less work for each byte, and give coarser turns.
   *
   * @default {1}
   */
  readonly segments?: number;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<RoundRobinOptions>> = { segments: 1 };

/**
 * Gives each subflow its turn; one without room is passed over. In a bulk transfer the windows decide and all pipes are filled, as with the lowest
 * RTT; a transfer with pauses is spread evenly, the slow path included.
 *
 * @throws {RangeError} When `segments` is not an integer from 1 to 44.
 */
export default function roundRobin(
  { segments = defaults.segments }: RoundRobinOptions = {},
): SchedulerPlugin {
  if (!Number.isInteger(segments) || segments < 1 || segments > 44) {
    throw new RangeError(
      `Cannot make round_robin as 'segments' must be an integer from 1 to 44: current value is ${segments}`,
    );
  }
  return {
    kind: "scheduler",
    name: "round_robin",
    quantum: segments * SEGMENT,
    create: () => {
      let last = 0;
      return {
        pick(ready: readonly SubflowView[], chunk: Chunk): SubflowView | null {
          const next = nextAfter(ready, last, chunk) ?? ready[0] ?? null;
          if (next !== null) last = next.path;
          return next;
        },
      };
    },
  };
}

/** The subflow whose turn comes after path `last`, of those that do not carry the chunk. */
function nextAfter(
  ready: readonly SubflowView[],
  last: number,
  { sentOn }: Chunk,
): SubflowView | null {
  let first: SubflowView | null = null;
  let next: SubflowView | null = null;
  for (let i = 0; i < ready.length; i++) {
    const subflow = ready[i]!;
    if (sentOn.length > 0 && sentOn.includes(subflow)) continue;
    if (first === null || subflow.path < first.path) first = subflow;
    if (subflow.path > last && (next === null || subflow.path < next.path)) next = subflow;
  }
  return next ?? first;
}
