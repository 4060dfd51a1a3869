/** TCP segments that a middlebox makes itself. */

import { u8 } from "../../../../wasm/mod.ts";
import { type Packet, takePacket } from "../elements/packet.ts";
import { put16, put32, putChecksums, putLength, type TcpSegment } from "./segment.ts";

/** What a segment says. */
export interface Forged {
  /** Sequence number, modulo 2^32. */
  readonly seq: number;
  /** Acknowledgement number. */
  readonly ack: number;
  /** Flags. */
  readonly flags: number;
  /** Window field. @default {65535} */
  readonly window?: number;
  /** Options, a multiple of 4 octets. */
  readonly options?: readonly number[];
}

/** IP headers without options, and the ports of a segment: what a box needs to write one of its own. */
export class Model {
  readonly #bytes: Uint8Array;
  readonly #verified: boolean;

  private constructor(bytes: Uint8Array, verified: boolean) {
    this.#bytes = bytes;
    this.#verified = verified;
  }

  /** That of `segment`, or of answers to it. */
  static of(segment: TcpSegment, packet: Packet, answers: boolean): Model {
    const { ip, tcp } = segment;
    const four = u8[ip]! >> 4 === 4;
    const header = four ? 20 : 40;
    const bytes = new Uint8Array(header + 4);
    bytes.set(u8.subarray(ip, ip + header));
    if (four) bytes[0] = 0x45;
    bytes.set(u8.subarray(tcp, tcp + 4), header);
    if (answers) {
      const [at, size] = four ? [12, 4] : [8, 16];
      swap(bytes, at, size);
      swap(bytes, header, 2);
    }
    return new Model(bytes, packet.verified);
  }

  /** A segment without payload; null: there is no memory. */
  make({ seq, ack, flags, window = 0xffff, options = [] }: Forged): Packet | null {
    const bytes = this.#bytes;
    const header = bytes.length - 4;
    const packet = takePacket(header + 20 + options.length);
    if (packet === null) return null;
    const ip = packet.address;
    const tcp = ip + header;
    u8.set(bytes, ip);
    putLength(ip, packet.length);
    put32(tcp + 4, seq);
    put32(tcp + 8, ack);
    u8[tcp + 12] = (5 + options.length / 4) << 4;
    u8[tcp + 13] = flags;
    put16(tcp + 14, window);
    put16(tcp + 18, 0);
    u8.set(options, tcp + 20);
    putChecksums(ip, packet.length);
    packet.verified = this.#verified;
    return packet;
  }
}

function swap(bytes: Uint8Array, at: number, size: number): void {
  const first = bytes.slice(at, at + size);
  bytes.copyWithin(at, at + size, at + 2 * size);
  bytes.set(first, at + size);
}
