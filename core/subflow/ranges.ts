/** Ranges of data offsets that wait: what is bound to a subflow and not sent on it is one such list (part A of draft A.5). */

/** Of those into which nothing was ever put; nothing is. */
const NO_RANGES: { offset: number; end: number }[] = [];

/** Ranges, sorted and apart from one another. */
export class Ranges {
  #ranges = NO_RANGES;
  #bytes = 0;

  /** Bytes in all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Offset of the first byte; Infinity where there is none. */
  get first(): number {
    return this.#bytes === 0 ? Infinity : this.#ranges[0]!.offset;
  }

  /** End of the range that it begins; Infinity where there is none. */
  get firstEnd(): number {
    return this.#bytes === 0 ? Infinity : this.#ranges[0]!.end;
  }

  /** Nothing waits. */
  get empty(): boolean {
    return this.#bytes === 0;
  }

  /** End of the range that holds the byte at `offset`; `offset` itself where none does. */
  endOf(offset: number): number {
    const each = this.#ranges[this.#place(offset + 1)];
    return each === undefined || each.offset > offset ? offset : each.end;
  }

  /** Bytes below `offset`. */
  before(offset: number): number {
    const ranges = this.#ranges;
    if (ranges.length === 0 || ranges[ranges.length - 1]!.end <= offset) return this.#bytes;
    let bytes = 0;
    for (let i = 0; i < ranges.length; i++) {
      const each = ranges[i]!;
      if (each.offset >= offset) break;
      bytes += Math.min(each.end, offset) - each.offset;
    }
    return bytes;
  }

  /** Offset of the first byte at `offset` or above; Infinity where there is none. */
  firstFrom(offset: number): number {
    const each = this.#ranges[this.#place(offset + 1)];
    return each === undefined ? Infinity : Math.max(offset, each.offset);
  }

  /** Offset of the first byte that is in `other` too; Infinity where there is none. */
  firstIn(other: Ranges): number {
    const mine = this.#ranges;
    const theirs = other.#ranges;
    let j = 0;
    for (let i = 0; i < mine.length; i++) {
      while (j < theirs.length && theirs[j]!.end <= mine[i]!.offset) j++;
      if (j === theirs.length) break;
      const first = Math.max(mine[i]!.offset, theirs[j]!.offset);
      if (first < mine[i]!.end) return first;
    }
    return Infinity;
  }

  /** Puts [offset, end) in. */
  add(offset: number, end: number): void {
    if (end <= offset) return;
    if (this.#ranges === NO_RANGES) this.#ranges = [];
    const ranges = this.#ranges;
    const from = this.#place(offset);
    let to = from;
    while (to < ranges.length && ranges[to]!.offset <= end) {
      const each = ranges[to++]!;
      offset = Math.min(offset, each.offset);
      end = Math.max(end, each.end);
      this.#bytes -= each.end - each.offset;
    }
    ranges.splice(from, to - from, { offset, end });
    this.#bytes += end - offset;
  }

  /** Takes [offset, end) out; returns how many bytes of it were in. */
  cut(offset: number, end: number): number {
    const ranges = this.#ranges;
    let cut = 0;
    let i = this.#place(offset);
    while (i < ranges.length && ranges[i]!.offset < end) {
      const each = ranges[i]!;
      const from = Math.max(offset, each.offset);
      const to = Math.min(end, each.end);
      if (from >= to) {
        i++;
        continue;
      }
      cut += to - from;
      if (from > each.offset && to < each.end) {
        ranges.splice(i + 1, 0, { offset: to, end: each.end });
        each.end = from;
        break;
      }
      if (from > each.offset) each.end = from;
      else if (to < each.end) each.offset = to;
      else {
        ranges.splice(i, 1);
        continue;
      }
      i++;
    }
    this.#bytes -= cut;
    return cut;
  }

  /** Takes the first range out: puts it into `other`, and returns its bytes; 0 where there is none. */
  move(other: { add(offset: number, end: number): void }): number {
    const first = this.#ranges.shift();
    if (first === undefined) return 0;
    const bytes = first.end - first.offset;
    this.#bytes -= bytes;
    other.add(first.offset, first.end);
    return bytes;
  }

  /** Calls `visit` for each, in order. */
  each(visit: (offset: number, end: number) => void): void {
    for (const { offset, end } of this.#ranges) visit(offset, end);
  }

  /** Index of the first range that ends at `offset` or above. */
  #place(offset: number): number {
    const ranges = this.#ranges;
    // Mostly what is added lies above all others, and what is cut at the front.
    const last = ranges.at(-1);
    if (last === undefined || last.end < offset) return ranges.length;
    let low = 0;
    let high = ranges.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[middle]!.end >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
