/** How long a connection waits for its peer (RFC 9293 §3.8.3, §3.8.6.1, §3.10.1; RFC 5482 in its sense). */

import type { Micros } from "../plugin.ts";

/** What waits for an answer is given up when nothing at all has come from the peer for so long: "the present global default is five minutes" (RFC 9293 §3.10.1). */
export const USER_TIMEOUT: Micros = 300e6;
/** Least and most that may be asked for: what a round trip needs, and what RFC 5482's option can say. */
export const LEAST_USER_TIMEOUT: Micros = 1e6;
export const MOST_USER_TIMEOUT: Micros = 32767 * 60e6;
/** How long a connection without subflows, or one that the peer alone can end, is kept (Linux net.mptcp.close_timeout). */
export const CLOSE_TIMEOUT: Micros = 60e6;
/**
 * How long a peer may answer, and take nothing of what was written before close(). A program could wait for ever (RFC 9293 §3.8.6.1), but nobody
 * holds the connection any more, and what it holds is given back some time (RFC 6429 §3).
 */
export const CLOSED_PATIENCE: Micros = 3600e6;

/** The waits of one connection. */
export class Patience {
  #limit: Micros = USER_TIMEOUT;
  /** Null before anything has waited. Boxed once, as `now` (CONTRIBUTING.md, Garbage). */
  #since: Micros | null = null;
  /** Null before a first one is buried. Boxed once (CONTRIBUTING.md, Garbage). */
  #heard: Micros | null = null;
  /** Since when all that the peer says lies below what was DATA_ACKed; null: it does not. Boxed once (CONTRIBUTING.md, Garbage). */
  #beliedAt: Micros | null = null;

  /** The user timeout. */
  get limit(): Micros {
    return this.#limit;
  }

  /** Sets the user timeout. */
  setLimit(limit: Micros): void {
    this.#limit = limit;
  }

  /** Something waits for an answer from now on. */
  begin(now: Micros): void {
    this.#since = now;
  }

  /** A subflow that is buried last heard something at `at`. */
  heard(at: Micros): void {
    if (this.#heard === null || at > this.#heard) this.#heard = at;
  }

  /**
   * The peer acknowledges less than was DATA_ACKed in its name, or was overtaken. Who goes on to say so lacks what we have no longer: that it answers is no
   * sign that it will ever take what waits.
   */
  belied(now: Micros): void {
    this.#beliedAt ??= now;
  }

  /** It acknowledges what was DATA_ACKed. */
  borneOut(): void {
    this.#beliedAt = null;
  }

  /** When the wait is over, if a subflow that lives last heard something at `at`. */
  until(at: Micros): Micros {
    let heard = Math.max(this.#heard ?? 0, at);
    if (this.#beliedAt !== null && this.#beliedAt < heard) heard = this.#beliedAt;
    return Math.max(this.#since ?? 0, heard) + this.#limit;
  }
}
