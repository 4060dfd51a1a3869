/** Cuts super-segments into packets as a network card does, so that elements behind it meet single packets. */

import { adaptHeader, headerLength } from "../../segment_header.ts";
import { completeChecksum } from "./checksum.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { freePacket, gatherPacket, type Packet } from "./packet.ts";

class SegmentElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;

  constructor(context: ElementContext, output: (packet: Packet) => void) {
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    const headers = headerLength(packet.address);
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
      const last = at + payload === packet.length;
      adaptHeader(segment.address, segment.length, index, at - headers, last);
      segment.partial = true;
      segment.verified = packet.verified;
      if (!packet.partial) completeChecksum(segment);
      this.#output(segment);
    }
    freePacket(packet);
  }
}

/** Cuts super-segments into the packets that they stand for; put it first. TCP options go on each of them. */
export function segment(): ElementFactory {
  return {
    name: "segment",
    create: (context, output) => new SegmentElement(context, output),
  };
}
