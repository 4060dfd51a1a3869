// Trains of datagrams, each a header of the link's with a TCP segment behind it: the headers of those that leave, and what comes put together again.

import { OUT_0 } from "../layout";

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const URG: u8 = 32;
const CWR: u8 = 128;

/** Whether `length` octets at both places are the same. */
function equal(a: usize, b: usize, length: i32): bool {
  for (; length >= 8; a += 8, b += 8, length -= 8) {
    if (load<u64>(a) != load<u64>(b)) return false;
  }
  for (; length > 0; a++, b++, length--) if (load<u8>(a) != load<u8>(b)) return false;
  return true;
}

/** Whether the datagram at `next` goes on where the one at `first` ends after `bytes` of payload, as segments of one super-segment do. */
function follows(first: usize, header: i32, headers: i32, bytes: i32, next: usize): bool {
  const a = first + header;
  const b = next + header;
  const flags = load<u8>(b, 13);
  if ((flags & (SYN | RST | URG | CWR)) != 0) return false;
  // One that has been marked as the end of a record, or as the last, is not added to.
  const begun = load<u8>(a, 13);
  if ((begun & (FIN | PSH)) != 0) return false;
  if ((flags & ~(FIN | PSH)) != (begun & ~CWR)) return false;
  // The link's header and the ports; the acknowledgement and the length; the window; urgent pointer and options. The checksum says nothing.
  if (!equal(first, next, header + 4)) return false;
  if (load<u32>(a, 8) != load<u32>(b, 8) || load<u8>(a, 12) != load<u8>(b, 12)) return false;
  if (load<u16>(a, 14) != load<u16>(b, 14)) return false;
  if (!equal(a + 18, b + 18, headers - header - 18)) return false;
  return bswap<u32>(load<u32>(a, 4)) + <u32> bytes == bswap<u32>(load<u32>(b, 4));
}

/** ../mod.ts. */
export function train_couple(
  first: i32,
  header: i32,
  payload: i32,
  stop: i32,
  next: i32,
  end: i32,
  size: i32,
): i32 {
  const headers = payload - first;
  const one = stop - payload;
  while (next < end) {
    const length = min(size, end - next);
    const bytes = stop - payload;
    if (length <= headers || length - headers > one || bytes % one != 0) break;
    if (!follows(<usize> first, header, headers, bytes, <usize> next)) break;
    // Its header is overwritten by what was behind it.
    const flags = <usize> (first + header);
    store<u8>(flags, load<u8>(flags, 13) | load<u8>(<usize> (next + header), 13) & (FIN | PSH), 13);
    memory.copy(<usize> stop, <usize> (next + headers), length - headers);
    stop += length - headers;
    next += length;
  }
  store<i32>(OUT_0 << 2, next);
  return stop;
}

/** ../mod.ts. */
export function train_headers(
  to: i32,
  ours: i32,
  header: i32,
  tcp: i32,
  length: i32,
  from: i32,
  end: i32,
  whole: i32,
  size: i32,
): i32 {
  const sequence = bswap<u32>(load<u32>(<usize> tcp, 4));
  const flags = load<u8>(<usize> tcp, 13);
  let at = <usize> to;
  let cars = 0;
  for (; from < end; from += size, cars++) {
    memory.copy(at, <usize> ours, header);
    at += header;
    memory.copy(at, <usize> tcp, length);
    store<u32>(at, bswap<u32>(sequence + <u32> from), 4);
    // FIN and PSH belong to the last one; RFC 3168 §6.1.2: the peer is told once that the window was reduced.
    let its = flags;
    if (from + size < whole) its &= ~(FIN | PSH);
    if (from > 0) its &= ~CWR;
    store<u8>(at, its, 13);
    at += length;
  }
  return cars;
}
