/** Round-trip time and retransmission timeout (RFC 6298), least round-trip time of a window. */

import type { Micros } from "../plugin.ts";

/** Before a first sample (RFC 6298 §2.1). */
export const INITIAL_RTO: Micros = 1e6;
/** Least timeout: below RFC 6298's second, as Linux has it, so that a path's loss is told in a fraction of one. */
export const MIN_RTO: Micros = 200e3;
/** Largest timeout (RFC 6298 §2.5). */
export const MAX_RTO: Micros = 60e6;
/** How long a least round-trip time stays valid. */
const MIN_RTT_WINDOW: Micros = 10e6;

/** The estimator of one subflow. */
export class RttEstimator {
  /** Smoothed round-trip time; 1 s before a first sample. */
  srtt: Micros = 1e6;
  /** Its mean deviation. */
  rttVar: Micros = 0;
  /** Least sample of the last 10 s; 1 s before a first one. */
  minRtt: Micros = 1e6;
  /** The timeout without back-off. */
  rto: Micros = INITIAL_RTO;
  /** Whether there was a sample. */
  sampled = false;
  /** The latest sample. */
  latest: Micros = 0;
  #minRttTime: Micros = 0;

  /** Takes a sample of a segment that was sent once (Karn's rule is the caller's). */
  sample(rtt: Micros, now: Micros): void {
    const value = Math.max(1, rtt);
    this.latest = value;
    if (!this.sampled) {
      // RFC 6298 §2.2
      this.sampled = true;
      this.srtt = value;
      this.rttVar = value / 2;
      this.minRtt = value;
      this.#minRttTime = now;
    } else {
      // RFC 6298 §2.3
      this.rttVar += (Math.abs(this.srtt - value) - this.rttVar) / 4;
      this.srtt += (value - this.srtt) / 8;
      if (value <= this.minRtt || now - this.#minRttTime > MIN_RTT_WINDOW) {
        this.minRtt = value;
        this.#minRttTime = now;
      }
    }
    this.rto = Math.min(MAX_RTO, this.srtt + Math.max(MIN_RTO, 4 * this.rttVar));
  }
}
