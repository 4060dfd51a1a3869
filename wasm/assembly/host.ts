// Hosts, and the handles by which JavaScript holds on to what lives here. Everything but free blocks hangs from a host.

import {
  PAGE,
  USAGE_BYTES,
  USAGE_FLOWS,
  USAGE_PAGES,
  USAGE_RECEIVERS,
  USAGE_STREAMS,
} from "../layout";
import { allocateBytes, allocatePage, blockSize, freeBlock, HANDLE_DIRECTORY } from "./memory";

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
  secret2: u64; // of what is told to peers
  secret3: u64;
  bytes: f64;
  limit: f64; // most bytes, Infinity: nobody has set it
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

/** Most bytes of all hosts with a limit together: the module can address 2 GB, of which the rest is for packets on their way and for what has none. */
const PROCESS_LIMIT: f64 = 1792 * 1048576;
/** So small a block is charged but never refused: what a connection needs to go on. */
const SMALL: i32 = 4096;
/** With no more than this charged a connection holds no page. */
const NO_PAGE: f64 = 32768;
/** What a connection may hold that has moved nothing, when half of a limit is in use: between these, and a 512th of what is left. */
const LEAST_BASE: f64 = 65536 + NO_PAGE;
const MOST_BASE: f64 = 262144;

let processBytes: f64 = 0;

/** Something was refused for want of memory, since `shortageClear`. */
export let shortage: bool = false;

export function shortageClear(): void {
  shortage = false;
}

/** A list has no place for what is asked for: what lies farthest shall make some. */
export function shortageNote(): void {
  shortage = true;
}

/** Counts `bytes`, or takes them off, for `host`. */
export function hostCharge(host: Host, bytes: f64): void {
  host.bytes += bytes;
  processBytes += bytes;
}

/** A block that counts for `host`. */
export function hostAllocate(host: Host, bytes: i32): usize {
  const block = allocateBytes(bytes);
  if (block != 0) hostCharge(host, <f64> blockSize(block));
  return block;
}

export function hostRelease(host: Host, block: usize): void {
  if (block == 0) return;
  hostCharge(host, -<f64> blockSize(block));
  freeBlock(block);
}

/** What one direction of a connection takes; part of a stream's record. */
@unmanaged
export class Account {
  charged: f64;
  limit: f64; // most bytes, Infinity: nobody has set it
  moved: f64; // bytes that have gone through: read, or acknowledged
  host: Host;
}

/** Counts `bytes`, or takes them off, for a connection and its host. */
export function charge(account: Account, bytes: f64): void {
  account.charged += bytes;
  hostCharge(account.host, bytes);
}

/** Bytes that the connection at hand may hold beyond its share, as it wants for what is next in its data; 0: it does not. */
let spare: f64 = 0;

/** What follows is next in a connection's data: it may hold `bytes` beyond its share for that. 0: it is not. */
export function spareFor(bytes: f64): void {
  spare = bytes;
}

/**
 * Whether a connection may have `bytes` more. No host holds more than is left for the others. While half of its limit, and of the process's, is free
 * a connection gets what it asks for, within its own limit. Then it holds no more than is left for the others, and no more than a little and twice
 * what it has moved: who never reads has moved nothing, and however many there are of them, those that do move find memory. A first page is a matter
 * of the limits alone. What is next in the data may have more, within bounds, where nothing ever moves without it: as long as an eighth of all is left for
 * those who do move.
 */
export function mayHold(account: Account, bytes: f64): bool {
  const host = account.host;
  const charged = account.charged + bytes;
  if (charged > account.limit) return false;
  if (host.limit == Infinity) return true;
  const left = host.limit - host.bytes;
  const leftOfAll = PROCESS_LIMIT - processBytes;
  if (bytes > left || bytes > leftOfAll) return false;
  if (account.charged <= NO_PAGE) return true;
  if (host.bytes + bytes > leftOfAll) return false;
  if (left * 2 >= host.limit && leftOfAll * 2 >= PROCESS_LIMIT) return true;
  const least = min(left, leftOfAll);
  const base = min(max(least / 512, LEAST_BASE), MOST_BASE);
  if (charged <= least && charged <= base + 2 * account.moved) return true;
  if (left * 8 < host.limit || leftOfAll * 8 < PROCESS_LIMIT) return false;
  return spare > 0 && charged <= base + spare;
}

/** A block for a connection; 0 when it may not have it, or there is no memory. */
export function accountAllocate(account: Account, bytes: i32): usize {
  let block: usize = 0;
  if (bytes <= SMALL || mayHold(account, <f64> bytes)) block = allocateBytes(bytes);
  if (block != 0) charge(account, <f64> blockSize(block));
  else shortage = true;
  return block;
}

/** A page for a connection; 0 when it may not have it, or there is no memory. */
export function accountPage(account: Account): usize {
  let page: usize = 0;
  if (mayHold(account, <f64> PAGE)) page = allocatePage();
  if (page != 0) {
    account.host.pages++;
    charge(account, <f64> PAGE);
  } else shortage = true;
  return page;
}

export function accountPageFree(account: Account, page: usize): void {
  account.host.pages--;
  charge(account, -<f64> PAGE);
  freeBlock(page);
}

export function accountRelease(account: Account, block: usize): void {
  if (block == 0) return;
  charge(account, -<f64> blockSize(block));
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
  host.limit = Infinity;
  return host;
}

/** From now on a host takes at most so many bytes. */
export function host_limit(handle: i32, bytes: f64): void {
  const host = hostOf(handle);
  if (host != null) host.limit = bytes;
}

/** Bytes that a host may still take, and the process; Infinity without a limit. */
export function host_left(handle: i32): f64 {
  const host = hostOf(handle);
  if (host == null || host.limit == Infinity) return Infinity;
  return max(0, min(host.limit - host.bytes, PROCESS_LIMIT - processBytes));
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
