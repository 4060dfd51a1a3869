/** Which numbers from a first one on are covered: the end of what is without a gap, and what lies apart above it. */

import { closeGap, openGap } from "./edges.ts";

/** Most spans apart from one another; a peer that needs more repeats what was left out. */
const MOST = 32768;

/** Of those that have no gap: nothing is ever put into it. */
const NONE: number[] = [];

/** Spans of numbers. */
export class Spans {
  #edge: number;
  /** Starts and ends in turn, ascending, none touching the next. */
  #apart = NONE;
  /** Index of the first that counts: those before it are covered, and go when they are half of all. */
  #first = 0;
  #steps = 0;

  /** Covers nothing from `edge` on. */
  constructor(edge: number) {
    this.#edge = edge;
  }

  /** End of what is covered without a gap. */
  get edge(): number {
    return this.#edge;
  }

  /** Spans above the first gap. */
  get apart(): number {
    return (this.#apart.length - this.#first) / 2;
  }

  /** Places moved so far, for tests. */
  get steps(): number {
    return this.#steps;
  }

  /** Covers [start, end); false when there are too many spans already. */
  add(start: number, end: number): boolean {
    if (end <= this.#edge || end <= start) return true;
    if (start > this.#edge) return this.addApart(start, end);
    this.#edge = end;
    const apart = this.#apart;
    let first = this.#first;
    while (first < apart.length && apart[first]! <= this.#edge) {
      this.#edge = Math.max(this.#edge, apart[first + 1]!);
      first += 2;
    }
    if (2 * first >= apart.length) {
      this.close(0, first);
      first = 0;
    }
    this.#first = first;
    return true;
  }

  private close(from: number, to: number): void {
    this.#steps += this.#apart.length - to;
    closeGap(this.#apart, from, to);
  }

  private addApart(start: number, end: number): boolean {
    if (this.#apart === NONE) this.#apart = [];
    const apart = this.#apart;
    const { length } = apart;
    // Mostly it goes on where the highest ends, or lies above that.
    if (length > 0 && apart[length - 1] === start) {
      apart[length - 1] = end;
      return true;
    }
    if (length - this.#first >= 2 * MOST) return false;
    if (length === 0 || start > apart[length - 1]!) {
      apart.push(start, end);
      return true;
    }
    // The first span that ends at `start` or above, then the first that begins above `end`.
    let low = this.#first / 2;
    let high = length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (apart[2 * middle + 1]! < start) low = middle + 1;
      else high = middle;
    }
    let until = low;
    while (2 * until < length && apart[2 * until]! <= end) {
      start = Math.min(start, apart[2 * until]!);
      end = Math.max(end, apart[2 * until + 1]!);
      until++;
    }
    if (until === low) {
      // A new one in the middle.
      openGap(apart, 2 * low);
      this.#steps += length - 2 * low;
    } else if (until > low + 1) this.close(2 * low + 2, 2 * until);
    apart[2 * low] = start;
    apart[2 * low + 1] = end;
    return true;
  }
}
