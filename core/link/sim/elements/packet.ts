/** Packets on their way through elements: pooled records over packet buffers in WebAssembly memory. */

import type { Micros } from "../../../plugin.ts";
import type { PacketIn, PacketOut } from "../../../wire/packet.ts";
import {
  f64,
  packet_alloc,
  packet_free,
  packet_gather,
  packet_lend,
  packet_return,
  u8,
} from "../../../../wasm/mod.ts";

/** Bytes in front of each packet that belong to its buffer: whoever sends it on, when no element holds it any more, may write a header of a device there. */
export const HEADROOM = 16;

/** One IP packet, or several segments merged into one; what comes out at the end is handed to a host as it is. */
export interface Packet extends PacketIn {
  /** Its TCP checksum is not filled in yet: the field holds nothing, or the sum of the pseudo-header. */
  partial: boolean;
  /** The one behind it in whatever list holds it. */
  next: Packet | null;
  /** A time whose meaning belongs to the element that holds it. */
  at: Micros;
  /** What `freePacket` gives back; not for elements. */
  buffer: number;
  /** Not 0 where no element sees it: see {@linkcode lendPacket}. */
  payload: number;
}

class PooledPacket implements Packet {
  address = 0;
  length = 0;
  gsoSize = 0;
  verified = false;
  partial = false;
  next: Packet | null = null;
  buffer = 0;
  payload = 0;

  // In front of its bytes, which are asked for next: a field would be a box somewhere else, to be fetched apart.
  get at(): Micros {
    return f64[this.buffer >> 3]!;
  }

  set at(time: Micros) {
    f64[this.buffer >> 3] = time;
  }
}

let spare: Packet | null = null;

/** A packet of `length` bytes whose contents are not set, or `null` when memory is used up. */
export function takePacket(length: number): Packet | null {
  return wrap(packet_alloc(length + HEADROOM), length);
}

/** A packet with the bytes of up to three pieces in a row, or `null` when memory is used up. */
export function gatherPacket(
  a: number,
  aLength: number,
  b: number,
  bLength: number,
  c: number,
  cLength: number,
): Packet | null {
  const buffer = packet_gather(HEADROOM, a, aLength, b, bLength, c, cLength);
  return wrap(buffer, aLength + bLength + cLength);
}

function wrap(buffer: number, length: number): Packet | null {
  if (buffer === 0) return null;
  let packet = spare;
  if (packet === null) {
    packet = new PooledPacket();
  } else {
    spare = packet.next;
    packet.next = null;
  }
  packet.buffer = buffer;
  packet.address = buffer + HEADROOM;
  packet.length = length;
  packet.gsoSize = 0;
  packet.verified = false;
  packet.partial = false;
  return packet;
}

/** A copy of a packet that a host sends, in one piece; neither `verified` nor `partial`. `null` when memory is used up. */
export function copyPacket(sent: Readonly<PacketOut>): Packet | null {
  const { headerLength, aLength, bLength } = sent;
  const packet = gatherPacket(sent.header, headerLength, sent.a, aLength, sent.b, bLength);
  if (packet === null) return null;
  packet.gsoSize = sent.gsoSize;
  return packet;
}

/**
 * A packet that a host sends, with its headers copied and its payload where it is, which nobody else gets before it is given back. Elements have no part in it:
 * they find the payload behind the headers. `null` where it has to be copied.
 */
export function lendPacket(sent: Readonly<PacketOut>): Packet | null {
  const { headerLength, a, aLength } = sent;
  const packet = wrap(
    packet_lend(HEADROOM, sent.header, headerLength, a),
    headerLength + aLength,
  );
  if (packet === null) return null;
  packet.payload = a;
  packet.gsoSize = sent.gsoSize;
  return packet;
}

/**
 * The same with its payload behind its headers, for a host that has come to its end of the link meanwhile and looks for it there; the packet itself where it is
 * so, `null` when memory is used up. What is lent stays for who has it.
 */
export function wholePacket(packet: Packet): Packet | null {
  const { address, length, payload, gsoSize, verified, partial } = packet;
  if (payload === 0) return packet;
  const header = headerOf(address);
  const whole = gatherPacket(address, header, payload, length - header, 0, 0);
  return whole === null ? null : Object.assign(whole, { gsoSize, verified, partial });
}

/** Octets of the IP and TCP headers at `address`: what a stack sends has no extension headers. */
function headerOf(address: number): number {
  const ip = u8[address]! >> 4 === 4 ? (u8[address]! & 15) * 4 : 40;
  return ip + (u8[address + ip + 12]! >> 4) * 4;
}

/**
 * Gives a packet back.
 *
 * @throws {Error} If it was given back before.
 */
export function freePacket(packet: Packet): void {
  if (packet.buffer === 0) throw new Error("Cannot free a packet as it was freed before");
  if (packet.payload === 0) packet_free(packet.buffer);
  else {
    packet_return(packet.buffer, packet.payload);
    packet.payload = 0;
  }
  packet.buffer = 0;
  packet.next = spare;
  spare = packet;
}

/** Packets in the order in which they came. */
export class PacketList {
  /** The first, or `null`. */
  head: Packet | null = null;
  /** How many there are. */
  count = 0;
  /** The sum of their lengths. */
  bytes = 0;
  #tail: Packet | null = null;

  /** Puts a packet behind the others. */
  add(packet: Packet): void {
    packet.next = null;
    if (this.#tail === null) this.head = packet;
    else this.#tail.next = packet;
    this.#tail = packet;
    this.count++;
    this.bytes += packet.length;
  }

  /** The last, or `null`. */
  get tail(): Packet | null {
    return this.#tail;
  }

  /** Takes the first out. */
  take(): Packet | null {
    const packet = this.head;
    if (packet === null) return null;
    this.head = packet.next;
    if (packet.next === null) this.#tail = null;
    packet.next = null;
    this.count--;
    this.bytes -= packet.length;
    return packet;
  }

  /** Frees all. */
  clear(): void {
    for (let packet = this.take(); packet !== null; packet = this.take()) freePacket(packet);
  }
}
