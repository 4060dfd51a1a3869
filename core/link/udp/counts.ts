/** What a link over UDP counts. */

/** Counters by name (docs/udp.md). One that nothing was added to is not there. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /** Adds to one. */
  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  /** All of them. */
  all(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
