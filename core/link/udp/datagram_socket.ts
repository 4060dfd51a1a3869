/** A UDP socket as the link sees it: the kernel's by FFI, one of the runtime's, or one of an emulated network. */

import type { PollSource } from "../../host/link.ts";
import type { SocketAddress } from "./socket_address.ts";

/** What became of datagrams that were sent. */
export type Sent =
  /** They are on their way. */
  | "sent"
  /** There is no room: nothing was sent. */
  | "full"
  /** They are lost. */
  | "lost"
  /** One is larger than the device takes. */
  | "too-big"
  /** Several in one go are not taken: one by one they may be. */
  | "refused";

/** Told of what comes in; `address` lies in a buffer of the receiver's own, which `buffer` names. */
export interface DatagramReceiver {
  /** Where the next datagrams go: an address in WebAssembly memory with room for 65,535 bytes. Asked for before each reception. */
  readonly buffer: number;
  /** Nothing more is wanted for now (see `HostDriver.enough`): a socket that is drained stops, and is drained again later. */
  readonly enough: boolean;
  /**
   * Datagrams of `size` bytes each, the last perhaps shorter, `length` bytes in all, lie in the buffer. `ecn`: the two bits of their IP header, 0 where
   * nobody knows.
   */
  received(length: number, size: number, from: SocketAddress, ecn: number): void;
  /**
   * A router or a host has told of trouble: how much of our datagram lies in the buffer, the ICMP message's type and code, and the MTU of those that tell one.
   */
  troubled(length: number, type: number, code: number, mtu: number): void;
  /** A socket that was full takes datagrams again. */
  writable(): void;
}

/** An open UDP socket. */
export interface DatagramSocket {
  /** What it is bound to. */
  readonly local: SocketAddress;
  /** Most datagrams in one go. */
  readonly segments: number;
  /** For the loop to poll; without one it hands over what comes by itself. */
  readonly source?: PollSource | undefined;
  /** Told once, before anything is sent. */
  attach(receiver: DatagramReceiver): void;
  /** Adds a piece of WebAssembly memory to what is sent next. It stays as it is until `send`. */
  piece(address: number, length: number): void;
  /** Sends all pieces as datagrams of `size` bytes each, the last perhaps shorter; 0: as one. `trafficClass`: of their IP header, where it can be chosen. */
  send(to: SocketAddress, size: number, trafficClass: number): Sent;
  /** Forgets the pieces that were added. */
  discard(): void;
  /**
   * Goes on from another address of this machine, of the same family, if possible by the same port. Those that cannot have none.
   *
   * @throws {Error} It cannot be bound: all stays as it was.
   */
  move?(bind: SocketAddress): void | Promise<void>;
  /** Closes it. */
  close(): void;
}
