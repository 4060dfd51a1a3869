/** Counters under the names of the kernel's MIBs: MPTcpExt, TcpExt, Tcp, Ip, Icmp. */

/** The counters of one host; a name that was never counted is 0. */
export class Counters {
  /** In cells, which are found once to be counted up: what comes out of order is counted for each packet. */
  readonly #values = new Map<string, { value: number }>();

  /** Adds `by` to a counter; less than 0 where one counts what there is. */
  count(name: string, by = 1): void {
    const cell = this.#values.get(name);
    if (cell === undefined) this.#values.set(name, { value: by });
    else cell.value += by;
  }

  /** The value of a counter. */
  get(name: string): number {
    return this.#values.get(name)?.value ?? 0;
  }

  /** All that are not 0, by name. */
  all(): Record<string, number> {
    return Object.fromEntries(
      [...this.#values].map(([name, { value }]): [string, number] => [name, value])
        .filter(([, value]) => value !== 0).sort(([a], [b]) => a < b ? -1 : 1),
    );
  }
}

/** So many events a second, and no burst above it. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #random: () => number;
  #left: number;
  #last = 0;

  /**
   * @param perSecond Events a second.
   * @param random From [0, 1): what an event costs beyond a half. Where a limit is exact, somebody who may use it up can count what others have used.
   */
  constructor(perSecond: number, random: () => number = () => 0.5) {
    this.#perSecond = perSecond;
    this.#random = random;
    this.#left = perSecond;
  }

  /** Whether one more may happen at `now` (microseconds). */
  take(now: number): boolean {
    this.#left = Math.min(this.#perSecond, this.#left + (now - this.#last) * this.#perSecond / 1e6);
    this.#last = now;
    if (this.#left < 1) return false;
    this.#left -= 0.5 + this.#random();
    return true;
  }
}
