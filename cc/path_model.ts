/** What controls that model the path share: rounds, the largest rate of delivery, the least round trip. */

import type { AckSample, Micros } from "../core/plugin.ts";

/** The largest of the values that came in the last few periods. */
export class WindowedMax {
  readonly #values: Float64Array;
  #at = 0;
  #max = 0;

  /** Over `periods`, the present one included. */
  constructor(periods: number) {
    this.#values = new Float64Array(periods);
  }

  /** 0 before a first value. */
  get max(): number {
    return this.#max;
  }

  /** Another value of the present period. */
  add(value: number): void {
    if (value > this.#values[this.#at]!) this.#values[this.#at] = value;
    if (value > this.#max) this.#max = value;
  }

  /** The next period begins. */
  advance(): void {
    const values = this.#values;
    this.#at = (this.#at + 1) % values.length;
    values[this.#at] = 0;
    let max = 0;
    for (let i = 0; i < values.length; i++) max = Math.max(max, values[i]!);
    // A period without a sample tells nothing: what was known is not forgotten for that.
    if (max > 0) this.#max = max;
  }
}

/** Packet-timed rounds: one is over when something is acknowledged that was sent after the last one was. */
export class Rounds {
  /** How many are over. */
  count = 0;
  #end = 0;

  /** Whether `ack` ends a round. */
  ends({ delivered, priorDelivered }: AckSample): boolean {
    if (priorDelivered < this.#end) return false;
    this.restart(delivered);
    this.count++;
    return true;
  }

  /** A round begins at `delivered`, whatever there was. */
  restart(delivered: number): void {
    this.#end = delivered;
  }
}

/** The least round trip, which is measured anew when it is old. */
export class LeastRtt {
  readonly #life: Micros;
  #value: Micros = Infinity;
  #at: Micros = 0;

  /** Known for `life` at most. */
  constructor(life: Micros) {
    this.#life = life;
  }

  /** Infinity before a first sample. */
  get value(): Micros {
    return this.#value;
  }

  /** Whether it is too old at `now`. */
  old(now: Micros): boolean {
    return this.#value < Infinity && now > this.#at + this.#life;
  }

  /** Takes a sample; -1 is none. */
  add(rtt: Micros, now: Micros): void {
    if (rtt <= 0) return;
    if (rtt > this.#value && !this.old(now)) return;
    this.#value = rtt;
    this.#at = now;
  }

  /** It was seen just now. */
  renew(now: Micros): void {
    this.#at = now;
  }
}

/** Whether the path is full: for three rounds it has brought no quarter more. */
export class FullPipe {
  /** It was found full. */
  full = false;
  #rate = 0;
  #rounds = 0;

  /** A round is over, with a largest rate of `rate`. */
  round(rate: number, appLimited: boolean): void {
    if (this.full || appLimited) return;
    if (rate >= this.#rate * 1.25) {
      this.#rate = rate;
      this.#rounds = 0;
    } else if (++this.#rounds >= 3) this.full = true;
  }

  /** Looks again: the path may be another. */
  again(): void {
    this.full = false;
    this.#rate = 0;
    this.#rounds = 0;
  }
}
