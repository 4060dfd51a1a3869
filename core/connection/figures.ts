/** What a connection has done so far, for `info()` and for schedulers. */

import type { Micros, PathIndex } from "../plugin.ts";

/** A RST that had an MP_TCPRST (RFC 8684 §3.6). */
export interface LastReset {
  /** Who has sent it. */
  readonly by: "us" | "peer";
  /** The path index of the subflow that it has ended. */
  readonly path: PathIndex;
  /**
   * 0 unspecified, 1 an MPTCP-specific error, 2 lack of resources, 3 administratively prohibited, 4 too much outstanding data, 5 unacceptable performance,
   * 6 middlebox interference, or unknown.
   */
  readonly reason: number;
  /** The T flag: what it tells is over some time. */
  readonly transient: boolean;
  /** When. */
  readonly at: Micros;
}

/** What most connections never do. */
class Repairs {
  repeated = 0;
  repeats = 0;
  reallocations = 0;
  reallocated = 0;
}

/** Figures of one connection; bytes, and times of the host. */
export class Figures {
  #bytesSent = 0;
  /** Made for the first. */
  #repairs: Repairs | null = null;
  // Null before the first. Boxed once, as `now` (CONTRIBUTING.md, Garbage): what happens at one time shares the box.
  #lastSent: Micros | null = null;
  #lastReceived: Micros | null = null;
  #lastAcked: Micros | null = null;
  #lastReset: LastReset | null = null;

  /** Bytes sent for the first time. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Bytes sent again on another subflow. */
  get repeated(): number {
    return this.#repairs === null ? 0 : this.#repairs.repeated;
  }

  /** The same in mappings. */
  get repeats(): number {
    return this.#repairs === null ? 0 : this.#repairs.repeats;
  }

  /** How often everything bound ahead was taken back, to be bound anew (draft A.5). */
  get reallocations(): number {
    return this.#repairs === null ? 0 : this.#repairs.reallocations;
  }

  /** Bytes of that. */
  get reallocated(): number {
    return this.#repairs === null ? 0 : this.#repairs.reallocated;
  }

  /** When data last left. */
  get lastSent(): Micros {
    return this.#lastSent ?? 0;
  }

  /** When data last came. */
  get lastReceived(): Micros {
    return this.#lastReceived ?? 0;
  }

  /** When a DATA_ACK last told something. */
  get lastAcked(): Micros {
    return this.#lastAcked ?? 0;
  }

  /** The last RST of a subflow that told why; null: there was none. */
  get lastReset(): LastReset | null {
    return this.#lastReset;
  }

  /** One has left, or has come. */
  reset(reset: LastReset): void {
    this.#lastReset = reset;
  }

  /** New data have left. */
  sent(bytes: number, now: Micros): void {
    this.#bytesSent += bytes;
    this.#lastSent = now;
  }

  /** A mapping has been repeated on another subflow. */
  repeat(bytes: number): void {
    const repairs = this.#repairs ??= new Repairs();
    repairs.repeated += bytes;
    repairs.repeats++;
  }

  /** So much was taken back. */
  reallocate(bytes: number): void {
    const repairs = this.#repairs ??= new Repairs();
    repairs.reallocated += bytes;
    repairs.reallocations++;
  }

  /** Data have come. */
  received(now: Micros): void {
    this.#lastReceived = now;
  }

  /** A DATA_ACK has told something. */
  acked(now: Micros): void {
    this.#lastAcked = now;
  }
}
