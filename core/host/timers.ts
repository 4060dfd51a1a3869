/** The host's one queue of deadlines. */

import type { Micros } from "../plugin.ts";
import type { Timed, TimerService } from "../subflow/shared.ts";

/**
 * A binary heap filed by time, then by order of insertion. Moving a deadline later only writes a number: the entry is filed again when its old
 * time comes. Moving it earlier files a second entry and leaves the first to be passed over.
 */
export class TimerQueue implements TimerService {
  /** Entries passed on the way of those that were filed or taken out, so far. */
  steps = 0;
  readonly #times: Micros[] = [];
  readonly #orders: number[] = [];
  readonly #items: Timed[] = [];
  #order = 0;

  arm(timed: Timed, deadline: Micros): void {
    timed.deadline = deadline;
    if (deadline < timed.queuedAt) this.#file(timed);
  }

  /** The nearest deadline; Infinity = none. */
  next(): Micros {
    this.#settle();
    return this.#times.length === 0 ? Infinity : this.#times[0]!;
  }

  /** Fires everything due at `now`. What is armed meanwhile for the same time fires too. */
  fire(now: Micros): void {
    while (this.next() <= now) {
      const timed = this.#items[0]!;
      this.#pop();
      timed.queuedAt = Infinity;
      timed.deadline = Infinity;
      timed.fire(now);
    }
  }

  /** Deadlines that are armed. */
  get size(): number {
    return new Set(this.#items.filter((timed) => timed.deadline !== Infinity)).size;
  }

  /** Forgets all. */
  clear(): void {
    for (const timed of this.#items) timed.queuedAt = timed.deadline = Infinity;
    this.#times.length = this.#orders.length = this.#items.length = 0;
  }

  /** Makes the top entry one whose time is its timer's deadline. */
  #settle(): void {
    while (this.#times.length > 0) {
      const timed = this.#items[0]!;
      const time = this.#times[0]!;
      if (timed.queuedAt === time && timed.deadline === time) return;
      this.#pop();
      if (timed.queuedAt !== time) continue;
      timed.queuedAt = Infinity;
      if (timed.deadline !== Infinity) this.#file(timed);
    }
  }

  /** Files a timer by its deadline, which is read here: handed over it would be boxed. */
  #file(timed: Timed): void {
    const time = timed.queuedAt = timed.deadline;
    let i = this.#times.length;
    const order = this.#order++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#times[parent]! <= time) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#times[i] = time;
    this.#orders[i] = order;
    this.#items[i] = timed;
  }

  #pop(): void {
    const last = this.#times.length - 1;
    const time = this.#times[last]!;
    const order = this.#orders[last]!;
    const item = this.#items[last]!;
    this.steps++;
    this.#times.pop();
    this.#orders.pop();
    this.#items.pop();
    if (last === 0) return;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(child + 1, this.#times[child]!, this.#orders[child]!)) {
        child++;
      }
      if (!this.#before(child, time, order)) break;
      this.#move(child, i);
      i = child;
    }
    this.#times[i] = time;
    this.#orders[i] = order;
    this.#items[i] = item;
  }

  #before(i: number, time: Micros, order: number): boolean {
    return this.#times[i]! < time || (this.#times[i] === time && this.#orders[i]! < order);
  }

  #move(from: number, to: number): void {
    this.steps++;
    this.#times[to] = this.#times[from]!;
    this.#orders[to] = this.#orders[from]!;
    this.#items[to] = this.#items[from]!;
  }
}

/** A callback with a deadline. */
export class Callback implements Timed {
  deadline: Micros = Infinity;
  queuedAt: Micros = Infinity;
  readonly #callback: (now: Micros) => void;

  /** @param callback What to call. */
  constructor(callback: (now: Micros) => void) {
    this.#callback = callback;
  }

  fire(now: Micros): void {
    this.#callback(now);
  }
}
