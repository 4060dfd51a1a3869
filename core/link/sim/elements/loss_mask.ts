/** Loses exactly the packets that a mask names. */

import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames } from "./options.ts";
import type { Packet } from "./packet.ts";

/** Options of {@linkcode lossMask}. */
export interface LossMaskOptions {
  /**
   * Whether the mask begins again at its end. Else all passes from there on.
   *
   * @default {false}
   */
  readonly repeat?: boolean;
}

class LossMaskElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #mask: string;
  readonly #repeat: boolean;
  #index = 0;

  constructor(
    mask: string,
    repeat: boolean,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#mask = mask;
    this.#repeat = repeat;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    const lost = this.#mask[this.#index] === "x";
    if (this.#index < this.#mask.length) this.#index++;
    if (this.#repeat && this.#index === this.#mask.length) this.#index = 0;
    if (lost) this.#context.drop(packet);
    else this.#output(packet);
  }
}

/**
 * Loses exactly the packets of a direction that `mask` has an "x" for; a "." lets pass, and spaces are skipped. For a rule that knows the packets
 * themselves: {@linkcode filter}.
 *
 * @example The third and the fourth of every ten are lost
 * ```ts
 * import { emulate, lossMask } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wire: {
 *       rate: "10 Mbit/s",
 *       delay: "20 ms",
 *       up: [lossMask("..xx......", { repeat: true })],
 *     },
 *   },
 * });
 * ```
 *
 * @throws {TypeError} If the mask has anything else, or nothing.
 */
export function lossMask(mask: string, options: LossMaskOptions = {}): ElementFactory {
  checkNames("make a mask of losses", options, ["repeat"]);
  const marks = typeof mask === "string" ? mask.replaceAll(/\s/g, "") : "";
  if (!/^[.x]+$/.test(marks)) {
    throw new TypeError(
      `Cannot make a mask of losses of ${
        JSON.stringify(mask)
      } as it must be of "." and "x", such as "..xx...."`,
    );
  }
  const { repeat = false } = options;
  return {
    name: "loss-mask",
    create: (context, output) => new LossMaskElement(marks, repeat, context, output),
  };
}
