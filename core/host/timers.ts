/** The host's one queue of deadlines. */

import type { Micros } from "../plugin.ts";
import type { Releasable, Timed, TimerService } from "../subflow/shared.ts";

/** Entries to be passed over that may be there always: so few are not worth a look at all others. */
const FEW = 64;

/**
 * A binary heap filed by time, then by order of insertion. Moving a deadline later only writes a number: the entry is filed again when its old
 * time comes. Moving it earlier files a second entry and leaves the first to be passed over, as taking a deadline back leaves its entry. When most entries
 * are of that kind they are taken out: each would hold its timer, and so a connection that is long closed, until its time comes.
 */
export class TimerQueue implements TimerService {
  /** Entries passed on the way of those that were filed or taken out, so far. */
  steps = 0;
  readonly #times: Micros[] = [];
  readonly #orders: number[] = [];
  readonly #items: Timed[] = [];
  #order = 0;
  /** Entries to be passed over: at least so many, or about so many where a timer was filed twice for one time. */
  #idle = 0;

  arm(timed: Timed, deadline: Micros): void {
    const filed = timed.queuedAt !== Infinity;
    const wasIdle = filed && timed.deadline === Infinity;
    const isIdle = filed && (deadline === Infinity || deadline < timed.queuedAt);
    timed.deadline = deadline;
    if (deadline < timed.queuedAt) this.#file(timed);
    if (isIdle === wasIdle) return;
    this.#idle += isIdle ? 1 : -1;
    if (this.#idle > FEW && this.#idle > this.#items.length / 2) this.#tidy();
  }

  /** Entries: those of deadlines that are armed, and those to be passed over. */
  get entries(): number {
    return this.#items.length;
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
    this.#times.length =
      this.#orders.length =
      this.#items.length =
      this.#idle =
        0;
  }

  /** Takes out the entries to be passed over. */
  #tidy(): void {
    let kept = 0;
    for (let i = 0; i < this.#items.length; i++) {
      const timed = this.#items[i]!;
      if (timed.queuedAt !== this.#times[i]) continue;
      if (timed.deadline === Infinity) timed.queuedAt = Infinity;
      else this.#move(i, kept++);
    }
    this.#times.length = this.#orders.length = this.#items.length = kept;
    this.#idle = 0;
    for (let i = (kept >> 1) - 1; i >= 0; i--) {
      this.#sink(i, this.#times[i]!, this.#orders[i]!, this.#items[i]!);
    }
  }

  /** Makes the top entry one whose time is its timer's deadline. */
  #settle(): void {
    while (this.#times.length > 0) {
      const timed = this.#items[0]!;
      const time = this.#times[0]!;
      if (timed.queuedAt === time && timed.deadline === time) return;
      this.#pop();
      const passedOver = timed.queuedAt !== time || timed.deadline === Infinity;
      if (passedOver && this.#idle > 0) this.#idle--;
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
    if (last > 0) this.#sink(0, time, order, item);
  }

  /** Puts an entry at `i`, or below it, where it belongs. */
  #sink(i: number, time: Micros, order: number, item: Timed): void {
    const { length } = this.#times;
    while (true) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (
        child + 1 < length && this.#before(child + 1, this.#times[child]!, this.#orders[child]!)
      ) {
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
export class Callback implements Releasable {
  deadline: Micros = Infinity;
  queuedAt: Micros = Infinity;
  #callback: ((now: Micros) => void) | null;

  /** @param callback What to call. */
  constructor(callback: (now: Micros) => void) {
    this.#callback = callback;
  }

  fire(now: Micros): void {
    this.#callback?.(now);
  }

  release(): void {
    this.#callback = null;
  }
}
