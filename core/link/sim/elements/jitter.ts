/** Holds each packet for a time of its own. */

import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames } from "./options.ts";
import { freePacket, type Packet, PacketList } from "./packet.ts";

/** Options of {@linkcode jitter}. */
export interface JitterOptions {
  /**
   * Whether a packet may overtake others that are held longer.
   *
   * @default {false}
   */
  readonly reorder?: boolean;
  /**
   * How the times are spread: evenly from 0 to the time given, or as a bell around half of it with a sixth as deviation, cut at both ends.
   *
   * @default {"uniform"}
   */
  readonly distribution?: "uniform" | "normal";
}

const OPTIONS = ["reorder", "distribution"];

class JitterElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #timer: HostTimer;
  readonly #held = new PacketList();
  /** Those that may overtake, each with an event of its own. */
  readonly #loose = new Set<Packet>();
  readonly #options: JitterOptions;
  #most: Micros;

  constructor(
    most: Micros,
    options: JitterOptions,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#most = most;
    this.#options = options;
    this.#context = context;
    this.#output = output;
    this.#timer = context.timer(() => this.#fire());
  }

  push(packet: Packet): void {
    const context = this.#context;
    packet.at = context.now + this.#most * this.#share();
    if (this.#options.reorder) {
      this.#loose.add(packet);
      context.at(packet.at, () => {
        if (this.#loose.delete(packet)) this.#output(packet);
      });
      return;
    }
    const last = this.#held.tail;
    if (last !== null) packet.at = Math.max(last.at, packet.at);
    this.#held.add(packet);
    if (last === null) this.#timer.arm(packet.at);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.jitter !== undefined) this.#most = parseDuration(change.jitter as Duration);
  }

  clear(): void {
    this.#timer.disarm();
    this.#held.clear();
    for (const packet of this.#loose) freePacket(packet);
    this.#loose.clear();
  }

  /** A number from 0 to 1. */
  #share(): number {
    const { random } = this.#context;
    if (this.#options.distribution !== "normal") return random();
    // Box and Muller; 1 - x, as the logarithm of 0 is none.
    const bell = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.min(1, Math.max(0, 0.5 + bell / 6));
  }

  #fire(): void {
    const { now } = this.#context;
    let head = this.#held.head;
    while (head !== null && head.at <= now) {
      this.#held.take();
      this.#output(head);
      head = this.#held.head;
    }
    if (head !== null) this.#timer.arm(head.at);
  }
}

/**
 * Holds each packet for a random time of up to `most`, beside what a {@linkcode delay} adds. Order is kept, as in queues of a radio; with `reorder` later
 * packets overtake. Changed by `{ jitter }`.
 *
 * @example
 * ```ts
 * import { emulate, jitter } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { radio: { rate: "10 Mbit/s", delay: "20 ms", elements: [jitter("10 ms")] } },
 * });
 * ```
 *
 * @throws {TypeError} If `most` is not a number with a unit, or an option is unknown.
 * @throws {RangeError} If it is below 0.
 */
export function jitter(most: Duration, options: JitterOptions = {}): ElementFactory {
  const micros = parseDuration(most, "jitter");
  checkNames("make jitter", options, OPTIONS);
  const { distribution = "uniform" } = options;
  if (distribution !== "uniform" && distribution !== "normal") {
    throw new TypeError(
      `Cannot make jitter as 'distribution' must be "uniform" or "normal": current value is ${
        String(distribution)
      }`,
    );
  }
  return {
    name: "jitter",
    create: (context, output) => new JitterElement(micros, options, context, output),
  };
}
