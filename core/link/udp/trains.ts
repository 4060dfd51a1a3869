/** What trains of datagrams have room for: the segments of a super-segment, each behind a header of its own. wasm/assembly/trains.ts makes and couples them. */

import { u8 } from "../../../wasm/mod.ts";
import { HEADER } from "./datagram.ts";

/** Most octets of a header of ours with one of TCP behind it. */
const MOST = HEADER + 60;
/** Most datagrams of one train. */
const MOST_CARS = 128;
/** Octets that headers of one train take, behind one of ours to copy. */
export const TRAIN_HEADERS = HEADER + MOST * MOST_CARS;
/** Most octets of one train: what an IP packet has room for, headers aside. */
const MOST_OCTETS = 65000;

const ACK = 16;
const CWR = 128;

/** How many datagrams of `size` octets one train has. */
export function trainLength(size: number, segments: number): number {
  return Math.max(1, Math.min(segments, MOST_CARS, Math.floor(MOST_OCTETS / size)));
}

/** Where the payload of the DATA of `length` octets at `at` begins; 0: it has none, or is none that others may follow. */
export function payloadOf(at: number, length: number): number {
  const tcp = at + HEADER;
  const begin = tcp + (u8[tcp + 12]! >> 4) * 4;
  const flags = u8[tcp + 13]!;
  return begin < tcp + 20 || begin >= at + length || (flags & ~CWR) !== ACK ? 0 : begin;
}
