/** Weighted Vegas (draft-xu-mptcp-congestion-control; Cao, Xu and Fu, ICNP 2012): coupled by delay, not by loss. */

import type {
  AckSample,
  CongestionControl,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { AimdController, type AimdFormula, ByteCounter, checkRange } from "./aimd.ts";
import { Member, rateOf, totalRate } from "./members.ts";

/** Options of {@linkcode wvegas}. */
export interface WvegasOptions {
  /**
   * Packets that all subflows of a connection keep in queues together, from 2 to 1000.
   *
   * @default {10}
   */
  readonly alpha?: number | undefined;
}

/** Packets that a subflow may keep in a queue before it knows its weight, and at least. */
const LEAST_ALPHA = 2;
/** Packets in the queue that end slow start. */
const GAMMA = 1;
/** Round trips of fewer samples tell too little: it is reno for such a round. */
const FEW_SAMPLES = 2;
/** Fewest segments of a window. */
const LEAST_WINDOW = 2;

/** One subflow: the round trips of its rounds. */
class Vegas extends Member implements AimdFormula {
  readonly #members: readonly Vegas[];
  readonly #total: number;
  readonly #counter = new ByteCounter();
  #alpha = LEAST_ALPHA;
  /** Least round trip ever: that of an empty path. */
  #base: Micros = Infinity;
  /** Of the round that goes on. */
  #sum: Micros = 0;
  #samples = 0;
  /** `delivered` when the round began. */
  #start = 0;
  /** Mean round trip of the last round; 0: it tells nothing, or has been heeded. */
  #mean: Micros = 0;
  /** The last round had too few samples. */
  #blind = true;
  /** Slow start is over just now. */
  #leaving = false;
  /** Shortest queueing delay of rounds with a full queue; Infinity: none yet. */
  #leastQueue: Micros = Infinity;

  constructor(subflow: SubflowView, members: readonly Vegas[], total: number) {
    super(subflow);
    this.#members = members;
    this.#total = total;
  }

  override sample(ack: AckSample): void {
    super.sample(ack);
    if (ack.priorDelivered >= this.#start) {
      this.#start = ack.delivered;
      this.#blind = this.#samples <= FEW_SAMPLES;
      this.#mean = this.#blind ? 0 : this.#sum / this.#samples;
      this.#sum = 0;
      this.#samples = 0;
    }
    if (ack.rtt < 0) return;
    this.#base = Math.min(this.#base, ack.rtt);
    this.#sum += ack.rtt;
    this.#samples++;
  }

  /** Segments of a window of `cwnd` bytes that wait in the queue, by the last round. */
  #queued(cwnd: number): number {
    return cwnd / this.mss * (this.#mean - this.#base) / this.#mean;
  }

  slowStart(_ack: AckSample, acked: number): number {
    if (this.#mean === 0) return acked;
    if (this.#queued(this.subflow.cwnd) > GAMMA) {
      this.#leaving = true;
      return -1;
    }
    this.#mean = 0;
    return acked;
  }

  increase(acked: number, cwnd: number): number {
    const { mss } = this;
    if (this.#blind) return this.#counter.count(acked, cwnd, mss);
    const mean = this.#mean;
    if (mean === 0) return 0;
    const queued = this.#queued(cwnd);
    this.#mean = 0;
    // No more than the path holds, and a segment.
    if (this.#leaving) {
      this.#leaving = false;
      return this.#to(cwnd * this.#base / mean + mss, cwnd);
    }
    if (queued >= this.#alpha) {
      const rates = totalRate(this.#members);
      const weight = rates > 0 ? rateOf(this) / rates : 1;
      this.#alpha = Math.max(LEAST_ALPHA, weight * this.#total);
      // What waits is more than twice what ever did: others are there, or it has grown with them, and is let drain.
      const delay = mean - this.#base;
      if (delay >= 2 * this.#leastQueue) {
        this.#leastQueue = Infinity;
        return this.#to(cwnd * this.#base / (2 * mean), cwnd);
      }
      this.#leastQueue = Math.min(this.#leastQueue, delay);
    }
    if (queued > this.#alpha) return this.#to(cwnd - mss, cwnd);
    return queued < this.#alpha ? mss : 0;
  }

  /** What leads from `cwnd` down to `window`. */
  #to(window: number, cwnd: number): number {
    return Math.min(0, Math.max(window, LEAST_WINDOW * this.mss) - cwnd);
  }

  decrease(flightSize: number): number {
    this.#counter.reset();
    this.limited = true;
    return flightSize / 2;
  }

  /** After a pause the path may be another. */
  forget(): void {
    this.#base = Infinity;
    this.#mean = 0;
    this.#blind = true;
    this.#leastQueue = Infinity;
  }
}

/** Forgets the least round trip after a pause. */
class WvegasController extends AimdController {
  readonly #vegas: Vegas;

  constructor(connection: ConnectionView, vegas: Vegas) {
    super(vegas.subflow, connection, vegas);
    this.#vegas = vegas;
  }

  override onRestart(idle: Micros, timeout: Micros): void {
    this.#vegas.forget();
    super.onRestart(idle, timeout);
  }
}

/** The subflows of one connection. */
class Group implements CongestionControl {
  readonly #connection: ConnectionView;
  readonly #total: number;
  readonly #members: Vegas[] = [];

  constructor(connection: ConnectionView, total: number) {
    this.#connection = connection;
    this.#total = total;
  }

  join(subflow: SubflowView): WvegasController {
    const vegas = new Vegas(subflow, this.#members, this.#total);
    this.#members.push(vegas);
    return new WvegasController(this.#connection, vegas);
  }

  leave(subflow: SubflowView): void {
    const members = this.#members;
    for (let i = 0; i < members.length; i++) {
      if (members[i]!.subflow === subflow) members.splice(i--, 1);
    }
  }
}

/** What holds where no option says otherwise. */
export const defaults: { readonly alpha: number } = { alpha: 10 };

/**
 * Weighted Vegas (draft-xu-mptcp-congestion-control; Cao, Xu and Fu, ICNP 2012): keeps a few packets in each queue, rather than fill it until it loses, and
 * shares them out by rate, so that traffic moves to where the queues are short. Once for each round trip, with `base` the least one ever, `rtt` the mean of the
 * round and `diff = cwnd · (rtt − base) / rtt` in segments:
 *
 *     slow start ends where diff > 1
 *     where diff ≥ α_r:  α_r = max(2, alpha · (w_r / rtt_r) / Σ (w / rtt))
 *     cwnd − 1 where diff > α_r, cwnd + 1 where diff < α_r
 *     where diff ≥ α_r and the queueing delay is twice the least of such rounds: cwnd · base / (2 rtt)
 *
 * α_r is 2 at first. A loss halves the window. Where others fill the same queue until it loses, it gets little: that is what it is for. After a pause `base`
 * is measured anew. The draft takes the least queueing delay of all rounds: in a queue that it has just begun to fill itself, that would drain it for
 * nothing.
 *
 * @example Usage
 * ```ts
 * import { wvegas } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wvegas({ alpha: 6 }).name, "wvegas");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `alpha` is no number.
 * @throws {RangeError} It is out of its range.
 */
export default function wvegas(options: WvegasOptions = {}): CongestionControlPlugin {
  checkOptions("wvegas", options, defaults);
  const { alpha = defaults.alpha } = options;
  checkRange("wvegas", "alpha", alpha, [LEAST_ALPHA, 1000]);
  return {
    kind: "congestion-control",
    name: "wvegas",
    basis: "delay",
    create: (connection) => new Group(connection, alpha),
  };
}
