/** What an ACK tells of the path (RFC 6298, RFC 8985 §6.2 steps 1, 2 and 4). */

import type { Micros } from "../plugin.ts";
import type { Part } from "./pieces.ts";

/** The delivery rate's figures at a sending, kept with what is sent. */
export interface Delivery {
  /** Bytes that the peer has reported so far. */
  readonly delivered: number;
  /** When the last of them was reported. */
  readonly deliveredTime: Micros;
  /** When the segment was sent that was delivered last, or sending began. */
  readonly firstSent: Micros;
  /** The application or the scheduler gives too little now. */
  readonly appLimited: boolean;
}

/** What one ACK told: round-trip time, rate sample, RACK's newest segment. The scoreboard writes it, as the ACK goes through. */
export class Heard {
  /** Bytes reported for the first time. */
  delivered = 0;
  /** Round-trip time of what was reported last and sent once; -1: none (Karn, RFC 6298 §3). */
  rtt: Micros = -1;
  /** `delivered` of the connection when the latest of what was reported was sent; -1: nothing was reported. */
  priorDelivered = -1;
  /** When that was counted. */
  priorTime: Micros = 0;
  /** When it was sent, and when the flight began whose rate it tells. */
  rateSent: Micros = 0;
  rateFrom: Micros = 0;
  /** The application gave too little then. */
  appLimited = false;
  /** When the segment sent last among those reported was sent; -1: none that tells (RFC 8985 §6.2 step 2). */
  sentTime: Micros = -1;
  /** Its end. */
  sentEnd = 0;
  /** Its round-trip time. */
  sentRtt: Micros = 0;
  // The same of what was sent once: of a repeat it is never certain which sending came.
  #onceTime: Micros = -1;
  #onceEnd = 0;
  #onceRtt: Micros = 0;
  /** How many pieces sent once came after something above them (RFC 8985 §6.2 step 4). */
  reordered = 0;
  /** Bytes that came twice because they were sent again (RFC 2883); 0: none. */
  duplicate = 0;
  /** Something is acknowledged that was sent again. */
  repeated = false;
  /** Something is that was sent again later than what is answered, by the timestamp of that. */
  early = false;
  /** Before when that was sent which is answered, by its timestamp; Infinity: none tells, as of what is SACKed. */
  answeredBefore: Micros = Infinity;
  /** Payload of the largest segment among what was reported. */
  largest = 0;
  /** A copy that is reported sooner after its sending stands for the original. */
  minRtt: Micros = 0;

  /** Forgets the ACK before. */
  begin(minRtt: Micros): void {
    this.delivered = 0;
    this.rtt = -1;
    this.priorDelivered = -1;
    this.priorTime = 0;
    this.rateSent = 0;
    this.rateFrom = 0;
    this.appLimited = false;
    this.sentTime = this.#onceTime = -1;
    this.sentEnd = this.#onceEnd = 0;
    this.sentRtt = 0;
    this.reordered = 0;
    this.duplicate = 0;
    this.repeated = this.early = false;
    this.largest = 0;
    this.minRtt = minRtt;
  }

  /** The ACK in hand reports nothing: the rest is of one before. */
  nothing(): void {
    this.delivered = 0;
  }

  /** What is acknowledged next, up to the SACK blocks, answers what was sent before `time`. */
  answers(time: Micros): void {
    this.answeredBefore = time;
  }

  /** A round trip of something sent once, told otherwise than by a piece: of the SYN. */
  measured(rtt: Micros): void {
    this.rtt = rtt;
  }

  /** Something so far was sent again: no round trip tells the path's. */
  again(): void {
    this.rtt = -1;
    this.repeated = true;
  }

  /** The originals came of what was sent again: none of the repeats is the sending that came last. */
  forgetRepeats(): void {
    this.sentTime = this.#onceTime;
    this.sentEnd = this.#onceEnd;
    this.sentRtt = this.#onceRtt;
  }

  /** So many bytes came twice. */
  twice(bytes: number): void {
    this.duplicate = bytes;
  }

  /** Notes that `part` up to `end` was reported; `highest` is the end of what was reported before this ACK. */
  deliver(part: Part, end: number, highest: number, now: Micros): void {
    const bytes = end - part.seq;
    this.delivered += bytes;
    const largest = Math.min(part.segment, bytes);
    if (largest > this.largest) this.largest = largest;
    if (part.sends === 1 && end <= highest) this.reordered++;
    const rtt = now - part.time;
    if (part.sends === 1) this.rtt = rtt;
    if (part.priorDelivered >= this.priorDelivered) {
      this.priorDelivered = part.priorDelivered;
      this.priorTime = part.priorTime;
      this.rateSent = part.time;
      this.rateFrom = part.priorSent;
      this.appLimited = part.appLimited;
    }
    if (part.sends > 1) {
      // RFC 8985 §6.2 step 2: no answer to the last sending.
      if (rtt < this.minRtt) return;
      if (part.time >= this.answeredBefore) {
        this.early = true;
        return;
      }
    }
    if (part.time > this.sentTime || (part.time === this.sentTime && end > this.sentEnd)) {
      this.sentTime = part.time;
      this.sentEnd = end;
      this.sentRtt = rtt;
    }
    if (
      part.sends === 1 &&
      (part.time > this.#onceTime || (part.time === this.#onceTime && end > this.#onceEnd))
    ) {
      this.#onceTime = part.time;
      this.#onceEnd = end;
      this.#onceRtt = rtt;
    }
  }
}
