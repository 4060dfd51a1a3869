// From bytes to fields: validates an IP packet and fills in the RX_* descriptor.

import {
  PARSE_CHECKSUM,
  PARSE_FRAGMENT,
  PARSE_HEADER,
  PARSE_IP_CHECKSUM,
  PARSE_OK,
  PARSE_PROTOCOL,
  PARSE_SHORT,
  PARSE_VERSION,
  RX_DEST,
  RX_DEST_PORT,
  RX_ECN,
  RX_FAMILY,
  RX_FLAGS,
  RX_FLOW,
  RX_IP,
  RX_LENGTH,
  RX_MPTCP,
  RX_OPTIONS,
  RX_PAYLOAD,
  RX_PROTOCOL,
  RX_SACK_COUNT,
  RX_SOURCE,
  RX_SOURCE_PORT,
  RX_TOTAL,
  RX_TRANSPORT,
  RX_WINDOW,
} from "../layout";
import { fold, rawSum, swap16 } from "./checksum";
import { flowFind } from "./flow_table";
import { parseOptions } from "./options";

export const TCP: u32 = 6;
const ICMP: u32 = 1;
const ICMPV6: u32 = 58;
const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION: u32 = 60;

/** A 32-bit word of a descriptor. */
// @ts-ignore: decorator
@inline
export function put(index: i32, value: u32): void {
  store<u32>(index << 2, value);
}

// @ts-ignore: decorator
@inline
export function read16(at: usize): u32 {
  return swap16(load<u16>(at));
}

// @ts-ignore: decorator
@inline
export function read32(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}

/** Two 32-bit words in a row, each with its bytes turned round. */
// @ts-ignore: decorator
@inline
export function swapPair(at: usize): u64 {
  const words = v128.load64_zero(at);
  const turned = i8x16.swizzle(
    words,
    i8x16(3, 2, 1, 0, 7, 6, 5, 4, -1, -1, -1, -1, -1, -1, -1, -1),
  );
  return i64x2.extract_lane(turned, 0);
}

/** Little-endian sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1); `addresses` are source and destination in a row. */
// @ts-ignore: decorator
@inline
export function pseudoSum(addresses: usize, addressBytes: i32, protocol: u32, length: i32): u64 {
  const total: u64 = <u64> swap16(protocol) + bswap<u32>(length);
  if (addressBytes == 8) return total + load<u32>(addresses) + load<u32>(addresses, 4);
  return total + rawSum(addresses, 32);
}

/** Skips the extension headers of an IPv6 packet (RFC 8200 §4) and leaves the transport header's place and protocol in globals. */
let transport: usize = 0;
let protocol: u32 = 0;

function skipExtensions(end: usize): i32 {
  while (true) {
    let size: usize;
    if (protocol == HOP_BY_HOP || protocol == ROUTING || protocol == DESTINATION) {
      if (transport + 8 > end) return PARSE_HEADER;
      size = (<usize> load<u8>(transport, 1) + 1) << 3;
      // Segments left: this host is not the last one on the way (RFC 8200 §4.4).
      if (protocol == ROUTING && load<u8>(transport, 3) != 0) return PARSE_PROTOCOL;
    } else if (protocol == AUTHENTICATION) {
      if (transport + 8 > end) return PARSE_HEADER;
      size = (<usize> load<u8>(transport, 1) + 2) << 2;
    } else if (protocol == FRAGMENT) {
      if (transport + 8 > end) return PARSE_HEADER;
      // Offset 0 and nothing to follow: a whole datagram (RFC 8200 §4.5).
      if ((read16(transport + 2) & 0xfff9) != 0) return PARSE_FRAGMENT;
      size = 8;
    } else return PARSE_OK;
    const next = <u32> load<u8>(transport);
    transport += size;
    if (transport > end) return PARSE_HEADER;
    protocol = next;
  }
}

export function packet_parse(host: i32, address: i32, size: i32, verified: i32): i32 {
  const ip: usize = address;
  if (size <= 0) return PARSE_SHORT;
  const version = load<u8>(ip) >> 4;
  let total: i32;
  let addresses: usize;
  let addressBytes: i32;
  if (version == 4) {
    if (size < 20) return PARSE_SHORT;
    const headerLength = <i32> (load<u8>(ip) & 15) << 2;
    total = read16(ip + 2);
    if (headerLength < 20 || headerLength > total) return PARSE_HEADER;
    if (total > size) return PARSE_SHORT;
    if (!verified && fold(rawSum(ip, headerLength)) != 0xffff) return PARSE_IP_CHECKSUM;
    // The reserved and the don't-fragment bit apart, all of the word is zero in an unfragmented packet (RFC 791 §3.1).
    if ((load<u16>(ip, 6) & 0xff3f) != 0) return PARSE_FRAGMENT;
    protocol = load<u8>(ip, 9);
    if (protocol != TCP && protocol != ICMP) return PARSE_PROTOCOL;
    transport = ip + headerLength;
    addresses = ip + 12;
    addressBytes = 8;
    put(RX_ECN, load<u8>(ip, 1) & 3);
    store<u64>(RX_SOURCE << 2, load<u32>(ip, 12));
    store<u64>((RX_SOURCE << 2) + 8, 0);
    store<u64>(RX_DEST << 2, load<u32>(ip, 16));
    store<u64>((RX_DEST << 2) + 8, 0);
  } else if (version == 6) {
    if (size < 40) return PARSE_SHORT;
    total = 40 + read16(ip + 4);
    if (total > size) return PARSE_SHORT;
    protocol = load<u8>(ip, 6);
    transport = ip + 40;
    if (protocol != TCP) {
      const verdict = skipExtensions(ip + total);
      if (verdict != PARSE_OK) return verdict;
      if (protocol != TCP && protocol != ICMPV6) return PARSE_PROTOCOL;
    }
    addresses = ip + 8;
    addressBytes = 32;
    put(RX_ECN, load<u8>(ip, 1) >> 4 & 3);
    v128.store(RX_SOURCE << 2, v128.load(ip, 8));
    v128.store(RX_DEST << 2, v128.load(ip, 24));
  } else return PARSE_VERSION;
  const length = total - <i32> (transport - ip);
  put(RX_FAMILY, version);
  put(RX_PROTOCOL, protocol);
  put(RX_IP, <u32> ip);
  put(RX_TRANSPORT, <u32> transport);
  put(RX_TOTAL, total);
  put(RX_OPTIONS, 0);
  put(RX_SACK_COUNT, 0);
  v128.store(RX_MPTCP << 2, i32x4.splat(0));
  v128.store((RX_MPTCP << 2) + 16, i32x4.splat(0));
  put(RX_MPTCP + 8, 0);
  if (protocol != TCP) return finishIcmp(addresses, addressBytes, length, verified);

  if (length < 20) return PARSE_SHORT;
  const headerLength = <i32> (load<u8>(transport, 12) >> 4) << 2;
  if (headerLength < 20 || headerLength > length) return PARSE_HEADER;
  if (!verified) {
    const sum = pseudoSum(addresses, addressBytes, TCP, length) + rawSum(transport, length);
    if (fold(sum) != 0xffff) return PARSE_CHECKSUM;
  }
  // Ports, sequence and acknowledgment number at once: RX_SOURCE_PORT to RX_ACK stand in this order.
  v128.store(
    RX_SOURCE_PORT << 2,
    i8x16.swizzle(
      v128.load(transport),
      i8x16(1, 0, -1, -1, 3, 2, -1, -1, 7, 6, 5, 4, 11, 10, 9, 8),
    ),
  );
  const flags = <u32> load<u8>(transport, 13);
  put(RX_FLAGS, flags);
  put(RX_WINDOW, read16(transport + 14));
  put(RX_PAYLOAD, <u32> (transport + headerLength));
  put(RX_LENGTH, length - headerLength);
  put(RX_FLOW, flowFind(host));
  return headerLength == 20
    ? PARSE_OK
    : parseOptions(transport + 20, transport + headerLength, flags);
}

/** ICMP is only verified here; its body is read by TypeScript. ICMPv6 has a pseudo-header in its checksum, ICMP has none (RFC 4443 §2.3). */
function finishIcmp(addresses: usize, addressBytes: i32, length: i32, verified: i32): i32 {
  if (length < 8) return PARSE_SHORT;
  if (!verified) {
    let sum = rawSum(transport, length);
    if (protocol == ICMPV6) sum += pseudoSum(addresses, addressBytes, ICMPV6, length);
    if (fold(sum) != 0xffff) return PARSE_CHECKSUM;
  }
  put(RX_SOURCE_PORT, 0);
  put(RX_DEST_PORT, 0);
  put(RX_FLAGS, 0);
  put(RX_PAYLOAD, <u32> (transport + 8));
  put(RX_LENGTH, length - 8);
  put(RX_FLOW, 0);
  return PARSE_OK;
}
