/**
 * ACKs that leave only to carry an MPTCP option (RFC 8684 §3): to who does not know that, three that say the same are a sign of loss (RFC 5681 §3.2). Two may
 * leave in a row; the next waits until something else has left or been acknowledged, or until a timeout is over: what was in flight then has come by now,
 * or has gone again, so that the row is none to who counts.
 */

import type { Micros } from "../plugin.ts";

/**
 * RFC 8684 §3.4.1: "an MPTCP implementation SHOULD NOT send more than two duplicate ACKs in a row for signaling purposes"
 * RFC 8684 §3: "SHOULD NOT send more than two duplicate ACKs in a row for the purposes of sending MPTCP options alone"
 * RFC 8684 §4: "MPTCP SHOULD NOT send more than two duplicate ACKs containing (non-DSS) MPTCP signals in a row"
 */
const MOST_IN_A_ROW = 2;

/** Signals of one subflow. Sequence numbers are offsets. */
export class Signals {
  #seq = -1;
  #ack = -1;
  #row = 0;
  #until: Micros = 0;

  /** Whether one may leave that is sent at `seq` and acknowledges `ack`. */
  may(seq: number, ack: number, now: Micros): boolean {
    return this.#row < MOST_IN_A_ROW || seq !== this.#seq || ack !== this.#ack ||
      now >= this.#until;
  }

  /** When the next may leave, whatever else leaves. */
  get until(): Micros {
    return this.#until;
  }

  /** One has left; `timeout` is the subflow's. */
  sent(seq: number, ack: number, timeout: Micros, now: Micros): void {
    const same = seq === this.#seq && ack === this.#ack && now < this.#until;
    this.#row = same ? this.#row + 1 : 1;
    this.#seq = seq;
    this.#ack = ack;
    this.#until = now + timeout;
  }
}
