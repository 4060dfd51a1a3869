/** Fills in the TCP checksum of packets that were sent without, for elements that change bytes or show them. */

import { sum, u8 } from "../../../../wasm/mod.ts";
import type { Packet } from "./packet.ts";

const TCP = 6;

/** Whether an IPv6 extension header of this number has the usual shape: next header, length in units of 8 octets (RFC 8200 §4). */
function isExtension(header: number): boolean {
  return header === 0 || header === 43 || header === 60;
}

/** Computes the TCP checksum (RFC 9293 §3.1) unless it is there; any other packet is left alone. */
export function completeChecksum(packet: Packet): void {
  if (!packet.partial) return;
  packet.partial = false;
  const ip = packet.address;
  const end = ip + packet.length;
  let protocol: number;
  let transport: number;
  let total: number;
  if (u8[ip]! >> 4 === 4) {
    protocol = u8[ip + 9]!;
    transport = ip + (u8[ip]! & 15) * 4;
    total = sum(ip + 12, 8);
  } else {
    protocol = u8[ip + 6]!;
    transport = ip + 40;
    while (isExtension(protocol) && transport + 8 <= end) {
      protocol = u8[transport]!;
      transport += u8[transport + 1]! * 8 + 8;
    }
    total = sum(ip + 8, 32);
  }
  const length = end - transport;
  if (protocol !== TCP || length < 20) return;
  const field = transport + 16;
  u8[field] = 0;
  u8[field + 1] = 0;
  total += protocol + (length & 0xffff) + (length >>> 16) + sum(transport, length);
  total = (total & 0xffff) + (total >>> 16);
  total = (total & 0xffff) + (total >>> 16);
  u8[field] = (~total >> 8) & 255;
  u8[field + 1] = ~total & 255;
}
