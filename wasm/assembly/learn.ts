// Learning a mapping: what `receiver_map` does.

import {
  MAPPING_CONFLICT,
  MAPPING_NEW,
  SEGMENT_CHECKSUM,
  SEGMENT_DATA,
  SEGMENT_MEMORY,
} from "../layout";
import { fold } from "./checksum";
import { shortage, shortageClear, spareFor } from "./host";
import { mappingAt, mappingsAdd, mappingsFind, mappingsReserve } from "./mapping";
import { rangeAt, Ranges, rangesCovered, rangesFind, rangesRoom } from "./ranges";
import { Receiver, receiverOf } from "./receiver";
import { deliverStaged, makeRoom, noteFailed, report, reportClear, reserveData, sound, spareOf, sumStaged } from "./reassembly";
import { Stream, streamOf, streamTrim } from "./stream";

/** Makes room for `more` mappings from `ssn` on. */
function reserve(receiver: Receiver, stream: Stream, more: i32, ssn: f64): bool {
  const holes = receiver.ranges.count;
  return mappingsReserve(receiver.mappings, stream.account, more, holes, ssn <= receiver.next);
}

/** Bytes of [start, end) that have not come on the subflow. */
function missingBytes(receiver: Receiver, start: f64, end: f64): f64 {
  start = max(start, receiver.next);
  return start >= end ? 0 : end - start - rangesCovered(receiver.ranges, start, end);
}

// The next staged range of an interval, as two numbers cannot be returned.
let stagedStart: f64 = 0;
let stagedEnd: f64 = 0;

/** Finds the first staged bytes of [start, end). */
function nextStaged(staged: Ranges, start: f64, end: f64): bool {
  if (start >= end) return false;
  let index = rangesFind(staged, start);
  if (index < staged.count && rangeAt(staged, index).end <= start) index++;
  if (index == staged.count || rangeAt(staged, index).start >= end) return false;
  stagedStart = max(start, rangeAt(staged, index).start);
  stagedEnd = min(end, rangeAt(staged, index).end);
  return true;
}

/** Without memory nothing is learned, and what was made ready goes back. */
function refuse(stream: Stream): i32 {
  streamTrim(stream, stream.head, Infinity);
  return SEGMENT_MEMORY;
}

/** A mapping without checksum: each part that no held mapping covers is learned, and what is staged of it delivered. */
function learnPlain(
  receiver: Receiver,
  stream: Stream,
  ssn: f64,
  end: f64,
  delta: f64,
  limit: f64,
): i32 {
  const mappings = receiver.mappings;
  // Mostly nothing is staged and the bytes of all earlier mappings have come.
  if (mappings.count == 0 && receiver.staged.count == 0) {
    const missing = missingBytes(receiver, ssn, end);
    if (missing == 0) return 0;
    if (!reserve(receiver, stream, 1, ssn)) return SEGMENT_MEMORY;
    mappingsAdd(mappings, ssn, end, delta, missing, -1, 0);
    return MAPPING_NEW;
  }
  const first = mappingsFind(mappings, ssn);
  for (let i = first; i < mappings.count && mappingAt(mappings, i).ssn < end; i++) {
    if (mappingAt(mappings, i).delta != delta) return MAPPING_CONFLICT;
  }
  // Twice over the parts: once to make ready, once to do it.
  let parts = 0;
  let added = 0;
  for (let pass = 0; pass < 2; pass++) {
    let cursor = ssn;
    while (cursor < end) {
      let partEnd = end;
      const index = mappingsFind(mappings, cursor);
      if (index < mappings.count) {
        const mapping = mappingAt(mappings, index);
        if (mapping.ssn <= cursor) {
          cursor = mapping.end;
          continue;
        }
        partEnd = min(end, mapping.ssn);
      }
      parts++;
      let from = cursor;
      while (nextStaged(receiver.staged, from, partEnd)) {
        from = stagedEnd;
        if (pass == 1) {
          deliverStaged(receiver, stream, stagedStart, stagedEnd, delta, limit);
          report |= MAPPING_NEW;
        } else if (!reserveData(stream, stagedStart + delta, stagedEnd + delta, limit)) {
          return refuse(stream);
        }
      }
      const missing = missingBytes(receiver, cursor, partEnd);
      if (missing > 0) {
        if (pass == 0) added++;
        else {
          mappingsAdd(mappings, cursor, partEnd, delta, missing, -1, 0);
          report |= MAPPING_NEW;
        }
      }
      cursor = partEnd;
    }
    if (pass == 0) {
      if (
        !rangesRoom(receiver.staged, stream.account, parts) ||
        (added > 0 && !reserve(receiver, stream, added, ssn))
      ) return refuse(stream);
    }
  }
  return report;
}

/** A mapping with a checksum is learned whole or not at all, as a part of it cannot be verified. */
function learnSummed(
  receiver: Receiver,
  stream: Stream,
  ssn: f64,
  end: f64,
  delta: f64,
  expected: i32,
  limit: f64,
): i32 {
  const mappings = receiver.mappings;
  const index = mappingsFind(mappings, ssn);
  if (index < mappings.count) {
    const held = mappingAt(mappings, index);
    if (held.ssn < end) {
      return held.ssn == ssn && held.end == end && held.delta == delta && held.expected == expected
        ? 0
        : MAPPING_CONFLICT;
    }
  }
  const missing = missingBytes(receiver, ssn, end);
  const staged = rangesCovered(receiver.staged, ssn, end);
  if (missing + staged < end - ssn) return missing + staged == 0 ? 0 : MAPPING_CONFLICT;
  let sum: u32 = 0;
  let from = ssn;
  while (nextStaged(receiver.staged, from, end)) {
    from = stagedEnd;
    sum = fold(<u64> sum + sumStaged(receiver, stagedStart, stagedEnd, ssn));
  }
  if (missing > 0) {
    if (!reserve(receiver, stream, 1, ssn)) return SEGMENT_MEMORY;
    mappingsAdd(mappings, ssn, end, delta, missing, expected, sum);
    return MAPPING_NEW;
  }
  if (!rangesRoom(receiver.staged, stream.account, 1)) return SEGMENT_MEMORY;
  if (!sound(sum, expected)) {
    noteFailed(receiver, ssn + delta);
    return MAPPING_NEW | SEGMENT_CHECKSUM;
  }
  if (!reserveData(stream, ssn + delta, end + delta, limit)) return refuse(stream);
  deliverStaged(receiver, stream, ssn, end, delta, limit);
  return MAPPING_NEW | report;
}

function learn(
  receiver: Receiver,
  stream: Stream,
  dsn: f64,
  ssn: f64,
  length: f64,
  checksum: i32,
  limit: f64,
): i32 {
  reportClear();
  return checksum < 0
    ? learnPlain(receiver, stream, ssn, ssn + length, dsn - ssn, limit)
    : learnSummed(receiver, stream, ssn, ssn + length, dsn - ssn, checksum, limit);
}

export function receiver_map(
  handle: i32,
  dsn: f64,
  ssn: f64,
  length: f64,
  checksum: i32,
  limit: f64,
): i32 {
  const receiver = receiverOf(handle);
  if (receiver == null) return 0;
  // A mapping is repeated on every segment that it covers.
  if (
    ssn == receiver.lastSsn && dsn == receiver.lastDsn && length == receiver.lastLength &&
    checksum == receiver.lastChecksum
  ) return 0;
  const stream = streamOf(receiver.stream);
  if (stream == null || !(length > 0) || !(ssn >= 0)) return 0;
  const dataNext = stream.next;
  shortageClear();
  let result = learn(receiver, stream, dsn, ssn, length, checksum, limit);
  while (result == SEGMENT_MEMORY && shortage && makeRoom(stream, dsn + length)) {
    result = learn(receiver, stream, dsn, ssn, length, checksum, limit);
  }
  // Its bytes are all staged: what is next in the data is delivered, whatever the connection holds, where there is nothing else to read.
  const next = stream.next;
  if (result == SEGMENT_MEMORY && shortage && stream.head == next && dsn <= next && next < dsn + length) {
    spareFor(spareOf(stream));
    result = learn(receiver, stream, dsn, ssn, length, checksum, limit);
    spareFor(0);
  }
  receiver.mappingCount = <f64> receiver.mappings.count;
  if (result & (MAPPING_CONFLICT | SEGMENT_MEMORY | SEGMENT_CHECKSUM)) return result;
  receiver.lastSsn = ssn;
  receiver.lastDsn = dsn;
  receiver.lastLength = length;
  receiver.lastChecksum = checksum;
  return stream.next != dataNext ? result | SEGMENT_DATA : result;
}

/** Forgets the mappings from `ssn` on, and those that end behind it: what is staged stays, as bytes of no mapping. */
export function receiver_forget(handle: i32, ssn: f64): void {
  const receiver = receiverOf(handle);
  if (receiver == null) return;
  const mappings = receiver.mappings;
  mappings.count = mappingsFind(mappings, ssn);
  receiver.mappingCount = <f64> mappings.count;
  receiver.lastLength = 0;
}
