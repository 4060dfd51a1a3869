/** What the tests of the WebAssembly module share: bytes in its memory, streams compared with their reference. */

import { assertEquals } from "@std/assert";
import { PAGE, STREAM_HEAD, STREAM_NEXT } from "../../wasm/layout.ts";
import { f64, packet_alloc, stream_at, stream_record, u8 } from "../../wasm/mod.ts";
import type { Stream } from "../reference/stream.ts";

/** A place in WebAssembly memory for the bytes of one call. */
export class Scratch {
  #address = 0;

  /** `size` bytes, in buffers that follow one another. */
  constructor(size: number) {
    const buffers: number[] = [];
    while (buffers.length * 66048 < size) buffers.push(packet_alloc(66048));
    buffers.sort((a, b) => a - b);
    this.#address = buffers[0]!;
    buffers.forEach((buffer, i) => assertEquals(buffer, this.#address + i * 66048));
  }

  /** The place itself. */
  get address(): number {
    return this.#address;
  }

  /** Copies bytes there, at `skip` bytes from its beginning. */
  put(bytes: Uint8Array, skip = 0): number {
    u8.set(bytes, this.#address + skip);
    return this.#address + skip;
  }

  /** What is in order in a stream and not released. */
  read(stream: number): Uint8Array {
    const record = stream_record(stream) >> 3;
    return readStream(stream, f64[record + STREAM_HEAD]!, f64[record + STREAM_NEXT]!);
  }
}

/** The held bytes of [start, end) of a stream. */
export function readStream(stream: number, start: number, end: number): Uint8Array {
  const result = new Uint8Array(end - start);
  for (let at = start; at < end;) {
    const part = Math.min(PAGE - at % PAGE, end - at);
    const address = stream_at(stream, at);
    assertEquals(address > 0, true);
    result.set(u8.subarray(address, address + part), at - start);
    at += part;
  }
  return result;
}

/** Fails unless a stream holds what its reference holds. */
export function compareStreams(stream: number, model: Stream, scratch: Scratch): void {
  const record = stream_record(stream) >> 3;
  assertEquals([...f64.subarray(record, record + 4)], [
    model.head,
    model.next,
    model.top,
    model.pages,
  ]);
  assertEquals(scratch.read(stream), model.bytes.get(model.head, model.next));
  for (const { start, end } of model.bytes.held.inside(model.next, Infinity)) {
    assertEquals(readStream(stream, start, end), model.bytes.get(start, end));
  }
}

/** Bytes that depend on `seed` alone (xorshift32). */
export function randomBytes(length: number, seed: number): Uint8Array {
  let state = (seed ^ 0x9e3779b9) | 1;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}
