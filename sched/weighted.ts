/** Shares of the bytes by what each path delivers, or by given weights (draft-bonaventure-iccrg-schedulers, "weighted"). */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkNumbers, checkOptions } from "./checks.ts";

/** Options for {@linkcode weighted}. */
export interface WeightedOptions {
  /**
   * Weights of the paths by index, as "3/1", each above 0; a path beyond has the last. "rate": what a path delivers, by the delivery rate; its window in a
   * round trip before that is known.
   *
   * @default {"rate"}
   */
  readonly weights?: string;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<WeightedOptions>> = { weights: "rate" };

/** What a path has carried for its weight; those that pause are not given all at once what they missed. */
interface Share {
  readonly subflow: SubflowView;
  used: number;
}

/**
 * The path that has carried least for its weight, of those that are ready: bytes are shared by weight as long as windows leave room, and a path without room
 * gives its share to the others. Unlike taking turns it needs no quantum, and follows rates as they change.
 *
 * @example Usage
 * ```ts
 * import { weighted } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(weighted({ weights: "3/1" }).name, "weighted");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `weights` are neither numbers above 0 nor "rate".
 */
export default function weighted(options: WeightedOptions = {}): SchedulerPlugin {
  checkOptions("weighted", options, defaults);
  const { weights = defaults.weights } = options;
  const given = weights === "rate"
    ? null
    : checkNumbers("weighted", "weights", String(weights), Number.MIN_VALUE);
  const weight = ({ path, deliveryRate, cwnd, srtt }: SubflowView): number => {
    if (given !== null) return given[Math.min(path, given.length) - 1]!;
    return deliveryRate > 0 ? deliveryRate : cwnd * 1e6 / srtt;
  };
  return {
    kind: "scheduler",
    name: "weighted",
    create: () => {
      const shares: Share[] = [];
      let last: Share | null = null;
      let asked = 0;
      const shareOf = (subflow: SubflowView): Share => {
        for (let i = 0; i < shares.length; i++) {
          if (shares[i]!.subflow === subflow) return shares[i]!;
        }
        const made = { subflow, used: 0 };
        shares.push(made);
        return made;
      };
      return {
        pick(ready: readonly SubflowView[], { sentOn, offset }: Chunk): SubflowView | null {
          if (sentOn.length === 0) {
            if (last !== null && offset > asked) {
              last.used += (offset - asked) / weight(last.subflow);
            }
            asked = offset;
          }
          let best: Share | null = null;
          let bestCarries = false;
          let most = 0;
          for (let i = 0; i < ready.length; i++) {
            const share = shareOf(ready[i]!);
            const carries = sentOn.includes(ready[i]!);
            most = Math.max(most, share.used);
            const better = best === null ||
              (carries === bestCarries ? share.used < best.used : bestCarries);
            if (!better) continue;
            best = share;
            bestCarries = carries;
          }
          if (best === null) return null;
          if (sentOn.length > 0) return best.subflow;
          // Who has missed turns gets one window of them back.
          best.used = Math.max(best.used, most - best.subflow.cwnd / weight(best.subflow));
          last = best;
          return best.subflow;
        },
        onSubflow(subflow, change) {
          if (change !== "left") return;
          const at = shares.findIndex((share) => share.subflow === subflow);
          if (at >= 0) shares.splice(at, 1);
          if (last?.subflow === subflow) last = null;
        },
      };
    },
  };
}
