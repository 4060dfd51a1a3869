/** Loses packets at random, each on its own. */

import type { Element, ElementContext, ElementFactory } from "./element.ts";
import type { Packet } from "./packet.ts";

/** Checks a probability and gives it back. */
function checkProbability(value: unknown): number {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot use ${String(value)} as a loss as it must be a number from 0 to 1, such as 0.01`,
    );
  }
  if (!(value >= 0 && value <= 1)) {
    throw new RangeError(
      `Cannot use ${value} as a loss as it must be a number from 0 to 1: 0.01 is one packet in a hundred`,
    );
  }
  return value;
}

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
    if (change.loss !== undefined) this.#probability = checkProbability(change.loss);
  }
}

/**
 * Loses each packet with a probability of `probability`, 0 to 1. Changed by `{ loss }`.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not in [0, 1].
 */
export function loss(probability: number): ElementFactory {
  checkProbability(probability);
  return {
    name: "loss",
    create: (context, output) => new LossElement(probability, context, output),
  };
}
