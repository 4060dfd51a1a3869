/** Middleboxes that change payload and make the TCP checksum right again: what DSS checksums are for (RFC 8684 §3.7). */

import type { ElementFactory } from "../../../mod.ts";
import { u8 } from "../../../wasm/mod.ts";

/** Address of a packet's payload. */
function payloadOf({ address }: { address: number }): number {
  const four = u8[address]! >> 4 === 4;
  const tcp = address + (four ? (u8[address]! & 15) * 4 : 40);
  return tcp + (u8[tcp + 12]! >> 4) * 4;
}

/**
 * Adds one to a byte of the payload, and to the TCP checksum with it. Never takes one away: of two changes in one mapping, each in the upper byte of a word, the
 * sum would be that of none (RFC 1071).
 */
function spoil(packet: { address: number; verified: boolean }, payload: number): void {
  const four = u8[packet.address]! >> 4 === 4;
  const tcp = packet.address + (four ? (u8[packet.address]! & 15) * 4 : 40);
  let at = payload + (payload - tcp & 1); // the upper byte of a word of the sum
  while (u8[at] === 255) at += 2;
  u8[at]! += 1;
  // RFC 1624 (eqn. 3): HC' = ~(~HC + ~m + m').
  let sum = ~(u8[tcp + 16]! << 8 | u8[tcp + 17]!) & 0xffff;
  sum += 256;
  sum = (sum + 0xffff) % 0xffff;
  u8[tcp + 16] = ~sum >> 8 & 255;
  u8[tcp + 17] = ~sum & 255;
  packet.verified = false;
}

/** Changes every `every`th segment with payload. */
export function rewrite(every: number): ElementFactory {
  return {
    name: "rewrite",
    create(context, output) {
      let segments = 0;
      return {
        push(packet) {
          const payload = payloadOf(packet);
          if (packet.address + packet.length > payload && ++segments % every === 0) {
            context.complete(packet);
            spoil(packet, payload);
          }
          output(packet);
        },
      };
    },
  };
}

/** Changes one segment, and remembers it. */
export class Once {
  /** Its payload as it came, and as it left. */
  before = new Uint8Array();
  after = new Uint8Array();
  #left: number;

  /** Changes the `nth` segment with payload; 0: none before it is {@linkcode arm}ed. */
  constructor(nth = 0) {
    this.#left = nth;
  }

  /** Has it change the `nth` from now on. */
  arm(nth: number): void {
    this.#left = nth;
  }

  /** It, in the way of packets. */
  get element(): ElementFactory {
    return {
      name: "rewrite",
      create: (context, output) => ({
        push: (packet) => {
          const payload = payloadOf(packet);
          const end = packet.address + packet.length;
          if (end > payload && this.#left > 0 && --this.#left === 0) {
            context.complete(packet);
            this.before = u8.slice(payload, end);
            spoil(packet, payload);
            this.after = u8.slice(payload, end);
          }
          output(packet);
        },
      }),
    };
  }
}
