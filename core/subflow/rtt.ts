/** Round-trip time and retransmission timeout (RFC 6298), least round-trip time of a window. */

import type { Micros } from "../plugin.ts";
import { type Deadlines, type SubflowTimer, TIMER_RTO } from "./deadlines.ts";
import type { Heard } from "./heard.ts";

/** Before a first sample (RFC 6298 §2.1). */
export const INITIAL_RTO: Micros = 1e6;
/** Least timeout: below RFC 6298's second, as Linux has it, so that a path's loss is told in a fraction of one. */
export const MIN_RTO: Micros = 200e3;
/** Largest timeout (RFC 6298 §2.5). */
export const MAX_RTO: Micros = 60e6;
/** Timeout for data where the SYN timed out and no round trip was measured (RFC 6298 §5.7). */
const LOST_SYN_RTO: Micros = 3e6;
/** How long a least round-trip time stays valid. */
const MIN_RTT_WINDOW: Micros = 10e6;

/** The estimator of one subflow, and how often in a row its timeout has passed. */
export class Rtt {
  // Plain fields, as they are read for every packet: what an accessor returns may be boxed (CONTRIBUTING.md, Garbage).
  /** Smoothed round-trip time, at least 1; 1 s before a first sample. */
  srtt: Micros = 1e6;
  /** The timeout without back-off. */
  base: Micros = INITIAL_RTO;
  #rttVar: Micros = 0;
  /** Null before a first sample. Boxed once (CONTRIBUTING.md, Garbage). */
  #minRtt: Micros | null = null;
  #minRttTime: Micros = 0;
  #timeouts = 0;

  /** Its mean deviation. */
  get rttVar(): Micros {
    return this.#rttVar;
  }

  /** Least sample of the last 10 s; 1 s before a first one. */
  get minRtt(): Micros {
    return this.#minRtt ?? 1e6;
  }

  /** The timeout, backed off by those that have passed (RFC 6298 §5.5). */
  get rto(): Micros {
    return Math.min(MAX_RTO, this.base * 2 ** this.#timeouts);
  }

  /** Starts the retransmission timer. Here, as a timeout handed out would be boxed. */
  arm(deadlines: Deadlines<SubflowTimer>, now: Micros): void {
    deadlines.set(TIMER_RTO, now + Math.min(MAX_RTO, this.base * 2 ** this.#timeouts));
  }

  /** Timeouts in a row. */
  get timeouts(): number {
    return this.#timeouts;
  }

  /** Takes the sample that an ACK has brought: of a segment that was sent once (Karn's rule is the scoreboard's), or none. */
  sample(heard: Heard, now: Micros): void {
    if (heard.rtt < 0) return;
    const value = Math.max(1, heard.rtt);
    if (this.#minRtt === null) {
      // RFC 6298 §2.2
      this.srtt = value;
      this.#rttVar = value / 2;
      this.#minRtt = value;
      this.#minRttTime = now;
    } else {
      // RFC 6298 §2.3: the deviation is from the SRTT before this sample.
      this.#rttVar += (Math.abs(this.srtt - value) - this.#rttVar) / 4;
      this.srtt += (value - this.srtt) / 8;
      if (value < this.#minRtt || now - this.#minRttTime > MIN_RTT_WINDOW) this.#minRtt = value;
      if (value === this.#minRtt) this.#minRttTime = now;
    }
    this.base = Math.min(MAX_RTO, this.srtt + Math.max(MIN_RTO, 4 * this.#rttVar));
  }

  /** The timeout has passed. */
  backOff(): void {
    this.#timeouts++;
  }

  /** Something new was acknowledged. */
  answered(): void {
    this.#timeouts = 0;
  }

  /** The handshake is over, and its SYN was sent more than once: no round trip was measured. */
  lostSyn(): void {
    this.base = LOST_SYN_RTO;
  }
}
