/** Loses packets at random, each on its own. */

import type { Element, ElementContext, ElementFactory } from "./element.ts";
import type { Packet } from "./packet.ts";
import { checkProbability } from "./probability.ts";

class LossElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  #probability: number;

  constructor(probability: number, context: ElementContext, output: (packet: Packet) => void) {
    this.#probability = probability;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    if (this.#probability > 0 && this.#context.random() < this.#probability) {
      this.#context.drop(packet);
    } else {
      this.#output(packet);
    }
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.loss !== undefined) this.#probability = checkProbability(change.loss, "loss");
  }
}

/**
 * Loses each packet with a probability of `probability`, 0 to 1. Changed by `{ loss }`.
 *
 * @example
 * ```ts
 * import { loss, Network } from "@mptcp/mptcp";
 *
 * await using net = new Network();
 * net.host("phone");
 * net.host("server");
 * net.link("wifi", {
 *   between: ["phone", "server"],
 *   elements: [loss(0.01)],
 * });
 * net.link("wifi").set({ loss: 0.05 });
 * ```
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not in [0, 1].
 */
export function loss(probability: number): ElementFactory {
  checkProbability(probability, "loss");
  return {
    name: "loss",
    create: (context, output) => new LossElement(probability, context, output),
  };
}
