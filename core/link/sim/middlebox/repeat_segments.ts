/** Sends segments twice. */

import { u8 } from "../../../../wasm/mod.ts";
import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "../elements/element.ts";
import { type Packet, PacketList, takePacket } from "../elements/packet.ts";
import { type SeenSegment, TcpSegment } from "./segment.ts";
import { checkInteger, checkNames, checkSelection, type SegmentSelection } from "./select.ts";

/** What {@linkcode repeatSegments} repeats. */
export interface RepeatSegmentsOptions {
  /**
   * One of how many of the chosen segments, from 1.
   *
   * @default {10}
   */
  readonly every?: number;
  /**
   * How long after the first the second comes: longer than a round trip, it is an old one. "0 ms": right behind it.
   *
   * @default {"0 ms"}
   */
  readonly later?: Duration;
  /**
   * Which segments.
   *
   * @default {"all"}
   */
  readonly on?: SegmentSelection;
}

class RepeatElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #chosen: (segment: SeenSegment) => boolean;
  readonly #every: number;
  readonly #later: Micros;
  readonly #segment: TcpSegment;
  readonly #copies = new PacketList();
  readonly #timer: HostTimer;
  #count = 0;

  constructor(
    chosen: (segment: SeenSegment) => boolean,
    every: number,
    later: Micros,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#chosen = chosen;
    this.#every = every;
    this.#later = later;
    this.#context = context;
    this.#output = output;
    this.#segment = new TcpSegment(context);
    this.#timer = context.timer(() => this.#fire());
  }

  push(packet: Packet): void {
    const segment = this.#segment;
    const some = segment.read(packet) && this.#chosen(segment) && ++this.#count % this.#every === 0;
    const copy = some ? takePacket(packet.length) : null;
    if (copy === null) {
      this.#output(packet);
      return;
    }
    u8.copyWithin(copy.address, packet.address, packet.address + packet.length);
    copy.verified = packet.verified;
    copy.gsoSize = packet.gsoSize;
    this.#output(packet);
    if (this.#later === 0) {
      this.#output(copy);
      return;
    }
    copy.at = this.#context.now + this.#later;
    this.#copies.add(copy);
    if (this.#copies.count === 1) this.#timer.arm(copy.at);
  }

  clear(): void {
    this.#timer.disarm();
    this.#copies.clear();
  }

  #fire(): void {
    const now = this.#context.now;
    let head = this.#copies.head;
    while (head !== null && head.at <= now) {
      this.#copies.take();
      this.#output(head);
      head = this.#copies.head;
    }
    if (head !== null) this.#timer.arm(head.at);
  }
}

/**
 * Sends copies of segments, right behind them or later: what networks do that repeat frames, and old duplicates that come when nobody remembers them. Both
 * levels of MPTCP tell what they have had.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { emulate, repeatSegments } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: {
 *       rate: "20 Mbit/s",
 *       delay: "15 ms",
 *       elements: [repeatSegments({ every: 5 }), repeatSegments({ every: 7, later: "500 ms" })],
 *     },
 *   },
 * });
 * ```
 */
export function repeatSegments(options: RepeatSegmentsOptions = {}): ElementFactory {
  const doing = "repeat segments";
  checkNames(doing, options, ["every", "later", "on"]);
  const every = checkInteger(doing, "every", options.every ?? 10, 1, 1e9);
  const later = parseDuration(options.later ?? "0 ms", "later");
  const chosen = checkSelection(doing, options.on ?? "all");
  return {
    name: "repeatSegments",
    create: (context, output) => new RepeatElement(chosen, every, later, context, output),
  };
}
