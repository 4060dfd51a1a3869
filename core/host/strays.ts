/** Who waits for a sign of life from an address: a packet that belongs to no flow is one. */

/** Callbacks by address. */
export class Strays {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Whether anybody waits. */
  get awaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Calls back when something comes from `address`; the result cancels. */
  watch(address: string, callback: () => void): () => void {
    let waiting = this.#waiting.get(address);
    if (waiting === undefined) this.#waiting.set(address, waiting = new Set());
    const entry = (): void => callback();
    waiting.add(entry);
    const set = waiting;
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#waiting.get(address) === set) this.#waiting.delete(address);
    };
  }

  /** A packet has come from `address`. */
  came(address: string): void {
    const waiting = this.#waiting.get(address);
    if (waiting === undefined) return;
    for (const callback of [...waiting]) callback();
  }
}
