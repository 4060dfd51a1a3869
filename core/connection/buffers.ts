/** The two streams of a connection in WebAssembly memory: the shared send queue's bytes and the receive buffer's. */

import {
  f64,
  stream_append,
  stream_at,
  stream_free,
  stream_new,
  stream_record,
  stream_release,
  u32,
  u8,
} from "../../wasm/mod.ts";
import { OUT_0, PAGE, STREAM_HEAD, STREAM_NEXT, STREAM_TOP } from "../../wasm/layout.ts";

/** Both streams; their first byte has data offset 1. After `free` the last positions can still be asked for. */
export class Buffers {
  /** Handle of the send queue's stream. */
  readonly send: number;
  /** Handle of the receive buffer's stream. */
  readonly receive: number;
  readonly #sendRecord: number;
  readonly #receiveRecord: number;
  #freed = false;
  #lastNext = 1;
  #lastTail = 1;

  /** @param host The host's handle in WebAssembly memory. */
  constructor(host: number) {
    this.send = stream_new(host, 1);
    this.receive = stream_new(host, 1);
    this.#sendRecord = stream_record(this.send) >> 3;
    this.#receiveRecord = stream_record(this.receive) >> 3;
  }

  /** End of what was written. */
  get tail(): number {
    return this.#freed ? this.#lastTail : f64[this.#sendRecord + STREAM_NEXT]!;
  }

  /** First byte that the application has not read. */
  get readOffset(): number {
    return this.#freed ? this.#lastNext : f64[this.#receiveRecord + STREAM_HEAD]!;
  }

  /** End of what was received in order. */
  get receivedNext(): number {
    return this.#freed ? this.#lastNext : f64[this.#receiveRecord + STREAM_NEXT]!;
  }

  /** End of the highest byte received. */
  get receivedTop(): number {
    return this.#freed ? this.#lastNext : f64[this.#receiveRecord + STREAM_TOP]!;
  }

  /** Appends up to `most` bytes of `source` from index `from`; returns how many found memory. */
  append(source: Uint8Array, from: number, most: number): number {
    let taken = 0;
    while (taken < most) {
      const address = stream_append(this.send, Math.min(most - taken, PAGE));
      if (address === 0) break;
      const piece = u32[OUT_0]!;
      const start = from + taken;
      u8.set(piece === source.length ? source : source.subarray(start, start + piece), address);
      taken += piece;
    }
    return taken;
  }

  /** DATA_ACKed bytes leave the send queue. */
  releaseSent(offset: number): void {
    if (this.#freed) return;
    const tail = this.tail;
    const end = Math.min(offset, tail);
    const head = f64[this.#sendRecord + STREAM_HEAD]!;
    // Pages go back whole: while the page of the head has bytes left, there is nothing to give.
    if (end < tail && end - head < PAGE - (head & (PAGE - 1))) return;
    stream_release(this.send, end);
  }

  /** Moves bytes that are in order into `target`; returns how many. */
  take(target: Uint8Array): number {
    let offset = this.readOffset;
    const bytes = Math.min(target.length, this.receivedNext - offset);
    let done = 0;
    while (done < bytes) {
      const piece = Math.min(bytes - done, PAGE - (offset & (PAGE - 1)));
      const address = stream_at(this.receive, offset);
      target.set(u8.subarray(address, address + piece), done);
      done += piece;
      offset += piece;
    }
    if (done > 0) stream_release(this.receive, offset);
    return done;
  }

  /** Drops what has come in order. */
  drop(): void {
    if (this.receivedNext > this.readOffset) stream_release(this.receive, this.receivedNext);
  }

  /** Gives both back; unread bytes are lost. */
  free(): void {
    if (this.#freed) return;
    this.#lastNext = this.receivedNext;
    this.#lastTail = this.tail;
    this.#freed = true;
    stream_free(this.send);
    stream_free(this.receive);
  }
}
