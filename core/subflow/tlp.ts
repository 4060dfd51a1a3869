/** Tail loss probes: what the peer has not answered in two round trips is asked about, before a timeout (RFC 8985 §7). */

import type { Micros } from "../plugin.ts";
import { type Deadlines, type SubflowTimer, TIMER_PROBE, TIMER_RTO } from "./deadlines.ts";
import type { Rtt } from "./rtt.ts";

/** Without a round trip (RFC 8985 §7.2). */
const UNKNOWN: Micros = 1e6;
/** How late a segment may be acknowledged that comes alone, TLP.max_ack_delay: peers wait 40 ms, by a clock that ticks. */
export const MAX_ACK_DELAY: Micros = 45e3;
/** A peer may pause for so long, however short the path is. */
const PAUSE: Micros = 4e3;

// What holds of them, as bits: each place of its own would take eight bytes of every subflow that has sent.
/** Something has left since the time of the next probe was set: that is later. */
const MOVED = 1;
/** TLP.is_retrans: the probe was no new data. */
const REPEAT = 2;
/** A round trip was measured since the probe before. */
const SAMPLED = 4;

/** The probes of one subflow. */
export class Tlp {
  /** When something last left for the first time, but for probes. */
  #sent: Micros = 0;
  /** When SND.UNA last moved. */
  #answered: Micros = 0;
  /** TLP.end_seq: SND.NXT when the probe left that is not answered; 0: there is none. */
  #end = 0;
  #flight = 0;
  #flags = SAMPLED;

  /** A probe is on its way. */
  get pending(): boolean {
    return this.#end > 0;
  }

  /** Bytes that were in flight when what it has repeated was sent first, with that; 0: not known. */
  get flight(): number {
    return this.#flight;
  }

  /** One may leave (RFC 8985 §7.3). */
  get may(): boolean {
    return this.#end === 0 && (this.#flags & SAMPLED) !== 0;
  }

  /** Something has left since the time of the next probe was set. */
  get moved(): boolean {
    return (this.#flags & MOVED) !== 0;
  }

  /** Something has left for the first time. */
  sent(now: Micros): void {
    this.#sent = now;
    this.#flags |= MOVED;
  }

  /** A round trip was measured. */
  sampled(): void {
    this.#flags |= SAMPLED;
  }

  /**
   * SND.UNA has moved, by no more than a segment where it is `one`. The next probe is two round trips from now (RFC 8985 §7.2), or from when an answer to what
   * was sent last was due: an ACK of one segment that comes later was delayed by the peer, and hardly puts it off.
   */
  answered(
    deadlines: Deadlines<SubflowTimer>,
    rtt: Readonly<Rtt>,
    one: boolean,
    now: Micros,
  ): boolean {
    this.#answered = now;
    const { srtt } = rtt;
    if (!one || this.moved || now <= this.#sent + srtt || !deadlines.has(TIMER_PROBE)) {
      return true;
    }
    const at = Math.max(deadlines.at(TIMER_PROBE), now + srtt / 4);
    deadlines.set(TIMER_PROBE, Math.min(at, deadlines.at(TIMER_RTO)));
    return false;
  }

  /** Sets the time of the next probe. What comes `alone` is given the time that its ACK may be delayed. */
  arm(deadlines: Deadlines<SubflowTimer>, rtt: Readonly<Rtt>, alone: boolean): void {
    this.#flags &= ~MOVED;
    const { srtt } = rtt;
    const sent = this.#sent;
    const answered = this.#answered;
    const least = deadlines.at(TIMER_RTO);
    if (!rtt.known) {
      deadlines.set(TIMER_PROBE, Math.min(Math.max(sent, answered) + UNKNOWN, least));
      return;
    }
    let at = answered <= sent ? sent : Math.min(answered, sent + srtt);
    at += srtt + Math.max(srtt, PAUSE);
    if (alone) at = Math.max(at, sent + srtt + MAX_ACK_DELAY);
    at = Math.max(at, answered + srtt / 4);
    deadlines.set(TIMER_PROBE, Math.min(at, least));
  }

  /** A probe has left, and SND.NXT is `end` now; `repeat`: it was no new data, but what was first sent with `flight` bytes in flight. */
  left(end: number, repeat: boolean, flight: number): void {
    this.#end = end;
    this.#flags = repeat ? (this.#flags | REPEAT) & ~SAMPLED : this.#flags & ~(REPEAT | SAMPLED);
    this.#flight = flight;
  }

  /**
   * The ACK in hand acknowledges all before `ack`; `twice`: it tells that something came twice; `bare`: it is a duplicate without SACK. True when the
   * probe has repaired a loss, which calls for what congestion calls for (RFC 8985 §7.4.2).
   */
  onAck(ack: number, twice: boolean, bare: boolean): boolean {
    if (this.#end === 0 || ack < this.#end) return false;
    const repeat = (this.#flags & REPEAT) !== 0;
    const repaired = repeat && !twice && ack > this.#end;
    if (!repeat || twice || repaired || bare) this.#end = 0;
    return repaired;
  }

  /** A recovery begins (RFC 8985 §7.1). */
  reset(): void {
    this.#end = 0;
  }
}
