/** The round trip as the receiver of data sees it: from an acknowledgement of ours to the first data that echo its timestamp (RFC 7323 §3; draft RBF-2). */

import type { Micros } from "../plugin.ts";
import { rx } from "../wire/segment.ts";
import type { Rtt } from "./rtt.ts";
import type { Timestamps } from "./timestamps.ts";

/** Of the clock in timestamps (timestamps.ts). */
const TICK: Micros = 1000;

/**
 * The estimate of one subflow; made with its first data. Later data that echo the same timestamp left later than they might, and a peer that had nothing
 * to send echoes an old one: both tell more than a round trip, never less. So a shorter sample counts at once, a longer one by an eighth, as twice the
 * estimate at most.
 */
export class ReceiveRtt {
  #rtt: Micros;
  #echo = 0;

  /** @param rtt What the handshake has told. */
  constructor(rtt: Readonly<Rtt>) {
    this.#rtt = Math.max(TICK, Math.round(rtt.srtt));
  }

  /** The estimate, at least a tick: whole microseconds. */
  get rtt(): Micros {
    return this.#rtt;
  }

  /** New data are in `rx`. */
  heard(timestamps: Timestamps, now: Micros): void {
    if (rx.tsecr === this.#echo) return;
    this.#echo = rx.tsecr;
    const sample = timestamps.roundTrip(now);
    if (sample < 0) return;
    if (sample < this.#rtt) this.#rtt = Math.max(TICK, sample);
    else this.#rtt += (Math.min(sample, 2 * this.#rtt) - this.#rtt) >> 3;
  }
}
