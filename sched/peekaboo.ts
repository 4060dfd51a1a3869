/**
 * Peekaboo: waiting is learnt (Wu, Alay, Brunstrom, Ferlin, Caso: "Peekaboo: Learning-Based Multipath Scheduling for Dynamic Heterogeneous Environments", IEEE JSAC
 * 38(10), 2020).
 */

import type { ConnectionView, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkInteger, checkNumber, checkOptions } from "./checks.ts";
import { lowestRtt } from "./min_rtt.ts";
import { fastestOf } from "./paths.ts";

/** Options for {@linkcode peekaboo}. */
export interface PeekabooOptions {
  /**
   * α of LinUCB: how much it tries what it knows little of, from 0 on.
   *
   * @default {1.5}
   */
  readonly alpha?: number;
  /**
   * Decisions whose reward is known before what was learnt is applied with chance, 1 to 10,000.
   *
   * @default {30}
   */
  readonly learn?: number;
}

/** What holds where no option says otherwise. These two are ours. */
export const defaults: Readonly<Required<PeekabooOptions>> = { alpha: 1.5, learn: 30 };

/** Window, what is in flight and what the peer allows, each by round trip, of both paths. */
const FEATURES = 6;
const SEND = 0;
const WAIT = 1;

/** What a byte that is acknowledged in the first, second and third reference time counts (the paper: multiplied by 0.9, 0.7 and 0.5 in turn). */
const DISCOUNTS = [0.9, 0.9 * 0.7, 0.9 * 0.7 * 0.5] as const;

/** Chance of waiting where learning has waited most, in between and least (the paper's 0.9, p and 0.1; p is ours). */
const CHANCES = [0.9, 0.5, 0.1] as const;
const OFTEN = 0.7;
const SELDOM = 0.3;
/** It learns anew when what a decision brings moves by more than this part of it (the paper). */
const MOVED = 0.175;
/** Of the mean reward that is compared. */
const GAIN = 1 / 16;

/** One arm of LinUCB (Li, Chu, Langford, Schapire: "A Contextual-Bandit Approach to Personalized News Article Recommendation", WWW 2010, algorithm 1). */
class Arm {
  /** A⁻¹, which each sample changes by one outer product (Sherman and Morrison). */
  readonly #inverse = new Float64Array(FEATURES * FEATURES);
  readonly #b = new Float64Array(FEATURES);
  readonly #product = new Float64Array(FEATURES);

  constructor() {
    this.clear();
  }

  clear(): void {
    this.#inverse.fill(0);
    for (let i = 0; i < FEATURES; i++) this.#inverse[i * FEATURES + i] = 1;
    this.#b.fill(0);
  }

  /** xᵀθ + α·√(xᵀA⁻¹x), θ = A⁻¹b. */
  score(x: Float64Array, alpha: number): number {
    const product = this.#multiply(x);
    let mean = 0;
    let variance = 0;
    for (let i = 0; i < FEATURES; i++) {
      mean += product[i]! * this.#b[i]!;
      variance += product[i]! * x[i]!;
    }
    return mean + alpha * Math.sqrt(Math.max(0, variance));
  }

  /** A += xxᵀ, b += reward·x. */
  learn(x: Float64Array, reward: number): void {
    const product = this.#multiply(x);
    let scale = 1;
    for (let i = 0; i < FEATURES; i++) scale += product[i]! * x[i]!;
    for (let i = 0; i < FEATURES; i++) {
      for (let j = 0; j < FEATURES; j++) {
        const at = i * FEATURES + j;
        this.#inverse[at] = this.#inverse[at]! - product[i]! * product[j]! / scale;
      }
      this.#b[i] = this.#b[i]! + reward * x[i]!;
    }
  }

  #multiply(x: Float64Array): Float64Array {
    const product = this.#product;
    for (let i = 0; i < FEATURES; i++) {
      let sum = 0;
      for (let j = 0; j < FEATURES; j++) sum += this.#inverse[i * FEATURES + j]! * x[j]!;
      product[i] = sum;
    }
    return product;
  }
}

/** What one connection has learnt. */
class Learner {
  readonly #connection: ConnectionView;
  readonly #alpha: number;
  readonly #least: number;
  readonly #arms = [new Arm(), new Arm()] as const;
  /** The decision whose reward is being gathered. */
  readonly #x = new Float64Array(FEATURES);
  #action = SEND;
  #begun = -1;
  #reference = 0;
  #acked = 0;
  #reward = 0;
  /** Rewards known since it began to learn, and how many of them were for waiting. */
  #known = 0;
  #waits = 0;
  #mean = 0;
  /** The mean when learning was over. */
  #fit = 0;

  constructor(connection: ConnectionView, alpha: number, least: number) {
    this.#connection = connection;
    this.#alpha = alpha;
    this.#least = least;
  }

  /** Whether to wait for `fast` rather than send on `slow`. */
  waits(fast: SubflowView, slow: SubflowView): boolean {
    // One decision at a time is judged: it holds until its reward is known while it learns, and later chance decides each.
    if (this.#begun >= 0) return this.#known < this.#least ? this.#action === WAIT : this.#drawn();
    this.#look(fast, slow);
    const [send, wait] = this.#arms;
    if (this.#known >= this.#least) this.#action = this.#drawn() ? WAIT : SEND;
    else {
      const better = wait.score(this.#x, this.#alpha) > send.score(this.#x, this.#alpha);
      this.#action = better ? WAIT : SEND;
    }
    const { now, acked } = this.#connection;
    this.#begun = now;
    this.#acked = acked;
    this.#reward = 0;
    this.#reference = Math.max(2 * (fast.srtt + fast.rttVar), slow.srtt + slow.rttVar);
    return this.#action === WAIT;
  }

  /** Something was acknowledged: what came in order is the reward of the last decision, until three reference times are over. */
  heard(): void {
    if (this.#begun < 0) return;
    const { now, acked } = this.#connection;
    const time = now - this.#begun;
    const part = Math.floor(time / this.#reference);
    if (part < DISCOUNTS.length) {
      if (time > 0) this.#reward += DISCOUNTS[part]! * (acked - this.#acked) / time;
      this.#acked = acked;
      return;
    }
    this.#begun = -1;
    this.#known++;
    if (this.#action === WAIT) this.#waits++;
    this.#mean = this.#known === 1 ? this.#reward : this.#mean + GAIN * (this.#reward - this.#mean);
    // By the mean, so that what is tried does not hang on how fast paths are.
    this.#arms[this.#action]!.learn(this.#x, this.#mean > 0 ? this.#reward / this.#mean : 0);
    if (this.#known === this.#least) this.#fit = this.#mean;
    const moved = Math.abs(this.#mean - this.#fit) > MOVED * this.#fit;
    if (this.#known >= 2 * this.#least && moved) this.#anew();
  }

  #anew(): void {
    for (const arm of this.#arms) arm.clear();
    this.#known = this.#waits = 0;
  }

  /** Chance decides, by how often it waited while it learnt. */
  #drawn(): boolean {
    if (this.#known < this.#least) return false;
    const share = this.#waits / this.#known;
    const chance = share > OFTEN ? CHANCES[0] : share < SELDOM ? CHANCES[2] : CHANCES[1];
    return this.#connection.random() < chance;
  }

  /** Segments per millisecond, in relation to one another. */
  #look(fast: SubflowView, slow: SubflowView): void {
    const x = this.#x;
    for (let i = 0; i < 2; i++) {
      const { cwnd, inFlight, mss, srtt } = i === 0 ? fast : slow;
      const unit = mss * srtt / 1e3;
      x[3 * i] = cwnd / unit;
      x[3 * i + 1] = inFlight / unit;
      x[3 * i + 2] = this.#connection.window / unit;
    }
    let length = 0;
    for (let i = 0; i < FEATURES; i++) length += x[i]! * x[i]!;
    // Of length 1, for the same reason.
    for (let i = 0; i < FEATURES; i++) x[i] = x[i]! / Math.sqrt(length);
  }
}

/**
 * The fastest path as long as it has room. Where only a slower one has, LinUCB chooses between sending there and waiting: it learns from six figures, cwnd, bytes in
 * flight and the peer's window by round trip, of both paths. The reward of a decision is the sum of bytes that are DATA_ACKed over the time since, those of later
 * reference times discounted, until 3·T; T = max(2(srtt + rttVar of the fast), srtt + rttVar of the slow). When enough is known, waiting is a matter of chance, 0.9,
 * 0.5 or 0.1 by how often it was best, so that a change is noticed: then it learns anew.
 *
 * @example Usage
 * ```ts
 * import { peekaboo } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(peekaboo({ alpha: 1 }).name, "peekaboo");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When an option is out of its range.
 */
export default function peekaboo(options: PeekabooOptions = {}): SchedulerPlugin {
  checkOptions("peekaboo", options, defaults);
  const { alpha = defaults.alpha, learn = defaults.learn } = options;
  checkNumber("peekaboo", "alpha", alpha, 0);
  checkInteger("peekaboo", "learn", learn, 1, 10_000);
  return {
    kind: "scheduler",
    name: "peekaboo",
    create: (connection) => {
      const learner = new Learner(connection, alpha, learn);
      const { subflows } = connection;
      return {
        pick(ready, chunk) {
          const slow = lowestRtt(ready, chunk);
          if (slow === null || chunk.sentOn.length > 0) return slow;
          const fast = fastestOf(subflows, ready)!;
          if (ready.includes(fast)) return slow;
          return learner.waits(fast, slow) ? fast : slow;
        },
        onAck: () => learner.heard(),
      };
    },
  };
}
