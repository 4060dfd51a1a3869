/** One path before another, whatever their round trips (draft-bonaventure-iccrg-schedulers, "strict priority"). */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkNumbers, checkOptions } from "./checks.ts";
import { awaitable } from "./paths.ts";

/** Options for {@linkcode priority}. */
export interface PriorityOptions {
  /**
   * Path indices, the most wanted first, as "2/1"; those that are not named come last, by index.
   *
   * @default {"1"}
   */
  readonly order?: string;
  /**
   * true: where a path is full the next one takes what follows. false: it is waited for, and others stand by until it has left, is stale, or
   * has not answered before a timeout, as backups do.
   *
   * @default {true}
   */
  readonly spill?: boolean;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<PriorityOptions>> = { order: "1", spill: true };

/**
 * The most wanted path that is ready. With `spill: false` nothing goes to another as long as a more wanted one works: a backup mode of the sender's own, which
 * asks nothing of the peer. What goes again goes to the most wanted one that does not carry it.
 *
 * @example Usage
 * ```ts
 * import { priority } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(priority({ order: "2/1", spill: false }).name, "priority");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `order` is no list of path indices, or `spill` is neither true nor false.
 */
export default function priority(options: PriorityOptions = {}): SchedulerPlugin {
  checkOptions("priority", options, defaults);
  const { order = defaults.order, spill = defaults.spill } = options;
  const wanted = checkNumbers("priority", "order", order, 1);
  if (typeof spill !== "boolean") {
    throw new RangeError(
      `Cannot make priority as 'spill' must be true or false: current value is ${String(spill)}`,
    );
  }
  const rank = ({ path }: SubflowView): number => {
    const at = wanted.indexOf(path);
    return at >= 0 ? at : wanted.length + path;
  };
  return {
    kind: "scheduler",
    name: "priority",
    family: spill ? "aggregate" : "selective",
    create: ({ subflows }) => ({
      pick(ready, { sentOn }: Chunk): SubflowView | null {
        let best: SubflowView | null = null;
        for (let i = 0; i < ready.length; i++) {
          const subflow = ready[i]!;
          const carries = sentOn.includes(subflow);
          const before = best === null ||
            (carries === sentOn.includes(best) ? rank(subflow) < rank(best) : !carries);
          if (before) best = subflow;
        }
        if (spill || best === null || sentOn.length > 0) return best;
        for (let i = 0; i < subflows.length; i++) {
          const subflow = subflows[i]!;
          if (rank(subflow) < rank(best) && awaitable(subflow, ready)) best = subflow;
        }
        return best;
      },
    }),
  };
}
