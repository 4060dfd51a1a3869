/** Data Center TCP (RFC 8257): the window falls by as much as was marked, so that marking queues stay short. */

import type { AckSample, CongestionControlPlugin, SubflowView } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import {
  aimd,
  type AimdFormula,
  ByteCounter,
  checkHystart,
  checkRange,
  type SlowStartOptions,
} from "./aimd.ts";

/** Options of {@linkcode dctcp}. */
export interface DctcpOptions extends SlowStartOptions {
  /**
   * Weight of the newest window in the estimate of what is marked (RFC 8257 §4.2), from 0.001 to 1.
   *
   * @default {0.0625}
   */
  readonly g?: number | undefined;
}

/** One subflow. */
class Dctcp implements AimdFormula {
  readonly hystart: boolean;
  readonly accurateEcn = true;
  readonly #subflow: SubflowView;
  readonly #g: number;
  readonly #counter = new ByteCounter();
  /** RFC 8257 §3.3 step 1: it begins at 1, as nothing is known. */
  #alpha = 1;
  #acked = 0;
  #marked = 0;
  /** `delivered` at which the window of data ends. */
  #end = 0;

  constructor(subflow: SubflowView, { hystart, g }: Required<DctcpOptions>) {
    this.#subflow = subflow;
    this.hystart = hystart as boolean;
    this.#g = g as number;
  }

  /** §3.3 steps 2 to 8: once for each window of data. */
  sample({ acked, marked, delivered, priorDelivered }: AckSample): void {
    this.#acked += acked;
    this.#marked += marked;
    if (priorDelivered < this.#end) return;
    if (this.#acked > 0) {
      this.#alpha += this.#g * (Math.min(1, this.#marked / this.#acked) - this.#alpha);
    }
    this.#acked = 0;
    this.#marked = 0;
    this.#end = delivered;
  }

  increase(acked: number, cwnd: number): number {
    return this.#counter.count(acked, cwnd, this.#subflow.mss);
  }

  decrease(flightSize: number, cause: "loss" | "ecn" | "timeout"): number {
    this.#counter.reset();
    // §3.5: a loss is what it is to others.
    return cause === "ecn" ? this.#subflow.cwnd * (1 - this.#alpha / 2) : flightSize / 2;
  }
}

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean; readonly g: number } = {
  hystart: true,
  g: 1 / 16,
};

/**
 * Data Center TCP (RFC 8257), for networks of one owner whose queues mark early: with F the marked share of a window of data,
 *
 *     α ← (1 − g) α + g F        once for each window of data
 *     cwnd ← cwnd (1 − α / 2)    once for each window with marks
 *
 * so that a few marks cost little and the queue stays near where marking begins. It grows as reno and halves by losses. Both ends must use it, as each asks
 * the other for marks as they come, and both with `tcp: { ecn: "request" }` at whoever connects; without ECN it is reno. On the open Internet it takes more
 * than its share of a queue that marks for others, too (§5).
 *
 * @example Usage
 * ```ts
 * import { dctcp } from "@mptcp/mptcp/cc";
 * import { emulate, queue } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { rack: { rate: "100 Mbit/s", delay: "100 us", queue: { packets: 200, mark: 10 } } },
 *   congestionControl: dctcp(),
 *   tcp: { ecn: "request" },
 * });
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} An option is not of its type.
 * @throws {RangeError} `g` is out of its range.
 */
export default function dctcp(options: DctcpOptions = {}): CongestionControlPlugin {
  checkOptions("dctcp", options, defaults);
  const { hystart = defaults.hystart, g = defaults.g } = options;
  checkHystart("dctcp", hystart);
  checkRange("dctcp", "g", g, [0.001, 1]);
  return aimd("dctcp", (subflow) => new Dctcp(subflow, { hystart, g }));
}
