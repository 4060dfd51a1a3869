/** Swallows all packets, for some time. */

import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames } from "./options.ts";
import type { Packet } from "./packet.ts";

/** Options of {@linkcode blackhole}; times are those of the network. */
export interface BlackholeOptions {
  /**
   * From when on it swallows.
   *
   * @default {"0 s"}
   */
  readonly from?: Duration;
  /**
   * Until when.
   *
   * @default for ever
   */
  readonly until?: Duration;
  /**
   * The same again after so long, again and again: longer than `until`.
   *
   * @default once
   */
  readonly every?: Duration;
}

class BlackholeElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #from: Micros;
  readonly #until: Micros;
  readonly #every: Micros;
  /** What somebody said since, in place of the times. */
  #said: boolean | null = null;

  constructor(
    times: { readonly from: Micros; readonly until: Micros; readonly every: Micros },
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#from = times.from;
    this.#until = times.until;
    this.#every = times.every;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    if (this.#said ?? this.#swallows()) this.#context.drop(packet);
    else this.#output(packet);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (typeof change.blackhole === "boolean") this.#said = change.blackhole;
  }

  #swallows(): boolean {
    const { now } = this.#context;
    const phase = this.#every === Infinity ? now : now % this.#every;
    return phase >= this.#from && phase < this.#until;
  }
}

/**
 * Swallows all packets of a direction from one time to another: a tunnel, a firewall that forgot. What is already behind it goes on. `{ blackhole: true }`
 * and `{ blackhole: false }` begin and end it by hand.
 *
 * @example A tunnel of two seconds, every minute
 * ```ts
 * import { blackhole, emulate } from "@mptcp/mptcp";
 *
 * const tunnel = blackhole({ from: "30 s", until: "32 s", every: "60 s" });
 * await using net = emulate({
 *   paths: { train: { rate: "10 Mbit/s", delay: "20 ms", elements: [tunnel] } },
 * });
 * ```
 *
 * @throws {TypeError} If a time is not a number with a unit.
 * @throws {RangeError} If the times are not in their order.
 */
export function blackhole(options: BlackholeOptions = {}): ElementFactory {
  checkNames("make a black hole", options, ["from", "until", "every"]);
  const read = (name: keyof BlackholeOptions, otherwise: Micros): Micros => {
    const text = options[name];
    return text === undefined ? otherwise : parseDuration(text, name);
  };
  const times = {
    from: read("from", 0),
    until: read("until", Infinity),
    every: read("every", Infinity),
  };
  if (!(times.from < times.until && (times.every === Infinity || times.until <= times.every))) {
    throw new RangeError(
      "Cannot make a black hole as 'from' must be before 'until', and 'every' at least as long as 'until'",
    );
  }
  return {
    name: "blackhole",
    create: (context, output) => new BlackholeElement(times, context, output),
  };
}
