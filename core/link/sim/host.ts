/** A host of the emulated network: it carries events to a stack and its deadlines to the clock. */

import type { DrivenStack, HostDriver, HostTimer, Link } from "../../host/link.ts";
import type { Micros } from "../../plugin.ts";
import type { PacketIn } from "../../wire/packet.ts";
import type { Timer } from "../clock.ts";
import type { Network } from "./network.ts";

/** A host. Packets that come before its stack was started are dropped. */
export class SimHost implements HostDriver {
  /** Its name. */
  readonly name: string;
  readonly #network: Network;
  readonly #timer: Timer;
  #stack: DrivenStack | null = null;
  #dirty = false;

  /** Made by {@linkcode Network.host}. */
  constructor(network: Network, name: string) {
    this.name = name;
    this.#network = network;
    this.#timer = network.clock.timer(() => this.#timeout());
  }

  /** Begins to drive `stack`. */
  start(stack: DrivenStack): void {
    this.#stack = stack;
    stack.attend?.(() => this.wake());
    this.wake();
  }

  /** Drives the stack no longer. */
  stop(): void {
    this.#stack = null;
    this.#timer.disarm();
  }

  /** Tells that the stack's nearest deadline may have moved. */
  wake(): void {
    if (this.#stack === null) return;
    const deadline = this.#stack.pollTimeout();
    // One that moved later is looked at when the time comes: most deadlines move with every acknowledgement.
    if (deadline < this.#timer.time) this.#timer.arm(deadline);
    else if (deadline === Infinity && this.#timer.armed) this.#timer.disarm();
  }

  get now(): Micros {
    return this.#network.now;
  }

  get takesLanded(): boolean {
    return this.#stack?.takesLanded === true;
  }

  receive(link: Link, packet: Readonly<PacketIn>): void {
    if (this.#stack === null) return;
    this.#stack.handlePacket(this.#network.now, link, packet);
    this.touch();
  }

  writable(link: Link): void {
    if (this.#stack === null) return;
    this.#stack.handleWritable(this.#network.now, link);
    this.touch();
  }

  moved(link: Link, address: Uint8Array): void {
    if (this.#stack === null) return;
    this.#stack.handleMove?.(this.#network.now, link, address);
    this.touch();
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#network.clock.at(time, callback);
  }

  random(name: string): () => number {
    return this.#network.random(`${this.name}/${name}`);
  }

  timer(callback: () => void): HostTimer {
    return this.#network.clock.timer(callback);
  }

  /** Ends the batch that came in with an event; called by the network. */
  flush(): void {
    try {
      this.#stack?.flush(this.#network.now);
    } finally {
      // What observers have called for meanwhile is done with.
      this.#dirty = false;
    }
    this.wake();
  }

  /** Something was, or is to be, called of its stack: it is flushed at the end of this event. */
  touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#network.touch(this);
  }

  #timeout(): void {
    if (this.#stack === null) return;
    const now = this.#network.now;
    if (this.#stack.pollTimeout() <= now) {
      this.#stack.handleTimeout(now);
      this.touch();
    } else {
      this.wake();
    }
  }
}
