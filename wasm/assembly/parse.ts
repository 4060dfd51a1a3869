// From bytes to fields: validates an IP packet and fills in the RX_* descriptor.

import {
  OPTION_DSS,
  OPTION_MPTCP,
  OPTION_TIMESTAMPS,
  PARSE_CHECKSUM,
  PARSE_FRAGMENT,
  PARSE_HEADER,
  PARSE_IP_CHECKSUM,
  PARSE_OK,
  PARSE_PROTOCOL,
  PARSE_SHORT,
  PARSE_VERSION,
  RX_AGAIN,
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
  RX_SEQ,
  RX_SOURCE,
  RX_SOURCE_PORT,
  RX_TOTAL,
  RX_TRANSPORT,
  RX_WINDOW,
  TCP_ACK,
  TCP_PSH,
} from "../layout";
import { fold, rawSum, swap16 } from "./checksum";
import { flowChanges, flowFind } from "./flow_table";
import { LAST_HEADERS } from "./memory";
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

// Whose headers are at LAST_HEADERS, and how long they are: 0 where what comes next is to be parsed whatever it is. RX_* is as they have left it, but for what
// lies where.
let lastHost: i32 = 0;
let lastLength: i32 = 0;
let lastChanges: u32 = 0;
let lastIp: usize = 0;

/** Most bytes of headers that are remembered: of IPv6 and TCP with all options. */
const MOST_HEADERS: i32 = 100;
/** Options with which a packet may be known again: none that has words of its own in RX_*, but those that stay. */
const PLAIN_OPTIONS: u32 = OPTION_TIMESTAMPS | OPTION_DSS | OPTION_MPTCP;

/** The packet that was parsed may be one after which others say the same. */
function remember(host: i32, ip: usize): void {
  if ((load<u32>(RX_FLAGS << 2) & ~TCP_PSH) != TCP_ACK || load<u32>(RX_LENGTH << 2) == 0) return;
  if ((load<u32>(RX_OPTIONS << 2) & ~PLAIN_OPTIONS) != 0 || load<u32>(RX_FLOW << 2) == 0) return;
  const length = <i32> (load<u32>(RX_PAYLOAD << 2) - <u32> ip);
  if (length > MOST_HEADERS) return;
  for (let i = 0; i < length; i += 16) v128.store(LAST_HEADERS + i, v128.load(ip + i));
  lastHost = host;
  lastLength = length;
  lastChanges = flowChanges;
  lastIp = ip;
}

/** What differs between four bytes of the packet at `ip`, from `at` on, and of the one before. */
// @ts-ignore: decorator
@inline
function word(ip: usize, at: usize): u32 {
  return load<u32>(ip + at) ^ load<u32>(LAST_HEADERS + at);
}

/** The same of those in [at, end), whose number is a multiple of four. */
// @ts-ignore: decorator
@inline
function words(ip: usize, at: usize, end: usize): u64 {
  let unlike: u64 = 0;
  for (; at + 8 <= end; at += 8) unlike |= load<u64>(ip + at) ^ load<u64>(LAST_HEADERS + at);
  return at < end ? unlike | word(ip, at) : unlike;
}

/**
 * Whether the packet at `ip` says what the one before it has said, but for sequence number, length and PSH: then the rest of RX_* stays. The identification of
 * IPv4 may be any, and so may checksums, which nobody is to look at.
 */
function saysAgain(ip: usize, size: i32): bool {
  const length = lastLength;
  if (size < length || lastChanges != flowChanges) return false;
  const tcp = <usize> load<u32>(RX_TRANSPORT << 2) - lastIp;
  let total: i32;
  let unlike: u64;
  if (load<u8>(LAST_HEADERS) >> 4 == 4) {
    total = read16(ip + 2);
    unlike = (word(ip, 0) & 0x0000ffff) | (word(ip, 4) & 0xffff0000) | (word(ip, 8) & 0x0000ffff);
    unlike |= words(ip, 12, tcp);
  } else {
    total = 40 + read16(ip + 4);
    unlike = word(ip, 0) | (word(ip, 4) & 0xffff0000);
    unlike |= words(ip, 8, tcp);
  }
  if (unlike != 0 || total > size || total <= length) return false;
  // Ports; acknowledgment number; length of the header, flags but PSH, window; options.
  unlike = word(ip, tcp) | word(ip, tcp + 8) | (word(ip, tcp + 12) & ~(<u32> TCP_PSH << 8));
  if ((unlike | words(ip, tcp + 20, length)) != 0) return false;
  put(RX_SEQ, read32(ip + tcp + 4));
  put(RX_FLAGS, load<u8>(ip + tcp, 13));
  put(RX_TOTAL, total);
  put(RX_PAYLOAD, <u32> (ip + length));
  put(RX_LENGTH, total - length);
  put(RX_IP, <u32> ip);
  put(RX_TRANSPORT, <u32> (ip + tcp));
  // The one option whose place is kept, of those that there may be.
  const dss = load<u32>((RX_MPTCP + 2) << 2);
  if (dss != 0) put(RX_MPTCP + 2, dss - <u32> lastIp + <u32> ip);
  lastIp = ip;
  put(RX_AGAIN, 1);
  return true;
}

export function packet_parse(host: i32, address: i32, size: i32, verified: i32): i32 {
  if (lastLength != 0) {
    if (host == lastHost && verified != 0 && saysAgain(address, size)) return PARSE_OK;
    lastLength = 0;
  }
  const verdict = parse(host, address, size, verified);
  put(RX_AGAIN, 0);
  if (verdict == PARSE_OK && verified != 0 && protocol == TCP) remember(host, address);
  return verdict;
}

function parse(host: i32, address: i32, size: i32, verified: i32): i32 {
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
