/** The SACK blocks of the ACKs before: most of what an ACK reports stood there (RFC 2018 §4: a block is repeated in several). */

/** How many are remembered: one ACK has room for four, and old ones come again when a newer one is filled. */
const MOST = 8;

/** Remembers blocks that were taken in whole, for as long as what is SACKed stays so. */
export class KnownBlocks {
  // Left and right edges in turn.
  readonly #edges: number[] = [];
  #oldest = 0;
  #from = 0;
  #to = 0;

  /** What {@linkcode KnownBlocks.cut} left of a block; nothing when it is not below `to`. */
  get from(): number {
    return this.#from;
  }

  /** Its end. */
  get to(): number {
    return this.#to;
  }

  /** Cuts what is known off the ends of a block. */
  cut(left: number, right: number): void {
    const edges = this.#edges;
    let from = left;
    let to = right;
    for (let i = 0; i < edges.length; i += 2) {
      const begin = edges[i]!;
      const end = edges[i + 1]!;
      if (begin <= from && from < end) from = end;
      if (begin < to && to <= end) to = begin;
    }
    this.#from = from;
    this.#to = to;
  }

  /** All bytes of a block are SACKed, or acknowledged: it takes the place of one that it covers, else of the oldest. */
  add(left: number, right: number): void {
    const edges = this.#edges;
    for (let i = 0; i < edges.length; i += 2) {
      // Covered by one that is known: nothing new.
      if (edges[i]! <= left && right <= edges[i + 1]!) return;
      if (left > edges[i]! || right < edges[i + 1]!) continue;
      edges[i] = left;
      edges[i + 1] = right;
      return;
    }
    if (edges.length < 2 * MOST) {
      edges.push(left, right);
      return;
    }
    edges[this.#oldest] = left;
    edges[this.#oldest + 1] = right;
    this.#oldest = (this.#oldest + 2) % (2 * MOST);
  }

  /** What was SACKed is no more. */
  clear(): void {
    while (this.#edges.length > 0) this.#edges.pop();
    this.#oldest = 0;
  }
}
