/**
 * The only views of the WebAssembly memory. They follow it when it grows and never detach, so they may be kept anywhere, also in a system call.
 * Where an engine has no resizable buffer over a WebAssembly memory, the memory is grown once, as far as the engine lets it, and no further.
 */

import { core } from "./core.ts";

const { memory, memory_fix } = core;

/** Bytes of memory where it cannot grow under a view: tried from the limit of the module downwards; what is never touched costs nothing. */
const LARGEST = 2 ** 31;
const SMALLEST = 2 ** 26;

function buffer(): ArrayBuffer {
  const growable = memory as typeof memory & { toResizableBuffer?: () => ArrayBuffer };
  if (growable.toResizableBuffer) return growable.toResizableBuffer();
  for (let size = LARGEST; size >= SMALLEST; size /= 2) {
    try {
      memory.grow((size - memory.buffer.byteLength) / 65536);
      break;
    } catch {
      // Not so much: half of it.
    }
  }
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
