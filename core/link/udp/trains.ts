/** Trains of datagrams: the segments of a super-segment, each behind a header of its own, and back. All of it lies in WebAssembly memory. */

import { u8 } from "../../../wasm/mod.ts";
import { adaptTcpHeader } from "../segment_header.ts";
import { HEADER } from "./datagram.ts";

/** Most octets of a header of ours with one of TCP behind it. */
const MOST = HEADER + 60;
/** Most datagrams of one train. */
const MOST_CARS = 128;
/** Octets that headers of one train take. */
export const TRAIN_HEADERS = MOST * MOST_CARS;
/** Most octets of one train: what an IP packet has room for, headers aside. */
const MOST_OCTETS = 65000;

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const URG = 32;
const CWR = 128;

/** How many datagrams of `size` octets one train has. */
export function trainLength(size: number, segments: number): number {
  return Math.max(1, Math.min(segments, MOST_CARS, Math.floor(MOST_OCTETS / size)));
}

/**
 * Writes the header of a super-segment's segment `index` to `to`: ours, then that of TCP, a copy of the `length` octets at `tcp`. Its payload begins `offset`
 * bytes into the whole's.
 */
export function writeCar(
  to: number,
  header: Uint8Array,
  tcp: number,
  length: number,
  index: number,
  offset: number,
  last: boolean,
): void {
  u8.set(header, to);
  u8.copyWithin(to + HEADER, tcp, tcp + length);
  adaptTcpHeader(to + HEADER, index, offset, last);
}

/** Where the payload of the DATA of `length` octets at `at` begins; 0: it has none, or is none that others may follow. */
export function payloadOf(at: number, length: number): number {
  const tcp = at + HEADER;
  const begin = tcp + (u8[tcp + 12]! >> 4) * 4;
  const flags = u8[tcp + 13]!;
  return begin < tcp + 20 || begin >= at + length || (flags & ~CWR) !== ACK ? 0 : begin;
}

/**
 * Whether the DATA of `length` octets at `next` goes on where the one at `first` ends, whose payload begins at `payload` and has grown to `bytes`, as the
 * segments of one super-segment do: the same but for sequence number, and flags of the last.
 */
export function follows(
  first: number,
  payload: number,
  bytes: number,
  next: number,
  length: number,
): boolean {
  const headers = payload - first;
  if (length <= headers) return false;
  const a = first + HEADER;
  const b = next + HEADER;
  const flags = u8[b + 13]!;
  if ((flags & (SYN | RST | URG | CWR)) !== 0) return false;
  // One that has been marked as the end of a record, or as the last, is not added to.
  if ((u8[a + 13]! & (FIN | PSH)) !== 0) return false;
  if ((flags & ~(FIN | PSH)) !== (u8[a + 13]! & ~CWR)) return false;
  for (let i = 0; i < HEADER + 4; i++) if (u8[first + i] !== u8[next + i]) return false;
  for (let i = HEADER + 8; i < HEADER + 13; i++) if (u8[first + i] !== u8[next + i]) return false;
  if (u8[a + 14] !== u8[b + 14] || u8[a + 15] !== u8[b + 15]) return false;
  for (let i = HEADER + 18; i < headers; i++) if (u8[first + i] !== u8[next + i]) return false;
  return (get32(a + 4) + bytes | 0) === (get32(b + 4) | 0);
}

/** Puts the payload of the DATA of `length` octets at `next` behind that of the one at `first`, up to `end`. Where it ends then. */
export function couple(
  first: number,
  payload: number,
  end: number,
  next: number,
  length: number,
): number {
  const headers = payload - first;
  // Its header is overwritten by what was behind it.
  u8[first + HEADER + 13]! |= u8[next + HEADER + 13]! & (FIN | PSH);
  u8.copyWithin(end, next + headers, next + length);
  return end + length - headers;
}

function get32(at: number): number {
  return u8[at]! << 24 | u8[at + 1]! << 16 | u8[at + 2]! << 8 | u8[at + 3]!;
}
