/** Sets of offsets as sorted, disjoint ranges, rebuilt at every change. */

/** [start, end) and when it last changed. */
export interface Range {
  /** First offset. */
  readonly start: number;
  /** Behind the last offset. */
  readonly end: number;
  /** Larger for a later change. */
  readonly changed: number;
}

/** Ranges that do not touch one another. */
export class Ranges {
  /** In ascending order. */
  list: Range[] = [];

  /** Adds [start, end). */
  add(start: number, end: number, changed = 0): void {
    const apart = this.list.filter((range) => range.end < start || range.start > end);
    const joined = this.list.filter((range) => !apart.includes(range));
    apart.push({
      start: Math.min(start, ...joined.map((range) => range.start)),
      end: Math.max(end, ...joined.map((range) => range.end)),
      changed,
    });
    this.list = apart.sort((a, b) => a.start - b.start);
  }

  /** Takes [start, end) out. */
  remove(start: number, end: number): void {
    this.list = this.list.flatMap((range) => [
      { ...range, end: Math.min(range.end, start) },
      { ...range, start: Math.max(range.start, end) },
    ]).filter((range) => range.start < range.end);
  }

  /** The parts of [start, end) that are in the set. */
  inside(start: number, end: number): Range[] {
    return this.list
      .map((range) => ({
        ...range,
        start: Math.max(range.start, start),
        end: Math.min(range.end, end),
      }))
      .filter((range) => range.start < range.end);
  }

  /** The parts of [start, end) that are not. */
  outside(start: number, end: number): Range[] {
    const rest = new Ranges();
    if (start < end) rest.add(start, end);
    for (const range of this.list) rest.remove(range.start, range.end);
    return rest.list;
  }

  /** How many offsets of [start, end) are in the set. */
  count(start: number, end: number): number {
    return this.inside(start, end).reduce((total, range) => total + range.end - range.start, 0);
  }

  /** Whether adding [start, end) makes no range of its own. */
  touches(start: number, end: number): boolean {
    return this.list.some((range) => range.end >= start && range.start <= end);
  }
}
