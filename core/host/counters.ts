/** Counters under the names of the kernel's MIBs: MPTcpExt, TcpExt, Tcp, Ip, Icmp. */

/** The counters of one host; a name that was never counted is 0. */
export class Counters {
  readonly #values = new Map<string, number>();

  /** Adds `by` to a counter. */
  count(name: string, by = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + by);
  }

  /** The value of a counter. */
  get(name: string): number {
    return this.#values.get(name) ?? 0;
  }

  /** All that are not 0, by name. */
  all(): Record<string, number> {
    return Object.fromEntries([...this.#values].sort(([a], [b]) => a < b ? -1 : 1));
  }
}

/** So many events a second, and no burst above it. */
export class RateLimit {
  readonly #perSecond: number;
  #left: number;
  #last = 0;

  /** @param perSecond Events a second. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  /** Whether one more may happen at `now` (microseconds). */
  take(now: number): boolean {
    this.#left = Math.min(this.#perSecond, this.#left + (now - this.#last) * this.#perSecond / 1e6);
    this.#last = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
