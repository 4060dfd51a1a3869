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

/** The memory of one path: each subflow has one. */
class Memory implements PathMemory {
  readonly #all: PathMtus;
  readonly #local: string;
  readonly #remote: string;

  constructor(all: PathMtus, local: string, remote: string) {
    this.#all = all;
    this.#local = local;
    this.#remote = remote;
  }

  known(now: Micros): Known | null {
    return this.#all.find(this.#local, this.#remote, now);
  }

  found(mtu: number, until: Micros): void {
    this.#all.found(this.#local, this.#remote, { mtu, until });
  }
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
    return new Memory(this, local, remote);
  }

  /** What is known of one. */
  find(local: string, remote: string, now: Micros): Known | null {
    if (this.#known.size === 0) return null;
    const path = `${local} ${remote}`;
    const known = this.#known.get(path);
    if (known === undefined) return null;
    if (now < known.until) return known;
    this.#known.delete(path);
    return null;
  }

  /** Something was found out about one. */
  found(local: string, remote: string, known: Known): void {
    const path = `${local} ${remote}`;
    this.#known.delete(path);
    this.#known.set(path, known);
    if (this.#known.size <= MOST) return;
    for (const first of this.#known.keys()) {
      this.#known.delete(first);
      return;
    }
  }
}
