/** Lets packets overtake others. */

import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { freePacket, type Packet } from "./packet.ts";
import { checkProbability } from "./probability.ts";

class ReorderElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #by: Micros;
  readonly #held = new Set<Packet>();
  #probability: number;

  constructor(
    probability: number,
    by: Micros,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#probability = probability;
    this.#by = by;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    const context = this.#context;
    if (this.#probability === 0 || context.random() >= this.#probability) {
      this.#output(packet);
      return;
    }
    this.#held.add(packet);
    context.at(context.now + this.#by, () => {
      if (this.#held.delete(packet)) this.#output(packet);
    });
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.reorder !== undefined) {
      this.#probability = checkProbability(change.reorder, "probability of reordering");
    }
  }

  clear(): void {
    for (const packet of this.#held) freePacket(packet);
    this.#held.clear();
  }
}

/**
 * Holds each packet with a probability of `probability`, 0 to 1, for `by`: those behind it overtake it. Changed by `{ reorder }`.
 *
 * @example One packet in twenty is 2 ms late
 * ```ts
 * import { emulate, reorder } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { wire: { rate: "10 Mbit/s", delay: "20 ms", elements: [reorder(0.05, "2 ms")] } },
 * });
 * ```
 *
 * @throws {TypeError} If one is not of its kind.
 * @throws {RangeError} If one is out of its range.
 */
export function reorder(probability: number, by: Duration): ElementFactory {
  checkProbability(probability, "probability of reordering");
  const micros = parseDuration(by, "by");
  return {
    name: "reorder",
    create: (context, output) => new ReorderElement(probability, micros, context, output),
  };
}
