/** Loses packets in bursts: a channel that is good or bad (Gilbert 1960, Elliott 1963). */

import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames } from "./options.ts";
import type { Packet } from "./packet.ts";
import { checkProbability } from "./probability.ts";

/** Options of {@linkcode gilbertElliott}: probabilities for each packet, 0 to 1. */
export interface GilbertElliottOptions {
  /** That a good channel turns bad. A burst comes every 1 / `toBad` packets. */
  readonly toBad: number;
  /** That a bad channel turns good. A burst is 1 / `toGood` packets long on average. */
  readonly toGood: number;
  /**
   * That a packet is lost while the channel is good.
   *
   * @default {0}
   */
  readonly lossGood?: number;
  /**
   * That a packet is lost while it is bad.
   *
   * @default {1}
   */
  readonly lossBad?: number;
}

const OPTIONS = ["toBad", "toGood", "lossGood", "lossBad"] as const;

class GilbertElliottElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #options: Required<GilbertElliottOptions>;
  #bad = false;

  constructor(
    options: Required<GilbertElliottOptions>,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#options = options;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    const { toBad, toGood, lossGood, lossBad } = this.#options;
    if (this.#context.random() < (this.#bad ? toGood : toBad)) this.#bad = !this.#bad;
    const loss = this.#bad ? lossBad : lossGood;
    if (loss > 0 && this.#context.random() < loss) this.#context.drop(packet);
    else this.#output(packet);
  }
}

/**
 * Loses packets in bursts: with every packet the channel may turn from good to bad or back, and loses accordingly. On average `toBad / (toBad + toGood)` of
 * the packets find it bad.
 *
 * @example 1 % of the packets, five in a row on average
 * ```ts
 * import { emulate, gilbertElliott } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     radio: {
 *       rate: "10 Mbit/s",
 *       delay: "20 ms",
 *       elements: [gilbertElliott({ toBad: 0.002, toGood: 0.2 })],
 *     },
 *   },
 * });
 * ```
 *
 * @throws {TypeError} If an option is not of its kind.
 * @throws {RangeError} If one is not in [0, 1].
 */
export function gilbertElliott(options: GilbertElliottOptions): ElementFactory {
  checkNames("make a Gilbert-Elliott channel", options, OPTIONS);
  const settings = { lossGood: 0, lossBad: 1, ...options };
  for (const name of OPTIONS) checkProbability(settings[name], `'${name}'`);
  return {
    name: "gilbert-elliott",
    create: (context, output) => new GilbertElliottElement(settings, context, output),
  };
}
