/** A link whose packets are looked at as they pass. */

import { u8 } from "../../wasm/mod.ts";
import type { HostDriver, Link, PollSource } from "../host/link.ts";
import type { Micros } from "../plugin.ts";
import type { PacketOut } from "../wire/packet.ts";

/**
 * Sees a packet: "out" is what the host sends. `bytes` is a copy; one that stands for several segments is whole, and the checksum of what the device finishes is
 * not finished, both as captures of Linux have them. Time is the host's.
 */
export type Sight = (
  link: string,
  now: Micros,
  direction: "in" | "out",
  bytes: Uint8Array<ArrayBuffer>,
) => void;

/** The same link, looked at. It exchanges packets in the same way, offload included. */
class TappedLink implements Link {
  readonly #link: Link;
  readonly #see: Sight;
  #host: HostDriver | null = null;

  constructor(link: Link, see: Sight) {
    this.#link = link;
    this.#see = see;
  }

  get name(): string {
    return this.#link.name;
  }

  get source(): PollSource | undefined {
    return this.#link.source;
  }

  get mtu(): number {
    return this.#link.mtu;
  }

  get maxSegments(): number {
    return this.#link.maxSegments;
  }

  get rxVerified(): boolean {
    return this.#link.rxVerified;
  }

  get txChecksum(): "full" | "partial" | "none" {
    return this.#link.txChecksum;
  }

  configure(addresses: readonly string[]): void {
    this.#link.configure?.(addresses);
  }

  withoutOffload(): void {
    this.#link.withoutOffload?.();
  }

  async prepare(): Promise<void> {
    await this.#link.prepare?.();
  }

  attach(host: HostDriver): void {
    this.#host = host;
    this.#link.attach({
      get now(): Micros {
        return host.now;
      },
      get enough(): boolean {
        return host.enough === true;
      },
      receive: (_link, packet) => {
        const { address, length } = packet;
        this.#see(this.name, host.now, "in", u8.slice(address, address + length));
        host.receive(this, packet);
      },
      writable: () => host.writable(this),
      moved: (_link, address) => host.moved?.(this, address),
      gone: () => host.gone?.(this),
      at: (time, callback) => host.at(time, callback),
      timer: (callback) => host.timer(callback),
      random: (name) => host.random(name),
    });
  }

  send(packet: Readonly<PacketOut>): boolean {
    const { header, headerLength, a, aLength, b, bLength } = packet;
    const bytes = new Uint8Array(headerLength + aLength + bLength);
    bytes.set(u8.subarray(header, header + headerLength));
    bytes.set(u8.subarray(a, a + aLength), headerLength);
    bytes.set(u8.subarray(b, b + bLength), headerLength + aLength);
    if (!this.#link.send(packet)) return false;
    this.#see(this.name, this.#host!.now, "out", bytes);
    return true;
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}

/** `link`, whose packets are shown to `see` as they pass: to be given to a host in its place. */
export function tap(link: Link, see: Sight): Link {
  return new TappedLink(link, see);
}
