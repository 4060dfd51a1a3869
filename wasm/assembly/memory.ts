// The allocator: blocks of powers of two from 16 bytes, each size with a last-in-first-out free list, so that what was just freed (and is still in
// the processor's cache) is used next. It needs no header in front of a block: a table gives the size of the blocks in each 64 KB of memory.

import { PAGE } from "../layout";

// Fixed places in the first 64 KB, which is never handed out. Free lists: 32 words below MEMORY_BASE, one a size.
const FREE_LISTS: usize = 512;
/** 128 addresses: directory of the handle table. */
export const HANDLE_DIRECTORY: usize = 2048;
/** 40 bytes: the flow key looked for. */
export const FLOW_KEY: usize = 2560;
/** 112 bytes: the headers that were parsed last. */
export const LAST_HEADERS: usize = 2624;
// One byte for each 64 KB of memory: the size class of its blocks, 0 when it was never handed out.
const CLASSES: usize = 16384;

// Addresses cross the boundary as signed numbers: below 2 GB they need no care on either side.
const MOST_PAGES: i32 = 32768;
// Growing is a system call, so it is done in steps; memory that was never touched costs nothing.
const GROWTH_STEP: i32 = 64;

const SMALLEST: i32 = 4; // 16 bytes
const LARGEST: i32 = 28; // 256 MB
const SMALL_PACKET: i32 = 11; // 2,048 bytes
const PAGE_CLASS: i32 = 16;
// Packets of up to 64 KB and their headroom, not a power of two: 16 of them in 17 WebAssembly pages.
const BIG_PACKET: i32 = 1;
const BIG_PACKET_SIZE: i32 = 66048;
const BIG_PACKETS: i32 = 16;
// A page that was given back while packets lead there.
const AWAITED: i32 = 2;

let firstFree: i32 = 1; // first WebAssembly page never handed out
let fixed: bool = false; // growing would detach the views
// How many packets on their way have their payload on a page of stream data: 16 bits for each 64 KB of memory. 0 before the first.
let lends: usize = 0;

/** Hands out `pages` WebAssembly pages in a row; 0 when there are none. */
function take(pages: i32): usize {
  const end = firstFree + pages;
  const size = memory.size();
  if (end > size) {
    if (fixed || end > MOST_PAGES) return 0;
    let step = max(GROWTH_STEP, size >> 3);
    step = min(max(step, end - size), MOST_PAGES - size);
    // Near the limit of the engine a whole step may be refused where the pages asked for would not.
    if (memory.grow(step) < 0 && memory.grow(end - size) < 0) return 0;
  }
  const address = <usize> firstFree << 16;
  firstFree = end;
  return address;
}

function push(list: usize, block: usize): void {
  store<u32>(block, load<u32>(list));
  store<u32>(list, <u32> block);
}

/** Fills an empty free list with fresh blocks, the lowest on top. */
function refill(kind: i32): bool {
  const list = FREE_LISTS + (<usize> kind << 2);
  const big = kind == BIG_PACKET;
  const pages = big ? BIG_PACKETS + 1 : kind < PAGE_CLASS ? 1 : 1 << (kind - PAGE_CLASS);
  const start = take(pages);
  if (start == 0) return false;
  memory.fill(CLASSES + (start >> 16), <u8> kind, pages);
  const size: usize = big ? <usize> BIG_PACKET_SIZE : <usize> 1 << kind;
  let block = start + (<usize> pages << 16) / size * size;
  while (block > start) {
    block -= size;
    push(list, block);
  }
  return true;
}

function allocate(kind: i32): usize {
  const list = FREE_LISTS + (<usize> kind << 2);
  if (load<u32>(list) == 0 && !refill(kind)) return 0;
  const block = load<u32>(list);
  store<u32>(list, load<u32>(block));
  return block;
}

function release(block: usize): void {
  const kind = load<u8>(CLASSES + (block >> 16));
  if (kind == 0 || kind == AWAITED) return;
  if (kind == PAGE_CLASS && lends != 0 && load<u16>(lendsOf(block)) != 0) {
    // Nobody is to write there before the last of them has come.
    store<u8>(CLASSES + (block >> 16), AWAITED);
  } else push(FREE_LISTS + (<usize> kind << 2), block);
}

// @ts-ignore: decorator
@inline
function lendsOf(address: usize): usize {
  return lends + (address >> 16 << 1);
}

/** The size class of the smallest block with room for `bytes`; above LARGEST when there is none. */
// @ts-ignore: decorator
@inline
function classOf(bytes: i32): i32 {
  return bytes <= 16 ? SMALLEST : 32 - clz(bytes - 1);
}

/** A block of at least `bytes`, not cleared; 0 when there is no memory. */
export function allocateBytes(bytes: i32): usize {
  const kind = classOf(bytes);
  return kind > LARGEST ? 0 : allocate(kind);
}

/** Bytes that the block at `address` takes. */
export function blockSize(address: usize): i32 {
  return 1 << load<u8>(CLASSES + (address >> 16));
}

/** A block of PAGE bytes for stream data. */
export function allocatePage(): usize {
  return allocate(PAGE_CLASS);
}

/** Gives back any block; 0 is ignored. */
export function freeBlock(address: usize): void {
  release(address);
}

export function memory_alloc(bytes: i32): i32 {
  return <u32> bytes > 2048 ? 0 : <i32> allocate(classOf(bytes));
}

export function memory_free(address: i32): void {
  release(<usize> address);
}

export function packet_alloc(bytes: i32): i32 {
  if (<u32> bytes <= 2048) return <i32> allocate(SMALL_PACKET);
  return <u32> bytes <= <u32> BIG_PACKET_SIZE ? <i32> allocate(BIG_PACKET) : 0;
}

export function packet_gather(
  headroom: i32,
  a: i32,
  aLength: i32,
  b: i32,
  bLength: i32,
  c: i32,
  cLength: i32,
): i32 {
  const packet = packet_alloc(headroom + aLength + bLength + cLength);
  if (packet == 0) return 0;
  let to = <usize> packet + headroom;
  if (aLength > 0) memory.copy(to, a, aLength);
  to += aLength;
  if (bLength > 0) memory.copy(to, b, bLength);
  to += bLength;
  if (cLength > 0) memory.copy(to, c, cLength);
  return packet;
}

export function packet_free(address: i32): void {
  release(<usize> address);
}

export function packet_lend(headroom: i32, header: i32, headerLength: i32, payload: i32): i32 {
  if (load<u8>(CLASSES + (<usize> payload >> 16)) != PAGE_CLASS) return 0;
  if (lends == 0) {
    const table = allocate(PAGE_CLASS);
    if (table == 0) return 0;
    memory.fill(table, 0, MOST_PAGES << 1);
    lends = table;
  }
  const count = <u32> load<u16>(lendsOf(payload));
  if (count == 0xffff) return 0;
  const packet = allocate(classOf(headroom + headerLength));
  if (packet == 0) return 0;
  store<u16>(lendsOf(payload), <u16> (count + 1));
  // A call of memory.copy takes longer than this; blocks are of whole 16 bytes.
  const to = packet + headroom;
  for (let i = 0; i < headerLength; i += 16) v128.store(to + i, v128.load(<usize> header + i));
  return <i32> packet;
}

export function packet_return(address: i32, payload: i32): void {
  release(<usize> address);
  const count = <u32> load<u16>(lendsOf(payload)) - 1;
  store<u16>(lendsOf(payload), <u16> count);
  const kind = CLASSES + (<usize> payload >> 16);
  if (count != 0 || load<u8>(kind) != AWAITED) return;
  store<u8>(kind, PAGE_CLASS);
  release(<usize> payload >> 16 << 16);
}

export function memory_reserve(bytes: i32): i32 {
  const pages = <i32> ((<u32> bytes + (PAGE - 1)) >> 16);
  if (fixed || memory.size() + pages > MOST_PAGES) return 0;
  return memory.grow(pages) >= 0 ? 1 : 0;
}

/** From now on memory stays as large as it is: for engines without resizable buffers. */
export function memory_fix(): void {
  fixed = true;
}
