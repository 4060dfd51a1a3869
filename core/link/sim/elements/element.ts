/**
 * What an element of a path is: something with one job that packets pass through. Elements work on any clock, so the same ones make up the
 * emulated network and wrap real links.
 */

import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import type { Packet } from "./packet.ts";

export type { Packet } from "./packet.ts";

/** What an element may use of its surroundings. Each element has one of its own. */
export interface ElementContext {
  /** The time now. */
  readonly now: Micros;
  /** A number in [0, 1), from a stream that no other element draws from. */
  random(): number;
  /** Calls back once at `time`, in order of insertion among equals; the result cancels. For rare events: `timer` costs less per packet. */
  at(time: Micros, callback: () => void): () => void;
  /** Makes a timer, for an element that sets one again and again. */
  timer(callback: () => void): HostTimer;
  /** Counts a packet as lost here and frees it. */
  drop(packet: Packet): void;
  /** Sends a packet of its own, such as an ICMP error, back to where packets come from: into the other direction, at its beginning. It owns the packet no longer. */
  answer(packet: Packet): void;
  /** Fills in the checksums of a packet that was sent without; call it before changing or showing any of its bytes. */
  complete(packet: Packet): void;
  /** The element right behind this one, if any. */
  readonly next: Element | null;
}

/** One direction's instance of an element. It owns a packet from `push` until it hands it to its output or drops it. */
export interface Element {
  /** Takes a packet in. */
  push(packet: Packet): void;
  /** Applies the changes that concern it, such as `{ rate: "5 Mbit/s" }`, and ignores the others. */
  set?(change: Readonly<Record<string, unknown>>): void;
  /** Frees all packets that it holds. */
  clear?(): void;
  /** Of an element that works on one packet at a time: whether it is at work. A queue in front of it keeps its packets meanwhile. */
  readonly busy?: boolean;
  /** Of such an element: called whenever it may take the next packet; the queue in front sets it. */
  onIdle?: (() => void) | null;
  /** Of a queue: what waits in it now. */
  readonly waiting?: { readonly count: number; readonly bytes: number };
  /** Of an element that works on one packet at a time: the time that `bytes` will take it at its present pace. */
  timeFor?(bytes: number): Micros;
}

/** Makes an element, once for each direction of a path. */
export interface ElementFactory {
  /** Names the element in counts of drops and in its random stream. */
  readonly name: string;
  /** Makes one with a state of its own; `output` takes what leaves it. */
  create(context: ElementContext, output: (packet: Packet) => void): Element;
}
