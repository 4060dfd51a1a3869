/** The window of a connection's receive buffer, in data offsets: its right edge as offered, and when it is worth telling (RFC 9293 §3.8.6.2.2). */

/** One window; its edge never moves left. */
export class ReceiveWindow {
  #limit: number;
  #edge: number;
  #told: number;

  /** @param limit Bytes of the buffer. The first byte has offset 1. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#edge = this.#told = 1 + limit;
  }

  /** Bytes of the buffer. */
  get limit(): number {
    return this.#limit;
  }

  /** Right edge of what is offered. */
  get edge(): number {
    return this.#edge;
  }

  /** Bytes offered beyond `next`. */
  size(next: number): number {
    return Math.max(0, this.#edge - next);
  }

  /** The reader has taken everything up to `read`: the edge moves in steps that avoid silly windows. */
  open(read: number, mss: number): void {
    const edge = read + this.#limit;
    if (edge - this.#edge >= Math.min(this.#limit / 2, 2 * mss)) this.#edge = edge;
  }

  /**
   * Whether the peer must be told that the edge has moved, and how: out of a zero window "all" subflows tell it (draft DA-3), of half a buffer
   * one does. Where the peer sent more than it was offered there is nothing to tell before the edge is beyond that.
   */
  owed(next: number, mss: number): "none" | "one" | "all" {
    const gain = this.#edge - this.#told;
    if (gain <= 0 || this.#edge <= next) return "none";
    if (this.#told - next < 2 * mss) return "all";
    return gain < this.#limit / 2 ? "none" : "one";
  }

  /** Segments with the present edge have left. */
  told(): void {
    this.#told = this.#edge;
  }
}

/** A window as the header's field says it. Rounded up: rounding down would seem to take back what was offered before (RFC 7323 §2.4). */
export function windowField(window: number, scale: number): number {
  return Math.min(65535, Math.ceil(window / (1 << scale)));
}

/** The least shift by which a window of `limit` bytes fits into the field (RFC 7323 §2.3). */
export function windowScale(limit: number): number {
  return Math.min(14, Math.max(0, Math.ceil(Math.log2((limit + 1) / 65535))));
}
