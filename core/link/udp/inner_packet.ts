/** The IP packets that the stack sees, made around what comes over UDP without them. */

import { u8 } from "../../../wasm/mod.ts";
import { HEADER } from "./datagram.ts";

const TCP = 6;
const ICMP = 1;
const ICMPV6 = 58;

/** Trouble with a path that ICMP tells of, as a host without IP would. */
export type Trouble = "net" | "host" | "port" | "prohibited" | "too-big";

/** Types and codes (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1). */
const CODES_4: Readonly<Record<Trouble, readonly [type: number, code: number]>> = {
  net: [3, 0],
  host: [3, 1],
  port: [3, 3],
  prohibited: [3, 13],
  "too-big": [3, 4],
};
const CODES_6: Readonly<Record<Trouble, readonly [type: number, code: number]>> = {
  net: [1, 0],
  host: [1, 3],
  port: [1, 4],
  prohibited: [1, 1],
  "too-big": [2, 0],
};
const UNREACHABLE_4: readonly (Trouble | null)[] = [
  "net",
  "host",
  "port",
  "port",
  "too-big",
  null,
  "net",
  "host",
  "host",
  "prohibited",
  "prohibited",
  "net",
  "host",
  "prohibited",
];
const UNREACHABLE_6: readonly (Trouble | null)[] = [
  "net",
  "prohibited",
  "net",
  "host",
  "port",
  "prohibited",
  "prohibited",
];

/** What a message about our datagrams means; null: nothing that is certain. */
export function troubleOf(family: 4 | 6, type: number, code: number): Trouble | null {
  if (family === 4) return type === 3 ? UNREACHABLE_4[code] ?? null : null;
  if (type === 2) return "too-big";
  return type === 1 ? UNREACHABLE_6[code] ?? null : null;
}

function put16(at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value;
}

/** Length of an IP header of ours. */
export function ipHeaderLength(family: 4 | 6): 20 | 40 {
  return family === 4 ? 20 : 40;
}

/** Writes an IP header in front of `length` octets at `ip` + its own length. Checksums are left out. */
export function writeIpHeader(
  ip: number,
  length: number,
  protocol: number,
  trafficClass: number,
  source: Uint8Array,
  destination: Uint8Array,
): void {
  if (source.length === 4) {
    u8[ip] = 0x45;
    u8[ip + 1] = trafficClass;
    put16(ip + 2, 20 + length);
    u8[ip + 4] =
      u8[ip + 5] =
      u8[ip + 7] =
      u8[ip + 10] =
      u8[ip + 11] =
        0;
    u8[ip + 6] = 0x40; // DF
    u8[ip + 8] = 64;
    u8[ip + 9] = protocol;
    for (let i = 0; i < 4; i++) {
      u8[ip + 12 + i] = source[i]!;
      u8[ip + 16 + i] = destination[i]!;
    }
    return;
  }
  u8[ip] = 0x60 | trafficClass >> 4;
  u8[ip + 1] = trafficClass << 4;
  u8[ip + 2] = u8[ip + 3] = 0;
  put16(ip + 4, length);
  u8[ip + 6] = protocol;
  u8[ip + 7] = 64;
  for (let i = 0; i < 16; i++) {
    u8[ip + 8 + i] = source[i]!;
    u8[ip + 24 + i] = destination[i]!;
  }
}

/** The traffic class of the IP packet at `ip`. */
export function trafficClassOf(ip: number): number {
  return u8[ip]! >> 4 === 4 ? u8[ip + 1]! : (u8[ip]! << 4 | u8[ip + 1]! >> 4) & 255;
}

/** Whether the IP packet at `ip` is one of TCP. */
export function isTcp(ip: number): boolean {
  return u8[u8[ip]! >> 4 === 4 ? ip + 9 : ip + 6] === TCP;
}

/**
 * Writes an ICMP message at `ip` from `peer` to `own` about a segment that went the other way, of which 8 octets lie at `tcp`; `size`: of the packet that it was
 * in, where that is known, `mtu`: what passes. The length of all.
 */
export function writeTrouble(
  ip: number,
  trouble: Trouble,
  own: Uint8Array,
  peer: Uint8Array,
  tcp: number,
  size: number,
  mtu: number,
): number {
  const v4 = own.length === 4;
  const header = v4 ? 20 : 40;
  const icmp = ip + header;
  const [type, code] = (v4 ? CODES_4 : CODES_6)[trouble];
  const length = 8 + header + 8;
  writeIpHeader(ip, length, v4 ? ICMP : ICMPV6, 0, peer, own);
  u8.fill(0, icmp, icmp + 8);
  u8[icmp] = type;
  u8[icmp + 1] = code;
  put16(icmp + 6, mtu);
  writeIpHeader(icmp + 8, size - header, TCP, 0, own, peer);
  u8.copyWithin(icmp + 8 + header, tcp, tcp + 8);
  return header + length;
}

/** Octets that the packet has on a wire: what UDP and this protocol add, less what they leave out. */
export function overhead(outer: 4 | 6, inner: 4 | 6): number {
  return ipHeaderLength(outer) + 8 + HEADER - ipHeaderLength(inner);
}
