/** A subflow that tells the end of its connection by MP_FASTCLOSE on an ACK, and waits for the RST that answers it (RFC 8684 §3.5, option A). */

import type { Key } from "../wire/mptcp.ts";
import type { Micros } from "../plugin.ts";

/**
 * RFC 8684 §3.5: "the number of retransmissions SHOULD be limited; this limit is implementation specific"
 * RFC 8684 §3.5: "A RECOMMENDED number is 3."
 */
const MOST_REPEATS = 3;

/** The state FASTCLOSE_WAIT of one subflow. */
export class FastClose {
  /** The peer's key. */
  readonly key: Key;
  #sends = 0;

  /** @param key The peer's. */
  constructor(key: Key) {
    this.key = key;
  }

  /** It was repeated as often as it shall be. */
  get exhausted(): boolean {
    return this.#sends > MOST_REPEATS;
  }

  /** It has left, or was to: how long its answer is awaited, if `timeout` is the subflow's. */
  sent(timeout: Micros): Micros {
    return timeout * 2 ** this.#sends++;
  }
}
