/**
 * The header that a TUN with IFF_VNET_HDR has in front of each packet, both ways: `struct virtio_net_hdr` (virtio 1.2 §5.1.6), little endian,
 * padded to 12 octets so that headers start on multiples of four.
 */

import { u8 } from "../../../wasm/mod.ts";

/** Octets of the header on our devices (TUNSETVNETHDRSZ). */
export const VNET_HEADER = 12;

/** The checksum field holds the pseudo-header's sum only. */
export const NEEDS_CSUM = 1;
/** The sender of a packet vouches for its checksum. */
export const DATA_VALID = 2;

const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
/** CWR is for the first of the segments only (RFC 3168 §6.1.2). */
const GSO_ECN = 0x80;
const TCP = 6;
const CWR = 0x80;
const TCP_CHECKSUM = 16; // offset of the field in the TCP header

/** Whether the packet behind the header at `at` needs no check: its sender vouches for it, or it never left this machine. */
export function isVerified(at: number): boolean {
  return (u8[at]! & (NEEDS_CSUM | DATA_VALID)) !== 0;
}

/** Payload of each segment of the packet behind the header at `at`; 0 when it is one segment. */
export function gsoSizeOf(at: number): number {
  return u8[at + 1] === 0 ? 0 : u8[at + 4]! | u8[at + 5]! << 8;
}

/**
 * Writes the header of the IP packet that starts at `packet` into the octets in front of it.
 *
 * A TCP packet's checksum field is left to the kernel when `partial`, and with a `gsoSize` the packet is cut by whoever needs it cut.
 */
export function writeVnetHeader(packet: number, gsoSize: number, partial: boolean): void {
  const at = packet - VNET_HEADER;
  // fill() is a call of C++, which costs more than twelve octets do.
  for (let i = at; i < packet; i++) u8[i] = 0;
  if (!partial && gsoSize === 0) return;
  const v4 = u8[packet]! >> 4 === 4;
  if (u8[v4 ? packet + 9 : packet + 6] !== TCP) return;
  const start = v4 ? (u8[packet]! & 15) * 4 : 40;
  if (gsoSize > 0) {
    const length = start + (u8[packet + start + 12]! >> 4) * 4;
    const cwr = (u8[packet + start + 13]! & CWR) !== 0;
    u8[at + 1] = (v4 ? GSO_TCPV4 : GSO_TCPV6) | (cwr ? GSO_ECN : 0);
    u8[at + 2] = length;
    u8[at + 3] = length >> 8;
    u8[at + 4] = gsoSize;
    u8[at + 5] = gsoSize >> 8;
  }
  if (partial) {
    u8[at] = NEEDS_CSUM;
    u8[at + 6] = start;
    u8[at + 8] = TCP_CHECKSUM;
  }
}
