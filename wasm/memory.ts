/**
 * The only views of the WebAssembly memory. They never detach, so they may be kept anywhere, also in a system call. The memory gets all its room at once, where
 * that costs nothing: V8 reads what cannot change its size three to eight times as fast, and each packet has a hundred such reads. Elsewhere the views follow
 * it when it grows; an engine that has no resizable buffer over a WebAssembly memory grows it once, as far as it can, and no further.
 */

import { core } from "./core.ts";

const { memory, memory_fix } = core;

/** Bytes of memory where it cannot grow under a view: the limit of the module, or as much of it as the engine gives; what is never touched costs nothing. */
const LARGEST = 2 ** 31;
const SMALLEST = 2 ** 26;

/** Grows the memory to `size` bytes, once for all; false where the engine, or the system, does not let it. */
function reserve(size: number): boolean {
  try {
    memory.grow((size - memory.buffer.byteLength) / 65536);
  } catch {
    return false;
  }
  memory_fix();
  return true;
}

/** Whether memory counts as taken as soon as it may be written, as on Windows. */
function countsAtOnce(): boolean {
  const { navigator } = globalThis as { navigator?: { platform?: string } };
  return navigator?.platform?.startsWith("Win") === true;
}

function buffer(): ArrayBuffer {
  const growable = memory as typeof memory & { toResizableBuffer?: () => ArrayBuffer };
  const follows = growable.toResizableBuffer !== undefined;
  if (!(follows && countsAtOnce()) && reserve(LARGEST)) return memory.buffer as ArrayBuffer;
  if (follows) return growable.toResizableBuffer!();
  for (let size = LARGEST / 2; size >= SMALLEST && !reserve(size);) size /= 2;
  memory_fix();
  return memory.buffer as ArrayBuffer;
}

const shared = buffer();

/** Memory as bytes. */
export const u8: Uint8Array<ArrayBuffer> = new Uint8Array(shared);
/** Memory as 16-bit words. */
export const u16: Uint16Array<ArrayBuffer> = new Uint16Array(shared);
/** Memory as signed 32-bit words. */
export const i32: Int32Array<ArrayBuffer> = new Int32Array(shared);
/** Memory as 32-bit words: the descriptors RX_* and TX_*. */
export const u32: Uint32Array<ArrayBuffer> = new Uint32Array(shared);
/** Memory as 64-bit floats: the records STREAM_* and RECEIVER_*. */
export const f64: Float64Array<ArrayBuffer> = new Float64Array(shared);
