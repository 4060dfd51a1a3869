/** Ports that take joins alone: those that connections have announced (RFC 8684 §3.4.1), beside the listeners of applications. */

/** Which ports are held, for which addresses. A holder has one for each of its address ids. */
export class JoinPorts {
  readonly #held = new Map<object, Map<number, string>>();
  /** How many hold "port address". */
  readonly #holders = new Map<string, number>();

  /** `holder` has announced `address` with `port` under `id`; what it had announced under that is taken back. */
  hold(holder: object, id: number, address: string, port: number): void {
    this.release(holder, id);
    const name = `${port} ${address}`;
    const mine = this.#held.get(holder);
    if (mine === undefined) this.#held.set(holder, new Map([[id, name]]));
    else mine.set(id, name);
    this.#holders.set(name, (this.#holders.get(name) ?? 0) + 1);
  }

  /** What it has announced under `id` is taken back. */
  release(holder: object, id: number): void {
    const mine = this.#held.get(holder);
    const name = mine?.get(id);
    if (mine === undefined || name === undefined) return;
    mine.delete(id);
    if (mine.size === 0) this.#held.delete(holder);
    const left = this.#holders.get(name)! - 1;
    if (left > 0) this.#holders.set(name, left);
    else this.#holders.delete(name);
  }

  /** All that it has announced is taken back. */
  leave(holder: object): void {
    const mine = this.#held.get(holder);
    if (mine !== undefined) { for (const id of [...mine.keys()]) this.release(holder, id); }
  }

  /** Whether `holder` has announced `address` with `port`. */
  heldBy(holder: object, address: string, port: number): boolean {
    const mine = this.#held.get(holder);
    if (mine === undefined) return false;
    for (const name of mine.values()) if (name === `${port} ${address}`) return true;
    return false;
  }

  /** Whether `port` of `address` is held; the empty address asks for any. */
  has(address: string, port: number): boolean {
    if (this.#holders.size === 0) return false;
    if (address !== "") return this.#holders.has(`${port} ${address}`);
    const begin = `${port} `;
    return [...this.#holders.keys()].some((name) => name.startsWith(begin));
  }
}
