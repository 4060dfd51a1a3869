/** UDP on an emulated network: sockets on the links of its hosts, so that links over UDP can be driven in virtual time. */

import type { DrivenStack, Link } from "../../core/host/link.ts";
import type {
  DatagramReceiver,
  DatagramSocket,
  Sent,
} from "../../core/link/udp/datagram_socket.ts";
import { writeIpHeader } from "../../core/link/udp/inner_packet.ts";
import {
  type SocketAddress,
  socketAddress,
  SocketAddresses,
} from "../../core/link/udp/socket_address.ts";
import type { Micros } from "../../core/plugin.ts";
import { parseAddress } from "../../core/wire/ip.ts";
import { inOnePiece, type PacketIn, packetOut } from "../../core/wire/packet.ts";
import { packet_alloc, packet_free, sum, u8 } from "../../wasm/mod.ts";

const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
/** Octets of its header. */
const HEADER = 8;

function put16(at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value;
}

function get16(at: number): number {
  return u8[at]! << 8 | u8[at + 1]!;
}

/** The sum of a datagram with its pseudo-header (RFC 768): 0xffff where the checksum is right. */
function udpSum(at: number, ip: number, length: number): number {
  const addresses = ip === 20 ? sum(at + 12, 8) : sum(at + 8, 32);
  let total = addresses + UDP + length + sum(at + ip, length);
  total = (total & 0xffff) + (total >>> 16);
  return (total & 0xffff) + (total >>> 16);
}

/** A socket on one link of an emulated host. */
export class SimSocket implements DatagramSocket {
  /** Datagrams that came, and that left. */
  came = 0;
  left = 0;
  /** Those whose checksum was wrong. */
  damaged = 0;
  readonly segments: number;
  readonly #link: Link;
  readonly #addresses = new SocketAddresses();
  readonly #block = packet_alloc(66048);
  readonly #out = packetOut();
  #local: SocketAddress;
  #receiver: DatagramReceiver | null = null;
  #length = 0;
  #open = true;

  /** On `link`, bound to `local`; `segments`: most datagrams that it takes at once. */
  constructor(link: Link, local: SocketAddress, segments = 1) {
    this.#link = link;
    this.#local = local;
    this.segments = segments;
  }

  get local(): SocketAddress {
    return this.#local;
  }

  /** As when a translator forgets, or a laptop comes to another network: from now on its datagrams come from elsewhere. */
  rebind(local: SocketAddress): void {
    this.#local = local;
  }

  attach(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  piece(address: number, length: number): void {
    u8.copyWithin(this.#block + 64 + this.#length, address, address + length);
    this.#length += length;
  }

  discard(): void {
    this.#length = 0;
  }

  send(to: SocketAddress, size: number, trafficClass: number): Sent {
    const length = this.#length;
    this.#length = 0;
    if (!this.#open) return "lost";
    const ip = this.#local.address.length === 4 ? 20 : 40;
    for (let at = 0; at < length || at === 0; at += size || length || 1) {
      const bytes = Math.min(size || length, length - at);
      const data = this.#block + 64 + at;
      const packet = packet_alloc(bytes + 64);
      const start = packet + 16;
      put16(start + ip, this.#local.port);
      put16(start + ip + 2, to.port);
      put16(start + ip + 4, HEADER + bytes);
      put16(start + ip + 6, 0);
      u8.copyWithin(start + ip + HEADER, data, data + bytes);
      writeIpHeader(start, HEADER + bytes, UDP, trafficClass, this.#local.address, to.address);
      put16(start + ip + 6, ~udpSum(start, ip, HEADER + bytes) & 0xffff);
      this.#out.header = start;
      inOnePiece(this.#out, ip + HEADER + bytes);
      this.left++;
      this.#link.send(this.#out);
      packet_free(packet);
    }
    return "sent";
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    packet_free(this.#block);
  }

  /** Hands over a datagram that has not come over the link: a spy's. */
  inject(bytes: Uint8Array, from: SocketAddress): void {
    const receiver = this.#receiver!;
    u8.set(bytes, receiver.buffer);
    receiver.received(bytes.length, bytes.length, from, 0);
  }

  /** An ICMP message, whose own header is at `icmp`, may be about a datagram of ours: as Linux tells sockets with IP_RECVERR. False: it is not. */
  #troubled(icmp: number, end: number, ip: number): boolean {
    const { address, port } = this.#local;
    const quote = icmp + HEADER;
    const datagram = quote + ip + HEADER;
    const protocol = ip === 20 ? quote + 9 : quote + 6;
    if (datagram > end || u8[protocol] !== UDP || get16(quote + ip) !== port) return false;
    const source = quote + (ip === 20 ? 12 : 8);
    for (let i = 0; i < address.length; i++) if (u8[source + i] !== address[i]) return false;
    const receiver = this.#receiver;
    if (!this.#open || receiver === null) return true;
    u8.copyWithin(receiver.buffer, datagram, end);
    receiver.troubled(end - datagram, u8[icmp]!, u8[icmp + 1]!, get16(icmp + 6));
    return true;
  }

  /** Takes a packet off the link; false: it is for somebody else. */
  take(packet: Readonly<PacketIn>): boolean {
    const at = packet.address;
    const v4 = u8[at]! >> 4 === 4;
    const ip = v4 ? 20 : 40;
    const size = v4 ? 4 : 16;
    const own = this.#local;
    const destination = at + ip - size;
    const icmp = v4 ? u8[at + 9] === ICMP : u8[at + 6] === ICMPV6;
    if (icmp) return this.#troubled(at + ip, at + packet.length, ip);
    const port = (u8[at + ip + 2]! << 8) | u8[at + ip + 3]!;
    if (u8[at + (v4 ? 9 : 6)] !== UDP || port !== own.port || own.address.length !== size) {
      return false;
    }
    for (let i = 0; i < size; i++) if (u8[destination + i] !== own.address[i]) return false;
    const receiver = this.#receiver;
    if (!this.#open || receiver === null) return true;
    if (udpSum(at, ip, packet.length - ip) !== 0xffff) {
      this.damaged++;
      return true;
    }
    this.came++;
    const length = packet.length - ip - HEADER;
    const from = this.#addresses.at(destination - size, size, u8[at + ip]! << 8 | u8[at + ip + 1]!);
    const ecn = (v4 ? u8[at + 1]! : u8[at + 1]! >> 4) & 3;
    u8.copyWithin(receiver.buffer, at + ip + HEADER, at + packet.length);
    receiver.received(length, length, from, ecn);
    return true;
  }
}

/** A stack behind sockets: what comes over the links of its host goes to them, what their links hand over to the stack. */
export class BehindUdp implements DrivenStack {
  readonly #stack: DrivenStack;
  readonly #sockets: readonly SimSocket[];
  readonly #links: ReadonlySet<Link>;

  constructor(stack: DrivenStack, links: readonly Link[], sockets: readonly SimSocket[]) {
    this.#stack = stack;
    this.#links = new Set(links);
    this.#sockets = sockets;
  }

  handlePacket(now: Micros, link: Link, packet: Readonly<PacketIn>): void {
    if (this.#links.has(link)) this.#stack.handlePacket(now, link, packet);
    else for (const socket of this.#sockets) if (socket.take(packet)) return;
  }

  handleWritable(now: Micros, link: Link): void {
    if (this.#links.has(link)) this.#stack.handleWritable(now, link);
  }

  handleMove(now: Micros, link: Link, address: Uint8Array): void {
    this.#stack.handleMove?.(now, link, address);
  }

  handleTimeout(now: Micros): void {
    this.#stack.handleTimeout(now);
  }

  pollTimeout(): Micros {
    return this.#stack.pollTimeout();
  }

  flush(now: Micros): void {
    this.#stack.flush(now);
  }

  attend(wake: () => void): void {
    this.#stack.attend?.(wake);
  }
}

/** An address in text and a port. */
export function end(address: string, port: number): SocketAddress {
  return socketAddress(parseAddress(address)!.bytes, port);
}
