/** Deadlines by name: one place for each part that has some, and one timer above it. */

import type { Micros } from "../plugin.ts";

/** Most names that there are. */
const MOST = 16;

/** What those have of whom none is set: most connections are idle. Nothing is ever put into it. */
const NONE: readonly Micros[] = new Array<Micros>(MOST).fill(Infinity);

/** Tables that nobody has, and how many of them are kept. */
const unused: Micros[][] = [];
const MOST_UNUSED = 1000;

/** A table of deadlines whose names are 0, 1, 2 …; those that are due come in the order of their names. */
export class Deadlines<T extends number> {
  // Doubles in a plain array take 8 bytes each, and writing one makes no garbage. Lent for as long as one is set.
  #times = NONE as Micros[];
  /** The name of the nearest. Kept, not looked for: a time that a loop finds and returns is garbage, and it is asked for after every packet. */
  #nearest = 0;

  /** @param names How many there are; none is set. */
  constructor(names: number) {
    if (names > MOST) throw new RangeError(`Cannot have ${names} deadlines: the most is ${MOST}`);
  }

  /** When a deadline is; Infinity: not set. */
  at(name: T): Micros {
    return this.#times[name]!;
  }

  /** Whether a deadline is set. */
  has(name: T): boolean {
    return this.#times[name]! < Infinity;
  }

  /** Whether a deadline has come. */
  passed(name: T, now: Micros): boolean {
    return this.#times[name]! <= now;
  }

  /** Sets a deadline; Infinity takes it back. Short enough to be inlined: else each call would box `at`. */
  set(name: T, at: Micros): void {
    const times = this.#times;
    if (times[name] === at) return;
    (times === NONE ? this.borrow() : times)[name] = at;
    this.moved(name);
  }

  /** The nearest; Infinity: none is set. */
  get nearest(): Micros {
    return this.#times[this.#nearest]!;
  }

  /** The first by name that has passed, which is taken back; -1 when none has. */
  due(now: Micros): T | -1 {
    if (this.nearest > now) return -1;
    for (let i = 0; i < this.#times.length; i++) {
      if (this.#times[i]! > now) continue;
      this.set(i as T, Infinity);
      return i as T;
    }
    return -1;
  }

  /** Takes all back. */
  clearAll(): void {
    if (this.#times === NONE) return;
    for (let i = 0; i < MOST; i++) this.#times[i] = Infinity;
    this.giveBack();
  }

  private borrow(): Micros[] {
    return this.#times = unused.pop() ?? new Array<Micros>(MOST).fill(Infinity);
  }

  /** None is set. */
  private giveBack(): void {
    if (unused.length < MOST_UNUSED) unused.push(this.#times);
    this.#times = NONE as Micros[];
  }

  private moved(name: number): void {
    const times = this.#times;
    if (name !== this.#nearest) {
      if (times[name]! < times[this.#nearest]!) this.#nearest = name;
      return;
    }
    for (let i = 0; i < times.length; i++) if (times[i]! < times[this.#nearest]!) this.#nearest = i;
    if (times[this.#nearest] === Infinity) this.giveBack();
  }
}

/** The deadlines of a subflow; of those due at once the first by name is handled first. */
export type SubflowTimer = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11;
/** A FIN of the peer has been awaited long enough. */
export const TIMER_END = 0;
/** An acknowledgement has been delayed long enough (RFC 9293 §3.8.6.3). */
export const TIMER_ACK = 1;
/** The reordering window is over (RFC 8985 §6.3). */
export const TIMER_RACK = 2;
/** The third ACK of a join was not answered (RFC 8684 §3.2). */
export const TIMER_THIRD_ACK = 3;
/** A tail loss probe is due (RFC 8985 §7.2). It goes first where both are due: then the timeout begins anew. */
export const TIMER_PROBE = 4;
/** Retransmission timeout (RFC 6298). */
export const TIMER_RTO = 5;
/** The pacer lets the next bytes out. */
export const TIMER_PACE = 6;
/** An idle peer is to be asked whether it is there (RFC 9293 §3.8.4). */
export const TIMER_KEEPALIVE = 7;
/** An ACK that only carries an option may leave again (RFC 8684 §3). */
export const TIMER_SIGNAL = 8;
/** A question whether the path still works has waited for its answer (RFC 8684 §3.4.2). */
export const TIMER_INQUIRY = 9;
/** It has been silent for long enough to be given up, or is to be asked whether it is back. */
export const TIMER_SILENCE = 10;
/** The retransmission timeout would be over, had a tail loss probe not begun it anew (RFC 8985 §7.3). */
export const TIMER_LATE = 11;
/** How many there are. */
export const SUBFLOW_TIMERS = 12;
