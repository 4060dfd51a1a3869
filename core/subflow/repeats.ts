/** What was sent again: only that can a peer have got twice by our doing (RFC 2883 §5). */

import { closeGap, openGap } from "./edges.ts";

/** Most spans that are remembered: of more, the lowest go. */
const MOST = 1024;

/** The repeats of one subflow, by sequence offset. */
export class Repeats {
  /** Starts and ends in turn, ascending, none touching the next. */
  readonly #spans: number[] = [];
  /** Index of the first that is remembered: those before it go when they are half of all. */
  #first = 0;
  /** Bytes sent again, and not told to have come twice. */
  #open = 0;

  /** [start, end) was sent again. */
  add(start: number, end: number): void {
    this.#open += end - start;
    const spans = this.#spans;
    const low = this.#find(start);
    let until = low;
    while (until < spans.length && spans[until]! <= end) until += 2;
    if (until === low) {
      openGap(spans, low);
      spans[low] = start;
      spans[low + 1] = end;
      if (spans.length - this.#first > 2 * MOST) this.#forgetLowest();
      return;
    }
    spans[low] = Math.min(start, spans[low]!);
    spans[low + 1] = Math.max(end, spans[until - 1]!);
    closeGap(spans, low + 2, until);
  }

  #forgetLowest(): void {
    this.#first += 2;
    if (2 * this.#first < this.#spans.length) return;
    closeGap(this.#spans, 0, this.#first);
    this.#first = 0;
  }

  /** The peer tells that [from, to) came twice. Returns how many of these bytes may have done so because they were sent again, in all no more than were. */
  twice(from: number, to: number): number {
    const spans = this.#spans;
    let bytes = 0;
    for (let i = this.#find(from); i < spans.length && spans[i]! < to; i += 2) {
      bytes += Math.max(0, Math.min(to, spans[i + 1]!) - Math.max(from, spans[i]!));
    }
    if (bytes > this.#open) bytes = this.#open;
    this.#open -= bytes;
    return bytes;
  }

  /** So long ago that nothing more will be told of it. */
  clear(): void {
    closeGap(this.#spans, 0, this.#spans.length);
    this.#first = 0;
    this.#open = 0;
  }

  /** Index of the first span that ends at `offset` or above. */
  #find(offset: number): number {
    const spans = this.#spans;
    let low = this.#first / 2;
    let high = spans.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[2 * middle + 1]! < offset) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
