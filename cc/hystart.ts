/** HyStart++ (RFC 9406): the first slow start ends when round trips grow, before the queue overflows. */

import type { AckSample, Micros } from "../core/plugin.ts";

/** Bounds of the growth of a round's least round trip that counts (RFC 9406 §4.3). */
const MIN_RTT_THRESH: Micros = 4e3;
const MAX_RTT_THRESH: Micros = 16e3;
/** The growth that counts, as part of the round trip before. */
const MIN_RTT_DIVISOR = 8;
/** Samples that make a round's least round trip worth believing. */
const N_RTT_SAMPLE = 8;
/** Conservative slow start grows by this part, for so many rounds. */
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

/** The first slow start of one subflow. */
export class HyStart {
  /** `delivered` when the round began. */
  #roundStart = 0;
  #lastRoundMinRtt: Micros = Infinity;
  #currentRoundMinRtt: Micros = Infinity;
  #samples = 0;
  #cssBaseline: Micros = Infinity;
  #cssRounds = 0;
  /** Bytes in flight of which the baseline is the round trip; 0: there is none. */
  #cssFlight = 0;

  /** It has seen a queue, and goes on slowly. */
  get cautious(): boolean {
    return this.#cssBaseline < Infinity;
  }

  /** Bytes to grow by for an acknowledgement of `acked`; -1 when slow start is over. */
  growth(ack: AckSample, acked: number): number {
    if (ack.priorDelivered >= this.#roundStart) {
      this.#roundStart = ack.delivered;
      this.#lastRoundMinRtt = this.#currentRoundMinRtt;
      this.#currentRoundMinRtt = Infinity;
      this.#samples = 0;
      if (this.#cssBaseline < Infinity && ++this.#cssRounds >= CSS_ROUNDS) return -1;
    }
    // What was delivered while it was on its way was in flight with it. The queue of less is shorter: after a pause that does not tell that there was none.
    const flight = ack.delivered - ack.priorDelivered;
    if (ack.rtt >= 0 && flight >= this.#cssFlight) {
      this.#currentRoundMinRtt = Math.min(this.#currentRoundMinRtt, ack.rtt);
      this.#samples++;
    }
    if (this.#samples >= N_RTT_SAMPLE) this.#judge(flight);
    return this.#cssBaseline < Infinity ? acked / CSS_GROWTH_DIVISOR : acked;
  }

  #judge(flight: number): void {
    const current = this.#currentRoundMinRtt;
    if (this.#cssBaseline < Infinity) {
      // It was no queue: slow start goes on.
      if (current < this.#cssBaseline) {
        this.#cssBaseline = Infinity;
        this.#cssFlight = 0;
      }
      return;
    }
    const last = this.#lastRoundMinRtt;
    const threshold = Math.max(MIN_RTT_THRESH, Math.min(last / MIN_RTT_DIVISOR, MAX_RTT_THRESH));
    if (last < Infinity && current >= last + threshold) {
      this.#cssBaseline = current;
      this.#cssRounds = 0;
      this.#cssFlight = flight;
    }
  }
}
