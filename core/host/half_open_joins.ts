/**
 * Joins of peers between SYN and third ACK (draft EST-3): whoever has seen a token can begin them, and each holds a subflow in SYN-RECEIVED until its
 * third ACK proves who it is, or the SYN/ACK has gone unanswered 15 s. So they have a limit, for each connection (`joinBacklog`) and here for the host.
 */

import type { Subflow } from "../subflow/subflow.ts";

/** Most of a host, as half-open connections of a listener: each takes 4.9 KB, measured over 1000, 5 MB in all. */
export const MOST_HALF_OPEN_JOINS = 1024;

/** The half-open joins of one host. */
export class HalfOpenJoins {
  readonly #all = new Set<Subflow>();

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Whether no more are kept. */
  get crowded(): boolean {
    return this.#all.size >= MOST_HALF_OPEN_JOINS;
  }

  /** One has begun: its SYN is answered. */
  begun(subflow: Subflow): void {
    this.#all.add(subflow);
  }

  /** It is proved, or has ended; false: it was none of these. */
  over(subflow: Subflow): boolean {
    return this.#all.delete(subflow);
  }
}
