// A paged byte stream. The receive side places bytes anywhere and the reader consumes them in order; the send side appends, sends any part again
// while it is pinned, and releases what was acknowledged.

import { OUT_0, PAGE, SEGMENT_MERGED, SEGMENT_TAIL } from "../layout";
import { packet_settle } from "./landing";
import { allocateBytes, freeBlock } from "./memory";
import { Account, charge, handleFree, handleNew, Host, hostOf, KIND_STREAM, resolve } from "./host";
import {
  pageNumber,
  Pages,
  pagesAddress,
  pagesDrop,
  pagesEntry,
  pagesFree,
  pagesHold,
  pageStart,
} from "./pages";
import {
  rangeAt,
  Ranges,
  rangesAbsorb,
  rangesAdd,
  rangesCovered,
  rangesFind,
  rangesFree,
  rangesRemove,
  rangesReserve,
  rangesRest,
  rangesTouch,
} from "./ranges";

const RECORD: i32 = 128;

@unmanaged
export class Stream {
  head: f64; // STREAM_HEAD and so on: JavaScript reads these four
  next: f64;
  top: f64;
  pageCount: f64;
  handle: i32;
  previous: Stream | null;
  following: Stream | null;
  receivers: usize; // those that fill it, linked

  /** What it takes, and what its receivers take. */
  get account(): Account {
    return changetype<Account>(changetype<usize>(this) + 48);
  }
  get host(): Host {
    return this.account.host;
  }
  get pages(): Pages {
    return changetype<Pages>(changetype<usize>(this) + 80);
  }
  /** What is held above `next`. */
  get ranges(): Ranges {
    return changetype<Ranges>(changetype<usize>(this) + 112);
  }
}

// @ts-ignore: decorator
@inline
export function streamOf(handle: i32): Stream | null {
  return changetype<Stream | null>(resolve(handle, KIND_STREAM));
}

export function stream_new(hostHandle: i32, first: f64): i32 {
  const host = hostOf(hostHandle);
  if (host == null || !(first >= 0)) return 0;
  const record = allocateBytes(RECORD);
  if (record == 0) return 0;
  const handle = handleNew(KIND_STREAM, record);
  if (handle == 0) {
    freeBlock(record);
    return 0;
  }
  memory.fill(record, 0, RECORD);
  const stream = changetype<Stream>(record);
  stream.head = first;
  stream.next = first;
  stream.top = first;
  stream.account.host = host;
  stream.account.limit = Infinity;
  stream.handle = handle;
  const following = changetype<Stream | null>(host.streams);
  if (following != null) following.previous = stream;
  stream.following = following;
  host.streams = record;
  host.streamCount++;
  charge(stream.account, <f64> RECORD);
  return handle;
}

export function streamDestroy(stream: Stream): void {
  const host = stream.host;
  const account = stream.account;
  pagesFree(stream.pages, account);
  rangesFree(stream.ranges, account);
  const previous = stream.previous;
  const following = stream.following;
  if (previous != null) previous.following = following;
  else host.streams = changetype<usize>(following);
  if (following != null) following.previous = previous;
  host.streamCount--;
  charge(account, -<f64> RECORD);
  handleFree(stream.handle);
  freeBlock(changetype<usize>(stream));
}

/** From now on a stream and its receivers take at most so many bytes. */
export function stream_limit(handle: i32, bytes: f64): void {
  const stream = streamOf(handle);
  if (stream != null) stream.account.limit = bytes;
}

export function stream_record(handle: i32): i32 {
  return <i32> resolve(handle, KIND_STREAM);
}

/** Whether any byte of a page is held, or may be sent again. */
function pageInUse(stream: Stream, number: i64): bool {
  const entry = pagesEntry(stream.pages, number);
  if (entry != null && entry.uses != 0) return true;
  const start = pageStart(number);
  const end = start + PAGE;
  if (stream.head < end && stream.next > start && stream.head < stream.next) return true;
  return rangesCovered(stream.ranges, start, end) > 0;
}

/** Frees pages of [start, end) that hold nothing: what a refused segment had made ready. */
export function streamTrim(stream: Stream, start: f64, end: f64): void {
  if (!(end > start)) return;
  const pages = stream.pages;
  const last = min(pageNumber(end - 1), pages.end - 1);
  for (let number = max(pageNumber(start), pages.first); number <= last; number++) {
    const entry = pagesEntry(pages, number);
    if (entry != null && entry.page != 0 && !pageInUse(stream, number)) {
      pagesDrop(pages, stream.account, number);
    }
  }
  stream.pageCount = <f64> pages.held;
}

/** Makes sure that all pages of [start, end) are there; false, and nothing changed, when the connection may not have them or there is no memory. */
export function streamHold(stream: Stream, start: f64, end: f64): bool {
  const pages = stream.pages;
  const last = pageNumber(end - 1);
  for (let number = pageNumber(start); number <= last; number++) {
    const entry = pagesEntry(pages, number);
    if (entry != null && entry.page != 0) continue;
    if (!pagesHold(pages, stream.account, number)) {
      streamTrim(stream, start, end);
      return false;
    }
  }
  stream.pageCount = <f64> pages.held;
  return true;
}

/**
 * Makes ready for placing [start, end), so that it cannot fail; `others` ranges may come before it. 0, or 1 when it will need a range of its own;
 * -1 when there is no memory: pages made ready so far are the caller's to trim.
 */
export function streamReserve(stream: Stream, start: f64, end: f64, others: i32): i32 {
  start = max(start, stream.next);
  if (end <= start) return 0;
  const ranges = stream.ranges;
  const more = start > stream.next && !rangesTouch(ranges, start, end) ? 1 : 0;
  if (!rangesReserve(ranges, stream.account, more + others)) return -1;
  return streamHold(stream, start, end) ? more : -1;
}

/** Where the end of a stream is dropped, by `streamPrune`. */
export let prunedFrom: f64 = 0;

/**
 * Drops the end of what is held above the first hole, to make room for [start, end): what lies farthest is of use last. All of its last page, or, where
 * that is a page of [start, end) too, its last range. False, and nothing changed, when nothing lies behind `end`.
 */
export function streamPrune(stream: Stream, end: f64): bool {
  const ranges = stream.ranges;
  if (ranges.count == 0) return false;
  const last = rangeAt(ranges, ranges.count - 1);
  const page = pageNumber(last.end - 1);
  let from = pageStart(page);
  if (from < end || from < stream.next) {
    from = last.start;
    if (from < end) return false;
  }
  prunedFrom = from;
  rangesRemove(ranges, from, Infinity);
  stream.top = ranges.count == 0 ? stream.next : rangeAt(ranges, ranges.count - 1).end;
  streamTrim(stream, from, Infinity);
  return true;
}

function copyIn(stream: Stream, offset: f64, from: usize, length: i32): void {
  const pages = stream.pages;
  while (length > 0) {
    const part = min(length, PAGE - (<i32> (<i64> offset) & (PAGE - 1)));
    memory.copy(pagesAddress(pages, offset), from, part);
    offset += <f64> part;
    from += part;
    length -= part;
  }
}

/** How what `streamPlace` has placed above a hole, last of all, lies to what was held there: SEGMENT_TAIL, SEGMENT_MERGED. */
export let aboveHole: i32 = 0;
/** The same of a part that follows another of the same bytes, which it lies beside in any case. */
export let aboveHoleNext: i32 = 0;

/** Stores what is not held of [offset, offset + length). Returns how many bytes were new; -1, and nothing changed, without memory. */
export function streamPlace(stream: Stream, offset: f64, from: usize, length: i32): i32 {
  const end = offset + <f64> length;
  const next = stream.next;
  if (!(end > next)) return 0;
  const start = max(offset, next);
  from += <usize> (start - offset);
  const ranges = stream.ranges;
  // What has landed, and is not taken yet, may lie just there.
  packet_settle();
  if (start == next && ranges.count == 0) {
    // Nearly always the page is there and has room; pages lie on multiples of their size.
    const address = pagesAddress(stream.pages, start);
    if (address != 0 && (<i32> address & (PAGE - 1)) + length <= PAGE) {
      length = <i32> (end - start);
      memory.copy(address, from, length);
      stream.next = end;
      stream.top = end;
      return length;
    }
    if (!streamHold(stream, start, end)) return -1;
    length = <i32> (end - start);
    copyIn(stream, start, from, length);
    stream.next = end;
    stream.top = end;
    return length;
  }
  if (streamReserve(stream, start, end, 0) < 0) return -1;
  let fresh = 0;
  let cursor = start;
  let index = rangesFind(ranges, start);
  while (cursor < end) {
    // First copy wins: only what lies between ranges is written.
    let gapEnd = end;
    let resume = end;
    if (index < ranges.count) {
      const range = rangeAt(ranges, index++);
      gapEnd = min(end, range.start);
      resume = range.end;
    }
    // RFC 8684 §3.3.1: "an implementation SHOULD treat the first data that is received at a subflow for the data sequence space as the data that
    // should be delivered to the application"
    if (gapEnd > cursor) {
      const part = <i32> (gapEnd - cursor);
      copyIn(stream, cursor, from + <usize> (cursor - start), part);
      fresh += part;
    }
    cursor = max(gapEnd, resume);
  }
  enter(stream, start, end);
  return fresh;
}

/** The bytes of [start, end) are there, for which a range was reserved should it need one. */
function enter(stream: Stream, start: f64, end: f64): void {
  const ranges = stream.ranges;
  if (start == stream.next) {
    stream.next = rangesAbsorb(ranges, end);
    rangesRest(ranges, stream.account);
  } else {
    const before = ranges.count;
    rangesAdd(ranges, start, end, 0);
    aboveHole = (before > 0 && start >= stream.top ? SEGMENT_TAIL : 0) |
      (ranges.count <= before ? SEGMENT_MERGED : 0);
    aboveHoleNext = ranges.count < before ? SEGMENT_MERGED : 0;
  }
  stream.top = max(stream.top, end);
}

/** The same for bytes that lie at their place already, on pages that are there; nothing is held of them, and a range was reserved. */
export function streamPass(stream: Stream, offset: f64, length: i32): i32 {
  enter(stream, offset, offset + <f64> length);
  return length;
}

export function stream_place(handle: i32, offset: f64, from: i32, length: i32): i32 {
  const stream = streamOf(handle);
  if (stream == null) return -1;
  return length <= 0 ? 0 : streamPlace(stream, offset, <usize> from, length);
}

/** The bytes are the stream's before they are written: the caller copies them before anything else can look. */
export function stream_append(handle: i32, most: i32): i32 {
  const stream = streamOf(handle);
  if (stream == null || most <= 0) return 0;
  const start = stream.next;
  let address = pagesAddress(stream.pages, start);
  if (address == 0) {
    if (!streamHold(stream, start, start + 1)) return 0;
    address = pagesAddress(stream.pages, start);
  }
  // Pages lie on multiples of their size.
  const length = min(most, PAGE - (<i32> address & (PAGE - 1)));
  stream.next = start + <f64> length;
  stream.top = max(stream.top, stream.next);
  store<i32>(OUT_0 << 2, length);
  return <i32> address;
}

/** The place behind the last byte, on a page that stays until it is unpinned: who fills it appends afterwards what it has written. */
export function stream_lend(handle: i32): i32 {
  const stream = streamOf(handle);
  if (stream == null) return 0;
  const next = stream.next;
  if (pagesAddress(stream.pages, next) == 0 && !streamHold(stream, next, next + 1)) return 0;
  stream_pin(handle, next, 1);
  return <i32> pagesAddress(stream.pages, next);
}

export function stream_at(handle: i32, offset: f64): i32 {
  const stream = streamOf(handle);
  return stream == null ? 0 : <i32> pagesAddress(stream.pages, offset);
}

/** Frees a page when nothing on it is held or pinned any more. */
function settle(stream: Stream, number: i64): void {
  const pages = stream.pages;
  const entry = pagesEntry(pages, number);
  if (entry == null || entry.page == 0 || entry.uses != 0) return;
  // A page that is full goes when the head has passed it, one that is not when nothing is left at all.
  if (pageStart(number + 1) <= stream.head || stream.head == stream.top) {
    pagesDrop(pages, stream.account, number);
    stream.pageCount = <f64> pages.held;
  }
}

export function stream_release(handle: i32, offset: f64): void {
  const stream = streamOf(handle);
  if (stream == null || !(offset > stream.head)) return;
  const old = pageNumber(stream.head);
  const head = min(offset, stream.next);
  stream.account.moved += head - stream.head;
  stream.head = head;
  const now = pageNumber(head);
  for (let number = old; number < now; number++) settle(stream, number);
  if (head == stream.top) settle(stream, now);
}

export function stream_pin(handle: i32, offset: f64, length: i32): void {
  const stream = streamOf(handle);
  if (stream == null || length <= 0) return;
  const pages = stream.pages;
  const last = pageNumber(offset + <f64> (length - 1));
  for (let number = pageNumber(offset); number <= last; number++) {
    const entry = pagesEntry(pages, number);
    if (entry != null && entry.page != 0) entry.uses++;
  }
}

export function stream_unpin(handle: i32, offset: f64, length: i32): void {
  const stream = streamOf(handle);
  if (stream == null || length <= 0) return;
  const last = pageNumber(offset + <f64> (length - 1));
  for (let number = pageNumber(offset); number <= last; number++) {
    const entry = pagesEntry(stream.pages, number);
    if (entry == null || entry.uses == 0) continue;
    if (--entry.uses == 0) settle(stream, number);
  }
}
