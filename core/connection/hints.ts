/** What write() says of its bytes to the scheduler: by data offset, kept until they are DATA_ACKed. Made for the first write with a hint. */

import type { Micros } from "../plugin.ts";

/** Bytes of the longest mapping (RFC 8684 §3.3.1). */
const LONGEST = 65535;

/** From `offset` on. */
interface Mark {
  readonly offset: number;
  readonly hint: number;
  /** 0: written without a hint. */
  readonly written: Micros;
}

/** Hints of one connection. */
export class Hints {
  readonly #marks: Mark[] = [];

  /** What is written from `offset` on has this hint; 0: none. */
  write(offset: number, hint: number, now: Micros): void {
    const marks = this.#marks;
    // A write that found no room comes again.
    if (marks.at(-1)?.offset === offset) marks.pop();
    const last = marks.at(-1);
    if (hint === 0 && (last === undefined || last.hint === 0)) return;
    marks.push({ offset, hint, written: hint === 0 ? 0 : now });
  }

  /** Of the byte at `offset`. */
  at(offset: number): number {
    return this.#marks[this.#index(offset)]?.hint ?? 0;
  }

  /** When that was written. */
  written(offset: number): Micros {
    return this.#marks[this.#index(offset)]?.written ?? 0;
  }

  /** Where bytes of another hint begin, as far as one mapping reaches; Infinity where none do. */
  end(offset: number): number {
    const marks = this.#marks;
    const hint = this.at(offset);
    for (let i = this.#index(offset) + 1; i < marks.length; i++) {
      const mark = marks[i]!;
      if (mark.offset - offset > LONGEST) break;
      if (mark.hint !== hint) return mark.offset;
    }
    return Infinity;
  }

  /** Forgets those of bytes below `una`; true when none is left, and what is written next has none. */
  acknowledged(una: number): boolean {
    const marks = this.#marks;
    while (marks.length > 1 && marks[1]!.offset <= una) marks.shift();
    return marks.length === 0 || (marks.length === 1 && marks[0]!.hint === 0);
  }

  /** The mark that the byte at `offset` has; -1: it was written before any. */
  #index(offset: number): number {
    const marks = this.#marks;
    let low = 0;
    let high = marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (marks[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
