/** Parts that middleboxes have in common: elements that change segments in place, boxes of two sides, and packets of their own. */

import type { HostTimer } from "../../../host/link.ts";
import type { Element, ElementContext, ElementFactory } from "../elements/element.ts";
import { type Packet, PacketList } from "../elements/packet.ts";
import { type SeenSegment, TcpSegment } from "./segment.ts";

/**
 * A middlebox that knows of both directions: `up` is its element for what comes from the side of the clients, `down` for what goes back to them. The two
 * belong to one path, `up: [box.up], down: [box.down]` in a path of emulate(), `send: [box.up], receive: [box.down]` in impair(), and `forward`,
 * `backward` in bridge(); each is used once.
 */
export interface Middlebox {
  /** What comes from the side of the clients. */
  readonly up: ElementFactory;
  /** What goes to them. */
  readonly down: ElementFactory;
}

/** An element that changes each segment in place; `change` tells whether it did. What is no segment passes. */
export function rewriting(
  name: string,
  change: (segment: TcpSegment) => boolean,
): ElementFactory {
  return {
    name,
    create(context, output) {
      const segment = new TcpSegment(context);
      return {
        push(packet) {
          if (segment.read(packet) && change(segment)) segment.seal();
          output(packet);
        },
      };
    },
  };
}

/** The same for those that are chosen. */
export function rewritingSome(
  name: string,
  chosen: (segment: SeenSegment) => boolean,
  change: (segment: TcpSegment) => boolean,
): ElementFactory {
  return rewriting(name, (segment) => chosen(segment) && change(segment));
}

/** A box of two sides that share what they know: each side makes one element, once. */
export function twoSided(
  name: string,
  up: (context: ElementContext, output: (packet: Packet) => void) => Element,
  down: (context: ElementContext, output: (packet: Packet) => void) => Element,
): Middlebox {
  return { up: onceOnly(name, up), down: onceOnly(name, down) };
}

function onceOnly(name: string, create: ElementFactory["create"]): ElementFactory {
  let used = false;
  return {
    name,
    create(context, output) {
      if (used) {
        throw new Error(
          `Cannot use one side of a middlebox (${name}) in two places: call the function that made it again for the other`,
        );
      }
      used = true;
      return create(context, output);
    },
  };
}

/** Packets that a box sends of itself. They leave in an event of their own: a host is never called from inside a send. */
export class Outbox {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #waiting = new PacketList();
  readonly #timer: HostTimer;

  /** Behind the element with this context and output. */
  constructor(context: ElementContext, output: (packet: Packet) => void) {
    this.#context = context;
    this.#output = output;
    this.#timer = context.timer(() => this.#flush());
  }

  /** Sends a packet; null, as there is no memory for it: none. */
  send(packet: Packet | null): void {
    if (packet === null) return;
    this.#waiting.add(packet);
    this.#timer.arm(this.#context.now);
  }

  /** Frees what waits. */
  clear(): void {
    this.#timer.disarm();
    this.#waiting.clear();
  }

  #flush(): void {
    for (let packet = this.#waiting.take(); packet !== null; packet = this.#waiting.take()) {
      this.#output(packet);
    }
  }
}
