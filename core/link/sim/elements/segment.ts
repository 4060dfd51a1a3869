/** Cuts super-segments into packets as a network card does, so that elements behind it meet single packets. */

import { sum, u8 } from "../../../../wasm/mod.ts";
import { completeChecksum } from "./checksum.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { freePacket, gatherPacket, type Packet } from "./packet.ts";

const FIN = 1;
const PSH = 8;
const CWR = 128;

function put16(at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value & 255;
}

function get16(at: number): number {
  return u8[at]! << 8 | u8[at + 1]!;
}

class SegmentElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;

  constructor(context: ElementContext, output: (packet: Packet) => void) {
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    const four = u8[packet.address]! >> 4 === 4;
    const tcp = four ? (u8[packet.address]! & 15) * 4 : 40; // the stack sends no extension headers
    const headers = tcp + (u8[packet.address + tcp + 12]! >> 4) * 4;
    const { gsoSize } = packet;
    if (gsoSize === 0 || packet.length - headers <= gsoSize) {
      packet.gsoSize = 0;
      this.#output(packet);
      return;
    }
    for (let at = headers, index = 0; at < packet.length; at += gsoSize, index++) {
      const payload = Math.min(gsoSize, packet.length - at);
      const { address } = packet;
      const segment = gatherPacket(address, headers, address + at, payload, 0, 0);
      if (segment === null) {
        this.#context.drop(packet);
        return;
      }
      this.#adapt(segment, tcp, index, at - headers, at + payload === packet.length);
      segment.partial = true;
      segment.verified = packet.verified;
      if (!packet.partial) completeChecksum(segment);
      this.#output(segment);
    }
    freePacket(packet);
  }

  /** Gives a copied header the fields of the segment: lengths, identification (RFC 6864 §4.1), sequence number, flags. */
  #adapt(segment: Packet, tcp: number, index: number, offset: number, last: boolean): void {
    const ip = segment.address;
    if (u8[ip]! >> 4 === 4) {
      put16(ip + 2, segment.length);
      put16(ip + 4, get16(ip + 4) + index);
      put16(ip + 10, 0);
      put16(ip + 10, ~sum(ip, tcp) & 0xffff);
    } else {
      put16(ip + 4, segment.length - 40);
    }
    const header = ip + tcp;
    const seq = (get16(header + 4) * 65536 + get16(header + 6) + offset) % 2 ** 32;
    put16(header + 4, Math.floor(seq / 65536));
    put16(header + 6, seq & 0xffff);
    // RFC 3168 §6.1.2: the peer is told once that the window was reduced.
    u8[header + 13]! &= ~((last ? 0 : FIN | PSH) | (index === 0 ? 0 : CWR));
  }
}

/** Cuts super-segments into the packets that they stand for; put it first. TCP options go on each of them. */
export function segment(): ElementFactory {
  return {
    name: "segment",
    create: (context, output) => new SegmentElement(context, output),
  };
}
