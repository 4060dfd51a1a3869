/** Damages packets at random, each on its own, by one bit. */

import { u8 } from "../../../../wasm/mod.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import type { Packet } from "./packet.ts";
import { checkProbability } from "./probability.ts";

class CorruptElement implements Element {
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
      // On a wire the sender's checksums are there before the damage is done, and nobody vouches for what comes out.
      this.#context.complete(packet);
      packet.verified = false;
      const bit = Math.floor(this.#context.random() * packet.length * 8);
      u8[packet.address + (bit >> 3)]! ^= 1 << (bit & 7);
    }
    this.#output(packet);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.corrupt !== undefined) {
      this.#probability = checkProbability(change.corrupt, "corruption");
    }
  }
}

/**
 * Flips exactly one bit, anywhere from the IP header on, of each packet with a probability of `probability`, 0 to 1. Changed by `{ corrupt }`.
 *
 * @example
 * ```ts
 * import { corrupt, delay, Network } from "@mptcp/mptcp";
 *
 * await using net = new Network();
 * net.host("phone");
 * net.host("server");
 * net.link("wifi", {
 *   between: ["phone", "server"],
 *   elements: [delay("15 ms"), corrupt(0.001)],
 * });
 * ```
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not in [0, 1].
 */
export function corrupt(probability: number): ElementFactory {
  checkProbability(probability, "corruption");
  return {
    name: "corrupt",
    create: (context, output) => new CorruptElement(probability, context, output),
  };
}
