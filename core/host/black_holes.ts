/** Destinations to which a SYN with MP_CAPABLE does not come, while one without does. */

import type { Micros } from "../plugin.ts";

/** How long it is believed: as long as Linux does the first time (net.mptcp.blackhole_timeout). */
const BELIEVED: Micros = 3600e6;

/** Most destinations: above it the one that was found first is forgotten. */
const MOST = 256;

/** What connections have found out, by address. */
export class BlackHoles {
  readonly #until = new Map<string, Micros>();

  /** A connection to `address` came about only without the option. */
  found(address: string, now: Micros): void {
    this.#until.delete(address);
    this.#until.set(address, now + BELIEVED);
    if (this.#until.size <= MOST) return;
    for (const first of this.#until.keys()) {
      this.#until.delete(first);
      return;
    }
  }

  /** Whether the option is better left out at once. */
  has(address: string, now: Micros): boolean {
    const until = this.#until.get(address);
    if (until === undefined) return false;
    if (now < until) return true;
    this.#until.delete(address);
    return false;
  }
}
