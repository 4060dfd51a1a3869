// TCP options of a received segment (RFC 9293 §3.2, RFC 7323, RFC 2018, RFC 8684 §3).

import {
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DSN_8,
  DSS_MAPPING,
  OPTION_DSS,
  OPTION_FAST_OPEN,
  OPTION_MALFORMED,
  OPTION_MPTCP,
  OPTION_MSS,
  OPTION_RARE,
  OPTION_SACK,
  OPTION_SACK_PERMITTED,
  OPTION_TIMESTAMPS,
  OPTION_WINDOW_SCALE,
  PARSE_OK,
  PARSE_OPTION,
  RX_DATA_ACK_HIGH,
  RX_DATA_ACK_LOW,
  RX_DATA_LENGTH,
  RX_DSN_HIGH,
  RX_DSN_LOW,
  RX_DSS_CHECKSUM,
  RX_DSS_FLAGS,
  RX_FAST_OPEN,
  RX_MPTCP,
  RX_MSS,
  RX_OPTIONS,
  RX_SACK,
  RX_SACK_COUNT,
  RX_SSN,
  RX_TSECR,
  RX_TSVAL,
  RX_WINDOW_SCALE,
  TCP_ACK,
  TCP_SYN,
} from "../layout";
import { put, read16, read32, swapPair } from "./parse";

const MSS: u32 = 2;
const WINDOW_SCALE: u32 = 3;
const SACK_PERMITTED: u32 = 4;
const SACK: u32 = 5;
const TIMESTAMPS: u32 = 8;
const MPTCP: u32 = 30;
const FAST_OPEN: u32 = 34;

const DSS: u32 = 2;
const SUBTYPES: u32 = 9;

/** Fills in what the options of [at, end) say. An ordinary option of another length than its own is passed over. */
export function parseOptions(at: usize, end: usize, flags: u32): i32 {
  let found: u32 = 0;
  // Nearly every segment begins so: two NOPs and timestamps (RFC 7323 appendix A).
  if (end - at >= 12 && load<u32>(at) == 0x0a080101) {
    store<u64>(RX_TSVAL << 2, swapPair(at + 4));
    found = OPTION_TIMESTAMPS;
    at += 12;
  }
  while (at < end) {
    const kind = <u32> load<u8>(at);
    if (kind == 0) break;
    if (kind == 1) {
      at++;
      continue;
    }
    if (at + 2 > end) return PARSE_OPTION;
    const length = <u32> load<u8>(at, 1);
    if (length < 2 || at + length > end) return PARSE_OPTION;
    if (kind == MPTCP) found |= parseMptcp(at, length, flags);
    else if (kind == TIMESTAMPS) {
      if (length == 10) {
        put(RX_TSVAL, read32(at + 2));
        put(RX_TSECR, read32(at + 6));
        found |= OPTION_TIMESTAMPS;
      }
    } else if (kind == SACK) {
      const count = (length - 2) >> 3;
      if (count >= 1 && count <= 4 && length == (count << 3) + 2) {
        for (let i: u32 = 0; i < count << 1; i++) put(RX_SACK + i, read32(at + 2 + (i << 2)));
        put(RX_SACK_COUNT, count);
        found |= OPTION_SACK;
      }
    } else if (kind == MSS) {
      if (length == 4) {
        put(RX_MSS, read16(at + 2));
        found |= OPTION_MSS;
      }
    } else if (kind == WINDOW_SCALE) {
      if (length == 3) {
        put(RX_WINDOW_SCALE, load<u8>(at, 2));
        found |= OPTION_WINDOW_SCALE;
      }
    } else if (kind == SACK_PERMITTED) {
      if (length == 2) found |= OPTION_SACK_PERMITTED;
    } else if (kind == FAST_OPEN && isFastOpen(length, flags) && !(found & OPTION_FAST_OPEN)) {
      put(RX_FAST_OPEN, <u32> at);
      found |= OPTION_FAST_OPEN;
    }
    at += length;
  }
  put(RX_OPTIONS, found);
  return PARSE_OK;
}

/** "Options with invalid Length values or without the SYN flag set MUST be ignored" (RFC 7413 §4.1.1). */
function isFastOpen(length: u32, flags: u32): bool {
  return (flags & TCP_SYN) != 0 && (length & 1) == 0 && (length == 2 || (length >= 6 && length <= 18));
}

/** Whether an option has the length that its subtype, and the segment it came on, demand (RFC 8684 §3). */
function rightLength(at: usize, subtype: u32, length: u32, flags: u32): bool {
  const syn = (flags & TCP_SYN) != 0;
  const ack = (flags & TCP_ACK) != 0;
  switch (subtype) {
    case 0: // MP_CAPABLE
      if (syn) return length == (ack ? 12 : 4);
      return length == 20 || length == 22 || length == 24;
    case 1: // MP_JOIN
      return length == (syn ? (ack ? 16 : 12) : 24);
    case 3: { // ADD_ADDR: an echo has no HMAC, which takes eight octets
      const body = length - (load<u8>(at, 2) & 1 ? 0 : 8);
      return body == 8 || body == 10 || body == 20 || body == 22;
    }
    case 4: // REMOVE_ADDR
      return length >= 4;
    case 5: // MP_PRIO
      return length == 3;
    case 6: // MP_FAIL
    case 7: // MP_FASTCLOSE
      return length == 12;
    case 8: // MP_TCPRST
      return length == 4;
  }
  return true;
}

/** Notes an MPTCP option; the first of each subtype counts. Returns OPTION_* bits. */
function parseMptcp(at: usize, length: u32, flags: u32): u32 {
  if (length < 3) return OPTION_MALFORMED;
  const subtype = <u32> load<u8>(at, 2) >> 4;
  // Subtypes that are not known are ignored (RFC 8684 §3).
  if (subtype >= SUBTYPES) return OPTION_MPTCP;
  const place = <usize> (RX_MPTCP << 2) + (<usize> subtype << 2);
  if (load<u32>(place) != 0) return OPTION_MPTCP;
  if (subtype == DSS) {
    if (!parseDss(at, length)) return OPTION_MALFORMED;
    store<u32>(place, <u32> at);
    return OPTION_MPTCP | OPTION_DSS;
  }
  if (!rightLength(at, subtype, length, flags)) return OPTION_MALFORMED;
  store<u32>(place, <u32> at);
  return OPTION_MPTCP | OPTION_RARE;
}

/** Data sequence signal (RFC 8684 §3.3, figure 9). */
function parseDss(at: usize, length: u32): bool {
  if (length < 4) return false;
  const flags = <u32> load<u8>(at, 3) & 31;
  let body: u32 = 4;
  if (flags & DSS_DATA_ACK) body += flags & DSS_DATA_ACK_8 ? 8 : 4;
  if (flags & DSS_MAPPING) body += flags & DSS_DSN_8 ? 14 : 10;
  if (length != body && (!(flags & DSS_MAPPING) || length != body + 2)) return false;
  put(RX_DSS_FLAGS, flags);
  let from = at + 4;
  if (flags & DSS_DATA_ACK) {
    if (flags & DSS_DATA_ACK_8) {
      store<u64>(RX_DATA_ACK_HIGH << 2, swapPair(from));
      from += 8;
    } else {
      put(RX_DATA_ACK_HIGH, 0);
      put(RX_DATA_ACK_LOW, read32(from));
      from += 4;
    }
  }
  put(RX_DSS_CHECKSUM, -1);
  if (flags & DSS_MAPPING) {
    if (flags & DSS_DSN_8) {
      store<u64>(RX_DSN_HIGH << 2, swapPair(from));
      from += 8;
    } else {
      put(RX_DSN_HIGH, 0);
      put(RX_DSN_LOW, read32(from));
      from += 4;
    }
    put(RX_SSN, read32(from));
    put(RX_DATA_LENGTH, read16(from + 4));
    if (length != body) put(RX_DSS_CHECKSUM, read16(from + 6));
  }
  return true;
}
