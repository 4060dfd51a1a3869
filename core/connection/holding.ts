/**
 * Less than a segment that waits for more: Nagle's algorithm (RFC 9293 §3.7.4), a cork, and what the peer's window cuts off, so that windows do not get
 * silly (RFC 9293 §3.8.6.2.1).
 */

import type { Micros } from "../plugin.ts";

/** How long a cork holds (as in Linux), and a window that is too small (RFC 9293 §3.8.6.2.1: 0.1 to 1 s). */
export const HOLD_LENGTH: Micros = 200e3;

/** What is held back on one connection. Data offsets. */
export class Holding {
  #noDelay = true;
  #corked = false;
  #gathers = false;
  #smallEnd = 0;
  #overdue = false;

  /** Small writes are sent at once: no Nagle. */
  get noDelay(): boolean {
    return this.#noDelay;
  }

  /** Switches Nagle off or on. */
  setNoDelay(noDelay: boolean): void {
    this.#noDelay = noDelay;
  }

  /** The last write said that more follows. */
  get corked(): boolean {
    return this.#corked;
  }

  /** More follows at once, or does not. */
  cork(corked: boolean): void {
    this.#corked = corked;
  }

  /** More is likely to be written before the job at hand ends: what would be a small super-segment waits for it. */
  get gathers(): boolean {
    return this.#gathers;
  }

  /** More is likely to be written, or the job is over. */
  gather(gathers: boolean): void {
    this.#gathers = gathers;
  }

  /** Something that ends at `end` has left in less than a segment: of interest under Nagle. */
  small(end: number): void {
    this.#smallEnd = end;
  }

  /**
   * Whether the end of what was written waits, where it is less than a segment, while everything below `una` is acknowledged. Nagle with its modification
   * (RFC 9293 appendix A.3): only a small segment that is out holds back another.
   */
  tail(una: number): boolean {
    if (this.#overdue) return false;
    return this.#corked || (!this.#noDelay && this.#smallEnd > una);
  }

  /**
   * Whether the `usable` bytes of the peer's window, which are less than what was written, wait where they are less than a segment: unless they are half
   * of the largest window that there was, `most`. Under Nagle they also do while something is out.
   */
  cut(usable: number, most: number, unacked: number): boolean {
    if (this.#overdue) return false;
    return 2 * usable < most || (!this.#noDelay && unacked > 0);
  }

  /** It was held long enough: what there is leaves in the pass that follows. */
  release(): void {
    this.#corked = false;
    this.#overdue = true;
  }

  /** That pass is over. */
  passed(): void {
    if (this.#overdue) this.#overdue = false;
  }
}
