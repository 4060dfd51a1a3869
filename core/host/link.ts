/** The contract of a link: how packets leave a host and how they come in. A new kind of link is written against this file and wire/packet.ts alone. */

import type { Micros } from "../plugin.ts";
import type { PacketIn, PacketOut } from "../wire/packet.ts";

/** A call-back at a set time that may be set again and again. */
export interface HostTimer {
  /** Calls back once at `time`, instead of any time set before. Infinity: never. */
  arm(time: Micros): void;
  /** Calls back no more. */
  disarm(): void;
}

/** What a link may ask of the host that it is attached to. */
export interface HostDriver {
  /** Time stamped once when the current batch was read. */
  readonly now: Micros;
  /**
   * Hands over one IP packet; the host has done with it when the call returns. A link may call it whenever it runs by itself (from `drain`, a timer, an
   * event of its own), but never from inside `send`.
   */
  receive(link: Link, packet: Readonly<PacketIn>): void;
  /** Tells that a link whose `send` was refused takes packets again. Like `receive`, never from inside `send`. */
  writable(link: Link): void;
  /**
   * Tells that what a link has sent to an address of late may have gone nowhere, and that what it sends from now on arrives: the peer there has moved. Like
   * `receive`, never from inside `send`.
   */
  moved?(link: Link, address: Uint8Array): void;
  /** Tells that the device of a link is gone for good: nothing comes or leaves by it any more. Like `receive`, never from inside `send`. */
  gone?(link: Link): void;
  /** Calls back once at `time`, in order of insertion among equals; the result cancels. For rare events: a timer costs nothing each time it is set. */
  at(time: Micros, callback: () => void): () => void;
  /** Makes a timer, not yet set, for what is set again and again. */
  timer(callback: () => void): HostTimer;
  /**
   * It is a stack and nothing before it: a packet that it is handed may have its payload where `packet_expect`, or its own `payload`, has said, in place of behind
   * its headers.
   *
   * @default {false}
   */
  readonly takesLanded?: boolean;
  /**
   * Nothing more is wanted of this link for now, as what it has brought fills the processor's cache, or as what comes next, or should have come before, has
   * probably come by another link: a source that looks here after each packet stops there, and is asked again later.
   *
   * @default {false}
   */
  readonly enough?: boolean;
  /** [0, 1), from a stream of its own: one more consumer shifts no other. */
  random(name: string): () => number;
}

/** A source of packets behind a file descriptor: what the real-time loop polls. */
export interface PollSource {
  /** The descriptor; readable when there are packets. Asked for when the link is attached. */
  readonly fd: number;
  /** Reads at most `budget` packets and hands each to the host. Returns how many there were; below `budget` means empty, or `enough`. */
  drain(budget: number): number;
  /**
   * Asked when a poll has found the descriptor in error, which may be a word about one packet: tells the host if the device is gone (`gone`).
   *
   * @default one that is in error at several polls in a row is gone
   */
  check?(): void;
}

/** One way out of a host. It is configured, then attached, then its other members are asked for what the host makes of it, then it is used. */
export interface Link {
  /** What people call it; no two links of a host have the same. */
  readonly name: string;
  /** Largest IP packet in bytes that may go on the wire; also bounds the MSS. */
  readonly mtu: number;
  /** Most segments in one super-segment: 1 means none are taken. It may fall to 1 later: what was handed over before is sent all the same. */
  readonly maxSegments: number;
  /** Whether received packets are `verified` as a rule. Each packet tells for itself. */
  readonly rxVerified: boolean;
  /** What `send` wants in the TCP checksum field: all of it, the pseudo-header's sum, or nothing. */
  readonly txChecksum: "full" | "partial" | "none";
  /** Present on links that live on a file descriptor, before they are attached too; others hand over what comes in by themselves. */
  readonly source?: PollSource | undefined;
  /**
   * Sends one IP packet, of which nothing is kept when the call returns, but what `paged` allows. False: the device is full, nothing was sent, `writable` will tell.
   * Never calls the host back from inside.
   */
  send(packet: Readonly<PacketOut>): boolean;
  /**
   * Told before `attach` which addresses the host will have on this link, each with the length of its network's prefix: "10.0.0.1/24". Present on links
   * that want to know. May throw.
   */
  configure?(addresses: readonly string[]): void;
  /**
   * Asked before `attach` to exchange packets one by one and as they go on a wire, checksums included where its packets have any: whoever asks looks at
   * them, or changes them, on their way. Present on links that can do otherwise.
   */
  withoutOffload?(): void;
  /**
   * Awaited after `configure` and before `attach` by whoever opens a host: for what cannot be had at once, such as sockets of a runtime. May reject: then the
   * link is not used, nor closed.
   */
  prepare?(): Promise<void>;
  /** Called once, before packets go either way. May throw: then the link is not used, nor closed. */
  attach(host: HostDriver): void;
  /** Gives back what the link holds; packets in flight are dropped. Called once. */
  close(): Promise<void>;
}

/** The stack as its driver sees it. Every call but `pollTimeout` handles one thing that came in; `flush` ends a batch of them. */
export interface DrivenStack {
  /** See {@linkcode HostDriver.takesLanded}. What hands packets on, or looks at their payload, does not. @default {false} */
  readonly takesLanded?: boolean;
  /** See {@linkcode HostDriver.elsewhere}: of the packet that it took last. @default {false} */
  readonly elsewhere?: boolean;
  /** Takes one IP packet; it is not kept. */
  handlePacket(now: Micros, link: Link, packet: Readonly<PacketIn>): void;
  /** A link that refused a packet takes packets again. */
  handleWritable(now: Micros, link: Link): void;
  /** The peer at `address` has moved, see {@linkcode HostDriver.moved}. */
  handleMove?(now: Micros, link: Link, address: Uint8Array): void;
  /** The device of a link is gone for good, see {@linkcode HostDriver.gone}. */
  handleGone?(now: Micros, link: Link): void;
  /** Fires the deadlines that have passed. */
  handleTimeout(now: Micros): void;
  /** The nearest deadline; Infinity = none. */
  pollTimeout(): Micros;
  /** Ends a batch: acknowledgements, one send pass for each connection that changed, then the observers. */
  flush(now: Micros): void;
  /** Told once, before anything comes in, how to tell that its nearest deadline has moved earlier outside of a call: `wake`, which calls nothing back. */
  attend?(wake: () => void): void;
}
