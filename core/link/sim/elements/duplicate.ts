/** Doubles packets at random. */

import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { gatherPacket, type Packet } from "./packet.ts";
import { checkProbability } from "./probability.ts";

class DuplicateElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  #probability: number;

  constructor(probability: number, context: ElementContext, output: (packet: Packet) => void) {
    this.#probability = probability;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    if (this.#probability === 0 || this.#context.random() >= this.#probability) {
      this.#output(packet);
      return;
    }
    const copy = gatherPacket(packet.address, packet.length, 0, 0, 0, 0);
    if (copy !== null) {
      copy.gsoSize = packet.gsoSize;
      copy.verified = packet.verified;
      copy.partial = packet.partial;
    }
    this.#output(packet);
    if (copy !== null) this.#output(copy);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.duplicate !== undefined) {
      this.#probability = checkProbability(change.duplicate, "probability of doubling");
    }
  }
}

/**
 * Sends each packet twice with a probability of `probability`, 0 to 1. Changed by `{ duplicate }`.
 *
 * @example
 * ```ts
 * import { duplicate, emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { wire: { rate: "10 Mbit/s", delay: "20 ms", elements: [duplicate(0.01)] } },
 * });
 * ```
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not in [0, 1].
 */
export function duplicate(probability: number): ElementFactory {
  checkProbability(probability, "probability of doubling");
  return {
    name: "duplicate",
    create: (context, output) => new DuplicateElement(probability, context, output),
  };
}
