/** Marks packets at random, as a router that is busy does. */

import { markCongestion } from "./ecn.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import type { Packet } from "./packet.ts";
import { checkProbability } from "./probability.ts";

class MarkElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  #probability: number;

  constructor(probability: number, context: ElementContext, output: (packet: Packet) => void) {
    this.#probability = probability;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    if (this.#probability > 0 && this.#context.random() < this.#probability) markCongestion(packet);
    this.#output(packet);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.mark !== undefined) this.#probability = checkProbability(change.mark, "mark");
  }
}

/**
 * Marks each packet whose sender uses ECN "congestion experienced" (RFC 3168 §5), with a probability of `probability`, 0 to 1. Changed by `{ mark }`. A
 * {@linkcode queue}, {@linkcode red} and {@linkcode codel} mark by how much waits.
 *
 * @example
 * ```ts
 * import { emulate, mark } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { wire: { rate: "10 Mbit/s", delay: "20 ms", elements: [mark(0.01)] } },
 *   tcp: { ecn: "request" },
 * });
 * ```
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not in [0, 1].
 */
export function mark(probability: number): ElementFactory {
  checkProbability(probability, "mark");
  return {
    name: "mark",
    create: (context, output) => new MarkElement(probability, context, output),
  };
}
