/** Sends one packet after the other at a fixed rate. */

import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import { parseRate, type Rate } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { type Packet, PacketList } from "./packet.ts";

/** An element that sends one packet after the other. */
export class RateElement implements Element {
  /** Called whenever it may take the next packet. */
  onIdle: (() => void) | null = null;
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #timer: HostTimer;
  readonly #waiting = new PacketList();
  #speed: number; // bytes per microsecond
  #current: Packet | null = null;
  #free: Micros = 0; // when the current packet is sent; fractions are never rounded away
  #firing = false;

  /** Sends `speed` bytes per microsecond. */
  constructor(speed: number, context: ElementContext, output: (packet: Packet) => void) {
    this.#speed = speed;
    this.#context = context;
    this.#output = output;
    this.#timer = context.timer(() => this.#fire());
  }

  /** Whether a packet is being sent. */
  get busy(): boolean {
    return this.#current !== null;
  }

  /** How long `bytes` take at the present pace. */
  timeFor(bytes: number): Micros {
    return bytes / this.#speed;
  }

  /** When `bytes` are sent that begin to be sent at `from`. */
  protected finish(from: Micros, bytes: number): Micros {
    return from + bytes / this.#speed;
  }

  /** Takes a packet in. */
  push(packet: Packet): void {
    // What the queue hands over at the end of a packet has waited since the time that the queue stamped on it.
    if (!this.#firing) packet.at = this.#context.now;
    if (this.#current !== null) {
      this.#waiting.add(packet);
      return;
    }
    this.#start(packet);
    if (!this.#firing) this.#timer.arm(this.#free);
  }

  /** Takes a new rate; a packet that is being sent goes on at it. */
  set(change: Readonly<Record<string, unknown>>): void {
    if (change.rate === undefined) return;
    const speed = parseRate(change.rate as Rate) / 1e6;
    if (this.#current !== null) {
      const now = this.#context.now;
      this.#free = now + Math.max(0, this.#free - now) * this.#speed / speed;
      this.#timer.arm(this.#free);
    }
    this.#speed = speed;
  }

  /** Frees all. */
  clear(): void {
    this.#timer.disarm();
    if (this.#current !== null) this.#waiting.add(this.#current);
    this.#current = null;
    this.#waiting.clear();
  }

  #start(packet: Packet): void {
    this.#current = packet;
    this.#free = this.finish(Math.max(this.#free, packet.at), packet.length);
  }

  /** On a real clock it is called late: then all that is due by now goes at once, and the pace is kept. */
  #fire(): void {
    const now = this.#context.now;
    this.#firing = true;
    while (this.#current !== null && this.#free <= now) {
      const sent = this.#current;
      this.#current = null;
      const following = this.#waiting.take();
      if (following !== null) this.#start(following);
      else this.onIdle?.();
      this.#output(sent);
    }
    this.#firing = false;
    if (this.#current !== null) this.#timer.arm(this.#free);
  }
}

/**
 * Sends packets one after the other at `rate`, counting the bytes of IP packets. What comes faster waits without limit: put a
 * {@linkcode queue} directly in front. Changed by `{ rate }`; a packet that is being sent goes on at the new rate.
 *
 * @example
 * ```ts
 * import { Network, queue, rate } from "@mptcp/mptcp";
 *
 * await using net = new Network();
 * net.host("phone");
 * net.host("server");
 * net.link("wifi", {
 *   between: ["phone", "server"],
 *   elements: [queue(100), rate("20 Mbit/s")],
 * });
 * ```
 *
 * @throws {TypeError} If `rate` is not a number with a unit, such as "20 Mbit/s".
 * @throws {RangeError} If it is not above 0.
 */
export function rate(rate: Rate): ElementFactory {
  const speed = parseRate(rate) / 1e6;
  return {
    name: "rate",
    create: (context, output) => new RateElement(speed, context, output),
  };
}
