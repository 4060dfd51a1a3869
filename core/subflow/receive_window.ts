/** The window of a connection's receive buffer, in data offsets: its right edge as offered, and when it is worth telling (RFC 9293 §3.8.6.2.2). */

/** More than any window (RFC 7323 §2.3); a small integer, which takes no place of its own. */
const NO_BOUND = 2 ** 31 - 1;

/** One window; its edge never moves left. */
export class ReceiveWindow {
  #limit: number;
  /** Most bytes beyond what was read that are offered anew: less than the buffer where memory is short. */
  #most = NO_BOUND;
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

  /** The buffer has `limit` bytes from now on; it never becomes smaller, as it may have been offered. */
  grow(limit: number): void {
    if (limit > this.#limit) this.#limit = limit;
  }

  /** From now on no more than `most` bytes are offered beyond what was read; what was offered before still is (RFC 9293 §3.8.6: SHOULD NOT shrink). */
  squeeze(most: number): void {
    this.#most = Math.min(most, NO_BOUND);
  }

  /** What is offered beyond what was read. */
  private offer(): number {
    return Math.min(this.#limit, this.#most);
  }

  /** The reader has taken everything up to `read`: the edge moves in steps that avoid silly windows. */
  open(read: number, mss: number): void {
    const offer = this.offer();
    const edge = read + offer;
    // RFC 8684 §3.3.4: "a receiver MUST NOT shrink the right edge of the receive window"
    if (edge - this.#edge >= Math.min(offer / 2, 2 * mss)) this.#edge = edge;
  }

  /**
   * Whether the peer must be told that the edge has moved, and how: out of a zero window "all" subflows tell it (draft DA-3), of half a buffer
   * one does. Where the peer sent more than it was offered there is nothing to tell before the edge is beyond that.
   */
  owed(next: number, mss: number): "none" | "one" | "all" {
    const gain = this.#edge - this.#told;
    if (gain <= 0 || this.#edge <= next) return "none";
    if (this.#told - next < 2 * mss) return "all";
    return gain < this.offer() / 2 ? "none" : "one";
  }

  /** Segments with the present edge have left. */
  told(): void {
    this.#told = this.#edge;
  }
}

/** The least shift with which a window of `bytes` can be told (RFC 7323 §2.3: 14 at most). */
export function windowScale(bytes: number): number {
  return Math.min(14, Math.max(0, Math.ceil(Math.log2(bytes / 65536))));
}

/** A window as the header's field says it. Rounded up: rounding down would seem to take back what was offered before (RFC 7323 §2.4). */
export function windowField(window: number, scale: number): number {
  return Math.min(65535, Math.ceil(window / (1 << scale)));
}
