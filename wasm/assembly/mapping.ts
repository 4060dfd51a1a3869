// Mappings of a subflow: which part of its sequence space carries which data (RFC 8684 §3.3.1). Kept sorted and disjoint, each only until all of its
// bytes have come, so that there are few.

import { Account, accountAllocate, accountRelease } from "./host";

/** Most mappings beside those of which a part has come, so that a peer that sends nothing but mappings gets no more memory than these. */
const MOST_UNTOUCHED: i32 = 1024;
const FIRST_CAPACITY: i32 = 2; // 96 bytes, a block of 128

@unmanaged
export class Mapping {
  ssn: f64;
  end: f64;
  delta: f64; // data offset minus subflow offset
  missing: f64; // bytes that have not come
  expected: i32; // sum that its payload must have, -1 without checksum
  sum: u32; // little-endian sum of the bytes that came, folded
  reserved: f64;
}

/** Part of a record. Zeroes are an empty list. */
@unmanaged
export class Mappings {
  list: usize;
  count: i32;
  capacity: i32;
}

// @ts-ignore: decorator
@inline
export function mappingAt(mappings: Mappings, index: i32): Mapping {
  return changetype<Mapping>(mappings.list + <usize> index * offsetof<Mapping>());
}

/** Index of the first mapping that ends above `ssn`, the count when there is none. */
export function mappingsFind(mappings: Mappings, ssn: f64): i32 {
  let low = 0;
  let high = mappings.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mappingAt(mappings, middle).end <= ssn) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Further mappings for what is in order: those above holes shall not keep it out. */
const RESERVE: i32 = 16;

/** Makes room for `more` where there are `holes`, each of which may lie in another one; `next` when they begin with what is in order; false when that would be too many, or more than the connection may hold. */
export function mappingsReserve(
  mappings: Mappings,
  account: Account,
  more: i32,
  holes: i32,
  next: bool,
): bool {
  const count = mappings.count + more;
  if (count > MOST_UNTOUCHED + holes + (next ? RESERVE : 0)) return false;
  if (count <= mappings.capacity) return true;
  const capacity = max(count, max(FIRST_CAPACITY, mappings.capacity << 1));
  const list = accountAllocate(account, capacity * <i32> offsetof<Mapping>());
  if (list == 0) return false;
  memory.copy(list, mappings.list, <usize> mappings.count * offsetof<Mapping>());
  accountRelease(account, mappings.list);
  mappings.list = list;
  mappings.capacity = capacity;
  return true;
}

export function mappingsFree(mappings: Mappings, account: Account): void {
  accountRelease(account, mappings.list);
  mappings.list = 0;
  mappings.count = 0;
  mappings.capacity = 0;
}

export function mappingsDrop(mappings: Mappings, index: i32): void {
  const at = changetype<usize>(mappingAt(mappings, index));
  const rest = <usize> (--mappings.count - index);
  memory.copy(at, at + offsetof<Mapping>(), rest * offsetof<Mapping>());
}

/** Adds a mapping that overlaps none; room must have been reserved. */
export function mappingsAdd(
  mappings: Mappings,
  ssn: f64,
  end: f64,
  delta: f64,
  missing: f64,
  expected: i32,
  sum: u32,
): void {
  const index = mappingsFind(mappings, ssn);
  const at = changetype<usize>(mappingAt(mappings, index));
  memory.copy(
    at + offsetof<Mapping>(),
    at,
    <usize> (mappings.count++ - index) * offsetof<Mapping>(),
  );
  const mapping = changetype<Mapping>(at);
  mapping.ssn = ssn;
  mapping.end = end;
  mapping.delta = delta;
  mapping.missing = missing;
  mapping.expected = expected;
  mapping.sum = sum;
}
