/** One subflow after the other (draft-bonaventure-iccrg-schedulers, "round-robin" and "weighted round-robin"; Linux's out-of-tree MPTCP, `roundrobin`). */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkInteger, checkNumbers, checkOptions } from "./checks.ts";
import { awaitable, SEGMENT } from "./paths.ts";

/** Options for {@linkcode roundRobin}. */
export interface RoundRobinOptions {
  /**
   * Segments that a subflow gets in a row: 1 to 44. More of them cost less work for each byte, and give coarser turns.
   *
   * @default {1}
   */
  readonly segments?: number;
  /**
   * Turns that each path gets at once, by index, as "3/1", from 1 on; a path beyond has the last.
   *
   * @default {"1"}
   */
  readonly weights?: string;
  /**
   * false: one without room is passed over, so that in bulk the windows decide (`cwnd_limited` of Linux's out-of-tree MPTCP). true: it is waited for, and the slowest
   * path sets the pace of all.
   *
   * @default {false}
   */
  readonly strict?: boolean;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<RoundRobinOptions>> = {
  segments: 1,
  weights: "1",
  strict: false,
};

/**
 * Gives each subflow its turn; one without room is passed over, unless it is `strict`. In a bulk transfer the windows decide and all pipes are filled, as with
 * the lowest RTT; a transfer with pauses is spread evenly, or by weights, the slow path included. What goes again goes to the next that does not carry it.
 *
 * @example Usage
 * ```ts
 * import { roundRobin } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(roundRobin({ segments: 2, weights: "3/1" }).quantum, 8760);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When an option is out of its range.
 */
export default function roundRobin(options: RoundRobinOptions = {}): SchedulerPlugin {
  checkOptions("round_robin", options, defaults);
  const { segments = defaults.segments, weights = defaults.weights, strict = defaults.strict } =
    options;
  checkInteger("round_robin", "segments", segments, 1, 44);
  const turns = checkNumbers("round_robin", "weights", String(weights), 1);
  if (typeof strict !== "boolean") {
    throw new RangeError(
      `Cannot make round_robin as 'strict' must be true or false: current value is ${
        String(strict)
      }`,
    );
  }
  const turnOf = ({ path }: SubflowView): number => {
    return Math.floor(turns[Math.min(path, turns.length) - 1]!) * segments;
  };
  return {
    kind: "scheduler",
    name: "round_robin",
    quantum: Math.min(65535, Math.max(...turns) * segments * SEGMENT),
    create: ({ subflows }) => {
      let last = 0;
      /** Segments of its turn that it has not had. */
      let left = 0;
      let size = 1;
      let asked = 0;
      const answer = { path: 0, bytes: 0 };
      const pickOne = (ready: readonly SubflowView[], chunk: Chunk): SubflowView | null => {
        if (strict && chunk.sentOn.length === 0) {
          return nextAfter(subflows, last, chunk, ready) ?? ready[0] ?? null;
        }
        return nextAfter(ready, last, chunk, ready) ?? ready[0] ?? null;
      };
      return {
        pick(ready, chunk) {
          if (chunk.sentOn.length > 0) return pickOne(ready, chunk);
          // What the last answer bound is known by where the data go on.
          if (chunk.offset > asked) left -= Math.ceil((chunk.offset - asked) / size);
          asked = chunk.offset;
          let next = left > 0 ? find(strict ? subflows : ready, last, ready) : null;
          if (next === null) {
            next = pickOne(ready, chunk);
            if (next === null) return null;
            left = turnOf(next);
            last = next.path;
          }
          size = next.mss;
          answer.path = next.path;
          answer.bytes = left * size;
          return answer;
        },
      };
    },
  };
}

/** Path `path`, if it is in `list` and is ready or worth a wait. */
function find(
  list: readonly SubflowView[],
  path: number,
  ready: readonly SubflowView[],
): SubflowView | null {
  for (let i = 0; i < list.length; i++) {
    const subflow = list[i]!;
    if (subflow.path === path) return may(subflow, ready) ? subflow : null;
  }
  return null;
}

function may(subflow: SubflowView, ready: readonly SubflowView[]): boolean {
  return ready.includes(subflow) || awaitable(subflow, ready);
}

/** The subflow of `list` whose turn comes after path `last`, of those that do not carry the chunk, and are ready or worth a wait. */
function nextAfter(
  list: readonly SubflowView[],
  last: number,
  { sentOn }: Chunk,
  ready: readonly SubflowView[],
): SubflowView | null {
  let first: SubflowView | null = null;
  let next: SubflowView | null = null;
  for (let i = 0; i < list.length; i++) {
    const subflow = list[i]!;
    if (sentOn.length > 0 && sentOn.includes(subflow)) continue;
    if (!may(subflow, ready)) continue;
    if (first === null || subflow.path < first.path) first = subflow;
    if (subflow.path > last && (next === null || subflow.path < next.path)) next = subflow;
  }
  return next ?? first;
}
