/** OLIA, opportunistic linked increases (draft-khalili-mptcp-congestion-control; Khalili et al., CoNEXT 2012). */

import type { AckSample, CongestionControlPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { checkHystart, type SlowStartOptions } from "./aimd.ts";
import { coupledBy, Member, totalRate } from "./members.ts";

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/** A subflow that counts what comes between its losses. */
class OliaMember extends Member {
  /** Bytes acknowledged since the last loss. */
  #since = 0;
  /** Between the two losses before it. */
  #between = 0;
  /** What that was before the last loss. */
  #before = 0;

  override sample(ack: AckSample): void {
    super.sample(ack);
    this.#since += ack.acked;
  }

  /** A loss: another count begins. */
  lose(): void {
    this.#before = this.#between;
    this.#between = this.#since;
    this.#since = 0;
  }

  /** It was none. */
  undo(): void {
    this.#since += this.#between;
    this.#between = this.#before;
  }

  /** ℓ, in segments: the larger count. */
  get interval(): number {
    return Math.max(this.#since, this.#between) / this.mss;
  }

  /** What stands for the rate that TCP would have there, √(2ℓ) / rtt, squared and halved: the order is the same. */
  get quality(): number {
    return this.subflow.stale || this.idle ? 0 : this.interval / (this.rtt * this.rtt);
  }
}

/**
 * α of `member`: 1/|R| is moved from the paths with the largest windows to those that are the best and have not. Ties are exact ones, of the same numbers.
 */
function alphaOf(member: OliaMember, members: readonly OliaMember[]): number {
  let bestQuality = 0;
  let largest = 0;
  for (let i = 0; i < members.length; i++) {
    const other = members[i]!;
    bestQuality = Math.max(bestQuality, other.quality);
    largest = Math.max(largest, other.window / other.mss);
  }
  let collected = 0;
  let largestCount = 0;
  for (let i = 0; i < members.length; i++) {
    const other = members[i]!;
    const isLargest = other.window / other.mss === largest;
    if (isLargest) largestCount++;
    else if (other.quality === bestQuality) collected++;
  }
  if (collected === 0) return 0;
  if (member.window / member.mss === largest) return -1 / (members.length * largestCount);
  return member.quality === bestQuality ? 1 / (members.length * collected) : 0;
}

/**
 * Opportunistic linked increases (Khalili et al., CoNEXT 2012; draft-khalili-mptcp-congestion-control): as fair as lia and Pareto-optimal, where lia takes
 * from others on a congested path without gain. A subflow grows, in segments for a segment acknowledged, by
 *
 *     w_r / rtt_r² / (Σ w / rtt)²  +  α_r / w_r
 *
 * and halves by a loss. ℓ_r is the larger of what was acknowledged since the last loss and between the two before it; B are the paths with the largest
 * ℓ / rtt², M those with the largest window, C = B \ M. α is 0 where C is empty; else 1 / (|R| |C|) in C and −1 / (|R| |M|) in M. It may be larger than
 * the first term: a window then shrinks by acknowledgements. With several paths a loss leaves one segment at least, as the draft has it (Linux: two).
 *
 * @example Usage
 * ```ts
 * import { olia } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(olia().name, "olia");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function olia(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("olia", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("olia", hystart);
  return coupledBy<OliaMember>("olia", () => ({
    member: (subflow) => new OliaMember(subflow),
    growth(member, members) {
      const sum = totalRate(members);
      if (!(sum > 0)) return 0;
      const { rtt, mss, subflow } = member;
      const shared = member.window / mss / (rtt * rtt) / (sum * sum);
      return shared + alphaOf(member, members) * mss / subflow.cwnd;
    },
    decrease(member, _, flightSize) {
      member.lose();
      return flightSize / 2;
    },
    undo: (member) => member.undo(),
    least: 1,
  }), { hystart });
}
