/** Destinations to which a SYN with MP_CAPABLE does not come, while one without does. */

import type { Micros } from "../plugin.ts";

/** Each time that one is found again, once it is no longer believed in, it is for twice as long, up to 2^6 times: as Linux doubles `blackhole_timeout`. */
const MOST_DOUBLINGS = 6;

/** Most destinations: above it the one that was found first is forgotten. */
const MOST = 256;

/** What is known of one. */
interface BlackHole {
  /** How often in a row it was found. */
  readonly times: number;
  /** The last time. */
  readonly at: Micros;
}

/** What connections have found out, by address. Times are of the one who asks: `timeout` is how long the first finding is believed, 0: not at all. */
export class BlackHoles {
  readonly #found = new Map<string, BlackHole>();

  /** A connection to `address` came about only without the option. Several that find it at the same time have found it once. */
  found(address: string, now: Micros, timeout: Micros): void {
    if (this.has(address, now, timeout)) return;
    const times = (this.#found.get(address)?.times ?? 0) + 1;
    this.#found.delete(address);
    this.#found.set(address, { times, at: now });
    if (this.#found.size <= MOST) return;
    for (const first of this.#found.keys()) {
      this.#found.delete(first);
      return;
    }
  }

  /** Whether the option is better left out at once. */
  has(address: string, now: Micros, timeout: Micros): boolean {
    const hole = this.#found.get(address);
    if (hole === undefined) return false;
    return now < hole.at + timeout * 2 ** Math.min(hole.times - 1, MOST_DOUBLINGS);
  }

  /** MPTCP has been agreed on with `address`: there is none, and the next begins anew. */
  passed(address: string): void {
    this.#found.delete(address);
  }
}
