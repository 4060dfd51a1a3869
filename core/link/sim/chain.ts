/** One direction of a path: elements one behind the other, on whatever clock their surroundings have. */

import type { HostDriver, HostTimer } from "../../host/link.ts";
import type { Micros } from "../../plugin.ts";
import { completeChecksum } from "./elements/checksum.ts";
import type { Element, ElementContext, ElementFactory } from "./elements/element.ts";
import { freePacket, type Packet } from "./elements/packet.ts";
import { shown } from "./middlebox/select.ts";

/** What a chain needs of where it runs. */
export type Surroundings = Pick<HostDriver, "now" | "at" | "timer" | "random">;

class Context implements ElementContext {
  readonly random: () => number;
  readonly next: Element | null;
  /** Packets lost here. */
  dropped = 0;
  readonly #surroundings: Surroundings;
  readonly #onDrop: (packet: Packet) => void;
  readonly #onAnswer: (packet: Packet) => void;

  constructor(
    surroundings: Surroundings,
    stream: string,
    next: Element | null,
    onDrop: (packet: Packet) => void,
    onAnswer: (packet: Packet) => void,
  ) {
    this.#surroundings = surroundings;
    this.random = surroundings.random(stream);
    this.next = next;
    this.#onDrop = onDrop;
    this.#onAnswer = onAnswer;
  }

  get now(): Micros {
    return this.#surroundings.now;
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#surroundings.at(time, callback);
  }

  timer(callback: () => void): HostTimer {
    return this.#surroundings.timer(callback);
  }

  drop(packet: Packet): void {
    this.dropped++;
    this.#onDrop(packet);
    freePacket(packet);
  }

  answer(packet: Packet): void {
    this.#onAnswer(packet);
  }

  complete(packet: Packet): void {
    completeChecksum(packet);
  }
}

/**
 * Elements one behind the other. Each has a random stream of its own, named after the chain and its place in it.
 *
 * A chain knows no hosts: `output` is called from inside `push` when nothing holds the packet back.
 */
export class Chain {
  /** Takes a packet in at the front. */
  readonly push: (packet: Packet) => void;
  readonly #elements: Element[] = [];
  readonly #contexts: Context[] = [];
  readonly #factories: readonly ElementFactory[];

  /**
   * Makes an element of each factory, the first one at the front. `onDrop` sees each packet that an element loses, before it is freed; `onAnswer` takes
   * those that elements send back.
   */
  constructor(
    name: string,
    factories: readonly ElementFactory[],
    surroundings: Surroundings,
    output: (packet: Packet) => void,
    onDrop: (packet: Packet) => void = () => {},
    onAnswer: (packet: Packet) => void = freePacket,
  ) {
    this.#factories = [...factories];
    let next: Element | null = null;
    let into = output;
    for (let i = factories.length - 1; i >= 0; i--) {
      const factory = factories[i]!;
      const context: Context = new Context(
        surroundings,
        `${name}/${i}/${factory.name}`,
        next,
        onDrop,
        onAnswer,
      );
      const element: Element = factory.create(context, into);
      if (typeof element?.push !== "function") {
        throw new TypeError(
          `Cannot use the element ${factory.name} as its create() must give an object with push(): current value is ${
            shown(element)
          }`,
        );
      }
      this.#elements.unshift(element);
      this.#contexts.unshift(context);
      next = element;
      // Bound, as a function around it would look `push` up anew for every packet: elements are of many kinds.
      into = element.push.bind(element);
    }
    this.push = into;
  }

  /** Gives a change to each element, which takes what concerns it. */
  set(change: Readonly<Record<string, unknown>>): void {
    for (const element of this.#elements) element.set?.(change);
  }

  /** Packets lost so far by the elements of each name. */
  get dropped(): Record<string, number> {
    const dropped: Record<string, number> = {};
    this.#contexts.forEach((context, i) => {
      const name = this.#factories[i]!.name;
      dropped[name] = (dropped[name] ?? 0) + context.dropped;
    });
    return dropped;
  }

  /** Whether packets may wait in it. */
  get queues(): boolean {
    return this.#elements.some(({ waiting }) => waiting !== undefined);
  }

  /** What waits in its queues now. */
  get waiting(): { readonly packets: number; readonly bytes: number } {
    let packets = 0;
    let bytes = 0;
    for (const { waiting } of this.#elements) {
      packets += waiting?.count ?? 0;
      bytes += waiting?.bytes ?? 0;
    }
    return { packets, bytes };
  }

  /** Frees all packets inside. */
  clear(): void {
    for (const element of this.#elements) element.clear?.();
  }
}
