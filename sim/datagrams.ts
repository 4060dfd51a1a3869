/** UDP datagrams that a scenario sends past the stacks: traffic that nothing slows down. */

import type { HostDriver, HostTimer, Link } from "../core/host/link.ts";
import type { SimHost } from "../core/link/sim/host.ts";
import type { Micros } from "../core/plugin.ts";
import { parseAddress } from "../core/wire/ip.ts";
import { inOnePiece, type PacketIn, packetOut } from "../core/wire/packet.ts";
import { sum, u8 } from "../wasm/mod.ts";
import { freePacket, takePacket } from "../core/link/sim/elements/packet.ts";

const UDP = 17;

/** Hands a host what comes, but for datagrams, which it counts by their destination port. */
export class DatagramTap implements HostDriver {
  readonly #host: SimHost;
  readonly #received = new Map<number, { packets: number; bytes: number }>();

  /** In front of `host`. */
  constructor(host: SimHost) {
    this.#host = host;
  }

  /** What has come for a port. */
  received(port: number): { readonly packets: number; readonly bytes: number } {
    return this.#received.get(port) ?? { packets: 0, bytes: 0 };
  }

  /** The host's time. */
  get now(): Micros {
    return this.#host.now;
  }

  /** Counts a datagram, or hands a packet on. */
  receive(link: Link, packet: Readonly<PacketIn>): void {
    const ip = packet.address;
    const four = u8[ip]! >> 4 === 4;
    if (u8[ip + (four ? 9 : 6)] !== UDP) {
      this.#host.receive(link, packet);
      return;
    }
    const at = ip + (four ? 20 : 40) + 2;
    const port = u8[at]! << 8 | u8[at + 1]!;
    const received = this.#received.get(port) ?? { packets: 0, bytes: 0 };
    received.packets++;
    received.bytes += packet.length;
    this.#received.set(port, received);
  }

  /** The host's. */
  writable(link: Link): void {
    this.#host.writable(link);
  }

  /** The host's. */
  at(time: Micros, callback: () => void): () => void {
    return this.#host.at(time, callback);
  }

  /** The host's. */
  random(name: string): () => number {
    return this.#host.random(name);
  }

  /** The host's. */
  timer(callback: () => void): HostTimer {
    return this.#host.timer(callback);
  }
}

const TAPS = new WeakMap<SimHost, DatagramTap>();

/** The tap of a host, which sees what comes by `link` from now on. */
export function tapOf(host: SimHost, link: Link): DatagramTap {
  let tap = TAPS.get(host);
  if (tap === undefined) TAPS.set(host, tap = new DatagramTap(host));
  link.attach(tap);
  return tap;
}

function put16(at: number, value: number): void {
  u8[at] = value >> 8 & 255;
  u8[at + 1] = value & 255;
}

const out = packetOut();

/** Sends a datagram of `length` bytes, headers included, by `link`; without memory it is lost. Its UDP checksum is not computed: 0 (RFC 768). */
export function sendDatagram(
  link: Link,
  from: string,
  to: string,
  port: number,
  length: number,
): void {
  const packet = takePacket(length);
  if (packet === null) return;
  const { address } = packet;
  const [source, target] = [parseAddress(from)!, parseAddress(to)!];
  const four = source.family === 4;
  const header = four ? 20 : 40;
  u8.fill(0, address, address + length);
  if (four) {
    u8[address] = 0x45;
    put16(address + 2, length);
    u8[address + 6] = 0x40;
    u8[address + 8] = 64;
    u8[address + 9] = UDP;
    u8.set(source.bytes, address + 12);
    u8.set(target.bytes, address + 16);
    let total = sum(address, 20);
    total = (total & 0xffff) + (total >>> 16);
    put16(address + 10, ~((total & 0xffff) + (total >>> 16)));
  } else {
    u8[address] = 0x60;
    put16(address + 4, length - header);
    u8[address + 6] = UDP;
    u8[address + 7] = 64;
    u8.set(source.bytes, address + 8);
    u8.set(target.bytes, address + 24);
  }
  put16(address + header, port);
  put16(address + header + 2, port);
  put16(address + header + 4, length - header);
  out.header = address;
  inOnePiece(out, length);
  link.send(out);
  freePacket(packet);
}
