/** Packets as links are given them, made and read by hand. */

import type { PacketOut } from "../../core/wire/packet.ts";
import { u8 } from "../../wasm/mod.ts";

/** The packet of `length` bytes at `address`, cut into headers and payload at the offsets `cuts`, the first and the second. */
export function cutPacket(
  address: number,
  length: number,
  cuts: readonly number[],
  gsoSize = 0,
): PacketOut {
  const [first = length, second = length] = cuts;
  return {
    header: address,
    headerLength: first,
    a: address + first,
    aLength: second - first,
    b: address + second,
    bLength: length - second,
    gsoSize,
  };
}

/** A copy of what a packet consists of. */
export function bytesOf(packet: Readonly<PacketOut>): Uint8Array {
  const { header, headerLength, a, aLength, b, bLength } = packet;
  const bytes = new Uint8Array(headerLength + aLength + bLength);
  bytes.set(u8.subarray(header, header + headerLength));
  bytes.set(u8.subarray(a, a + aLength), headerLength);
  bytes.set(u8.subarray(b, b + bLength), headerLength + aLength);
  return bytes;
}
