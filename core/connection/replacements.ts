/** Subflows that are reset to be opened anew over the same path, as a proxy has used up what they could carry. */

import type { PathView } from "../plugin.ts";

/** Most in a row while nothing is DATA_ACKed. */
const MOST = 5;

type Ends = Pick<PathView, "local" | "remote">;

function pair({ local, remote }: Ends): string {
  return `${local.address} ${remote.address}`;
}

/** The replacements of one connection. */
export class Replacements {
  /** Pairs of addresses: whoever accepts gives each join an index of its own. */
  readonly #pairs = new Set<string>();
  #una = 0;
  #tries = 0;

  /** The subflow `path` is about to be replaced; `una`: the oldest data offset that is not DATA_ACKed. True when the one before has brought something to the peer. */
  begin(path: Ends, una: number): boolean {
    const progress = una > this.#una;
    this.#pairs.add(pair(path));
    this.#tries = progress ? 1 : this.#tries + 1;
    this.#una = una;
    return progress;
  }

  /** Whether the pair of `path` let MPTCP through until a subflow over it was replaced, and one more try is worth it. */
  may(path: Ends, una: number): boolean {
    return this.#pairs.has(pair(path)) && (una > this.#una || this.#tries < MOST);
  }
}
