// From fields to bytes: writes the IP and TCP headers of a segment from a flow's key and the TX_* descriptor.

import {
  CHECKSUM_FULL,
  CHECKSUM_NONE,
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DSN_8,
  DSS_MAPPING,
  KEY_DSCP,
  KEY_FAMILY,
  KEY_IP_ID,
  KEY_LOCAL,
  KEY_LOCAL_PORT,
  KEY_REMOTE,
  KEY_REMOTE_PORT,
  OPTION_DSS,
  OPTION_MPTCP,
  OPTION_MSS,
  OPTION_SACK,
  OPTION_SACK_PERMITTED,
  OPTION_TIMESTAMPS,
  OPTION_WINDOW_SCALE,
  TX_DATA_ACK_HIGH,
  TX_DATA_ACK_LOW,
  TX_DATA_LENGTH,
  TX_DSN_HIGH,
  TX_DSN_LOW,
  TX_DSS_CHECKSUM,
  TX_DSS_FLAGS,
  TX_ECN,
  TX_FLAGS,
  TX_MSS,
  TX_OPTIONS,
  TX_RAW,
  TX_RAW_LENGTH,
  TX_SACK,
  TX_SACK_COUNT,
  TX_SEQ,
  TX_SSN,
  TX_TSVAL,
  TX_WINDOW,
  TX_WINDOW_SCALE,
} from "../layout";
import { fold, rawSum, swap16 } from "./checksum";
import { pseudoSum, swapPair, TCP } from "./parse";

const TTL: u32 = 64;
const DONT_FRAGMENT: u16 = 0x0040; // as a little-endian word

// @ts-ignore: decorator
@inline
function field(index: i32): u32 {
  return load<u32>(index << 2);
}

// @ts-ignore: decorator
@inline
function write16(at: usize, value: u32): void {
  store<u16>(at, <u16> swap16(value));
}

// @ts-ignore: decorator
@inline
function write32(at: usize, value: u32): void {
  store<u32>(at, bswap<u32>(value));
}

/** A field and the one behind it. */
// @ts-ignore: decorator
@inline
function writePair(at: usize, index: i32): void {
  store<u64>(at, swapPair(index << 2));
}

function writeDss(at: usize): usize {
  const flags = field(TX_DSS_FLAGS);
  const start = at;
  at += 4;
  if (flags & DSS_DATA_ACK) {
    if (flags & DSS_DATA_ACK_8) {
      writePair(at, TX_DATA_ACK_HIGH);
      at += 8;
    } else {
      write32(at, field(TX_DATA_ACK_LOW));
      at += 4;
    }
  }
  if (flags & DSS_MAPPING) {
    if (flags & DSS_DSN_8) {
      writePair(at, TX_DSN_HIGH);
      at += 8;
    } else {
      write32(at, field(TX_DSN_LOW));
      at += 4;
    }
    write32(at, field(TX_SSN));
    write16(at + 4, field(TX_DATA_LENGTH));
    at += 6;
    const checksum = <i32> field(TX_DSS_CHECKSUM);
    if (checksum >= 0) {
      write16(at, checksum);
      at += 2;
    }
  }
  // RFC 8684 §3.3: "The remaining reserved bits MUST be set to 0 by an implementation of this specification."
  // Kind 30, length, subtype 2, flags.
  store<u32>(start, 0x0020001e | <u32> (at - start) << 8 | flags << 24);
  return pad(at, start);
}

/** NOPs until as many bytes as a multiple of four follow `start`. */
// @ts-ignore: decorator
@inline
function pad(at: usize, start: usize): usize {
  while (at - start & 3) store<u8>(at++, 1);
  return at;
}

/** Options in the order of Linux, which some middleboxes have come to expect. Each begins on four bytes. */
function writeOptions(at: usize, options: u32): usize {
  if (options & OPTION_MSS) {
    store<u16>(at, 0x0402);
    write16(at + 2, field(TX_MSS));
    at += 4;
  }
  if (options & OPTION_TIMESTAMPS) {
    // SACK-permitted takes the place of the two NOPs.
    store<u32>(at, options & OPTION_SACK_PERMITTED ? 0x0a080204 : 0x0a080101);
    writePair(at + 4, TX_TSVAL);
    at += 12;
  } else if (options & OPTION_SACK_PERMITTED) {
    store<u32>(at, 0x02040101);
    at += 4;
  }
  if (options & OPTION_WINDOW_SCALE) {
    store<u32>(at, 0x00030301 | field(TX_WINDOW_SCALE) << 24);
    at += 4;
  }
  if (options & OPTION_SACK) {
    const count = field(TX_SACK_COUNT);
    store<u32>(at, 0x02050101 + (count << 27));
    at += 4;
    for (let i: u32 = 0; i < count << 1; i++, at += 4) write32(at, field(TX_SACK + i));
  }
  if (options & OPTION_DSS) at = writeDss(at);
  if (options & OPTION_MPTCP) {
    const length = field(TX_RAW_LENGTH);
    memory.copy(at, field(TX_RAW), length);
    at = pad(at + length, at);
  }
  return at;
}

/**
 * Writes the headers to `out` and returns their length; 0 when the options do not fit.
 * The payload, in up to two pieces, is only summed.
 */
export function header_build(
  keyAddress: i32,
  out: i32,
  aAddress: i32,
  aLength: i32,
  bAddress: i32,
  bLength: i32,
  checksumMode: i32,
): i32 {
  const key: usize = keyAddress;
  const ip: usize = out;
  const four = load<u32>(key + KEY_FAMILY) == 4;
  const ipLength = four ? 20 : 40;
  const tcp = ip + ipLength;
  const options = field(TX_OPTIONS);
  const end = options ? writeOptions(tcp + 20, options) : tcp + 20;
  const tcpLength = <i32> (end - tcp);
  if (tcpLength > 60) return 0;
  const length = tcpLength + aLength + bLength;
  const trafficClass = <u32> load<u8>(key + KEY_DSCP) << 2 | (field(TX_ECN) & 3);
  let addresses: usize;
  let addressBytes: i32;
  if (four) {
    const id = load<u16>(key + KEY_IP_ID);
    store<u16>(key + KEY_IP_ID, id + 1);
    store<u8>(ip, 0x45);
    store<u8>(ip, <u8> trafficClass, 1);
    write16(ip + 2, 20 + length);
    write16(ip + 4, id);
    store<u16>(ip, DONT_FRAGMENT, 6);
    store<u32>(ip, TTL | TCP << 8, 8); // and a checksum of zero
    store<u32>(ip, load<u32>(key + KEY_LOCAL), 12);
    store<u32>(ip, load<u32>(key + KEY_REMOTE), 16);
    store<u16>(ip, ipChecksum(ip), 10);
    addresses = ip + 12;
    addressBytes = 8;
  } else {
    write32(ip, 6 << 28 | trafficClass << 20);
    write16(ip + 4, length);
    store<u16>(ip, <u16> (TCP | TTL << 8), 6);
    v128.store(ip, v128.load(key + KEY_LOCAL), 8);
    v128.store(ip, v128.load(key + KEY_REMOTE), 24);
    addresses = ip + 8;
    addressBytes = 32;
  }
  write16(tcp, load<u16>(key + KEY_LOCAL_PORT));
  write16(tcp + 2, load<u16>(key + KEY_REMOTE_PORT));
  writePair(tcp + 4, TX_SEQ);
  write32(
    tcp + 12,
    <u32> tcpLength << 26 | (field(TX_FLAGS) & 255) << 16 | (field(TX_WINDOW) & 0xffff),
  );
  // RFC 8684 §3.3.1: "a TCP subflow MUST NOT use the Urgent Pointer to interrupt an existing mapping"
  store<u32>(tcp, 0, 16); // checksum, urgent pointer
  if (checksumMode != CHECKSUM_NONE) {
    const pseudo = pseudoSum(addresses, addressBytes, TCP, length);
    const checksum = checksumMode == CHECKSUM_FULL
      ? wholeChecksum(pseudo, tcp, tcpLength, aAddress, aLength, bAddress, bLength)
      : fold(pseudo);
    store<u16>(tcp, <u16> checksum, 16);
  }
  return ipLength + tcpLength;
}

/** The TCP checksum, over all there is. */
function wholeChecksum(
  pseudo: u64,
  tcp: usize,
  tcpLength: i32,
  aAddress: i32,
  aLength: i32,
  bAddress: i32,
  bLength: i32,
): u32 {
  const sum = pseudo + rawSum(tcp, tcpLength) + rawSum(aAddress, aLength);
  let b = fold(rawSum(bAddress, bLength));
  if (aLength & 1) b = swap16(b);
  return ~fold(sum + b);
}

/** The checksum of an IPv4 header without options, whose field is zero. */
// @ts-ignore: decorator
@inline
function ipChecksum(ip: usize): u16 {
  let sum: u64 = load<u32>(ip);
  sum += <u64> load<u32>(ip, 4) + load<u32>(ip, 8) + load<u32>(ip, 12) + load<u32>(ip, 16);
  return <u16> ~fold(sum);
}

/** What differs from the packet before it, for which `header_build` has written to `out`: most packets of a mapping. */
export function header_next(
  keyAddress: i32,
  out: i32,
  aAddress: i32,
  aLength: i32,
  bAddress: i32,
  bLength: i32,
  checksumMode: i32,
): i32 {
  const ip: usize = out;
  const four = load<u8>(ip) >> 4 == 4;
  const ipLength = four ? 20 : 40;
  const tcp = ip + ipLength;
  const tcpLength = <i32> (load<u8>(tcp, 12) >> 4) << 2;
  const length = tcpLength + aLength + bLength;
  if (four) {
    const key: usize = keyAddress;
    const id = load<u16>(key + KEY_IP_ID);
    store<u16>(key + KEY_IP_ID, id + 1);
    write16(ip + 2, 20 + length);
    write16(ip + 4, id);
    store<u16>(ip, 0, 10);
    store<u16>(ip, ipChecksum(ip), 10);
  } else write16(ip + 4, length);
  write32(tcp + 4, field(TX_SEQ));
  store<u8>(tcp, <u8> field(TX_FLAGS), 13);
  if (checksumMode != CHECKSUM_NONE) {
    const pseudo = pseudoSum(four ? ip + 12 : ip + 8, four ? 8 : 32, TCP, length);
    store<u16>(tcp, 0, 16);
    const checksum = checksumMode == CHECKSUM_FULL
      ? wholeChecksum(pseudo, tcp, tcpLength, aAddress, aLength, bAddress, bLength)
      : fold(pseudo);
    store<u16>(tcp, <u16> checksum, 16);
  }
  return ipLength + tcpLength;
}
