/** A byte stream that keeps arrays of bytes by offset. */

import { SEGMENT_MERGED, SEGMENT_TAIL } from "../../wasm/layout.ts";
import { Ranges } from "./ranges.ts";

/** Most ranges above the first hole. */
export const MOST_RANGES = 32768;
const PAGE = 65536;

/** Bytes at offsets, of which the first copy stays. */
export class Bytes {
  /** Which offsets are there. */
  readonly held: Ranges = new Ranges();
  #pieces: { start: number; bytes: Uint8Array }[] = [];

  /** Stores what is not there; returns how many bytes that was. */
  put(offset: number, bytes: Uint8Array): number {
    const gaps = this.held.outside(offset, offset + bytes.length);
    for (const { start, end } of gaps) {
      this.#pieces.push({ start, bytes: bytes.slice(start - offset, end - offset) });
      this.held.add(start, end);
    }
    return gaps.reduce((total, gap) => total + gap.end - gap.start, 0);
  }

  /** The bytes of [start, end), all of which are there. */
  get(start: number, end: number): Uint8Array {
    const result = new Uint8Array(end - start);
    for (const piece of this.#pieces) {
      const from = Math.max(start, piece.start);
      const to = Math.min(end, piece.start + piece.bytes.length);
      if (from < to) {
        result.set(piece.bytes.subarray(from - piece.start, to - piece.start), from - start);
      }
    }
    return result;
  }

  /** Forgets [start, end). */
  drop(start: number, end: number): void {
    this.held.remove(start, end);
    this.#pieces = this.#pieces.flatMap(({ start: first, bytes }) => {
      const last = first + bytes.length;
      if (last <= start || first >= end) return [{ start: first, bytes }];
      return [
        { start: first, bytes: bytes.subarray(0, Math.max(start - first, 0)) },
        { start: Math.max(first, end), bytes: bytes.subarray(Math.max(end - first, 0)) },
      ].filter((piece) => piece.bytes.length > 0);
    });
  }
}

/** The stream: what lies below `next` is there in order, from `head` on. */
export class Stream {
  /** First byte kept. */
  head: number;
  /** End of what is in order. */
  next: number;
  /** End of the highest byte. */
  top: number;
  /** Everything placed that was not released. */
  readonly bytes: Bytes = new Bytes();
  #pages = new Map<number, number>(); // page number: pins

  /** The first byte of the stream has offset `first`. */
  constructor(first: number) {
    this.head = this.next = this.top = first;
  }

  /** Ranges above `next`. */
  get ranges(): number {
    return this.bytes.held.inside(this.next, Infinity).length;
  }

  /** Pages held. */
  get pages(): number {
    return this.#pages.size;
  }

  /** Whether placing [start, end) makes a range of its own above the first hole. */
  needsRange(start: number, end: number): boolean {
    start = Math.max(start, this.next);
    return start < end && start > this.next && !this.bytes.held.touches(start, end);
  }

  /** How [start, end), above a hole, lies to what is held there: SEGMENT_TAIL, SEGMENT_MERGED. */
  above(start: number, end: number): number {
    const held = this.bytes.held.inside(this.next, Infinity);
    if (start >= end || start <= this.next || held.length === 0) return 0;
    const merged = held.some((range) => range.start <= end && range.end >= start);
    return (start >= this.top ? SEGMENT_TAIL : 0) | (merged ? SEGMENT_MERGED : 0);
  }

  /** Stores what is not there; -1, and nothing changed, with too many ranges. */
  place(offset: number, bytes: Uint8Array): number {
    if (this.needsRange(offset, offset + bytes.length) && this.ranges === MOST_RANGES) return -1;
    // What was consumed came before.
    const skip = Math.min(Math.max(this.next - offset, 0), bytes.length);
    const start = offset + skip;
    const fresh = this.bytes.put(start, bytes.subarray(skip));
    if (skip < bytes.length) this.#hold(start, offset + bytes.length);
    const first = this.bytes.held.inside(this.next, Infinity)[0];
    if (first?.start === this.next) this.next = first.end;
    if (skip < bytes.length) this.top = Math.max(this.top, offset + bytes.length);
    return fresh;
  }

  /** Adds at the end. */
  append(bytes: Uint8Array): void {
    this.place(this.next, bytes);
  }

  /** Drops everything below `offset`. */
  release(offset: number): void {
    if (!(offset > this.head)) return;
    this.head = Math.min(offset, this.next);
    this.#settle();
  }

  /** Keeps the pages of a range. */
  pin(offset: number, length: number): void {
    this.#count(offset, length, 1);
  }

  /** Undoes one `pin`. */
  unpin(offset: number, length: number): void {
    this.#count(offset, length, -1);
    this.#settle();
  }

  #hold(start: number, end: number): void {
    for (let page = Math.floor(start / PAGE); page * PAGE < end; page++) {
      this.#pages.set(page, this.#pages.get(page) ?? 0);
    }
  }

  #count(offset: number, length: number, step: number): void {
    for (let page = Math.floor(offset / PAGE); page * PAGE < offset + length; page++) {
      const pins = this.#pages.get(page);
      if (pins !== undefined) this.#pages.set(page, Math.max(pins + step, 0));
    }
  }

  #settle(): void {
    for (const [page, pins] of this.#pages) {
      const passed = (page + 1) * PAGE <= this.head || this.head === this.top;
      if (passed && pins === 0) this.#pages.delete(page);
    }
  }
}
