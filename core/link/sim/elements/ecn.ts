/** Marks of congestion in the IP header (RFC 3168 §5). */

import { sum, u8 } from "../../../../wasm/mod.ts";
import type { Packet } from "./packet.ts";

/** ECN codepoints of the IP header. */
const NOT_ECT = 0;
const CE = 3;

/** Marks a packet "congestion experienced" if its sender uses ECN; false: it does not. */
export function markCongestion({ address }: Packet): boolean {
  const v4 = u8[address]! >> 4 === 4;
  const field = v4 ? u8[address + 1]! & CE : u8[address + 1]! >> 4 & CE;
  if (field === NOT_ECT) return false;
  if (!v4) {
    u8[address + 1]! |= CE << 4;
    return true;
  }
  u8[address + 1]! |= CE;
  u8[address + 10] = u8[address + 11] = 0;
  const check = ~sum(address, (u8[address]! & 15) * 4);
  u8[address + 10] = check >> 8;
  u8[address + 11] = check;
  return true;
}
