// What a subflow's segments become: each byte goes once to its place in the connection's stream, or is staged until it is known where that is and
// that it is sound. A call first makes ready all that it will need, so that a segment that cannot be kept whole is refused before anything changed.

import {
  PAGE,
  SEGMENT_ADVANCED,
  SEGMENT_BEYOND,
  SEGMENT_CHECKSUM,
  SEGMENT_DATA,
  SEGMENT_DATA_DUPLICATE,
  SEGMENT_DUPLICATE,
  SEGMENT_FILLED,
  SEGMENT_GAP,
  SEGMENT_LANDED,
  SEGMENT_MEMORY,
  SEGMENT_PRUNED,
  SEGMENT_STAGED,
  TX_SACK,
} from "../layout";
import { fold, rawSum, swap16 } from "./checksum";
import { landsAt, noteTaken } from "./landing";
import { Mapping, mappingAt, mappingsDrop, mappingsFind } from "./mapping";
import { shortage, shortageClear, spareFor } from "./host";
import { pagesAddress } from "./pages";
import {
  rangeAt,
  rangesAbsorb,
  rangesAdd,
  rangesCovered,
  rangesFind,
  rangesRemove,
  rangesReserve,
  rangesRest,
  rangesRoom,
  rangesTouch,
} from "./ranges";
import {
  inPage,
  joinSum,
  RECENT,
  Receiver,
  receiverOf,
  stageHold,
  stagePut,
  stageTake,
  stageTrim,
} from "./receiver";
import {
  aboveHole,
  aboveHoleNext,
  prunedFrom,
  Stream,
  streamOf,
  streamPass,
  streamPlace,
  streamPrune,
  streamReserve,
  streamTrim,
} from "./stream";

/** SEGMENT_* bits of the call that runs. */
export let report: i32 = 0;
// What the call that runs has made ready.
let streamRanges: i32 = 0;
let stagedRanges: i32 = 0;
// Mappings whose bytes will leave the stage, which may cut a range there in two.
let completed: i32 = 0;

export function reportClear(): void {
  report = 0;
  streamRanges = 0;
  stagedRanges = 0;
  completed = 0;
}

/** Makes the stream ready for [start, end), of which nothing at or above `limit` is kept. */
export function reserveData(stream: Stream, start: f64, end: f64, limit: f64): bool {
  const more = streamReserve(stream, start, min(end, limit), streamRanges);
  if (more < 0) return false;
  streamRanges += more;
  return true;
}

/** Places bytes in the stream, for which it was made ready; `follows`: right behind others that were placed with them. */
function placeData(
  stream: Stream,
  offset: f64,
  from: usize,
  length: i32,
  limit: f64,
  follows: bool = false,
): void {
  const end = min(offset + <f64> length, limit);
  const kept = <i32> max(end - offset, 0);
  if (kept < length) report |= SEGMENT_BEYOND;
  if (kept <= 0) return;
  const apart = offset > stream.next;
  if (streamPlace(stream, offset, from, kept) < kept) report |= SEGMENT_DATA_DUPLICATE;
  if (apart) report |= follows ? aboveHoleNext : aboveHole;
}

/** Moves staged bytes, all of [start, end), to the stream. */
export function deliverStaged(
  receiver: Receiver,
  stream: Stream,
  start: f64,
  end: f64,
  delta: f64,
  limit: f64,
): void {
  let cursor = start;
  while (cursor < end) {
    const part = inPage(cursor, <i32> min(end - cursor, 65536));
    const address = pagesAddress(receiver.pages, cursor);
    placeData(stream, cursor + delta, address, part, limit, cursor > start);
    cursor += <f64> part;
  }
  stageTake(receiver, stream, start, end);
}

/** Sum of the staged bytes of [start, end), all staged, as part of a mapping that begins at `ssn`. */
export function sumStaged(receiver: Receiver, start: f64, end: f64, ssn: f64): u32 {
  let sum: u32 = 0;
  while (start < end) {
    const part = inPage(start, <i32> min(end - start, 65536));
    sum = joinSum(sum, rawSum(pagesAddress(receiver.pages, start), part), start - ssn);
    start += <f64> part;
  }
  return sum;
}

/** Whether a little-endian sum is the one expected: all ones and all zeroes are the same number (RFC 1071 §2). */
// @ts-ignore: decorator
@inline
export function sound(sum: u32, expected: i32): bool {
  return swap16(sum) % 0xffff == <u32> expected % 0xffff;
}

// @ts-ignore: decorator
@inline
function mappingOver(receiver: Receiver, offset: f64): Mapping | null {
  const mappings = receiver.mappings;
  const index = mappingsFind(mappings, offset);
  if (index == mappings.count) return null;
  return mappingAt(mappings, index);
}

/** Whether [start, end), whose bytes lie at `from`, is all of a mapping and what its checksum says. */
function wholeSound(mapping: Mapping, start: f64, end: f64, from: usize): bool {
  return end - start == mapping.end - mapping.ssn &&
    sound(fold(rawSum(from, <i32> (end - start))), mapping.expected);
}

/** A mapping is not what its checksum says: its bytes stay staged, as some of no mapping (RFC 8684 §3.7). */
export function noteFailed(receiver: Receiver, dsn: f64): void {
  report |= SEGMENT_CHECKSUM;
  receiver.lastLength = 0;
  receiver.failed = receiver.failed == 0 ? dsn : min(receiver.failed, dsn);
}

/** Makes ready for a piece of new bytes that one mapping, or none, covers. */
function planPiece(
  receiver: Receiver,
  stream: Stream,
  start: f64,
  end: f64,
  mapping: Mapping | null,
  from: usize,
  limit: f64,
): bool {
  if (mapping != null) {
    if (mapping.expected < 0) {
      return reserveData(stream, start + mapping.delta, end + mapping.delta, limit);
    }
    // Verified where it lies: nothing is staged, unless it fails.
    if (wholeSound(mapping, start, end, from)) return true;
  }
  if (!rangesTouch(receiver.staged, start, end)) stagedRanges++;
  return stageHold(receiver, stream, start, end);
}

/** Puts a piece of new bytes where it belongs. */
function commitPiece(
  receiver: Receiver,
  stream: Stream,
  start: f64,
  end: f64,
  mapping: Mapping | null,
  from: usize,
  limit: f64,
): void {
  const length = <i32> (end - start);
  if (mapping == null) {
    stagePut(receiver, start, from, length);
    report |= SEGMENT_STAGED;
    return;
  }
  mapping.missing -= <f64> length;
  if (mapping.expected < 0) {
    placeData(stream, start + mapping.delta, from, length, limit);
  } else if (wholeSound(mapping, start, end, from)) {
    placeData(stream, start + mapping.delta, from, length, limit);
    mapping.expected = -1; // settled
  } else {
    mapping.sum = joinSum(
      mapping.sum,
      stagePut(receiver, start, from, length),
      start - mapping.ssn,
    );
  }
}

/** Goes over the pieces of [start, end) that have not come yet, cut at the ends of mappings; `from` holds the byte of `start`. */
function pieces(
  receiver: Receiver,
  stream: Stream,
  start: f64,
  end: f64,
  from: usize,
  limit: f64,
  commit: bool,
): bool {
  const ranges = receiver.ranges;
  let index = rangesFind(ranges, start);
  let cursor = start;
  while (cursor < end) {
    let gapEnd = end;
    let resume = end;
    if (index < ranges.count) {
      const range = rangeAt(ranges, index++);
      gapEnd = min(end, range.start);
      resume = range.end;
    }
    if (gapEnd > cursor && ranges.count > 0 && rangeAt(ranges, ranges.count - 1).start >= gapEnd) {
      report |= SEGMENT_FILLED;
    }
    if (resume > cursor && gapEnd < end) report |= SEGMENT_DUPLICATE;
    while (cursor < gapEnd) {
      let mapping = mappingOver(receiver, cursor);
      let pieceEnd = gapEnd;
      if (mapping != null) {
        if (mapping.ssn <= cursor) pieceEnd = min(gapEnd, mapping.end);
        else {
          pieceEnd = min(gapEnd, mapping.ssn);
          mapping = null;
        }
      }
      const at = from + <usize> (cursor - start);
      if (commit) commitPiece(receiver, stream, cursor, pieceEnd, mapping, at, limit);
      else if (!planPiece(receiver, stream, cursor, pieceEnd, mapping, at, limit)) return false;
      cursor = pieceEnd;
    }
    cursor = max(cursor, resume);
  }
  return true;
}

/** Makes ready for the mappings with a checksum that [start, end) completes. */
function planMappings(receiver: Receiver, stream: Stream, start: f64, end: f64, limit: f64): bool {
  const mappings = receiver.mappings;
  for (let i = mappingsFind(mappings, start); i < mappings.count; i++) {
    const mapping = mappingAt(mappings, i);
    if (mapping.ssn >= end) break;
    if (mapping.expected < 0) continue;
    const low = max(start, mapping.ssn);
    const high = min(end, mapping.end);
    if (high - low - rangesCovered(receiver.ranges, low, high) < mapping.missing) continue;
    if (!reserveData(stream, mapping.ssn + mapping.delta, mapping.end + mapping.delta, limit)) {
      return false;
    }
    completed++;
  }
  return true;
}

/** Ends the mappings that [start, end) completed. */
function settleMappings(
  receiver: Receiver,
  stream: Stream,
  start: f64,
  end: f64,
  limit: f64,
): void {
  const mappings = receiver.mappings;
  let index = mappingsFind(mappings, start);
  while (index < mappings.count) {
    const mapping = mappingAt(mappings, index);
    if (mapping.ssn >= end) break;
    if (mapping.missing > 0) {
      if (mapping.expected >= 0) report |= SEGMENT_STAGED;
      index++;
      continue;
    }
    if (mapping.expected >= 0) {
      if (sound(mapping.sum, mapping.expected)) {
        deliverStaged(receiver, stream, mapping.ssn, mapping.end, mapping.delta, limit);
      } else {
        // RFC 8684 §3.7: what failed is not delivered; the connection decides about the subflow.
        noteFailed(receiver, mapping.ssn + mapping.delta);
      }
    }
    mappingsDrop(mappings, index);
  }
  receiver.mappingCount = <f64> mappings.count;
}

/** Notes that the range around `offset` has changed. */
function changedLast(receiver: Receiver, offset: f64): void {
  // One that goes on growing, which most do, takes one place.
  const ranges = receiver.ranges;
  const index = rangesFind(ranges, offset);
  const range = rangeAt(ranges, index);
  const count = receiver.recentCount;
  let to = 0;
  while (to < count) {
    const other = receiver.recent(to);
    if (other >= range.start && other <= range.end) break;
    to++;
  }
  if (to == count) {
    if (count < RECENT) receiver.recentCount++;
    else to--;
  }
  memory.copy(receiver.recentPlace(1), receiver.recentPlace(0), <usize> to << 2);
  receiver.setRecent(0, offset);
}

/** Of the ranges that changed last too few are left: finds them all anew. */
function remember(receiver: Receiver): void {
  const ranges = receiver.ranges;
  let before: f64 = Infinity;
  let count = 0;
  while (count < RECENT) {
    let best = -1;
    let changed: f64 = 0;
    for (let i = 0; i < ranges.count; i++) {
      const range = rangeAt(ranges, i);
      if (range.changed > changed && range.changed < before) {
        changed = range.changed;
        best = i;
      }
    }
    if (best < 0) break;
    before = changed;
    receiver.setRecent(count++, rangeAt(ranges, best).start);
  }
  receiver.recentCount = count;
}

/** Notes [start, end) as received on the subflow, with room for one more range. */
function advance(receiver: Receiver, stream: Stream, start: f64, end: f64): void {
  const ranges = receiver.ranges;
  if (start > receiver.next) {
    report |= SEGMENT_GAP;
    receiver.changes += 1;
    rangesAdd(ranges, start, end, receiver.changes);
    changedLast(receiver, start);
  } else {
    report |= SEGMENT_ADVANCED;
    if (ranges.count == 0) receiver.next = end;
    else {
      receiver.next = rangesAbsorb(ranges, end);
      rangesRest(ranges, stream.account);
    }
  }
  receiver.top = max(receiver.top, end);
  receiver.rangeCount = <f64> ranges.count;
}

/**
 * Takes back that bytes of the stream from `from` on have come on a subflow (RFC 2018 §8), as far as a mapping that is held tells which they were:
 * all of them on plain TCP. The others stay acknowledged on the subflow, as only a DATA_ACK tells that data are kept (RFC 8684 §3.3.2).
 */
function renege(receiver: Receiver, stream: Stream, from: f64): void {
  const ranges = receiver.ranges;
  const mappings = receiver.mappings;
  for (let i = mappings.count - 1; i >= 0; i--) {
    const mapping = mappingAt(mappings, i);
    const start = max(max(mapping.ssn, from - mapping.delta), receiver.next);
    if (mapping.expected >= 0 || start >= mapping.end) continue;
    const covered = rangesCovered(ranges, start, mapping.end);
    // It may cut a range in two.
    if (covered == 0 || !rangesRoom(ranges, stream.account, 1)) continue;
    rangesRemove(ranges, start, mapping.end);
    mapping.missing += covered;
  }
  const count = ranges.count;
  receiver.rangeCount = <f64> count;
  receiver.top = count == 0 ? receiver.next : rangeAt(ranges, count - 1).end;
}

/** Drops what lies farthest above a hole, and behind data offset `end`, to make room. False, and nothing changed, when nothing does. */
export function makeRoom(stream: Stream, end: f64): bool {
  if (!streamPrune(stream, end)) return false;
  let receiver = changetype<Receiver | null>(stream.receivers);
  while (receiver != null) {
    renege(receiver, stream, prunedFrom);
    receiver = receiver.sibling;
  }
  return true;
}

/** End of a segment's bytes in the stream: those in order on a subflow count for in order there while their mapping is unknown; Infinity where nothing tells. */
function reach(receiver: Receiver, stream: Stream, seq: f64, length: i32): f64 {
  const start = max(seq, receiver.next);
  const mapping = mappingOver(receiver, start);
  if (mapping != null && mapping.ssn <= start) {
    return min(seq + <f64> length, mapping.end) + mapping.delta;
  }
  return seq <= receiver.next ? stream.next + <f64> length : Infinity;
}

export function receiver_segment(handle: i32, seq: f64, from: i32, length: i32, limit: f64): i32 {
  const receiver = receiverOf(handle);
  if (receiver == null || length <= 0) return 0;
  const stream = streamOf(receiver.stream);
  if (stream == null) return 0;
  shortageClear();
  const next = stream.next;
  const lies = landsAt(receiver, stream, seq, <usize> from, length, limit);
  let result = takeSegment(receiver, stream, seq, from, length, limit, lies);
  noteTaken(receiver, from, length, placedAt, next);
  if (lies) result |= SEGMENT_LANDED;
  // Too many mappings are no want of memory: what lies farthest is not in the way.
  if (result != SEGMENT_MEMORY || !shortage) return result;
  const end = reach(receiver, stream, seq, length);
  let pruned = 0;
  while (result == SEGMENT_MEMORY && makeRoom(stream, end)) {
    pruned = SEGMENT_PRUNED;
    result = takeSegment(receiver, stream, seq, from, length, limit);
  }
  if (result != SEGMENT_MEMORY) return result | pruned;
  if (seq <= receiver.next) {
    // In order on its subflow, and not in the data. Were it refused, what fills the hole in the data might never get through behind it: it is acknowledged
    // there and dropped (RFC 8684 §3.3.1, §3.3.2). What has to be verified first gets the place of what lies above the hole.
    const mapping = mappingOver(receiver, receiver.next);
    if (mapping != null && mapping.expected < 0 && receiver.next + mapping.delta > stream.next) {
      return takeSegment(receiver, stream, seq, from, length, stream.next) | pruned;
    }
    while (result == SEGMENT_MEMORY && makeRoom(stream, stream.next)) {
      pruned = SEGMENT_PRUNED;
      result = takeSegment(receiver, stream, seq, from, length, limit);
    }
  }
  if (result == SEGMENT_MEMORY && bringsOn(receiver, stream, max(seq, receiver.next))) {
    spareFor(spareOf(stream));
    result = takeSegment(receiver, stream, seq, from, length, limit);
    spareFor(0);
  }
  return result | pruned;
}

/** Whether the byte at `seq` is of a mapping that holds the next of the data, and nothing but that will ever be there to read. */
function bringsOn(receiver: Receiver, stream: Stream, seq: f64): bool {
  if (stream.head < stream.next) return false;
  const mapping = mappingOver(receiver, seq);
  if (mapping == null || mapping.ssn > seq) return false;
  return mapping.ssn + mapping.delta <= stream.next && stream.next < mapping.end + mapping.delta;
}

/**
 * Bytes beyond its share that a connection may hold for that: two pages that a mapping is staged on until it is whole and sound, two that it is delivered to,
 * and one for each subflow, as what others stage is acknowledged there and cannot be dropped.
 */
export function spareOf(stream: Stream): f64 {
  let pages: f64 = 4;
  let receiver = changetype<Receiver | null>(stream.receivers);
  while (receiver != null) {
    pages += 1;
    receiver = receiver.sibling;
  }
  return pages * PAGE;
}

/** Notes the first bytes in a row of [seq, end), which reaches above RCV.NXT, that have come before (RFC 2883 §4: one D-SACK block a segment). */
function noteDuplicate(receiver: Receiver, seq: f64, end: f64): void {
  const next = receiver.next;
  if (seq < next) {
    receiver.duplicateFrom = seq;
    receiver.duplicateTo = next;
    return;
  }
  const ranges = receiver.ranges;
  let index = rangesFind(ranges, seq);
  if (index < ranges.count && rangeAt(ranges, index).end <= seq) index++;
  if (index == ranges.count) return;
  const range = rangeAt(ranges, index);
  if (range.start >= end) return;
  receiver.duplicateFrom = max(seq, range.start);
  receiver.duplicateTo = min(end, range.end);
}

// Where the stream has the segment that was taken last; -1: in several places, or nowhere.
let placedAt: f64 = -1;

/** Takes a segment, or refuses it whole; `lies`: its bytes are in their place, of which `landsAt` has made sure. */
function takeSegment(
  receiver: Receiver,
  stream: Stream,
  seq: f64,
  from: i32,
  length: i32,
  limit: f64,
  lies: bool = false,
): i32 {
  const next = receiver.next;
  const end = seq + <f64> length;
  reportClear();
  placedAt = -1;
  if (!(end > next)) {
    receiver.duplicateFrom = seq;
    receiver.duplicateTo = end;
    return SEGMENT_DUPLICATE;
  }
  const dataNext = stream.next;
  const ranges = receiver.ranges;

  // New as a whole and under one mapping, of which it is all when there is a checksum: nearly every segment.
  if (seq >= receiver.top || (seq == next && end <= rangeAt(ranges, 0).start)) {
    const index = mappingsFind(receiver.mappings, seq);
    if (index < receiver.mappings.count) {
      const mapping = mappingAt(receiver.mappings, index);
      const offset = seq + mapping.delta;
      if (
        mapping.ssn <= seq && end <= mapping.end && offset + <f64> length <= limit &&
        (mapping.expected < 0 ||
          (mapping.ssn == seq && mapping.end == end &&
            sound(fold(rawSum(from, length)), mapping.expected)))
      ) {
        if (
          seq > next && !rangesTouch(ranges, seq, end) && !rangesReserve(ranges, stream.account, 1)
        ) {
          return SEGMENT_MEMORY;
        }
        const placed = lies
          ? streamPass(stream, offset, length)
          : streamPlace(stream, offset, from, length);
        if (placed < 0) return SEGMENT_MEMORY;
        placedAt = offset;
        if (placed < length) report = SEGMENT_DATA_DUPLICATE;
        if (stream.next != dataNext) report |= SEGMENT_DATA;
        else if (offset > dataNext) report |= aboveHole;
        if (seq < receiver.top) report |= SEGMENT_FILLED;
        mapping.missing -= <f64> length;
        if (mapping.missing <= 0) {
          mappingsDrop(receiver.mappings, index);
          receiver.mappingCount = <f64> receiver.mappings.count;
        }
        advance(receiver, stream, seq, end);
        return report;
      }
    }
  }

  const start = max(seq, next);
  const fresh = <usize> from + <usize> (start - seq);
  const more = start > next && !rangesTouch(ranges, start, end) ? 1 : 0;
  if (
    !rangesReserve(ranges, stream.account, more) ||
    !pieces(receiver, stream, start, end, fresh, limit, false) ||
    !planMappings(receiver, stream, start, end, limit) ||
    !rangesReserve(receiver.staged, stream.account, stagedRanges) ||
    !rangesRoom(receiver.staged, stream.account, stagedRanges + completed)
  ) {
    stageTrim(receiver, stream);
    streamTrim(stream, stream.head, Infinity);
    return SEGMENT_MEMORY;
  }
  report = seq < next ? SEGMENT_DUPLICATE : 0;
  noteDuplicate(receiver, seq, end);
  pieces(receiver, stream, start, end, fresh, limit, true);
  settleMappings(receiver, stream, start, end, limit);
  // Pages were made ready for bytes that did not come to the stream.
  if (report & SEGMENT_CHECKSUM) streamTrim(stream, stream.head, Infinity);
  advance(receiver, stream, start, end);
  if (stream.next != dataNext) report |= SEGMENT_DATA;
  return report;
}

export function receiver_skip(handle: i32): void {
  const receiver = receiverOf(handle);
  if (receiver == null) return;
  receiver.next += 1;
  receiver.top = max(receiver.top, receiver.next);
}

function writeBlock(block: i32, initial: u32, from: f64, to: f64): void {
  const at: usize = (TX_SACK << 2) + (block << 3);
  store<u32>(at, initial + <u32> (<i64> from));
  store<u32>(at, initial + <u32> (<i64> to), 4);
}

/**
 * Writes SACK blocks to TX_SACK: [from, to), where it is not empty, as D-SACK with the range that it lies in behind it (RFC 2883 §4), then that of the
 * latest segment, then as they last changed (RFC 2018 §4).
 */
export function receiver_sack(handle: i32, initial: u32, most: i32, from: f64, to: f64): i32 {
  const receiver = receiverOf(handle);
  if (receiver == null) return 0;
  const ranges = receiver.ranges;
  most = min(most, 4);
  let block = 0;
  let around = -1;
  if (to > from && most > 0) {
    writeBlock(block++, initial, from, to);
    const index = rangesFind(ranges, to);
    if (block < most && index < ranges.count && rangeAt(ranges, index).start <= from) {
      around = index;
      writeBlock(block++, initial, rangeAt(ranges, index).start, rangeAt(ranges, index).end);
    }
  }
  const own = block;
  for (let tries = 0; tries < 2; tries++) {
    block = own;
    let valid = 0;
    let last: f64 = Infinity;
    for (let i = 0; i < receiver.recentCount && block < most; i++) {
      const offset = receiver.recent(i);
      const index = rangesFind(ranges, offset);
      if (index == ranges.count || rangeAt(ranges, index).start > offset) continue;
      const range = rangeAt(ranges, index);
      // One that was joined to a later one has been told.
      if (range.changed >= last) continue;
      last = range.changed;
      valid++;
      if (index != around) writeBlock(block++, initial, range.start, range.end);
    }
    if (block == most || valid == ranges.count) break;
    remember(receiver);
  }
  return block;
}
