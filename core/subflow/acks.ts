/** What we owe the peer on one subflow: when an acknowledgement leaves, and what the last one told (RFC 5681 §4.2, RFC 9293 §3.8.6.3). */

import { SEGMENT_DUPLICATE, SEGMENT_FILLED, SEGMENT_GAP } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";

/** How long an acknowledgement of one segment may wait for a second where nothing else is asked for (RFC 9293 §3.8.6.3 allows 500 ms; Linux starts at 40). */
export const DELAYED_ACK: Micros = 40e3;

/** Full segments that come so far apart, 2.4 Mbit/s, are acknowledged one by one: there the sender has few in flight, and would wait for every second. */
const SPARSE: Micros = 5e3;

/** Acknowledgements that leave within one batch: where more segments come at once the path is so fast that they would cost more than they tell. */
const WITHIN_BATCH = 4;

// What holds of them, as bits: each place of its own would take eight bytes of every subflow.
/** One must leave at the end of this batch. */
const NOW = 1;
/** More than a SYN has left. */
const TOLD = 2;
/** A super-segment has come since the last one left: they are merged as an ACK for each second segment is not wanted. */
const MERGED = 4;

/** Acknowledgements of one subflow. */
export class Acks {
  /** How long an acknowledgement of one segment may wait for a second; 0: none waits. */
  readonly delay: Micros;
  #flags = 0;
  #bytes = 0;
  #last = 0;
  #edge = 0;
  #dataAck = 0;
  #segment = 536;
  /** The batch in hand, by its time, and how many may yet leave within it; null before a first one. Boxed once (CONTRIBUTING.md, Garbage). */
  #batch: Micros | null = null;
  #within = 0;
  /** When the last full segment came; null: none did. Boxed once (CONTRIBUTING.md, Garbage). */
  #lastFull: Micros | null = null;

  constructor(delay: Micros = DELAYED_ACK) {
    this.delay = delay;
  }

  /** One must leave at the end of this batch. */
  get now(): boolean {
    return (this.#flags & NOW) !== 0;
  }

  /** A super-segment has come since the last one left. */
  get merged(): boolean {
    return (this.#flags & MERGED) !== 0;
  }

  /** One is owed for something that has come, now or later. */
  get pending(): boolean {
    return (this.#flags & NOW) !== 0 || this.#bytes > 0;
  }

  /** Payload of the largest segment that came, 536 at least. */
  get segment(): number {
    return this.#segment;
  }

  /** RCV.NXT as last told: Last.ACK.sent (RFC 7323 §4.3). */
  get last(): number {
    return this.#last;
  }

  /** Right edge of the window as last told, a sequence offset; it never moves left (RFC 9293 §3.8.6.2). */
  get edge(): number {
    return this.#edge;
  }

  /** DATA_ACK as last told on this subflow. */
  get dataAck(): number {
    return this.#dataAck;
  }

  /** More than a SYN has left: the window is offered with its scale. */
  get told(): boolean {
    return (this.#flags & TOLD) !== 0;
  }

  /** A SYN has been taken, which our answer acknowledges. */
  begin(): void {
    this.#last = 1;
  }

  /** A window was offered up to `edge`. */
  offered(edge: number): void {
    if (edge > this.#edge) this.#edge = edge;
  }

  /** One must leave at the end of this batch. */
  need(): void {
    this.#flags |= NOW;
  }

  /**
   * Payload of `length` bytes was taken, `bits` tell how (SEGMENT_*); `most` is the largest segment there can be. True when its acknowledgement
   * may wait: out of order, duplicate or filling a hole is acknowledged at once, else every second full segment (RFC 5681 §4.2), and each on a slow path,
   * unless a pause lies before it.
   */
  received(length: number, bits: number, most: number, now: Micros): boolean {
    this.#bytes += length;
    if (length > this.#segment) this.#segment = Math.max(this.#segment, Math.min(length, most));
    if (length > most) this.#flags |= MERGED;
    const apart = this.#lastFull === null ? Infinity : now - this.#lastFull;
    const full = length >= this.#segment;
    if (full) this.#lastFull = now;
    if (
      this.delay === 0 || (full && apart >= SPARSE && apart <= DELAYED_ACK) ||
      (bits & (SEGMENT_GAP | SEGMENT_DUPLICATE | SEGMENT_FILLED)) !== 0 ||
      this.#bytes > this.#segment
    ) this.#flags |= NOW;
    return (this.#flags & NOW) === 0;
  }

  /**
   * One more segment has come in the batch of `now`, and what came before it is to be acknowledged first: so each second full segment is, also where some come
   * at once (RFC 5681 §4.2), but for super-segments and for batches that are long.
   */
  precede(now: Micros): boolean {
    if ((this.#flags & (NOW | MERGED)) !== NOW || this.#bytes < 2 * this.#segment) return false;
    if (now !== this.#batch) {
      this.#batch = now;
      this.#within = WITHIN_BATCH;
    }
    if (this.#within === 0) return false;
    this.#within--;
    return true;
  }

  /** A segment has left that acknowledges `next`; `dataAck` is -1 where it had none. */
  sent(next: number, dataAck: number): void {
    this.#flags |= TOLD;
    this.#last = next;
    if (dataAck >= 0) this.#dataAck = dataAck;
  }

  /** Nothing is owed any more. */
  settled(): void {
    this.#flags &= ~(NOW | MERGED);
    this.#bytes = 0;
  }
}
