/** The contract of a link: how packets leave a host and how they come in. A new kind of link is written against this file alone. */

import type { Micros } from "../plugin.ts";
import type { PacketIn, PacketOut } from "../wire/packet.ts";

/** What a link may ask of the host that it is attached to. */
export interface HostDriver {
  /** Time stamped once when the current batch was read. */
  readonly now: Micros;
  /** Hands over one IP packet; the host has done with it when the call returns. */
  receive(link: Link, packet: Readonly<PacketIn>): void;
  /** Tells that a link whose `send` was refused takes packets again. */
  writable(link: Link): void;
  /** Calls back at `time`, in order of insertion among equals; the result cancels. */
  at(time: Micros, callback: () => void): () => void;
  /** [0, 1), from a stream of its own: one more consumer shifts no other. */
  random(name: string): () => number;
}

/** A source of packets behind a file descriptor: what the real-time loop polls. */
export interface PollSource {
  /** The descriptor; readable when there are packets. */
  readonly fd: number;
  /** Reads at most `budget` packets and hands each to the host. Returns how many there were; below `budget` means empty. */
  drain(budget: number): number;
}

/** One way out of a host. */
export interface Link {
  /** What people call it. */
  readonly name: string;
  /** Largest IP packet in bytes that may go on the wire; also bounds the MSS. */
  readonly mtu: number;
  /** Most segments in one super-segment: 1 means none are taken. */
  readonly maxSegments: number;
  /** Received packets need no check of their checksum. */
  readonly rxVerified: boolean;
  /** What `send` wants in the TCP checksum field: all of it, the pseudo-header's sum, or nothing. */
  readonly txChecksum: "full" | "partial" | "none";
  /** Present on links that live on a file descriptor. */
  readonly source?: PollSource;
  /**
   * Sends one IP packet, of which nothing is kept when the call returns. False: the device is full, nothing was sent, `writable` will tell.
   * Never calls the host back from inside.
   */
  send(packet: Readonly<PacketOut>): boolean;
  /** Called once, before anything else. */
  attach(host: HostDriver): void;
  /** Gives back what the link holds; packets in flight are dropped. */
  close(): Promise<void>;
}

/** The stack as its driver sees it. Every call but `pollTimeout` handles one thing that came in; `flush` ends a batch of them. */
export interface DrivenStack {
  /** Takes one IP packet; it is not kept. */
  handlePacket(now: Micros, link: Link, packet: Readonly<PacketIn>): void;
  /** A link that refused a packet takes packets again. */
  handleWritable(now: Micros, link: Link): void;
  /** Fires the deadlines that have passed. */
  handleTimeout(now: Micros): void;
  /** The nearest deadline; Infinity = none. */
  pollTimeout(): Micros;
  /** Ends a batch: acknowledgements, one send pass for each connection that changed, then the observers. */
  flush(now: Micros): void;
}
