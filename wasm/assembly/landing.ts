// Payload that is read straight to its place: of the segment that probably comes next, that is behind the one before it, or, as the first of a device, where
// the stream goes on. A guess that was wrong costs one copy: the payload is brought together behind its headers, where every other packet has it.

import { OUT_0, OUT_1, OUT_2, OUT_3, PAGE, RX_IP, RX_PAYLOAD, RX_TRANSPORT } from "../layout";
import { mappingAt, mappingsFind } from "./mapping";
import { pagesAddress } from "./pages";
import { rangesCovered, rangesReserve, rangesTouch } from "./ranges";
import { Receiver, receiverOf } from "./receiver";
import { Stream, streamHold, streamOf, streamTrim } from "./stream";

/** Least bytes of payload for which a guess pays. */
const LEAST: i32 = 8192;
/** Large segments in a row, each where it would have been expected, after which one is made; as many are outweighed by one that came elsewhere. */
const ROW: i32 = 2;
/** As many as count: then one elsewhere is none too many, as where another path takes over, but a second one is. */
const MOST: i32 = 4;
const TCP: u8 = 6;

// The receiver whose segment is expected, 0 for none, and the bytes of headers that its last one had.
let receiverHandle: i32 = 0;
let headerBytes: i32 = 0;
// The stream of the last large segment, and how many in a row have come where they would have been expected.
let lastStream: i32 = 0;
let inARow: i32 = 0;
// Where what the device has brought last of that stream ends: it may lie above a hole that another one fills. -1 while it has brought nothing.
let follows: f64 = -1;

// What was made ready: PAGE bytes from `offset` on, the first `firstLength` at `first`, the others at `second`.
let streamHandle: i32 = 0;
let readyFrom: f64 = 0; // as much of it as was made ready before, and may not have been needed
let offset: f64 = 0;
let first: usize = 0;
let firstLength: i32 = 0;
let second: usize = 0;

// Bytes of payload that lie there, 0 for none, and where they belong behind their headers.
let landed: i32 = 0;
let behind: usize = 0;

/** Brings together what has landed, when anybody wants to read it where it belongs. */
export function packet_settle(): void {
  if (landed == 0) return;
  const bytes = landed;
  const part = min(bytes, firstLength);
  landed = 0;
  memory.copy(behind, first, part);
  if (bytes > part) memory.copy(behind + part, second, bytes - part);
}

/** A page is given back: what has landed on it is brought together before others write there. */
export function pageGoes(page: usize): void {
  if (landed == 0) return;
  if (page == first - (first & (PAGE - 1)) || page == second - (second & (PAGE - 1))) {
    packet_settle();
  }
}

/** Gives back the pages that were made ready and hold nothing. */
function giveBack(): void {
  if (streamHandle == 0) return;
  const stream = streamOf(streamHandle);
  streamHandle = 0;
  if (stream != null) streamTrim(stream, readyFrom, offset + PAGE);
}

/** No packet is read for a while, or from another device. */
export function packet_unexpect(): void {
  landed = 0;
  follows = -1;
  giveBack();
}

/** Nothing is expected of the next packet. */
function unguessed(): i32 {
  giveBack();
  return 0;
}

export function packet_expect(): i32 {
  landed = 0;
  const receiver = receiverOf(receiverHandle);
  if (receiver == null) return unguessed();
  const stream = streamOf(receiver.stream);
  // What has a checksum is summed where all its payload lies in a row.
  if (stream == null || receiver.ranges.count > 0 || receiver.lastChecksum >= 0) return unguessed();
  const at = max(follows, stream.next);
  if (rangesCovered(stream.ranges, at, at + PAGE) > 0) return unguessed();
  if (receiver.stream != streamHandle || at < offset || at > offset + PAGE) giveBack();
  if (streamHandle == 0) readyFrom = at;
  offset = at;
  streamHandle = receiver.stream;
  // What was made ready before, and is not needed any more, is in the way of others, too.
  if (!streamHold(stream, offset, offset + PAGE)) return unguessed();
  first = pagesAddress(stream.pages, offset);
  firstLength = PAGE - (<i32> first & (PAGE - 1));
  second = firstLength < PAGE ? pagesAddress(stream.pages, offset + <f64> firstLength) : first;
  store<u32>(OUT_0 << 2, <u32> first);
  store<u32>(OUT_1 << 2, <u32> firstLength);
  store<u32>(OUT_2 << 2, <u32> second);
  store<u32>(OUT_3 << 2, <u32> (PAGE - firstLength));
  return headerBytes;
}

/** Whether the headers at `ip` are those of TCP, and as long as was guessed. */
function guessedRight(ip: usize): bool {
  const version = load<u8>(ip) >> 4;
  const start = version == 4 ? <i32> (load<u8>(ip) & 15) << 2 : 40;
  if (start + 20 > headerBytes) return false;
  if (load<u8>(ip, 9) != TCP && version == 4 || load<u8>(ip, 6) != TCP && version != 4) {
    return false;
  }
  return start + (<i32> (load<u8>(ip + start, 12) >> 4) << 2) == headerBytes;
}

export function packet_landed(ip: i32, bytes: i32, verified: i32): i32 {
  landed = bytes;
  behind = <usize> ip + headerBytes;
  if (verified != 0 && guessedRight(<usize> ip)) return 1;
  packet_settle();
  // Whoever needs memory for it may have what was made ready.
  giveBack();
  receiverHandle = 0;
  inARow = 0;
  return 0;
}

/** Whether the segment at `from` has landed where it is to go; when not, it is brought together, and whoever needs memory may have what was made ready. */
export function landsAt(
  receiver: Receiver,
  stream: Stream,
  seq: f64,
  from: usize,
  length: i32,
  limit: f64,
): bool {
  if (landed == 0) return false;
  if (from == behind && length <= landed && receiver.stream == streamHandle && seq == receiver.next) {
    const index = mappingsFind(receiver.mappings, seq);
    if (index < receiver.mappings.count) {
      const mapping = mappingAt(receiver.mappings, index);
      const end = seq + <f64> length;
      if (
        mapping.ssn <= seq && end <= mapping.end && mapping.expected < 0 &&
        seq + mapping.delta == offset && stream.next <= offset &&
        offset + <f64> length <= limit && receiver.ranges.count == 0 &&
        pagesAddress(stream.pages, offset) == first && mayEnter(stream, offset + <f64> length)
      ) {
        landed = 0;
        return true;
      }
    }
  }
  packet_settle();
  giveBack();
  return false;
}

/** Whether nothing is held of [offset, end), and there is room for a range where it lies above a hole. */
function mayEnter(stream: Stream, end: f64): bool {
  const ranges = stream.ranges;
  if (rangesCovered(ranges, offset, end) > 0) return false;
  return stream.next == offset || rangesTouch(ranges, offset, end) ||
    rangesReserve(ranges, stream.account, 1);
}

/**
 * A segment was taken: as a whole at `at` of the stream, which had its next byte at `next` before; -1: not so. After several in a row that came where they
 * would have been expected the next one probably does.
 */
export function noteTaken(receiver: Receiver, from: i32, length: i32, at: f64, next: f64): void {
  const stream = receiver.stream;
  const known = stream == lastStream;
  if (length < LEAST) {
    if (known && at >= 0) follows = at + <f64> length;
    return;
  }
  const expected = known && at >= 0 && at == max(follows, next);
  lastStream = stream;
  follows = at >= 0 ? at + <f64> length : -1;
  if (expected && <u32> from == load<u32>(RX_PAYLOAD << 2)) inARow = min(inARow + 1, MOST);
  else inARow = max(known ? inARow - ROW : 0, at >= 0 ? 1 : 0);
  receiverHandle = inARow < ROW ? 0 : receiver.handle;
  // Of a packet that was lent its payload does not lie behind them.
  const tcp = load<u32>(RX_TRANSPORT << 2);
  headerBytes = <i32> (tcp - load<u32>(RX_IP << 2)) + (<i32> (load<u8>(tcp, 12) >> 4) << 2);
}
