/** How much may leave now where sending is spread over time: a bucket that fills at a rate, and is emptied in quanta (RFC 9002 §7.7 says why). */

import type { Micros } from "../plugin.ts";
import { type Deadlines, type SubflowTimer, TIMER_PACE } from "./deadlines.ts";
import type { Rtt } from "./rtt.ts";

/** A quantum is what the rate gives in this time, as timers on a real clock are hardly finer and super-segments are to stay: two segments at least. */
const QUANTUM_TIME: Micros = 1e3;
/** Most bytes of a quantum. */
const LARGEST_QUANTUM = 65536;
/** What the bucket holds, in time, and in quanta at least: a wake that comes late by a quantum costs nothing, and no burst is longer. */
const DEPTH_TIME: Micros = 2e3;
const DEPTH = 2;
/** Bytes that may be missing where floating-point time is exact to that only. */
const ROUNDING = 1;

/** Bytes that leave at once at `rate`, in segments of `segment`. */
function quantum(rate: number, segment: number): number {
  const bytes = Math.min(rate * QUANTUM_TIME / 1e6, LARGEST_QUANTUM);
  return Math.max(2, Math.floor(bytes / segment)) * segment;
}

/** Bytes that leave at once after a pause. */
export function burst(rate: number, segment: number): number {
  return Math.max(DEPTH * quantum(rate, segment), rate * DEPTH_TIME / 1e6);
}

/** Spreads what one subflow sends. */
export class Pacer {
  /** Bytes per second. */
  #rate = 0;
  #segment = 0;
  #quantum = 0;
  #most = 0;
  #credit = 0;
  /** When `credit` was right. */
  #at: Micros = 0;

  /** Full at `now`. Segments have `segment` bytes. */
  constructor(rate: number, segment: number, now: Micros) {
    this.#at = now;
    this.set(rate, segment);
    this.#credit = this.#most;
  }

  /** Bytes that may leave now, at `rate` from now on; 0 before a quantum has come together. */
  budget(rate: number, segment: number, now: Micros): number {
    this.fill(now);
    if (rate !== this.#rate || segment !== this.#segment) this.set(rate, segment);
    return this.open();
  }

  /** The same at `bytes` a round trip. Here, as a rate handed over would be boxed. */
  spread(bytes: number, rtt: Readonly<Rtt>, segment: number, now: Micros): number {
    this.fill(now);
    this.#rate = bytes * 1e6 / rtt.pathRtt;
    this.#segment = segment;
    const whole = Math.min(Math.floor(this.#rate * QUANTUM_TIME / 1e6), LARGEST_QUANTUM);
    this.#quantum = Math.max(2, Math.floor(whole / segment)) * segment;
    this.#most = Math.max(DEPTH * this.#quantum, this.#rate * DEPTH_TIME / 1e6);
    return this.open();
  }

  private fill(now: Micros): void {
    this.#credit += (now - this.#at) * this.#rate / 1e6;
    this.#at = now;
  }

  private open(): number {
    if (this.#credit > this.#most) this.#credit = this.#most;
    if (this.#credit + ROUNDING < this.#quantum) return 0;
    return Math.max(this.#quantum, Math.round(this.#credit));
  }

  private set(rate: number, segment: number): void {
    this.#rate = rate;
    this.#segment = segment;
    this.#quantum = quantum(rate, segment);
    this.#most = burst(rate, segment);
  }

  /** `bytes` have left: more than the budget is owed. */
  sent(bytes: number): void {
    this.#credit -= bytes;
  }

  /**
   * Sets the deadline at which the next quantum will have come together: in a microsecond at the earliest, as a time that has come already would bring
   * nothing. Here, as a time handed out would be boxed.
   */
  arm(deadlines: Deadlines<SubflowTimer>): void {
    const wait = (this.#quantum - this.#credit) * 1e6 / this.#rate;
    deadlines.set(TIMER_PACE, this.#at + Math.max(1, Math.ceil(wait)));
  }
}
