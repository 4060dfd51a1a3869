/** Virtual time: it stands still between events and jumps to the next one. */

import type { Micros } from "../plugin.ts";

/** A call-back at a set time that may be set again and again. */
export class Timer {
  /** When it calls back; Infinity: not set. */
  time: Micros = Infinity;
  /** Tells equal times apart: the one armed first is called first. Belongs to the clock. */
  order = 0;
  /** Place in the heap, -1 when in none. Belongs to the clock. */
  slot = -1;
  /** What it calls. */
  readonly callback: () => void;
  readonly #clock: Clock;

  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock;
    this.callback = callback;
  }

  /** Calls back at `time`, instead of any time set before; a time that has passed means now. Infinity: never. */
  arm(time: Micros): void {
    this.#clock.arm(this, time);
  }

  /** Calls back no more. */
  disarm(): void {
    this.#clock.arm(this, Infinity);
  }

  /** Whether it will call back. */
  get armed(): boolean {
    return this.time !== Infinity;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** A clock of events: a binary heap of timers. */
export class Clock {
  /** The time of the event that is happening, or that happened last. Only the clock sets it: a plain field as every element reads it for every packet. */
  now: Micros = 0;
  #order = 0;
  #firing: Timer | null = null;
  readonly #heap: Timer[] = [];

  /** When the next event happens; Infinity when nothing is left to happen. */
  get next(): Micros {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.time;
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#heap.length - (this.#firing === null ? 0 : 1);
  }

  /** Makes a timer, not yet set. */
  timer(callback: () => void): Timer {
    return new Timer(this, callback);
  }

  /** Calls back once at `time`; the result cancels. */
  at(time: Micros, callback: () => void): () => void {
    const timer = new Timer(this, callback);
    timer.arm(time);
    return () => timer.disarm();
  }

  /** Jumps to the next event and lets it happen. False when there is none. */
  step(): boolean {
    const timer = this.#heap[0];
    if (timer === undefined) return false;
    this.now = timer.time;
    timer.time = Infinity;
    // It keeps its place at the top while it is called (nothing comes before it), so that setting it again costs one descent.
    this.#firing = timer;
    try {
      timer.callback();
    } finally {
      if (this.#firing !== null) {
        this.#firing = null;
        this.#remove(timer);
      }
    }
    return true;
  }

  /** Sets a timer; called by the timer itself. Short enough to be inlined: else each call would box `time`. */
  arm(timer: Timer, time: Micros): void {
    if (time !== time) throw new RangeError("Cannot set a timer to NaN");
    if (time < this.now) time = this.now;
    const earlier = time < timer.time;
    timer.time = time;
    this.#file(timer, earlier);
  }

  #file(timer: Timer, earlier: boolean): void {
    if (timer.time === Infinity) {
      if (timer.slot >= 0 && timer !== this.#firing) this.#remove(timer);
      return;
    }
    timer.order = this.#order++;
    if (timer === this.#firing) {
      this.#firing = null;
      this.#sink(timer, 0);
    } else if (timer.slot < 0) {
      this.#heap.push(timer);
      this.#rise(timer, this.#heap.length - 1);
    } else if (earlier) {
      this.#rise(timer, timer.slot);
    } else {
      this.#sink(timer, timer.slot);
    }
  }

  /** Forgets all timers. */
  clear(): void {
    for (const timer of this.#heap) {
      timer.time = Infinity;
      timer.slot = -1;
    }
    this.#heap.length = 0;
    this.#firing = null;
  }

  #remove(timer: Timer): void {
    const last = this.#heap.pop()!;
    const slot = timer.slot;
    timer.slot = -1;
    if (last === timer) return;
    const above = (slot - 1) >> 1;
    // The timer that is being called is at the top whatever its time: next to it nothing can rise.
    const top = this.#firing === null ? 0 : 1;
    if (above >= top && isBefore(last, this.#heap[above]!)) this.#rise(last, slot);
    else this.#sink(last, slot);
  }

  #rise(timer: Timer, slot: number): void {
    const heap = this.#heap;
    // The timer that is being called stays at the top.
    const top = this.#firing === null ? 0 : 1;
    while (slot > top) {
      const above = (slot - 1) >> 1;
      const parent = heap[above]!;
      if (above < top || !isBefore(timer, parent)) break;
      heap[slot] = parent;
      parent.slot = slot;
      slot = above;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }

  #sink(timer: Timer, slot: number): void {
    const heap = this.#heap;
    const length = heap.length;
    for (let below = 2 * slot + 1; below < length; below = 2 * slot + 1) {
      if (below + 1 < length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      const child = heap[below]!;
      if (!isBefore(child, timer)) break;
      heap[slot] = child;
      child.slot = slot;
      slot = below;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }
}
