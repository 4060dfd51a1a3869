/** Round-trip time and retransmission timeout (RFC 6298), least round-trip time of a window. */

import type { Micros } from "../plugin.ts";
import { type Deadlines, type SubflowTimer, TIMER_RTO } from "./deadlines.ts";
import type { Heard } from "./heard.ts";

/** Before a first sample (RFC 6298 §2.1). */
export const INITIAL_RTO: Micros = 1e6;
/** Least margin of a timeout above the SRTT, where nothing else is asked for: below RFC 6298's second, as Linux has it, so that a path's loss is told in a fraction of one. */
export const MIN_RTO: Micros = 200e3;
/** Largest timeout (RFC 6298 §2.5). */
export const MAX_RTO: Micros = 60e6;
/** Least timeout for first data where a SYN was lost (RFC 6298 §5.7). */
const LOST_SYN_RTO: Micros = 3e6;
/** Of the clock in timestamps (timestamps.ts). */
const TICK: Micros = 1000;
/** Samples without doubt that must lie between two in doubt. */
const SURE_BEFORE_DOUBT = 8;
/** How long a least round-trip time stays valid. */
const MIN_RTT_WINDOW: Micros = 10e6;

/** The estimator of one subflow, how far its timeout is backed off, and how often in a row it has passed. */
export class Rtt {
  // Plain fields, as they are read for every packet: what an accessor returns may be boxed (CONTRIBUTING.md, Garbage).
  /** Smoothed round-trip time, at least 1; 1 s before a first sample. */
  srtt: Micros = 1e6;
  /**
   * The same without what the peer may have delayed: its ACK of a last segment alone tells how long it has waited for another one (RFC 9002 §5.3 takes that
   * off). At least `minRtt`, and a minute at most. Whole, by shifts, as small integers need no box (CONTRIBUTING.md, Garbage).
   */
  pathRtt: Micros = 1e6;
  /** The timeout without back-off. */
  base: Micros = INITIAL_RTO;
  readonly #least: Micros;
  #rttVar: Micros = 0;
  // Null before a first sample. Boxed once (CONTRIBUTING.md, Garbage).
  #minRtt: Micros | null = null;
  #minRttTime: Micros | null = null;
  #timeouts = 0;
  /** Timeouts since a sample. */
  #backOff = 0;
  /** Samples since one that was in doubt. */
  #sure = SURE_BEFORE_DOUBT;

  /** Its timeouts are `least` above the SRTT, or more. */
  constructor(least: Micros = MIN_RTO) {
    this.#least = least;
  }

  /** Its mean deviation. */
  get rttVar(): Micros {
    return this.#rttVar;
  }

  /** There was a sample. */
  get known(): boolean {
    return this.#minRtt !== null;
  }

  /** Least sample of the last 10 s; 1 s before a first one. */
  get minRtt(): Micros {
    return this.#minRtt ?? 1e6;
  }

  /** The timeout, backed off by those that have passed since a sample (RFC 6298 §5.5, §5.7): what is acknowledged by way of a retransmission tells no round trip (Karn). */
  get rto(): Micros {
    return Math.min(MAX_RTO, this.base * 2 ** this.#backOff);
  }

  /**
   * The timeout that round trips alone tell, a second before the first: for what is repeated on bare ACKs. That a lost SYN makes the first timeouts longer
   * concerns data (RFC 6298 §5.7: "when data transmission begins"). `base` is not made of it: a sample's would be boxed.
   */
  get estimate(): Micros {
    if (!this.known) return INITIAL_RTO;
    return Math.min(MAX_RTO, this.srtt + Math.max(this.#least, 4 * this.#rttVar));
  }

  /** Starts the retransmission timer. Here, as a timeout handed out would be boxed. */
  arm(deadlines: Deadlines<SubflowTimer>, now: Micros): void {
    deadlines.set(TIMER_RTO, now + Math.min(MAX_RTO, this.base * 2 ** this.#backOff));
  }

  /** Doublings of the timeout. */
  get backedOff(): number {
    return this.#backOff;
  }

  /** Timeouts in a row, nothing new acknowledged meanwhile. */
  get timeouts(): number {
    return this.#timeouts;
  }

  /**
   * Takes the sample that an ACK has brought: of a segment that was sent once (Karn's rule is the scoreboard's), or none. `delayed`: the peer may have kept it
   * back, so that the path may be shorter than it tells.
   */
  sample(heard: Heard, now: Micros, delayed = false): void {
    if (heard.rtt >= 0) this.take(Math.max(1, heard.rtt), now, delayed);
  }

  /**
   * Takes a sample by the timestamp that came back, of whatever sending it tells (RFC 7323 §4.1): exact to a tick, so that what is smoothed moves no
   * further than that demands. One in `doubt`, which a lost ACK may have made as long as a timeout, counts where enough others have come since the last
   * such: else each would make the next timeout, and so itself, longer. The back-off stays where it does not. `delayed` is what it is of any sample.
   */
  sampleEchoed(rtt: Micros, doubt: boolean, now: Micros, delayed = false): void {
    if (doubt) {
      if (this.#sure < SURE_BEFORE_DOUBT) return;
      this.#sure = -1;
    }
    if (this.#minRtt === null) return this.take(Math.max(1, rtt), now, false);
    if (rtt < this.pathRtt - TICK) this.pathRtt += (rtt + TICK - this.pathRtt + 4) >> 3;
    else if (!delayed && rtt > this.pathRtt + TICK && rtt < MAX_RTO) {
      this.pathRtt += (rtt - TICK - this.pathRtt + 4) >> 3;
    }
    this.smooth(Math.min(Math.max(this.srtt, rtt - TICK), rtt + TICK), false);
  }

  private take(value: Micros, now: Micros, delayed: boolean): void {
    const first = this.#minRtt === null;
    if (
      this.#minRtt === null || value < this.#minRtt ||
      now - (this.#minRttTime ?? 0) > MIN_RTT_WINDOW
    ) {
      this.#minRtt = value;
    }
    if (value === this.#minRtt) this.#minRttTime = now;
    if (first || value >= MAX_RTO) this.pathRtt = Math.round(Math.min(value, MAX_RTO));
    else if (!delayed || value < this.pathRtt) this.pathRtt += (value - this.pathRtt + 4) >> 3;
    // Of a path that has become longer, and carries single segments alone, that is told by the least of 10 s.
    if (this.pathRtt < this.#minRtt) this.pathRtt = Math.min(Math.ceil(this.#minRtt), MAX_RTO);
    this.smooth(value, first);
  }

  private smooth(value: Micros, first: boolean): void {
    this.#sure++;
    if (first) {
      // RFC 6298 §2.2
      this.srtt = value;
      this.#rttVar = value / 2;
    } else {
      // RFC 6298 §2.3: the deviation is from the SRTT before this sample.
      this.#rttVar += (Math.abs(this.srtt - value) - this.#rttVar) / 4;
      this.srtt += (value - this.srtt) / 8;
    }
    this.base = Math.min(MAX_RTO, this.srtt + Math.max(this.#least, 4 * this.#rttVar));
    this.#backOff = 0;
  }

  /** The timeout has passed. */
  backOff(): void {
    this.#timeouts++;
    this.#backOff++;
  }

  /** Something new was acknowledged. */
  answered(): void {
    this.#timeouts = 0;
  }

  /** The timeouts were none: what was sent once was answered all the time (RFC 4015 §3.2). */
  undone(): void {
    this.#backOff = 0;
  }

  /** The handshake is over; `lost`: a SYN was lost (RFC 6298 §5.7). */
  begin(lost: boolean): void {
    this.#timeouts = this.#backOff = 0;
    if (lost) this.base = Math.max(this.base, LOST_SYN_RTO);
  }
}
