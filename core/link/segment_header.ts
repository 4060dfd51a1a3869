/** The headers of the segments that a super-segment stands for, as a network card makes them. */

import { sum, u8 } from "../../wasm/mod.ts";

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

/** Where the TCP header of the packet at `ip` begins, from there on: the stack sends no extension headers. */
export function tcpOffset(ip: number): number {
  return u8[ip]! >> 4 === 4 ? (u8[ip]! & 15) * 4 : 40;
}

/** Length of the IP and TCP headers at `ip`. */
export function headerLength(ip: number): number {
  const tcp = tcpOffset(ip);
  return tcp + (u8[ip + tcp + 12]! >> 4) * 4;
}

/**
 * Gives the copy at `ip` of a super-segment's headers the fields of its segment `index`, whose payload begins `offset` bytes into the whole's: lengths,
 * identification (RFC 6864 §4.1), sequence number, flags. The TCP checksum stays as it is.
 *
 * @param length Bytes of the segment's packet.
 * @param last It is the last one.
 */
export function adaptHeader(
  ip: number,
  length: number,
  index: number,
  offset: number,
  last: boolean,
): void {
  const tcp = tcpOffset(ip);
  if (u8[ip]! >> 4 === 4) {
    put16(ip + 2, length);
    put16(ip + 4, get16(ip + 4) + index);
    put16(ip + 10, 0);
    put16(ip + 10, ~sum(ip, tcp) & 0xffff);
  } else {
    put16(ip + 4, length - 40);
  }
  adaptTcpHeader(ip + tcp, index, offset, last);
}

/** The same of the TCP header alone, at `tcp`. */
export function adaptTcpHeader(tcp: number, index: number, offset: number, last: boolean): void {
  const low = get16(tcp + 6) + (offset & 0xffff);
  put16(tcp + 6, low & 0xffff);
  put16(tcp + 4, get16(tcp + 4) + (offset >>> 16) + (low >>> 16) & 0xffff);
  // RFC 3168 §6.1.2: the peer is told once that the window was reduced.
  u8[tcp + 13]! &= ~((last ? 0 : FIN | PSH) | (index === 0 ? 0 : CWR));
}

/** Makes the pseudo-header's sum in the TCP checksum field at `ip`, made for `from` bytes behind the IP header, that of `to` bytes (RFC 1624 eq. 3, not inverted). */
export function adaptPartialSum(ip: number, from: number, to: number): void {
  const at = ip + tcpOffset(ip) + 16;
  let total = get16(at) + (~from & 0xffff) + to;
  total = (total & 0xffff) + (total >>> 16);
  put16(at, (total & 0xffff) + (total >>> 16));
}
