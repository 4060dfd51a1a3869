/**
 * HyStart++ (RFC 9406): the first slow start ends when round trips grow, before the queue overflows. Beside the RFC's sign, the least round trip of a whole
 * round, which a queue that is empty when the round begins does not lengthen, it heeds the train of acknowledgements within a round: one that takes longer to
 * come back than it took to send tells the rate of the bottleneck, and with the least round trip what fills the path (Ha and Rhee, "Taming the elephants: New
 * TCP slow start", 2011, §4: ACK trains).
 */

import type { AckSample, Micros } from "../core/plugin.ts";

/** Bounds of the growth of a round's least round trip that counts (RFC 9406 §4.3). */
const MIN_RTT_THRESH: Micros = 4e3;
const MAX_RTT_THRESH: Micros = 16e3;
/** The growth that counts, as part of the round trip before. */
const MIN_RTT_DIVISOR = 8;
/** Samples that make a round's least round trip worth believing, and in a row a train. */
const N_RTT_SAMPLE = 8;
/** Conservative slow start grows by this part, for so many rounds. */
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

/** A train counts where round trips have grown in it by this part of what counts of a whole round, and by so many of the largest steps from one to the next. */
const TRAIN_DIVISOR = 2;
const TRAIN_STEPS = 2;
/** What is left of the largest step a round later. */
const STEP_FADING = 2;
/** So many times its rate coming back say that it was none of the bottleneck's. */
const REFUTED = 1.25;
/** The window grows to so many times what it says to fill the path, by which it can be refuted; of few segments, to one more than that takes. */
const BEYOND = 4 / 3;

/** Growth that tells of a queue, on a round trip of `rtt`. */
function threshold(rtt: Micros): Micros {
  return Math.max(MIN_RTT_THRESH, Math.min(rtt / MIN_RTT_DIVISOR, MAX_RTT_THRESH));
}

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
  /** Least round trip so far. */
  #minRtt: Micros = Infinity;
  /** The train in hand: the round trip of the acknowledgement that it begins behind, when that came, and what was delivered by then. */
  #trainRtt: Micros = Infinity;
  #trainAt: Micros = 0;
  #trainDelivered = 0;
  /** Acknowledgements in a row that tell of a queue. */
  #agreeing = 0;
  /** The round trip before, 0 at the beginning of a round; and the largest step from one to the next of late: a queue that fills takes many. */
  #priorRtt: Micros = 0;
  #step: Micros = 0;
  /** Bytes a second that a train has come back at, for which it goes on slowly, and those that fill the path at that; 0: none has. */
  #rate = 0;
  #filling = 0;
  /** Bytes that the window has not grown by for that. */
  #withheld = 0;

  /** Round trips have told of a queue, and it goes on slowly. What a train has told holds after a pause, too. */
  get cautious(): boolean {
    return this.#cssBaseline < Infinity;
  }

  /** Where slow start ends for now: at what fills the path, as far as a train has told. */
  get threshold(): number {
    return this.#rate > 0 ? this.#filling : Infinity;
  }

  /** A penalty: what a train has told to fill the path is halved, as any threshold is. It comes back where more than its rate does. */
  penalise(): void {
    this.#filling = Math.floor(this.#filling / 2);
  }

  /** Bytes that a window of `cwnd`, in segments of `mss`, is to grow by at `now` for an acknowledgement of `acked`; -1 when slow start is over. */
  growth(ack: AckSample, acked: number, cwnd: number, mss: number, now: Micros): number {
    // What was delivered while it was on its way was in flight with it. The queue of less is shorter: after a pause that does not tell that there was none.
    const flight = ack.delivered - ack.priorDelivered;
    if (ack.priorDelivered >= this.#roundStart) {
      this.beginRound(ack);
      if (this.goesOn(flight) && ++this.#cssRounds >= CSS_ROUNDS) return -1;
    }
    if (ack.rtt >= 0 && flight >= this.#cssFlight) {
      this.#currentRoundMinRtt = Math.min(this.#currentRoundMinRtt, ack.rtt);
      this.#samples++;
    }
    if (ack.rtt >= 0) this.couple(ack, cwnd, now);
    if (this.#rate > 0) return this.towards(ack, acked, cwnd, mss);
    if (this.#samples >= N_RTT_SAMPLE) this.judge(flight);
    return this.#cssBaseline < Infinity ? acked / CSS_GROWTH_DIVISOR : acked;
  }

  private beginRound(ack: AckSample): void {
    this.#roundStart = ack.delivered;
    this.#lastRoundMinRtt = this.#currentRoundMinRtt;
    this.#currentRoundMinRtt = Infinity;
    this.#samples = 0;
    this.#trainRtt = Infinity;
    this.#agreeing = 0;
    this.#priorRtt = 0;
    this.#step /= STEP_FADING;
  }

  /** The round that is over with `flight` bytes in flight was one of conservative slow start: of a train's, if more could have come back than it said. */
  private goesOn(flight: number): boolean {
    if (this.#rate > 0) return flight >= REFUTED * this.#filling;
    return this.#cssBaseline < Infinity;
  }

  /**
   * One more acknowledgement of the train. As long as round trips are longer than that which it began with, the bottleneck was never idle: what has come since
   * came at its rate. A window that is more than fills the path at that is enough.
   */
  private couple(ack: AckSample, cwnd: number, now: Micros): void {
    const { rtt } = ack;
    this.#minRtt = Math.min(this.#minRtt, rtt);
    if (this.#priorRtt > 0) this.#step = Math.max(this.#step, Math.abs(rtt - this.#priorRtt));
    this.#priorRtt = rtt;
    // Where there was nothing to send, the bottleneck may have been idle.
    if (rtt <= this.#trainRtt || ack.appLimited) {
      this.#trainRtt = rtt;
      this.#trainAt = now;
      this.#trainDelivered = ack.delivered;
      this.#agreeing = 0;
      return;
    }
    const growth = rtt - this.#trainRtt;
    const time = now - this.#trainAt;
    const rate = (ack.delivered - this.#trainDelivered) * 1e6 / time;
    const least = Math.max(threshold(this.#minRtt) / TRAIN_DIVISOR, TRAIN_STEPS * this.#step);
    // A path whose round trips vary holds more.
    const filling = Math.floor(rate * (this.#minRtt + this.#step) / 1e6);
    const tells = growth >= least && cwnd >= filling;
    this.#agreeing = tells ? this.#agreeing + 1 : 0;
    if (this.#agreeing < N_RTT_SAMPLE || this.cautious || this.#rate > 0) return;
    this.#rate = rate;
    this.#filling = filling;
    this.#cssRounds = 0;
    this.#withheld = 0;
  }

  /**
   * Conservative slow start that a train began. Its round trips fall at the beginning of each round, whatever the path carries, and tell nothing; but more than
   * the bottleneck's rate never comes back. Where it does, slow start goes on, and what was held back is made up for, to twice the window at most.
   */
  private towards(ack: AckSample, acked: number, cwnd: number, mss: number): number {
    if (ack.deliveryRate > REFUTED * this.#rate) {
      this.#rate = 0;
      return acked + Math.min(this.#withheld, cwnd);
    }
    // After a pause the window may be less.
    const back = Math.min(acked, Math.max(0, this.#filling - cwnd));
    if (back === acked) return acked;
    // Whole segments are sent: a part of one shows nothing.
    const most = Math.max(BEYOND * this.#filling, REFUTED * this.#filling + mss);
    const room = Math.max(0, most - cwnd - back);
    const growth = back + Math.min((acked - back) / CSS_GROWTH_DIVISOR, room);
    this.#withheld += acked - growth;
    return growth;
  }

  private judge(flight: number): void {
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
    if (last < Infinity && current >= last + threshold(last)) {
      this.#cssBaseline = current;
      this.#cssRounds = 0;
      this.#cssFlight = flight;
    }
  }
}
