/** Two links joined in memory, for hosts in real time: what one sends the other receives in the next turn of the event loop. */

import { copy, packet_alloc, packet_free } from "../../wasm/mod.ts";
import type { HostDriver, Link } from "../../core/host/link.ts";
import type { PacketOut } from "../../core/wire/packet.ts";

/** Bytes in front of a packet that belong to whoever holds it. */
const HEADROOM = 64;

/** One end. */
export class WireLink implements Link {
  readonly name: string;
  readonly mtu = 1500;
  readonly maxSegments = 1;
  readonly rxVerified = true;
  readonly txChecksum = "none";
  /** What `configure` got. */
  configured: readonly string[] = [];
  /** close() has been called. */
  closed = false;
  /** Packets are dropped. */
  cut = false;
  #peer: WireLink | null = null;
  #host: HostDriver | null = null;
  readonly #queue: [address: number, length: number][] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Two ends of one wire. */
  static pair(a: string, b: string): [WireLink, WireLink] {
    const links: [WireLink, WireLink] = [new WireLink(a), new WireLink(b)];
    [links[0].#peer, links[1].#peer] = [links[1], links[0]];
    return links;
  }

  configure(addresses: readonly string[]): void {
    this.configured = addresses;
  }

  attach(host: HostDriver): void {
    this.#host = host;
  }

  send(sent: Readonly<PacketOut>): boolean {
    if (this.cut || this.#peer === null) return true;
    const packet = packet_alloc(2048);
    if (packet === 0) return true;
    let end = packet + HEADROOM;
    for (const piece of ["header", "a", "b"] as const) {
      const length = sent[`${piece}Length`];
      if (length > 0) copy(end, sent[piece], length);
      end += length;
    }
    this.#peer.#push(packet, end - packet - HEADROOM);
    return true;
  }

  #push(packet: number, length: number): void {
    if (this.#queue.push([packet, length]) === 1) setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    for (const [packet, length] of this.#queue.splice(0)) {
      const address = packet + HEADROOM;
      if (!this.closed) this.#host?.receive(this, { address, length, gsoSize: 0, verified: true });
      packet_free(packet);
    }
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
