/**
 * An emulated network in virtual time: hosts, routers and links. Everything that happens is an event on its clock; between events time stands
 * still. The same seed and the same calls give the same packets, byte for byte.
 */

import { type RandomSource, seededRandom } from "../../host/random.ts";
import type { Micros } from "../../plugin.ts";
import type { Surroundings } from "./chain.ts";
import { Clock, type Timer } from "../clock.ts";
import type { Packet } from "./elements/packet.ts";
import { SimHost } from "./host.ts";
import { type Direction, type LinkOptions, SimLink } from "./link.ts";
import { Router } from "./router.ts";
import type { Trace, TraceRecord } from "./trace.ts";

/** How a network is made. */
export interface NetworkOptions {
  /**
   * What all randomness in it follows from: an integer, of which the low 32 bits count.
   *
   * @default {1}
   */
  readonly seed?: number;
  /** Sees every packet. */
  readonly trace?: Trace | undefined;
}

function claim(names: Set<string>, name: string): void {
  if (names.has(name)) {
    throw new TypeError(`Cannot add "${name}" as the network has something of that name`);
  }
  names.add(name);
}

class NetworkSurroundings implements Surroundings {
  readonly #clock: Clock;
  readonly #random: RandomSource;

  constructor(clock: Clock, random: RandomSource) {
    this.#clock = clock;
    this.#random = random;
  }

  get now(): Micros {
    return this.#clock.now;
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#clock.at(time, callback);
  }

  random(name: string): () => number {
    return this.#random(name).float;
  }

  timer(callback: () => void): Timer {
    return this.#clock.timer(callback);
  }
}

/** Hosts, routers and links on one clock. */
export class Network {
  /** Its clock. Only tests and programs that drive the network themselves step it. */
  readonly clock = new Clock();
  /** Random numbers by name. */
  readonly randomSource: RandomSource;
  /** What elements see of the network. */
  readonly surroundings: Surroundings;
  /** A host is in the middle of a send. */
  #sending = false;
  readonly #nodes = new Set<string>();
  readonly #linkNames = new Set<string>();
  readonly #links: SimLink[] = [];
  readonly #trace: Trace | null;
  // Counted apart: emptying an array gives its room back, and every event would take it anew.
  readonly #deferred: Direction[] = [];
  readonly #dirty: SimHost[] = [];
  #deferredCount = 0;
  #dirtyCount = 0;
  #stepping = false;
  /** The time when it was last asked for. */
  #now: Micros | null = null;

  /** Makes an empty network. */
  constructor(options: NetworkOptions = {}) {
    const seed = options.seed ?? 1;
    if (!Number.isSafeInteger(seed)) {
      throw new RangeError(
        `Cannot seed a network as 'seed' must be an integer: current value is ${seed}`,
      );
    }
    this.randomSource = seededRandom(seed);
    this.#trace = options.trace ?? null;
    this.surroundings = new NetworkSurroundings(this.clock, this.randomSource);
  }

  /** Microseconds since it was made. Boxed once for all that is called in an event (CONTRIBUTING.md, Garbage); elements read the clock itself. */
  get now(): Micros {
    const { now } = this.clock;
    if (this.#now === null || this.#now !== now) this.#now = now;
    return this.#now;
  }

  /** Adds a host. Names are unique. */
  host(name: string): SimHost {
    claim(this.#nodes, name);
    return new SimHost(this, name);
  }

  /** Adds a router, without routes. */
  router(name: string): Router {
    claim(this.#nodes, name);
    return new Router(name);
  }

  /** Joins two nodes; several links may join the same two. */
  link(name: string, a: SimHost | Router, b: SimHost | Router, options: LinkOptions = {}): SimLink {
    claim(this.#linkNames, name);
    const link = new SimLink(this, name, a, b, options);
    this.#links.push(link);
    return link;
  }

  /** Lets the next event happen, with all that follows from it at once. False when nothing is left to happen. */
  step(): boolean {
    this.#sending = false;
    this.#stepping = true;
    try {
      const happened = this.clock.step();
      while (this.#deferredCount + this.#dirtyCount > 0) {
        for (let i = 0; i < this.#deferredCount; i++) this.#deferred[i]!.deliver();
        this.#deferredCount = 0;
        for (let i = 0; i < this.#dirtyCount; i++) this.#dirty[i]!.flush();
        this.#dirtyCount = 0;
      }
      return happened;
    } finally {
      this.#stepping = false;
    }
  }

  /**
   * Lets events happen until `condition` holds.
   *
   * @throws {Error} If nothing is left to happen, or `condition` did not come to hold after `limit` events.
   */
  runUntil(condition: () => boolean, limit = 1e7): void {
    for (let events = 0; !condition(); events++) {
      if (events >= limit) {
        throw new Error(
          `Cannot reach the condition as it did not hold after ${limit} events, ${this.now} us`,
        );
      }
      if (!this.step()) {
        throw new Error(
          `Cannot reach the condition as nothing is left to happen at ${this.now} us`,
        );
      }
    }
  }

  /** Lets all happen that happens up to `time`, and time pass until then. */
  runTo(time: Micros): void {
    let passed = false;
    this.clock.at(time, () => passed = true);
    while (!passed) this.step();
  }

  /** Frees all packets on their way and forgets all that was to happen. */
  close(): void {
    for (const link of this.#links) link.clear();
    this.clock.clear();
  }

  /** The stream of random numbers of a name. */
  random(name: string): () => number {
    return this.randomSource(name).float;
  }

  /** Lets a packet that a host sends into a direction: nothing is handed over before the host has done. */
  send(direction: Direction, packet: Packet): void {
    this.#sending = true;
    direction.enter(packet);
    this.#sending = false;
  }

  /** Notes a host that is to be flushed at the end of this event; called by the host. */
  touch(host: SimHost): void {
    if (this.#stepping) {
      this.#dirty[this.#dirtyCount++] = host;
    } else {
      host.flush();
    }
  }

  /** Notes a direction whose packets are to be handed over at the end of this event; false when they need an event of their own. */
  defer(direction: Direction): boolean {
    if (!this.#stepping || this.#sending) return false;
    this.#deferred[this.#deferredCount++] = direction;
    return true;
  }

  /** Whether anybody looks at the packets. */
  get traced(): boolean {
    return this.#trace !== null;
  }

  /** Shows a packet; called by links. */
  show(record: TraceRecord): void {
    this.#trace?.(record);
  }
}
