// Hosts, and the handles by which JavaScript holds on to what lives here. Everything but free blocks hangs from a host.

import { USAGE_BYTES, USAGE_FLOWS, USAGE_PAGES, USAGE_RECEIVERS, USAGE_STREAMS } from "../layout";
import { allocateBytes, blockSize, freeBlock, HANDLE_DIRECTORY } from "./memory";

// A handle is a positive number: generation (9 bits), kind (2 bits), index (20 bits). The table holds for each index the handle that is valid now
// and the address of its record, so a stale handle differs from what the table holds.
const INDEX_BITS: i32 = 20;
const CHUNK_BITS: i32 = 13; // slots of 8 bytes in a chunk of the table, 64 KB
const GENERATION_BITS: i32 = 9;
// So many free indices wait in a queue before one is used again: a generation repeats only after 2^9 times as many allocations.
const QUARANTINE: i32 = 1024;

export const KIND_HOST: i32 = 1;
export const KIND_STREAM: i32 = 2;
export const KIND_RECEIVER: i32 = 3;

let indices: i32 = 1; // indices ever used; 0 is not, so that no handle is 0
let freeFirst: i32 = 0; // queue of free indices, linked through their slots
let freeLast: i32 = 0;
let freeCount: i32 = 0;

// @ts-ignore: decorator
@inline
function slotOf(index: i32): usize {
  return <usize> load<u32>(HANDLE_DIRECTORY + (<usize> (index >> CHUNK_BITS) << 2)) +
    (<usize> (index & ((1 << CHUNK_BITS) - 1)) << 3);
}

/** Gives a record a handle; 0 when there is no memory. */
export function handleNew(kind: i32, record: usize): i32 {
  let index: i32;
  let generation = 0;
  if (freeCount >= QUARANTINE || (freeCount > 0 && indices == 1 << INDEX_BITS)) {
    index = freeFirst;
    const slot = slotOf(index);
    generation = load<i32>(slot) >>> (INDEX_BITS + 2);
    freeFirst = load<i32>(slot, 4);
    if (--freeCount == 0) freeLast = 0;
  } else {
    if (indices == 1 << INDEX_BITS) return 0;
    const chunk = HANDLE_DIRECTORY + (<usize> (indices >> CHUNK_BITS) << 2);
    if (load<u32>(chunk) == 0) {
      const table = allocateBytes(8 << CHUNK_BITS);
      if (table == 0) return 0;
      memory.fill(table, 0, 8 << CHUNK_BITS);
      store<u32>(chunk, <u32> table);
    }
    index = indices++;
  }
  const handle = generation << (INDEX_BITS + 2) | kind << INDEX_BITS | index;
  const slot = slotOf(index);
  store<i32>(slot, handle);
  store<u32>(slot, <u32> record, 4);
  return handle;
}

/** Makes a handle stale. */
export function handleFree(handle: i32): void {
  const index = handle & ((1 << INDEX_BITS) - 1);
  const slot = slotOf(index);
  const generation = (handle >>> (INDEX_BITS + 2)) + 1 & ((1 << GENERATION_BITS) - 1);
  // Kind 0: equal to no handle.
  store<i32>(slot, generation << (INDEX_BITS + 2) | index);
  store<i32>(slot, 0, 4);
  if (freeLast != 0) store<i32>(slotOf(freeLast), index, 4);
  else freeFirst = index;
  freeLast = index;
  freeCount++;
}

/** The record of a handle; 0 when it is stale or of another kind. */
// @ts-ignore: decorator
@inline
export function resolve(handle: i32, kind: i32): usize {
  if ((handle >>> INDEX_BITS & 3) != kind) return 0;
  const chunk = <usize> load<u32>(HANDLE_DIRECTORY + (<usize> (handle >>> CHUNK_BITS & 127) << 2));
  if (chunk == 0) return 0;
  const slot = chunk + (<usize> (handle & ((1 << CHUNK_BITS) - 1)) << 3);
  return load<i32>(slot) == handle ? <usize> load<u32>(slot, 4) : 0;
}

@unmanaged
export class Host {
  secret0: u64;
  secret1: u64;
  bytes: f64;
  flows: usize; // table of slots, 0 while there is no flow
  flowSlots: u32;
  flowCount: u32;
  lastFlow: usize; // slot of the last look-up that found something
  streams: usize; // doubly linked lists
  receivers: usize;
  streamCount: u32;
  receiverCount: u32;
  pages: u32;
  handle: i32;
}

// @ts-ignore: decorator
@inline
export function hostOf(handle: i32): Host | null {
  return changetype<Host | null>(resolve(handle, KIND_HOST));
}

/** A block that counts for `host`. */
export function hostAllocate(host: Host, bytes: i32): usize {
  const block = allocateBytes(bytes);
  if (block != 0) host.bytes += <f64> blockSize(block);
  return block;
}

export function hostRelease(host: Host, block: usize): void {
  if (block == 0) return;
  host.bytes -= <f64> blockSize(block);
  freeBlock(block);
}

/** A host without anything; `host_new` fills in its secrets. */
export function hostCreate(): Host | null {
  const record = allocateBytes(offsetof<Host>());
  if (record == 0) return null;
  memory.fill(record, 0, offsetof<Host>());
  const handle = handleNew(KIND_HOST, record);
  if (handle == 0) {
    freeBlock(record);
    return null;
  }
  const host = changetype<Host>(record);
  host.handle = handle;
  return host;
}

export function host_usage(handle: i32, what: i32): f64 {
  const host = hostOf(handle);
  if (host == null) return 0;
  if (what == USAGE_STREAMS) return <f64> host.streamCount;
  if (what == USAGE_RECEIVERS) return <f64> host.receiverCount;
  if (what == USAGE_FLOWS) return <f64> host.flowCount;
  if (what == USAGE_PAGES) return <f64> host.pages;
  return what == USAGE_BYTES ? host.bytes : 0;
}
