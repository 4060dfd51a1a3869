/** A link written as somebody else would write one: it knows the contract, packets and their memory, and nothing else of the project. */

import type { HostDriver, HostTimer, Link, PollSource } from "../../core/host/link.ts";
import type { PacketIn, PacketOut } from "../../core/wire/packet.ts";
import { copy, packet_alloc, packet_free } from "../../wasm/mod.ts";

/** Bytes in front of a packet that the host may write. */
const HEADROOM = 16;
/** Packets that fit on the way to one end. */
const ROOM = 4;
/** Longest time under way, in microseconds. */
const LONGEST = 200;

/** Something that a host can sleep on until it is rung. */
export interface Bell {
  /** Its descriptor. */
  readonly fd: number;
  /** Makes the descriptor readable. */
  ring(): void;
  /** Makes it unreadable. */
  hush(): void;
  /** Closes it. */
  close(): void;
}

/** One end of a wire of little room. With a bell it is polled; without, it hands packets over when a timer of its own says so. */
export class ToyLink implements Link {
  readonly name: string;
  readonly mtu = 1500;
  readonly source?: PollSource;
  /** What the host has told. */
  addresses: readonly string[] = [];
  /** Packets sent, those of several segments among them, and those refused. */
  sent = 0;
  merged = 0;
  refused = 0;
  /** `close` was called. */
  closed = false;
  readonly #bell: Bell | null;
  readonly #coming: PacketIn[] = [];
  #peer: ToyLink = this;
  #offload = true;
  #blocked = false;
  #host: HostDriver | null = null;
  #timer: HostTimer | null = null;
  #random: () => number = () => 0;

  constructor(name: string, bell: Bell | null) {
    this.name = name;
    this.#bell = bell;
    if (bell !== null) this.source = { fd: bell.fd, drain: (budget) => this.#deliver(budget) };
  }

  /** Both ends of a wire. */
  static pair(a: string, b: string, bell: () => Bell | null = () => null): [ToyLink, ToyLink] {
    const ends: [ToyLink, ToyLink] = [new ToyLink(a, bell()), new ToyLink(b, bell())];
    [ends[0].#peer, ends[1].#peer] = [ends[1], ends[0]];
    return ends;
  }

  /** Packets go as on any wire unless both ends can do better. */
  get #plain(): boolean {
    return !this.#offload || !this.#peer.#offload;
  }

  get maxSegments(): number {
    return this.#plain ? 1 : 8;
  }

  get rxVerified(): boolean {
    return !this.#plain;
  }

  get txChecksum(): "full" | "none" {
    return this.#plain ? "full" : "none";
  }

  configure(addresses: readonly string[]): void {
    if (this.#host !== null) throw new Error("configured too late");
    this.addresses = addresses;
  }

  withoutOffload(): void {
    if (this.#host !== null) throw new Error("asked too late");
    this.#offload = false;
  }

  attach(host: HostDriver): void {
    if (this.#host !== null) throw new Error("attached twice");
    this.#host = host;
    this.#random = host.random(this.name);
    this.#timer = host.timer(() => this.#deliver(Infinity));
  }

  send(packet: Readonly<PacketOut>): boolean {
    const peer = this.#peer;
    if (peer.#coming.length >= ROOM) {
      this.refused++;
      this.#blocked = true;
      return false;
    }
    const { headerLength, aLength, bLength, gsoSize } = packet;
    const length = headerLength + aLength + bLength;
    const buffer = packet_alloc(HEADROOM + length);
    if (buffer === 0) return true; // as lost
    const address = buffer + HEADROOM;
    copy(address, packet.header, headerLength);
    if (aLength > 0) copy(address + headerLength, packet.a, aLength);
    if (bLength > 0) copy(address + headerLength + aLength, packet.b, bLength);
    peer.#coming.push({ address, length, gsoSize, verified: !this.#plain });
    this.sent++;
    if (gsoSize > 0) this.merged++;
    if (peer.#coming.length === 1) peer.#announce();
    return true;
  }

  close(): Promise<void> {
    this.closed = true;
    this.#timer?.disarm();
    this.#bell?.close();
    for (const { address } of this.#coming.splice(0)) packet_free(address - HEADROOM);
    this.#host = null;
    return Promise.resolve();
  }

  /** Something is coming: the host is to look, or the timer tells when it is here. */
  #announce(): void {
    if (this.#host === null) return;
    if (this.#bell !== null) this.#bell.ring();
    else this.#timer!.arm(this.#host.now + LONGEST * this.#random());
  }

  #deliver(budget: number): number {
    const host = this.#host!;
    let count = 0;
    while (count < budget && this.#coming.length > 0) {
      const packet = this.#coming.shift()!;
      count++;
      host.receive(this, packet);
      packet_free(packet.address - HEADROOM);
    }
    if (this.#coming.length === 0) this.#bell?.hush();
    if (count > 0) this.#peer.#unblock();
    return count;
  }

  /** There is room again. The host hears of it in an event of its own. */
  #unblock(): void {
    const host = this.#host;
    if (!this.#blocked || host === null) return;
    this.#blocked = false;
    host.at(host.now, () => host.writable(this));
  }
}
