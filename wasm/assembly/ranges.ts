// Sorted lists of disjoint ranges of offsets, [start, end), which never touch one another: what lies above the first hole of a stream or a subflow.

import { Account, accountAllocate, accountRelease, shortageNote } from "./host";

/**
 * Most ranges in a list, so that a change in its midst costs microseconds whatever a peer sends: twice as many as there are holes when every other
 * segment of 10 Gbit/s and 20 ms, or of 64 MB in segments of 1,024 bytes, is lost. What would be more makes the farthest go.
 */
export const MOST_RANGES: i32 = 32768;
/** A list that was longer is given back when it is empty. */
const KEPT_CAPACITY: i32 = 128;
const FIRST_CAPACITY: i32 = 5; // 120 bytes, a block of 128

@unmanaged
export class Range {
  start: f64;
  end: f64;
  changed: f64; // larger for a range that changed later
}

/** Part of a record. Zeroes are an empty list. Holes are filled from below and made above: places are free at both ends, so that neither moves the rest. */
@unmanaged
export class Ranges {
  list: usize;
  count: i32;
  capacity: i32;
  first: i32; // places free before the first range
}

// @ts-ignore: decorator
@inline
export function rangeAt(ranges: Ranges, index: i32): Range {
  return changetype<Range>(ranges.list + <usize> (ranges.first + index) * offsetof<Range>());
}

/** Bytes of so many ranges. */
// @ts-ignore: decorator
@inline
function sizeOf(count: i32): usize {
  return <usize> count * offsetof<Range>();
}

/** Makes room for `more` ranges, whatever their number; false when there is no memory. */
export function rangesRoom(ranges: Ranges, account: Account, more: i32): bool {
  const count = ranges.count;
  const capacity = ranges.capacity;
  const first = ranges.first;
  if (first + count + more <= capacity) return true;
  const fits = count + more <= capacity;
  // With few places free at the front the list would soon move again.
  const slides = fits && first >= capacity >> 2;
  const size = max(count + more, max(FIRST_CAPACITY, capacity << 1)) * <i32> offsetof<Range>();
  const list: usize = slides ? 0 : accountAllocate(account, size);
  if (list == 0) {
    if (!fits) return false;
    memory.copy(ranges.list, ranges.list + sizeOf(first), sizeOf(count));
  } else {
    memory.copy(list, ranges.list + sizeOf(first), sizeOf(count));
    accountRelease(account, ranges.list);
    ranges.list = list;
    ranges.capacity = size / <i32> offsetof<Range>();
  }
  ranges.first = 0;
  return true;
}

/** Makes room for `more` ranges that are to stay; false when that would be too many, or more than the connection may hold. */
export function rangesReserve(ranges: Ranges, account: Account, more: i32): bool {
  if (more == 0) return true;
  if (ranges.count + more > MOST_RANGES) {
    shortageNote();
    return false;
  }
  return rangesRoom(ranges, account, more);
}

export function rangesFree(ranges: Ranges, account: Account): void {
  accountRelease(account, ranges.list);
  ranges.list = 0;
  ranges.count = 0;
  ranges.capacity = 0;
  ranges.first = 0;
}

/** Gives a long list back that has become empty. */
export function rangesRest(ranges: Ranges, account: Account): void {
  if (ranges.count == 0 && ranges.capacity > KEPT_CAPACITY) rangesFree(ranges, account);
}

/** Index of the first range that ends at or above `offset`, the count when there is none. */
export function rangesFind(ranges: Ranges, offset: f64): i32 {
  let high = ranges.count;
  // What arrives mostly extends or follows the last range.
  if (high == 0 || rangeAt(ranges, high - 1).end < offset) return high;
  let low = 0;
  high--;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rangeAt(ranges, middle).end < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether [start, end) touches a range, so that adding it makes no new one. */
export function rangesTouch(ranges: Ranges, start: f64, end: f64): bool {
  const index = rangesFind(ranges, start);
  return index < ranges.count && rangeAt(ranges, index).start <= end;
}

/** Takes `count` ranges out: the fewer of those beside them move. */
export function rangesDrop(ranges: Ranges, index: i32, count: i32): void {
  if (count == 0) return;
  const rest = ranges.count - index - count;
  const at = changetype<usize>(rangeAt(ranges, index));
  ranges.count -= count;
  if (index <= rest) {
    const start = changetype<usize>(rangeAt(ranges, 0));
    memory.copy(start + sizeOf(count), start, sizeOf(index));
    ranges.first = ranges.count == 0 ? 0 : ranges.first + count;
  } else memory.copy(at, at + sizeOf(count), sizeOf(rest));
}

function insert(ranges: Ranges, index: i32, start: f64, end: f64, changed: f64): void {
  const rest = ranges.count - index;
  const full = ranges.first + ranges.count == ranges.capacity;
  if (ranges.first > 0 && (index < rest || full)) {
    const from = changetype<usize>(rangeAt(ranges, 0));
    memory.copy(from - sizeOf(1), from, sizeOf(index));
    ranges.first--;
  } else {
    const from = changetype<usize>(rangeAt(ranges, index));
    memory.copy(from + sizeOf(1), from, sizeOf(rest));
  }
  ranges.count++;
  const range = rangeAt(ranges, index);
  range.start = start;
  range.end = end;
  range.changed = changed;
}

/** Adds a range and joins it with those that it touches; room for one more must have been reserved. */
export function rangesAdd(ranges: Ranges, start: f64, end: f64, changed: f64): void {
  const index = rangesFind(ranges, start);
  let after = index;
  while (after < ranges.count && rangeAt(ranges, after).start <= end) after++;
  if (after == index) {
    insert(ranges, index, start, end, changed);
    return;
  }
  const range = rangeAt(ranges, index);
  range.start = min(start, range.start);
  range.end = max(end, rangeAt(ranges, after - 1).end);
  range.changed = changed;
  rangesDrop(ranges, index + 1, after - index - 1);
}

/** Takes [start, end) out; cutting a range in two needs room for one more. */
export function rangesRemove(ranges: Ranges, start: f64, end: f64): void {
  let index = rangesFind(ranges, start);
  if (index < ranges.count) {
    const range = rangeAt(ranges, index);
    if (range.end <= start) index++;
    else if (range.start < start) {
      const rangeEnd = range.end;
      range.end = start;
      index++;
      if (rangeEnd > end) {
        insert(ranges, index, end, rangeEnd, range.changed);
        return;
      }
    }
  }
  let after = index;
  while (after < ranges.count && rangeAt(ranges, after).end <= end) after++;
  if (after < ranges.count && rangeAt(ranges, after).start < end) {
    rangeAt(ranges, after).start = end;
  }
  rangesDrop(ranges, index, after - index);
}

/** Drops the ranges that begin at or below `offset` and returns where what is in order now ends. */
export function rangesAbsorb(ranges: Ranges, offset: f64): f64 {
  let count = 0;
  while (count < ranges.count && rangeAt(ranges, count).start <= offset) {
    offset = max(offset, rangeAt(ranges, count).end);
    count++;
  }
  rangesDrop(ranges, 0, count);
  return offset;
}

/** Bytes of [start, end) that are in ranges. */
export function rangesCovered(ranges: Ranges, start: f64, end: f64): f64 {
  let covered: f64 = 0;
  for (let i = rangesFind(ranges, start); i < ranges.count; i++) {
    const range = rangeAt(ranges, i);
    if (range.start >= end) break;
    covered += max(0, min(end, range.end) - max(start, range.start));
  }
  return covered;
}
