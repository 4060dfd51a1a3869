/** TCP segments as middleboxes see them: in packets on their way, of IPv4 and IPv6, where fields are read and written and checksums made right again. */

import { sum, u8 } from "../../../../wasm/mod.ts";
import { tcpOffset } from "../../segment_header.ts";
import type { ElementContext } from "../elements/element.ts";
import type { Packet } from "../elements/packet.ts";

const TCP = 6;

/** Bits of the flags octet (RFC 9293 §3.1). */
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const ECE = 64;
export const CWR = 128;

/** Kinds of options. */
export const END = 0;
export const NOP = 1;
export const MSS = 2;
export const WINDOW_SCALE = 3;
export const SACK_PERMITTED = 4;
export const SACK = 5;
export const TIMESTAMPS = 8;
export const MPTCP = 30;

/** Reads 16 bits in network order. */
export function get16(at: number): number {
  return u8[at]! << 8 | u8[at + 1]!;
}

/** Reads 32 bits in network order. */
export function get32(at: number): number {
  return (get16(at) << 16 | get16(at + 2)) >>> 0;
}

/** Writes 16 bits in network order. */
export function put16(at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value;
}

/** Writes 32 bits in network order, of whatever number modulo 2^32. */
export function put32(at: number, value: number): void {
  put16(at, value >>> 16);
  put16(at + 2, value);
}

/** Octets of the option at `at`, where the options end at `end`; 0: there is none any more, or one that is not well-formed. */
export function optionLength(at: number, end: number): number {
  if (at >= end || u8[at] === END) return 0;
  if (u8[at] === NOP) return 1;
  const length = at + 1 < end ? u8[at + 1]! : 0;
  return length >= 2 && at + length <= end ? length : 0;
}

function folded(total: number): number {
  const once = (total & 0xffff) + (total >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Sum of the TCP segment from `tcp` to `end` with its pseudo-header (RFC 9293 §3.1); 0xffff where its checksum is right. */
function tcpSum(ip: number, tcp: number, end: number): number {
  const addresses = u8[ip]! >> 4 === 4 ? sum(ip + 12, 8) : sum(ip + 8, 32);
  const length = end - tcp;
  return folded(addresses + TCP + (length & 0xffff) + (length >>> 16) + sum(tcp, length));
}

/** Makes both checksums of the TCP packet of `length` octets at `ip` right. */
export function putChecksums(ip: number, length: number): void {
  const tcp = ip + tcpOffset(ip);
  if (u8[ip]! >> 4 === 4) {
    put16(ip + 10, 0);
    put16(ip + 10, ~sum(ip, tcp - ip));
  }
  put16(tcp + 16, 0);
  put16(tcp + 16, ~tcpSum(ip, tcp, ip + length));
}

/** Writes the length of the packet at `ip` into its IP header. */
export function putLength(ip: number, length: number): void {
  if (u8[ip]! >> 4 === 4) put16(ip + 2, length);
  else put16(ip + 4, length - 40);
}

/** Where a TCP header begins in the `length` octets at `ip`; 0: they are no packet with a whole one, or a fragment. */
function findTcp(ip: number, length: number): number {
  const version = length < 20 ? 0 : u8[ip]! >> 4;
  if (version === 4) {
    const fragment = get16(ip + 6) & 0x3fff;
    if (u8[ip + 9] !== TCP || fragment !== 0 || (u8[ip]! & 15) < 5 || get16(ip + 2) !== length) {
      return 0;
    }
  } else if (version !== 6 || length < 40 || u8[ip + 6] !== TCP || get16(ip + 4) + 40 !== length) {
    return 0;
  }
  const tcp = ip + tcpOffset(ip);
  if (tcp + 20 > ip + length) return 0;
  const header = (u8[tcp + 12]! >> 4) * 4;
  return header >= 20 && tcp + header <= ip + length ? tcp : 0;
}

/** What is told of a TCP segment to a function that chooses some. Valid during the call. */
export interface SeenSegment {
  /** It has SYN. */
  readonly syn: boolean;
  /** It has ACK. */
  readonly ack: boolean;
  /** It has FIN. */
  readonly fin: boolean;
  /** It has RST. */
  readonly rst: boolean;
  /** Octets of payload. */
  readonly length: number;
  /** Packets that came to this element before it. */
  readonly index: number;
  /** The whole IP packet. */
  readonly bytes: Uint8Array;
}

/**
 * The TCP segment in a packet. Each element has one, and has it read every packet that comes. What is no TCP, a fragment, a header that is cut off, and
 * what was damaged before are no segments: no box can make anything of them.
 */
export class TcpSegment implements SeenSegment {
  readonly #context: ElementContext;
  #packet: Packet | null = null;
  #index = -1;
  #tcp = 0;

  /** For the element with this context. */
  constructor(context: ElementContext) {
    this.#context = context;
  }

  /** Reads a packet; false: it is none. It is read no longer than the next one comes, or it is handed on. */
  read(packet: Packet): boolean {
    this.#index++;
    this.#packet = packet;
    const { address, length } = packet;
    this.#context.complete(packet);
    this.#tcp = findTcp(address, length);
    if (this.#tcp === 0) return false;
    if (packet.verified) return true;
    const four = u8[address]! >> 4 === 4;
    if (four && sum(address, this.#tcp - address) !== 0xffff) return false;
    return tcpSum(address, this.#tcp, address + length) === 0xffff;
  }

  /** Where the packet begins. */
  get ip(): number {
    return this.#packet!.address;
  }

  /** Where its TCP header begins. */
  get tcp(): number {
    return this.#tcp;
  }

  /** Where its first option begins. */
  get options(): number {
    return this.#tcp + 20;
  }

  /** Where its options end and its payload begins. */
  get payload(): number {
    return this.#tcp + (u8[this.#tcp + 12]! >> 4) * 4;
  }

  /** Where it ends. */
  get end(): number {
    return this.ip + this.#packet!.length;
  }

  get index(): number {
    return this.#index;
  }

  get length(): number {
    return this.end - this.payload;
  }

  /** Its flags. */
  get flags(): number {
    return u8[this.#tcp + 13]!;
  }

  set flags(flags: number) {
    u8[this.#tcp + 13] = flags;
  }

  get syn(): boolean {
    return (this.flags & SYN) !== 0;
  }

  get ack(): boolean {
    return (this.flags & ACK) !== 0;
  }

  get fin(): boolean {
    return (this.flags & FIN) !== 0;
  }

  get rst(): boolean {
    return (this.flags & RST) !== 0;
  }

  /** Its sequence number. */
  get seq(): number {
    return get32(this.#tcp + 4);
  }

  set seq(seq: number) {
    put32(this.#tcp + 4, seq);
  }

  /** Its acknowledgement number. */
  get ackNumber(): number {
    return get32(this.#tcp + 8);
  }

  set ackNumber(number: number) {
    put32(this.#tcp + 8, number);
  }

  /** Its window field. */
  get window(): number {
    return get16(this.#tcp + 14);
  }

  set window(window: number) {
    put16(this.#tcp + 14, window);
  }

  get bytes(): Uint8Array {
    return u8.subarray(this.ip, this.end);
  }

  /** It stands for several segments that were not cut yet. */
  get merged(): boolean {
    return this.#packet!.gsoSize > 0;
  }

  /** Where its option of a kind begins; 0: it has none. */
  option(kind: number): number {
    const end = this.payload;
    let size: number;
    for (let at = this.options; (size = optionLength(at, end)) > 0; at += size) {
      if (u8[at] === kind) return at;
    }
    return 0;
  }

  /** Makes it end at `end`. */
  cut(end: number): void {
    const packet = this.#packet!;
    packet.length = end - packet.address;
    putLength(packet.address, packet.length);
  }

  /** Makes its checksums right, after changes. */
  seal(): void {
    putChecksums(this.ip, this.#packet!.length);
  }
}
