// The record of a subflow's receiver and what it stages: bytes that wait for a mapping or for the rest of a mapping with a checksum.

import { PAGE } from "../layout";
import { allocateBytes, freeBlock } from "./memory";
import {
  charge,
  handleFree,
  handleNew,
  Host,
  hostCharge,
  hostOf,
  KIND_RECEIVER,
  resolve,
} from "./host";
import { Mappings, mappingsFree } from "./mapping";
import {
  pageNumber,
  Pages,
  pagesAddress,
  pagesDrop,
  pagesEntry,
  pagesFree,
  pagesHold,
} from "./pages";
import { Ranges, rangesAdd, rangesFree, rangesRemove, rangesRest } from "./ranges";
import { Stream, streamDestroy, streamOf } from "./stream";
import { fold, rawCopySum, swap16 } from "./checksum";

const RECORD: i32 = 256;
/** Ranges that are known to have changed last. */
export const RECENT: i32 = 8;

@unmanaged
export class Receiver {
  next: f64; // RECEIVER_NEXT and so on: JavaScript reads these seven, and `failed`
  top: f64;
  rangeCount: f64;
  stagedBytes: f64;
  mappingCount: f64;
  duplicateFrom: f64;
  duplicateTo: f64;
  // The mapping learned last, as it was given: a repeat of it is recognised at once.
  lastDsn: f64;
  lastSsn: f64;
  lastLength: f64;
  changes: f64; // counts up, so that ranges know which of them changed last
  lastChecksum: i32;
  stream: i32; // handle, as the stream may go first
  host: Host;
  handle: i32;
  previous: Receiver | null;
  following: Receiver | null;
  sibling: Receiver | null; // next one of the same stream
  recentCount: i32;
  failed: f64; // RECEIVER_FAILED: least data offset of a mapping whose checksum failed, 0 without

  /** What came above `next`. */
  get ranges(): Ranges {
    return changetype<Ranges>(changetype<usize>(this) + 128);
  }
  get mappings(): Mappings {
    return changetype<Mappings>(changetype<usize>(this) + 144);
  }
  /** Which bytes are staged, by subflow offset, and their pages; a page counts its staged bytes. */
  get staged(): Ranges {
    return changetype<Ranges>(changetype<usize>(this) + 160);
  }
  get pages(): Pages {
    return changetype<Pages>(changetype<usize>(this) + 192);
  }
  /** Address of the place of an offset in the range that changed last, or as many changes before: its lower 32 bits, as none is 2^31 away from `next`. */
  recentPlace(index: i32): usize {
    return changetype<usize>(this) + 224 + (<usize> index << 2);
  }
  /** That offset. */
  recent(index: i32): f64 {
    const low = load<i32>(this.recentPlace(index));
    return this.next + <f64> (low - <i32> (<i64> this.next));
  }
  setRecent(index: i32, offset: f64): void {
    store<i32>(this.recentPlace(index), <i32> (<i64> offset));
  }
}

// @ts-ignore: decorator
@inline
export function receiverOf(handle: i32): Receiver | null {
  return changetype<Receiver | null>(resolve(handle, KIND_RECEIVER));
}

export function receiver_new(hostHandle: i32, streamHandle: i32): i32 {
  const host = hostOf(hostHandle);
  const stream = streamOf(streamHandle);
  if (host == null || stream == null || stream.host != host) return 0;
  const record = allocateBytes(RECORD);
  if (record == 0) return 0;
  const handle = handleNew(KIND_RECEIVER, record);
  if (handle == 0) {
    freeBlock(record);
    return 0;
  }
  memory.fill(record, 0, RECORD);
  const receiver = changetype<Receiver>(record);
  receiver.next = 1; // the SYN has come
  receiver.top = 1;
  receiver.stream = streamHandle;
  receiver.host = host;
  receiver.handle = handle;
  const following = changetype<Receiver | null>(host.receivers);
  if (following != null) following.previous = receiver;
  receiver.following = following;
  host.receivers = record;
  host.receiverCount++;
  receiver.sibling = changetype<Receiver | null>(stream.receivers);
  stream.receivers = record;
  charge(stream.account, <f64> RECORD);
  return handle;
}

/** Gives back all but the record, and takes it from its stream. */
function leave(receiver: Receiver, stream: Stream): void {
  const account = stream.account;
  pagesFree(receiver.pages, account);
  rangesFree(receiver.ranges, account);
  rangesFree(receiver.staged, account);
  mappingsFree(receiver.mappings, account);
  // The record is the host's alone from now on.
  charge(account, -<f64> RECORD);
  hostCharge(receiver.host, <f64> RECORD);
  const sibling = receiver.sibling;
  receiver.sibling = null;
  let at = changetype<Receiver | null>(stream.receivers);
  if (at == receiver) {
    stream.receivers = changetype<usize>(sibling);
    return;
  }
  while (at != null && at.sibling != receiver) at = at.sibling;
  if (at != null) at.sibling = sibling;
}

/** A stream goes: its receivers have nothing to fill any more. */
export function stream_free(handle: i32): void {
  const stream = streamOf(handle);
  if (stream == null) return;
  while (stream.receivers != 0) leave(changetype<Receiver>(stream.receivers), stream);
  streamDestroy(stream);
}

export function receiverDestroy(receiver: Receiver): void {
  const host = receiver.host;
  const stream = streamOf(receiver.stream);
  if (stream != null) leave(receiver, stream);
  const previous = receiver.previous;
  const following = receiver.following;
  if (previous != null) previous.following = following;
  else host.receivers = changetype<usize>(following);
  if (following != null) following.previous = previous;
  host.receiverCount--;
  hostCharge(host, -<f64> RECORD);
  handleFree(receiver.handle);
  freeBlock(changetype<usize>(receiver));
}

export function receiver_free(handle: i32): void {
  const receiver = receiverOf(handle);
  if (receiver != null) receiverDestroy(receiver);
}

export function receiver_record(handle: i32): i32 {
  return <i32> resolve(handle, KIND_RECEIVER);
}

/** Makes the pages of [start, end) ready for staging; false where it may not: `stageTrim` gives back those made ready so far. */
export function stageHold(receiver: Receiver, stream: Stream, start: f64, end: f64): bool {
  const last = pageNumber(end - 1);
  for (let number = pageNumber(start); number <= last; number++) {
    if (!pagesHold(receiver.pages, stream.account, number)) return false;
  }
  return true;
}

/** Gives back pages that stage nothing. */
export function stageTrim(receiver: Receiver, stream: Stream): void {
  const pages = receiver.pages;
  for (let number = pages.first; number < pages.end; number++) {
    const entry = pagesEntry(pages, number);
    if (entry != null && entry.page != 0 && entry.uses == 0) {
      pagesDrop(pages, stream.account, number);
    }
  }
}

/** Bytes from `offset` to the end of its page, at most `length`. */
// @ts-ignore: decorator
@inline
export function inPage(offset: f64, length: i32): i32 {
  return min(length, PAGE - (<i32> (<i64> offset) & (PAGE - 1)));
}

/** Joins the sum of bytes at a distance of `distance` from the first one to a sum: at an odd one the bytes change places (RFC 1071 §2 (B)). */
// @ts-ignore: decorator
@inline
export function joinSum(sum: u32, piece: u64, distance: f64): u32 {
  const folded = fold(piece);
  return fold(<u64> sum + ((<i32> (<i64> distance) & 1) != 0 ? swap16(folded) : folded));
}

/** Stages bytes, on pages and with room made ready before, and returns their sum as if the first was at an even place. */
export function stagePut(receiver: Receiver, offset: f64, from: usize, length: i32): u32 {
  rangesAdd(receiver.staged, offset, offset + <f64> length, 0);
  receiver.stagedBytes += <f64> length;
  let sum: u32 = 0;
  let cursor = offset;
  while (length > 0) {
    const part = inPage(cursor, length);
    const entry = pagesEntry(receiver.pages, pageNumber(cursor))!;
    entry.uses += part;
    sum = joinSum(
      sum,
      rawCopySum(pagesAddress(receiver.pages, cursor), from, part),
      cursor - offset,
    );
    cursor += <f64> part;
    from += part;
    length -= part;
  }
  return sum;
}

/** Takes staged bytes away: all of [start, end) must be staged, with room for one more range. */
export function stageTake(receiver: Receiver, stream: Stream, start: f64, end: f64): void {
  rangesRemove(receiver.staged, start, end);
  rangesRest(receiver.staged, stream.account);
  receiver.stagedBytes -= end - start;
  const pages = receiver.pages;
  while (start < end) {
    const part = inPage(start, <i32> min(end - start, <f64> PAGE));
    const number = pageNumber(start);
    const entry = pagesEntry(pages, number)!;
    entry.uses -= part;
    if (entry.uses == 0) pagesDrop(pages, stream.account, number);
    start += <f64> part;
  }
}
