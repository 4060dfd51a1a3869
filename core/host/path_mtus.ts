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

/** How many memories are kept to be shared. */
const MOST_SHARED = 8;

/** The memory of one path: each subflow has one, and those of the same path share it, as a rule. */
class Memory implements PathMemory {
  readonly #all: PathMtus;
  readonly #local: string;
  readonly #remote: string;

  constructor(all: PathMtus, local: string, remote: string) {
    this.#all = all;
    this.#local = local;
    this.#remote = remote;
  }

  /** Whether it is of that path. */
  is(local: string, remote: string): boolean {
    return local === this.#local && remote === this.#remote;
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
  /** Those that were asked for last. */
  readonly #shared: Memory[] = [];
  #oldest = 0;

  /** How many paths there are in the table. */
  get size(): number {
    return this.#known.size;
  }

  /** The memory of one path. */
  of(local: string, remote: string): PathMemory {
    const shared = this.#shared;
    for (let i = 0; i < shared.length; i++) if (shared[i]!.is(local, remote)) return shared[i]!;
    const memory = new Memory(this, local, remote);
    shared[this.#oldest] = memory;
    this.#oldest = (this.#oldest + 1) % MOST_SHARED;
    return memory;
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
