/** The largest packets that pass between this host's addresses and others', as connections have found out (RFC 1191 §6.2, RFC 8201 §5.2). */

import type { Micros } from "../plugin.ts";
import type { PathMemory } from "../subflow/shared.ts";

/** Most paths: above it the one that was found first is forgotten. */
const MOST = 256;

/** What is known of one path. */
interface Known {
  readonly mtu: number;
  readonly until: Micros;
}

/** Path MTUs of a host. One destination may be reached over several links, each with an MTU of its own: paths go by both addresses. */
export class PathMtus {
  readonly #known = new Map<string, Known>();

  /** How many paths there are in the table. */
  get size(): number {
    return this.#known.size;
  }

  /** The memory of one path. */
  of(local: string, remote: string): PathMemory {
    const path = `${local} ${remote}`;
    return {
      known: (now) => this.#find(path, now),
      found: (mtu, until) => this.#found(path, { mtu, until }),
    };
  }

  #find(path: string, now: Micros): Known | null {
    const known = this.#known.get(path);
    if (known === undefined) return null;
    if (now < known.until) return known;
    this.#known.delete(path);
    return null;
  }

  #found(path: string, known: Known): void {
    this.#known.delete(path);
    this.#known.set(path, known);
    if (this.#known.size <= MOST) return;
    for (const first of this.#known.keys()) {
      this.#known.delete(first);
      return;
    }
  }
}
