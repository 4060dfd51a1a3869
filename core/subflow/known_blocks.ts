/** The SACK blocks of the ACK before: most of what an ACK reports stood there. */

/** Edges of the blocks that one ACK has room for (RFC 2018 §3): half of those remembered. */
const HALF = 8;

/** Remembers the blocks that were taken in whole, for as long as what is SACKed stays so. */
export class KnownBlocks {
  /** What {@linkcode KnownBlocks.cut} left of a block; nothing when `from` is not below `to`. */
  from = 0;
  /** Its end. */
  to = 0;
  /** Edges of the blocks of an ACK before, then of the ACK in hand, or the other way round. Made when one comes. */
  readonly #edges: number[] = [];
  /** Where those of before begin, 0 or `HALF`, and end. */
  #before = 0;
  #beforeEnd = 0;
  /** Where those of the ACK in hand end. */
  #freshEnd = HALF;

  /** An ACK begins: the blocks of the last one that had any are those of before. */
  turn(): void {
    const before = this.#before;
    const fresh = HALF - before;
    if (this.#freshEnd === fresh) return;
    this.#before = fresh;
    this.#beforeEnd = this.#freshEnd;
    this.#freshEnd = before;
  }

  /** Cuts what stood in the ACK before off the ends of a block. */
  cut(left: number, right: number): void {
    const edges = this.#edges;
    let from = left;
    let to = right;
    for (let i = this.#before; i < this.#beforeEnd; i += 2) {
      const begin = edges[i]!;
      const end = edges[i + 1]!;
      if (begin <= from && from < end) from = end;
      if (begin < to && to <= end) to = begin;
    }
    this.from = from;
    this.to = to;
  }

  /** All bytes of a block are SACKed, or acknowledged. */
  add(left: number, right: number): void {
    const edges = this.#edges;
    while (edges.length < 2 * HALF) edges.push(0);
    if (this.#freshEnd === 2 * HALF - this.#before) return;
    edges[this.#freshEnd++] = left;
    edges[this.#freshEnd++] = right;
  }

  /** What was SACKed is no more. */
  clear(): void {
    this.#beforeEnd = this.#before;
    this.#freshEnd = HALF - this.#before;
  }
}
