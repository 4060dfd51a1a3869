/** BBR, version 1 (Cardwell et al., CACM 2017; draft-cardwell-iccrg-bbr-congestion-control-00): sends at the rate that the path was seen to deliver. */

import type {
  AckSample,
  CongestionController,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { FullPipe, LeastRtt, Rounds, WindowedMax } from "./path_model.ts";

/** 2 / ln 2: the least gain that doubles the rate in each round. */
const HIGH_GAIN = 2 / Math.LN2;
/** Pacing gains of PROBE_BW, a round trip each; those of 1 may be others where it is coupled. */
const CYCLE: readonly number[] = [1.25, 0.75, 1, 1, 1, 1, 1, 1];
/** The window is so many times what fills the path, as ACKs come late and together. */
const CWND_GAIN = 2;
/** Rounds over which the largest rate holds. */
const RATE_ROUNDS = 10;
/** How long the least round trip holds, and how long it is measured. */
const RTT_LIFE: Micros = 10e6;
const PROBE_RTT_TIME: Micros = 200e3;
/** Segments that are always allowed, and all that is in flight while the round trip is measured. */
const LEAST_WINDOW = 4;
/** What it paces at is so much less than the rate, that queues drain in time. */
const MARGIN = 0.99;

/** No peer offers more (RFC 7323 §2.3). */
const LARGEST = 2 ** 30;

/** What the controller is at. */
type Mode = "startup" | "drain" | "probe-bw" | "probe-rtt";

/** The controller of one subflow. */
export class BbrController implements CongestionController {
  /** Bytes that may be in flight. */
  cwnd: number;
  /** Bytes per second. */
  pacingRate: number;
  /** cwnd rules in recovery. */
  readonly ownsRecovery = true;
  /** Whose window it is. */
  protected readonly subflow: SubflowView;
  /** Its connection. */
  protected readonly connection: ConnectionView;
  readonly #initial: number;
  readonly #rate = new WindowedMax(RATE_ROUNDS);
  readonly #rounds = new Rounds();
  readonly #rtt = new LeastRtt(RTT_LIFE);
  readonly #pipe = new FullPipe();
  #mode: Mode = "startup";
  /** Place in {@linkcode CYCLE}, and since when. */
  #phase = 0;
  #phaseAt: Micros = 0;
  /** Something was lost in this phase. */
  #lost = false;
  /** When the measurement of the round trip may end; Infinity: too much is still in flight. */
  #probeDone: Micros = Infinity;
  /** A round of it is over. */
  #probeRound = false;
  /** `delivered` when that was last measured. */
  #measuredUntil = -1;
  /** Nothing was sent for a while: that the round trip is old says nothing. */
  #idle = false;
  /** The window before the recovery, or the measurement, that goes on; 0: there is none. */
  #prior = 0;
  #recovering = false;
  /** In the first round of a recovery as much is sent as is acknowledged. */
  #conserving = false;

  /** Starts at the window of `subflow`. */
  constructor(subflow: SubflowView, connection: ConnectionView) {
    this.subflow = subflow;
    this.connection = connection;
    this.cwnd = this.#initial = subflow.cwnd;
    this.pacingRate = HIGH_GAIN * this.cwnd * 1e6 / subflow.srtt;
  }

  /** Slow start is STARTUP. */
  get ssthresh(): number {
    return this.#pipe.full ? this.subflow.mss : Infinity;
  }

  /** What fills the path: the window may be a few segments, of a timeout or while the round trip is measured, and comes back by slow start. */
  get ssthreshLeft(): number {
    return this.#pipe.full ? Math.max(2 * this.subflow.mss, this.#inflight(1)) : Infinity;
  }

  /** The same: the pace holds it there, and without that all that the window has beyond would leave at once, into the queue. */
  get cwndLeft(): number {
    return this.#pipe.full ? Math.min(this.cwnd, this.ssthreshLeft) : this.cwnd;
  }

  /** Whether it rules `subflow`. */
  isOf(subflow: SubflowView): boolean {
    return subflow === this.subflow;
  }

  /** Largest rate of delivery of the last rounds, in bytes per second; 0 before a first. */
  get bandwidth(): number {
    return this.#rate.max;
  }

  /** Least round trip known. */
  get leastRtt(): Micros {
    return this.#rtt.value;
  }

  /** Pacing gain where PROBE_BW neither probes nor drains. */
  protected get cruiseGain(): number {
    return 1;
  }

  /** A cycle of PROBE_BW is over. */
  protected cycled(): void {}

  /** PROBE_BW neither probes nor drains: a queue that is seen now is not of its making. */
  protected get cruising(): boolean {
    return this.#mode === "probe-bw" && this.#phase >= 2;
  }

  /** Takes the sample into the model, and sets pace and window by it. */
  onAck(ack: AckSample): void {
    const { now } = this.connection;
    const round = this.#rounds.ends(ack);
    if (round) {
      this.#rate.advance();
      this.#conserving = false;
    }
    // What is sent while the round trip is measured tells as little of the rate as what the application limits.
    const limited = ack.appLimited || ack.priorDelivered <= this.#measuredUntil;
    if (ack.deliveryRate > 0 && (!limited || ack.deliveryRate > this.#rate.max)) {
      this.#rate.add(ack.deliveryRate);
    }
    if (ack.lost > 0) this.#lost = true;
    if (this.#mode === "probe-bw") this.#turn(now);
    if (round) this.#pipe.round(this.#rate.max, limited);
    if (this.#mode === "startup" && this.#pipe.full) this.#mode = "drain";
    if (this.#mode === "drain" && this.subflow.inFlight <= this.#inflight(1)) this.#probeBw(now);
    this.#measure(ack, round, now);
    if (ack.acked > 0) this.#idle = false;
    this.#setPace();
    this.#setWindow(ack);
  }

  /** What fills the path `gain` times; the window of the start before it is known. */
  #inflight(gain: number): number {
    const rtt = this.#rtt.value;
    if (rtt === Infinity || this.#rate.max === 0) return this.#initial;
    return gain * this.#rate.max * rtt / 1e6;
  }

  /** PROBE_BW begins at a random phase, but that which drains: flows shall not probe together. */
  #probeBw(now: Micros): void {
    this.#mode = "probe-bw";
    const turn = Math.floor(this.connection.random() * (CYCLE.length - 1));
    this.#phase = turn === 0 ? 0 : turn + 1;
    this.#phaseAt = now;
    this.#lost = false;
  }

  /** The next phase, when this one has done what it is for. */
  #turn(now: Micros): void {
    const over = now - this.#phaseAt > this.#rtt.value;
    const { inFlight } = this.subflow;
    const gain = CYCLE[this.#phase]!;
    const next = gain > 1
      ? over && (this.#lost || inFlight >= this.#inflight(gain))
      : over || (gain < 1 && inFlight <= this.#inflight(1));
    if (!next) return;
    this.#phase = (this.#phase + 1) % CYCLE.length;
    this.#phaseAt = now;
    this.#lost = false;
    if (this.#phase === 0) this.cycled();
  }

  /** PROBE_RTT: when the least round trip is old, the queue is let drain and it is measured. */
  #measure(ack: AckSample, round: boolean, now: Micros): void {
    const old = this.#rtt.old(now);
    this.#rtt.add(ack.rtt, now);
    if (old && !this.#idle && this.#mode !== "probe-rtt") {
      this.#mode = "probe-rtt";
      this.#save();
      this.#probeDone = Infinity;
    }
    if (this.#mode !== "probe-rtt") return;
    this.#measuredUntil = ack.delivered;
    if (this.#probeDone === Infinity) {
      if (this.subflow.inFlight > LEAST_WINDOW * this.subflow.mss) return;
      this.#probeDone = now + PROBE_RTT_TIME;
      this.#probeRound = false;
      this.#rounds.restart(ack.delivered);
      return;
    }
    if (round) this.#probeRound = true;
    if (!this.#probeRound || now < this.#probeDone) return;
    this.#rtt.renew(now);
    if (this.#pipe.full) this.#probeBw(now);
    else this.#mode = "startup";
    this.#restore();
  }

  #gain(): number {
    switch (this.#mode) {
      case "startup":
        return HIGH_GAIN;
      case "drain":
        return 1 / HIGH_GAIN;
      case "probe-bw":
        return this.#phase >= 2 ? this.cruiseGain : CYCLE[this.#phase]!;
      default:
        return 1;
    }
  }

  #setPace(): void {
    if (this.#rate.max === 0) return;
    const rate = Math.max(MARGIN * this.#gain() * this.#rate.max, this.subflow.mss / 60);
    // A first sample of few segments tells little: STARTUP never slows down.
    if (this.#pipe.full || rate > this.pacingRate) this.pacingRate = rate;
  }

  #setWindow(ack: AckSample): void {
    const { mss, inFlight, inRecovery } = this.subflow;
    const least = LEAST_WINDOW * mss;
    if (this.#recovering && !inRecovery) {
      this.#recovering = false;
      this.#conserving = false;
      this.#restore();
    }
    if (ack.lost > 0) this.cwnd = Math.max(mss, this.cwnd - ack.lost);
    const gain = this.#mode === "startup" || this.#mode === "drain" ? HIGH_GAIN : CWND_GAIN;
    // What a pacer lets out at once, and what waits for an ACK that is delayed.
    const bursts = 3 * Math.max(2 * mss, this.pacingRate / 1e3);
    const target = Math.max(least, Math.ceil(this.#inflight(gain) + bursts));
    if (this.#conserving) this.cwnd = Math.max(this.cwnd, inFlight + ack.acked);
    else if (this.#pipe.full) this.cwnd = Math.min(this.cwnd + ack.acked, target);
    else if (this.cwnd < target || ack.delivered < this.#initial) this.cwnd += ack.acked;
    if (!inRecovery) this.cwnd = Math.max(this.cwnd, ack.acked > 0 ? least : 0);
    if (this.#mode === "probe-rtt") this.cwnd = Math.min(this.cwnd, least);
    this.cwnd = Math.min(this.cwnd, LARGEST);
  }

  /** A recovery, or a measurement, begins: the window of now comes back behind it. */
  #save(): void {
    if (this.#prior === 0) this.#prior = this.cwnd;
  }

  /** It is over; the other may go on. */
  #restore(): void {
    if (this.#recovering || this.#mode === "probe-rtt") return;
    this.cwnd = Math.max(this.cwnd, this.#prior);
    this.#prior = 0;
  }

  /** A loss is told by what is delivered, too: for a round no more is sent than that. After a timeout the path may be another. */
  onCongestion(cause: "loss" | "ecn" | "timeout" | "penalty", _flightSize: number): void {
    const { mss, inFlight } = this.subflow;
    if (cause === "ecn") return;
    if (cause === "penalty") {
      this.cwnd = Math.max(mss, Math.floor(this.cwnd / 2));
      return;
    }
    this.#save();
    this.#recovering = true;
    if (cause === "timeout") {
      this.cwnd = mss;
      this.#conserving = false;
      return;
    }
    this.#conserving = true;
    this.cwnd = Math.min(this.cwnd, Math.max(inFlight, mss));
  }

  /** It was no loss. */
  onUndo(): void {
    this.#recovering = false;
    this.#conserving = false;
    this.#restore();
  }

  /** What was learnt of the path holds, and is not sent into it at more than it had. */
  onRestart(_idle: Micros): void {
    this.#idle = true;
    if (this.#mode === "probe-bw" && this.#rate.max > 0) {
      this.pacingRate = Math.max(MARGIN * this.#rate.max, this.subflow.mss / 60);
    }
  }
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Record<never, never>> = {};

/**
 * BBR, version 1 (Cardwell et al., CACM 60(2) 2017; draft-cardwell-iccrg-bbr-congestion-control-00), on each subflow alone: paces at the largest rate of
 * delivery of the last 10 rounds and keeps 2 times what fills the path in flight at most, whatever is lost: it needs no queue, and random losses cost it
 * little. STARTUP doubles until 3 rounds bring no quarter more, DRAIN empties the queue, PROBE_BW paces at 1.25, 0.75 and 6 times 1, a round trip each, from
 * a random phase on, PROBE_RTT has 4 segments in flight for 200 ms every 10 s. In short queues it takes more than its share from others that heed losses,
 * and several subflows take as much as several connections. The window has room for three bursts of its pacer in place of the draft's estimate of
 * how many ACKs come together. Marks are not heeded, as in the draft: use bbr3 where queues mark.
 *
 * @example Usage
 * ```ts
 * import { bbr } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bbr().name, "bbr");
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function bbr(
  options: Readonly<Record<string, never>> = {},
): CongestionControlPlugin {
  checkOptions("bbr", options, defaults);
  return {
    kind: "congestion-control",
    name: "bbr",
    basis: "model",
    create: (connection) => ({ join: (subflow) => new BbrController(subflow, connection) }),
  };
}
