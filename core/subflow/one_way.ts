/**
 * How long packets wait on the way, each direction by itself, from the timestamps option (RFC 7323): a difference of two clocks tells nothing, but how it
 * changes does. Kept for a subflow whose scheduler asks.
 */

import type { Micros } from "../plugin.ts";
import { rx } from "../wire/segment.ts";
import { distance32 } from "../wire/seq.ts";

/** How long a least delay is one: clocks drift, and routes change. The one before it counts as long. */
const WINDOW: Micros = 10e6;
/** A tick of our clock, and what is taken for one of the peer's (RFC 7323 §5.4: 1 ms to 1 s). */
const TICK: Micros = 1000;
/** Above any. */
const NONE = 2 ** 30;

/** One direction: the last difference of clocks, and the least one. */
class Direction {
  #first: number | null = null;
  #last = 0;
  #least = NONE;
  #before = NONE;

  /** What waits there now. */
  get delay(): Micros {
    const least = Math.min(this.#least, this.#before);
    return least === NONE ? 0 : TICK * (this.#last - least);
  }

  /** Arrived by one clock and left by the other, in ticks. */
  take(arrived: number, left: number): void {
    const difference = distance32(arrived, left);
    this.#first ??= difference;
    this.#last = distance32(difference, this.#first);
    if (this.#last < this.#least) this.#least = this.#last;
  }

  turn(): void {
    this.#before = this.#least;
    this.#least = this.#last;
  }
}

/** Both directions of one subflow. */
export class OneWay {
  readonly #out = new Direction();
  readonly #in = new Direction();
  #turns: Micros = -Infinity;
  /** The peer's clock showed it when the last echo of a time came. */
  #tick = 0;

  /** Beyond the least of what packets took to the peer. */
  get out(): Micros {
    return this.#out.delay;
  }

  /** The same for what comes in. */
  get in(): Micros {
    return this.#in.delay;
  }

  /** The segment in `rx`, which has timestamps, came when our clock showed `value`; `tells`: its echo is that of a time. */
  heard(value: number, tells: boolean, now: Micros): void {
    if (now >= this.#turns) {
      if (this.#turns > -Infinity) {
        this.#out.turn();
        this.#in.turn();
      }
      this.#turns = now + WINDOW;
    }
    this.#in.take(value, rx.tsval);
    if (!tells || rx.tsecr === 0) return;
    // A clock that stands, as it ticks rarely or is held while something is repaired (RFC 7323 §5.4), would have what it has seen since come ever sooner.
    if (rx.tsval === this.#tick) return;
    this.#tick = rx.tsval;
    this.#out.take(rx.tsval, rx.tsecr);
  }
}
