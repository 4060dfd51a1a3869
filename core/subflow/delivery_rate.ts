/**
 * How fast a subflow's bytes arrive (draft-cheng-iccrg-delivery-rate-estimation): what was delivered between the sending of a segment and its
 * acknowledgement, over the longer of the times in which it was sent and acknowledged.
 */

import type { AckSample, Micros } from "../plugin.ts";
import type { Heard } from "./heard.ts";

/** What controllers are told of a sample. */
export type RateSample = {
  -readonly [
    K in keyof Pick<AckSample, "delivered" | "priorDelivered" | "deliveryRate" | "appLimited">
  ]: AckSample[K];
};

/** Rounds after which what came in them is forgotten: those of one period, and of the one before it, count. */
const PERIOD = 10;

/** Bytes of a burst that tells, and of an ACK that was not delayed. */
const LEAST_BURST = 14600;
const LEAST_ACK = 2000;
/** The rate of one that has come through as it was sent, more than any in bytes a second. */
const AS_SENT = (1 << 30) - 1;

/** The estimator of one subflow. What is sent takes its figures along and brings them back when it is delivered. */
export class DeliveryRate {
  // A plain field, as it is read for every packet (CONTRIBUTING.md, Garbage).
  /** When the segment was sent that was delivered last, or sending began (C.first_sent_time). */
  firstSent: Micros = 0;
  #delivered = 0;
  /** Null before anything was sent. Boxed once, as `now` (CONTRIBUTING.md, Garbage). */
  #deliveredTime: Micros | null = null;
  #rate = 0;
  #appLimitedUntil: number;
  /** Highest rate of this period of rounds, and of this or the one before. */
  #best = 0;
  #peak = 0;
  /** Bytes delivered when sending last began, the highest rate at which a burst from there has come through, and the same of the last one that told. */
  #idleAt = 0;
  #burst = 0;
  #bottleneck = 0;
  /** What is known of the path since sending last began. */
  #known = 0;
  #rounds = 0;
  /** Bursts behind a pause whose answers told how fast the path is, the highest rate of them, and that of this one; 0: it has not told yet. */
  #toldBursts = 0;
  #highest = 0;
  #told = 0;
  /** Bytes delivered where the round in hand ends. */
  #roundEnd = 0;

  /** @param starved There was nothing to send until now. */
  constructor(starved = false) {
    this.#appLimitedUntil = starved ? 0 : -1;
  }

  /** Bytes delivered so far. */
  get delivered(): number {
    return this.#delivered;
  }

  /** When that was counted. */
  get deliveredTime(): Micros {
    return this.#deliveredTime ?? 0;
  }

  /** Bytes a second; 0 before a first sample. */
  get rate(): number {
    return this.#rate;
  }

  /**
   * Bytes a second: the highest sample of the last 10 to 20 round trips in which there was enough to send. What begins after a pause, and has not filled the
   * path yet, does not lower it, but for as many bursts that have come through more slowly.
   */
  get peak(): number {
    return this.#peak;
  }

  /**
   * Bytes a second at which the path lets bursts through, as far as the last one or this one tells; 0: none has. Samples of a burst behind a pause have the round
   * trip in them in which nothing comes back: the peak of answers that do not fill the path is a part of what it carries.
   */
  get through(): number {
    return Math.max(this.#burst, this.#bottleneck);
  }

  /**
   * Bytes a second at which the path has let the last burst through that came behind a pause and took longer than to send, or, where one came through as it was
   * sent since, at least so many. Where none did, the highest sample, if the window has been more than the path carries; 0: it has not, or something of what is
   * sent since the last pause has come back. ACKs that come together make it too high.
   */
  get bottleneck(): number {
    return this.#delivered === this.#idleAt ? this.#known : 0;
  }

  /** What is sent now is limited by the application or the scheduler. */
  get appLimited(): boolean {
    return this.#delivered <= this.#appLimitedUntil;
  }

  /** Sending starts again with nothing in flight. `overfilled`: the window has been more than the path carries. */
  idle(now: Micros, overfilled = false): void {
    this.#deliveredTime = now;
    this.firstSent = now;
    this.#idleAt = this.#delivered;
    if (this.#burst > 0) {
      this.#bottleneck = this.#burst;
      this.#burst = 0;
    }
    if (this.#told > 0) this.forget();
    this.#known = this.#bottleneck === 0 && overfilled ? this.#peak : this.#bottleneck;
  }

  /** Nothing is left to send while `inFlight` bytes are on their way: samples of these may only raise the estimate. */
  limit(inFlight: number): void {
    this.#appLimitedUntil = this.#delivered + inFlight;
  }

  /** Counts what an acknowledgement delivered. */
  count(bytes: number, now: Micros): void {
    this.#delivered += bytes;
    if (bytes > 0) this.#deliveredTime = now;
  }

  /** `bytes`, all since a pause, have come back in `interval`. An ACK of less than two segments may have waited for more. */
  private spread(heard: Heard, bytes: number, interval: Micros): void {
    if (bytes < LEAST_BURST || heard.delivered < LEAST_ACK) return;
    const time = interval - heard.minRtt;
    const sending = heard.rateSent - heard.rateFrom;
    if (4 * time > 5 * sending) {
      if (bytes * 1e6 > this.#burst * time) this.#burst = bytes * 1e6 / time;
    } else if (this.#bottleneck > 0 && sending > 0) {
      // What has come through as it was sent, held back by what was known, tells that the path carries at least so much by now.
      const least = bytes * 1e6 / Math.max(time, sending);
      if (least > this.#bottleneck && least > this.#burst) this.#burst = least;
    }
  }

  /**
   * What does not fill a path has no samples as high as its rate, and those of before would be believed for ever. But what comes back later than it was sent
   * tells how fast the path was. The first that comes back of a burst tells of the round trip alone, and the last may have waited for more.
   */
  private tell(heard: Heard, bytes: number, interval: Micros): void {
    if (bytes === heard.delivered) return;
    if (heard.delivered < LEAST_ACK && this.#delivered >= this.#appLimitedUntil) return;
    const time = interval - heard.minRtt;
    const slow = 4 * time > 5 * (heard.rateSent - heard.rateFrom) && bytes * 1e6 < time * AS_SENT;
    // A small integer is not boxed (CONTRIBUTING.md, Garbage).
    this.#told = slow ? Math.ceil(bytes * 1e6 / time) | 0 : AS_SENT;
  }

  /** For as many bursts as rounds are remembered the path was no faster than the fastest of them: nor is it believed to be. */
  private forget(): void {
    const most = Math.max(this.#highest, this.#told);
    this.#told = 0;
    this.#highest = most;
    if (++this.#toldBursts < PERIOD) return;
    this.#toldBursts = this.#highest = 0;
    if (most < this.#peak) this.#peak = most;
    if (most < this.#best) this.#best = most;
    if (most < this.#bottleneck) this.#bottleneck = most;
  }

  /** Takes the sample of an acknowledgement whose bytes have been counted, and tells it in `sample`. */
  take(heard: Heard, sample: RateSample, now: Micros): void {
    sample.delivered = this.#delivered;
    sample.priorDelivered = Math.max(0, heard.priorDelivered);
    sample.deliveryRate = 0;
    sample.appLimited = heard.appLimited;
    if (heard.priorDelivered < 0) return;
    this.firstSent = heard.rateSent;
    // ACKs that were held up and come together would tell too much, and so would a burst that they have let out.
    const interval = Math.max(now - heard.priorTime, heard.rateSent - heard.rateFrom);
    // Nothing takes less than the path's round trip: an ACK of the original that came behind the repeat.
    if (interval <= 0 || interval < heard.minRtt) return;
    const bytes = this.#delivered - heard.priorDelivered;
    const rate = bytes * 1e6 / interval;
    if (heard.priorDelivered === this.#idleAt) {
      this.spread(heard, bytes, interval);
      this.tell(heard, bytes, interval);
    }
    sample.deliveryRate = rate;
    if (!heard.appLimited || rate > this.#rate) this.#rate = rate;
    if (rate > this.#best) this.#best = rate;
    if (rate > this.#peak) this.#peak = rate;
    if (heard.priorDelivered < this.#roundEnd) return;
    this.#roundEnd = this.#delivered;
    if (heard.appLimited || ++this.#rounds < PERIOD) return;
    this.#rounds = 0;
    this.#peak = this.#best;
    this.#best = 0;
  }
}
