/** How fast a subflow's bytes arrive (delivery-rate samples as of BBR): between the sending of a segment and its acknowledgement. */

import type { AckSample, Micros } from "../plugin.ts";
import type { Heard } from "./heard.ts";

/** What controllers are told of a sample. */
export type RateSample = {
  -readonly [
    K in keyof Pick<AckSample, "delivered" | "priorDelivered" | "deliveryRate" | "appLimited">
  ]: AckSample[K];
};

/** The estimator of one subflow. What is sent takes `delivered`, `deliveredTime` and `appLimited` along and brings them back when it is delivered. */
export class DeliveryRate {
  #delivered = 0;
  /** Null before anything was sent. Boxed once, as `now` (CONTRIBUTING.md, Garbage). */
  #deliveredTime: Micros | null = null;
  #rate = 0;
  #appLimitedUntil = 0;

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

  /** What is sent now is limited by the application or the scheduler. */
  get appLimited(): boolean {
    return this.#delivered < this.#appLimitedUntil;
  }

  /** Sending starts again with nothing in flight. */
  idle(now: Micros): void {
    this.#deliveredTime = now;
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

  /** Takes the sample of an acknowledgement whose bytes have been counted, and tells it in `sample`. */
  take(heard: Heard, sample: RateSample, now: Micros): void {
    sample.delivered = this.#delivered;
    sample.priorDelivered = Math.max(0, heard.priorDelivered);
    sample.deliveryRate = 0;
    sample.appLimited = heard.appLimited;
    if (heard.priorDelivered < 0) return;
    const interval = now - heard.priorTime;
    if (interval <= 0) return;
    const rate = (this.#delivered - heard.priorDelivered) * 1e6 / interval;
    sample.deliveryRate = rate;
    if (!heard.appLimited || rate > this.#rate) this.#rate = rate;
  }
}
