/** Holds every packet for the same time. */

import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { type Packet, PacketList } from "./packet.ts";

class DelayElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #timer: HostTimer;
  readonly #held = new PacketList();
  #delay: Micros;

  constructor(delay: Micros, context: ElementContext, output: (packet: Packet) => void) {
    this.#delay = delay;
    this.#context = context;
    this.#output = output;
    this.#timer = context.timer(() => this.#fire());
  }

  push(packet: Packet): void {
    const last = this.#held.tail;
    if (last === null) {
      if (this.#delay === 0) {
        this.#output(packet);
        return;
      }
      packet.at = this.#context.now + this.#delay;
      this.#held.add(packet);
      this.#timer.arm(packet.at);
    } else {
      // After the delay was cut, nothing overtakes.
      packet.at = Math.max(last.at, this.#context.now + this.#delay);
      this.#held.add(packet);
    }
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.delay !== undefined) this.#delay = parseDuration(change.delay as Duration);
  }

  clear(): void {
    this.#timer.disarm();
    this.#held.clear();
  }

  #fire(): void {
    const now = this.#context.now;
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
 * Holds every packet for `delay` and keeps their order. Changed by `{ delay }`, for packets that come from then on.
 *
 * @example
 * ```ts
 * import { delay, Network } from "@mptcp/mptcp";
 *
 * await using net = new Network();
 * net.host("phone");
 * net.host("server");
 * net.link("wifi", {
 *   between: ["phone", "server"],
 *   elements: [delay("15 ms")],
 * });
 * net.link("wifi").set({ delay: "80 ms" });
 * ```
 *
 * @throws {TypeError} If `delay` is not a number with a unit, such as "15 ms".
 * @throws {RangeError} If it is below 0.
 */
export function delay(delay: Duration): ElementFactory {
  const micros = parseDuration(delay);
  return {
    name: "delay",
    create: (context, output) => new DelayElement(micros, context, output),
  };
}
