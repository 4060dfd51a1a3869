/** DAPS: delay-aware packet scheduling (Kuhn, Lochin, Mifdaoui, Sarwar, Mehani, Boreli: "DAPS: Intelligent delay-aware packet scheduling for multipath transport", ICC 2014). */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkInteger, checkNumber, checkOptions } from "./checks.ts";
import { lowestRtt } from "./min_rtt.ts";
import { bindable, onlyBackups, SEGMENT } from "./paths.ts";

/** Options for {@linkcode daps}. */
export interface DapsOptions {
  /**
   * Longest plan, in forward delays of the slowest path: 1 to 1000. The least common multiple of delays that have no factor in common would be longer than
   * any path stays as it is.
   *
   * @default {4}
   */
  readonly period?: number;
  /**
   * Segments that may be bound to a subflow beyond its room, from 1 on: a plan is followed no further.
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

/** What holds where no option says otherwise: the bounds are ours, as the paper has none. */
export const defaults: Readonly<Required<DapsOptions>> = { period: 4, lookAhead: 100, segments: 1 };

/** A turn of a plan. */
interface Turn {
  subflow: SubflowView;
  /** Forward delay, whole milliseconds. */
  delay: number;
}

/** Walks through a plan: at each time that is a multiple of a path's forward delay, a window of that path's. */
class Plan {
  readonly #turns: Turn[] = [];
  #time = 0;
  #at = 0;
  #period = 0;
  #left = 0;

  /** Begins anew with the paths as they are now. */
  #begin(subflows: readonly SubflowView[], most: number): boolean {
    const turns = this.#turns;
    while (turns.length > 0) turns.pop();
    const backups = onlyBackups(subflows);
    let longest = 1;
    let period = 1;
    for (let i = 0; i < subflows.length; i++) {
      const subflow = subflows[i]!;
      const { stale, backup, inSlowStart, inRecovery, srtt } = subflow;
      if (stale || (backup && !backups)) continue;
      // In slow start after a loss its window says nothing yet.
      if (inSlowStart && inRecovery) continue;
      const delay = Math.max(1, Math.round(srtt / 2e3));
      turns.push({ subflow, delay });
      longest = Math.max(longest, delay);
      period = period / commonDivisor(period, delay) * delay;
    }
    turns.sort((a, b) => a.delay - b.delay || a.subflow.path - b.subflow.path);
    this.#period = Math.min(period, most * longest);
    this.#time = 1;
    return turns.length > 0;
  }

  /** Whose turn it is; null: no path can be planned with. */
  next(subflows: readonly SubflowView[], most: number): SubflowView | null {
    // It may have left in the middle of its turn.
    const current = this.#turns[this.#at];
    if (current === undefined || !subflows.includes(current.subflow)) this.#left = 0;
    while (this.#left <= 0) {
      if (++this.#at >= this.#turns.length) {
        this.#at = 0;
        if (++this.#time > this.#period && !this.#begin(subflows, most)) return null;
      }
      const { subflow, delay } = this.#turns[this.#at]!;
      if (this.#time % delay !== 0) continue;
      if (subflows.includes(subflow)) this.#left = Math.max(subflow.cwnd, subflow.mss);
    }
    return this.#turns[this.#at]!.subflow;
  }

  /** So many bytes were bound in this turn. */
  took(bytes: number): void {
    this.#left -= bytes;
  }

  /** The turn is over, whatever is left of it. */
  skip(): void {
    this.#left = 0;
  }
}

/**
 * Follows a plan of which path carries what comes next, so that segments arrive in order although paths differ in delay. With d(i) = srtt(i)/2 in whole
 * milliseconds, a plan goes over the least common multiple of all d(i), and at each multiple of d(i) gives path i a window of segments; those of the fast path are
 * bound before there is room for them, so that the slow one carries what lies as far ahead as its delay. Paths in slow start after a loss are left out; where no
 * plan can be made, and for what goes again, the lowest round trip decides.
 *
 * @example Usage
 * ```ts
 * import { daps } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(daps({ lookAhead: 10 }).lookAhead, 14600);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When an option is out of its range.
 */
export default function daps(options: DapsOptions = {}): SchedulerPlugin {
  checkOptions("daps", options, defaults);
  const { period = defaults.period, lookAhead = defaults.lookAhead, segments = defaults.segments } =
    options;
  checkNumber("daps", "period", period, 1, 1000);
  checkNumber("daps", "lookAhead", lookAhead, 1);
  checkInteger("daps", "segments", segments, 1, 44);
  const ahead = lookAhead * SEGMENT;
  return {
    kind: "scheduler",
    name: "daps",
    quantum: segments * SEGMENT,
    lookAhead: ahead,
    create: ({ subflows }) => {
      const plan = new Plan();
      let asked = 0;
      return {
        pick(ready: readonly SubflowView[], chunk: Chunk): SubflowView | null {
          if (chunk.sentOn.length > 0) return lowestRtt(ready, chunk);
          // What the last answer bound is known by where the data go on.
          if (chunk.offset > asked) plan.took(chunk.offset - asked);
          asked = chunk.offset;
          const backups = onlyBackups(subflows);
          for (let tries = 0; tries <= subflows.length; tries++) {
            const next = plan.next(subflows, period);
            if (next === null) break;
            if (ready.includes(next) || bindable(next, ahead, backups)) return next;
            plan.skip();
          }
          return lowestRtt(ready, chunk);
        },
      };
    },
  };
}

function commonDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}
