/** BBR, version 3 (draft-ietf-ccwg-bbr): the model of version 1, held within what the path bore without much loss. */

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

const STARTUP_GAIN = 2.77;
const DRAIN_GAIN = 0.5;
/** Pacing gains of PROBE_BW. */
const DOWN_GAIN = 0.9;
const UP_GAIN = 1.25;
/** Windows, in times of what fills the path. */
const CWND_GAIN = 2;
const UP_CWND_GAIN = 2.25;
const PROBE_RTT_GAIN = 0.5;
/** What it paces at is so much less than the rate. */
const MARGIN = 0.99;
/** More than this share of a round's bytes is too much to lose. */
const LOSS_THRESHOLD = 0.02;
/** What a loss leaves of a bound. */
const BETA = 0.7;
/** What is left of the bound for others, while nothing is probed. */
const HEADROOM = 0.15;
/** ACKs with losses in a round that end STARTUP. */
const STARTUP_LOSSES = 6;
/** How long the least round trip holds, how often it is measured, and how long. */
const RTT_LIFE: Micros = 10e6;
const PROBE_RTT_INTERVAL: Micros = 5e6;
const PROBE_RTT_TIME: Micros = 200e3;
/** Between two probes: from 2 s to 3 s, or as many rounds as reno takes to come back, 63 at most. */
const PROBE_WAIT: Micros = 2e6;
const PROBE_SPREAD: Micros = 1e6;
const PROBE_ROUNDS = 63;
/** Segments that are always allowed. */
const LEAST_WINDOW = 4;
/** Cycles over which the largest rate holds. */
const RATE_CYCLES = 2;
/** No peer offers more (RFC 7323 §2.3). */
const LARGEST = 2 ** 30;

/** What the controller is at; `down` to `up` are PROBE_BW's. */
type Mode = "startup" | "drain" | "down" | "cruise" | "refill" | "up" | "probe-rtt";

/** The controller of one subflow. */
class Bbr3Controller implements CongestionController {
  cwnd: number;
  pacingRate: number;
  readonly ownsRecovery = true;
  readonly #subflow: SubflowView;
  readonly #connection: ConnectionView;
  readonly #initial: number;
  readonly #rate = new WindowedMax(RATE_CYCLES);
  readonly #rounds = new Rounds();
  readonly #rtt = new LeastRtt(RTT_LIFE);
  /** Its freshness alone: when it is old, it is measured. */
  readonly #freshRtt = new LeastRtt(PROBE_RTT_INTERVAL);
  readonly #pipe = new FullPipe();
  #mode: Mode = "startup";
  #modeAt: Micros = 0;
  /** Time and rounds until the next probe. */
  #probeWait: Micros = 0;
  #probeFrom = 0;
  #cycleAt: Micros = 0;
  /** Bytes in flight that the path bears without too much loss (inflight_longterm), and rate and bytes since the last probe (…_shortterm). */
  #most = Infinity;
  #shortRate = Infinity;
  #shortMost = Infinity;
  /** Of the round that goes on: the largest rate, bytes delivered, bytes lost, ACKs that told of losses. */
  #roundRate = 0;
  #roundDelivered = 0;
  #roundLost = 0;
  #roundLosses = 0;
  /** A mark came in this round. */
  #roundMarked = false;
  /** Rounds of UP: the bound grows the faster the longer it holds. */
  #upRounds = 0;
  #probeDone: Micros = Infinity;
  #probeRound = false;
  #idle = false;
  #prior = 0;
  #recovering = false;

  constructor(subflow: SubflowView, connection: ConnectionView) {
    this.#subflow = subflow;
    this.#connection = connection;
    this.cwnd = this.#initial = subflow.cwnd;
    this.pacingRate = STARTUP_GAIN * this.cwnd * 1e6 / subflow.srtt;
  }

  get ssthresh(): number {
    return this.#mode === "startup" ? Infinity : this.#subflow.mss;
  }

  /** What fills the path, as it is of bbr. */
  get ssthreshLeft(): number {
    if (this.#mode === "startup") return Infinity;
    return Math.max(2 * this.#subflow.mss, this.#inflight(1));
  }

  get cwndLeft(): number {
    return Math.min(this.cwnd, this.ssthreshLeft);
  }

  onAck(ack: AckSample): void {
    const { now } = this.#connection;
    const round = this.#rounds.ends(ack);
    this.#hear(ack);
    if (round) this.#adapt(ack.appLimited, now);
    this.#advance(now);
    this.#measure(ack, round, now);
    if (ack.acked > 0) this.#idle = false;
    if (this.#mode === "up") this.#raise(ack, round);
    this.#setPace();
    this.#setWindow(ack);
    if (round) this.#begin();
  }

  #hear(ack: AckSample): void {
    const { deliveryRate, appLimited, acked, lost, marked } = ack;
    if (deliveryRate > 0 && (!appLimited || deliveryRate > this.#rate.max)) {
      this.#rate.add(deliveryRate);
    }
    this.#roundRate = Math.max(this.#roundRate, deliveryRate);
    this.#roundDelivered += acked;
    this.#roundLost += lost;
    if (lost > 0) this.#roundLosses++;
    if (marked > 0) this.#roundMarked = true;
  }

  #begin(): void {
    this.#roundRate = 0;
    this.#roundDelivered = 0;
    this.#roundLost = 0;
    this.#roundLosses = 0;
    this.#roundMarked = false;
  }

  /** More was lost in this round than a flow may lose of what it sends. */
  #tooMuch(): boolean {
    return this.#roundLost > LOSS_THRESHOLD * (this.#roundLost + this.#roundDelivered);
  }

  /** A round is over: what it lost lowers the bounds (§5.5.10). */
  #adapt(appLimited: boolean, now: Micros): void {
    const { mss } = this.#subflow;
    const trouble = this.#roundLost > 0 || this.#roundMarked;
    if (this.#mode === "startup") {
      this.#pipe.round(this.#rate.max, appLimited);
      // §5.3.1.3
      if (this.#roundLosses >= STARTUP_LOSSES && this.#tooMuch()) {
        this.#pipe.full = true;
        this.#most = Math.max(this.#inflight(1), this.#roundDelivered);
      }
      if (this.#pipe.full) this.#enter("drain", now);
      return;
    }
    if (this.#probes()) {
      if (this.#tooMuch()) this.#overran(appLimited, now);
      return;
    }
    if (!trouble) return;
    if (this.#shortRate === Infinity) this.#shortRate = this.#rate.max;
    if (this.#shortMost === Infinity) this.#shortMost = this.cwnd;
    this.#shortRate = Math.max(this.#roundRate, BETA * this.#shortRate);
    this.#shortMost = Math.max(this.#roundDelivered, BETA * this.#shortMost, LEAST_WINDOW * mss);
  }

  /** More is sent than before, to see whether it arrives. */
  #probes(): boolean {
    return this.#mode === "refill" || this.#mode === "up";
  }

  /** The probe was too much: the bound is what was in flight, and no less than beta times the target. */
  #overran(appLimited: boolean, now: Micros): void {
    if (!appLimited) {
      const { mss } = this.#subflow;
      this.#most = Math.max(
        this.#roundDelivered,
        BETA * Math.min(this.#inflight(1), this.cwnd),
        LEAST_WINDOW * mss,
      );
    }
    if (this.#mode === "up") this.#down(now);
  }

  /** From one state to the next (§5.3). */
  #advance(now: Micros): void {
    const { inFlight } = this.#subflow;
    switch (this.#mode) {
      case "drain":
        if (inFlight <= this.#inflight(1)) this.#down(now);
        return;
      case "down":
        if (this.#probeIsDue(now)) return this.#refill(now);
        if (inFlight <= Math.min(this.#withHeadroom(), this.#inflight(1))) {
          this.#enter("cruise", now);
        }
        return;
      case "cruise":
        if (this.#probeIsDue(now)) this.#refill(now);
        return;
      case "refill":
        if (this.#rounds.count > this.#probeFrom) {
          this.#enter("up", now);
          this.#upRounds = 0;
          this.#pipe.again();
        }
        return;
      case "up":
        // The queue that this makes is the probe: it has had its round trip, or brings nothing more.
        if (this.#pipe.full || this.#queued(now)) this.#down(now);
        return;
      default:
    }
  }

  #queued(now: Micros): boolean {
    return now - this.#modeAt > this.#rtt.value &&
      this.#subflow.inFlight > this.#inflight(UP_GAIN);
  }

  #enter(mode: Mode, now: Micros): void {
    this.#mode = mode;
    this.#modeAt = now;
  }

  /** PROBE_BW begins, or begins again; when it will probe is left to chance, so that flows do not do it together. */
  #down(now: Micros): void {
    this.#rate.advance();
    this.#cycleAt = now;
    this.#probeWait = PROBE_WAIT + this.#connection.random() * PROBE_SPREAD;
    this.#probeFrom = this.#rounds.count - Math.floor(this.#connection.random() * 2);
    this.#enter("down", now);
  }

  #probeIsDue(now: Micros): boolean {
    const rounds = Math.min(this.#inflight(1) / this.#subflow.mss, PROBE_ROUNDS);
    return now - this.#cycleAt > this.#probeWait ||
      this.#rounds.count - this.#probeFrom >= rounds;
  }

  /** The pipe is filled before it is overfilled; what was bad for a while may be good now. */
  #refill(now: Micros): void {
    this.#shortRate = Infinity;
    this.#shortMost = Infinity;
    this.#probeFrom = this.#rounds.count;
    this.#enter("refill", now);
  }

  /** UP: where the bound is what limits and nothing is lost, it is raised by 1, 2, 4 … segments in a round. */
  #raise(ack: AckSample, round: boolean): void {
    if (round) {
      this.#upRounds++;
      this.#pipe.round(this.#rate.max, ack.appLimited);
    }
    if (this.#most === Infinity || this.cwnd < Math.floor(this.#most)) return;
    // The bound is what keeps the rate: that it does not grow says nothing of the path.
    this.#pipe.again();
    if (this.#tooMuch()) return;
    const { mss } = this.#subflow;
    this.#most += ack.acked * Math.min(1, mss * 2 ** Math.min(this.#upRounds, 30) / this.cwnd);
  }

  /** PROBE_RTT (§5.3.4). */
  #measure(ack: AckSample, round: boolean, now: Micros): void {
    const old = this.#freshRtt.old(now);
    this.#rtt.add(ack.rtt, now);
    this.#freshRtt.add(ack.rtt, now);
    if (old && !this.#idle && this.#mode !== "probe-rtt" && this.#mode !== "startup") {
      this.#enter("probe-rtt", now);
      this.#save();
      this.#probeDone = Infinity;
    }
    if (this.#mode !== "probe-rtt") return;
    if (this.#probeDone === Infinity) {
      if (this.#subflow.inFlight > this.#probeRttWindow()) return;
      this.#probeDone = now + PROBE_RTT_TIME;
      this.#probeRound = false;
      this.#rounds.restart(ack.delivered);
      return;
    }
    if (round) this.#probeRound = true;
    if (!this.#probeRound || now < this.#probeDone) return;
    this.#freshRtt.renew(now);
    this.#shortRate = Infinity;
    this.#shortMost = Infinity;
    this.#down(now);
    this.#enter("cruise", now);
    this.#restore();
  }

  /** The rate that the path bears. */
  #bandwidth(): number {
    return Math.min(this.#rate.max, this.#shortRate);
  }

  #inflight(gain: number): number {
    const rtt = this.#rtt.value;
    const rate = this.#bandwidth();
    return rtt === Infinity || rate === 0 ? this.#initial : gain * rate * rtt / 1e6;
  }

  #withHeadroom(): number {
    return Math.max((1 - HEADROOM) * this.#most, LEAST_WINDOW * this.#subflow.mss);
  }

  #probeRttWindow(): number {
    return Math.max(this.#inflight(PROBE_RTT_GAIN), LEAST_WINDOW * this.#subflow.mss);
  }

  #gain(): number {
    switch (this.#mode) {
      case "startup":
        return STARTUP_GAIN;
      case "drain":
        return DRAIN_GAIN;
      case "down":
        return DOWN_GAIN;
      case "up":
        return UP_GAIN;
      default:
        return 1;
    }
  }

  #setPace(): void {
    if (this.#rate.max === 0) return;
    const rate = Math.max(MARGIN * this.#gain() * this.#bandwidth(), this.#subflow.mss / 60);
    if (this.#mode !== "startup" || rate > this.pacingRate) this.pacingRate = rate;
  }

  #setWindow(ack: AckSample): void {
    const { mss, inRecovery } = this.#subflow;
    const least = LEAST_WINDOW * mss;
    if (this.#recovering && !inRecovery) {
      this.#recovering = false;
      this.#restore();
    }
    const gain = this.#mode === "up" ? UP_CWND_GAIN : CWND_GAIN;
    const bursts = 3 * Math.max(2 * mss, this.pacingRate / 1e3);
    const target = Math.max(least, Math.ceil(this.#inflight(gain) + bursts));
    if (this.#mode !== "startup") this.cwnd = Math.min(this.cwnd + ack.acked, target);
    else if (this.cwnd < target || ack.delivered < this.#initial) this.cwnd += ack.acked;
    if (!inRecovery && ack.acked > 0) this.cwnd = Math.max(this.cwnd, least);
    this.cwnd = Math.floor(Math.min(this.cwnd, this.#bound(least), LARGEST));
  }

  /** What the bounds allow (§5.6.4.6). */
  #bound(least: number): number {
    let bound = this.#shortMost;
    switch (this.#mode) {
      case "startup":
        return Infinity;
      case "probe-rtt":
        return Math.max(least, Math.min(bound, this.#withHeadroom(), this.#probeRttWindow()));
      case "cruise":
        bound = Math.min(bound, this.#withHeadroom());
        break;
      default:
        bound = Math.min(bound, this.#most);
    }
    return Math.max(least, bound);
  }

  #save(): void {
    if (this.#prior === 0) this.#prior = this.cwnd;
  }

  #restore(): void {
    if (this.#recovering || this.#mode === "probe-rtt") return;
    this.cwnd = Math.max(this.cwnd, this.#prior);
    this.#prior = 0;
  }

  onCongestion(cause: "loss" | "ecn" | "timeout" | "penalty", _flightSize: number): void {
    const { mss, inFlight } = this.#subflow;
    if (cause === "ecn") {
      this.#roundMarked = true;
      if (this.#mode === "up") this.#down(this.#connection.now);
      return;
    }
    if (cause === "penalty") {
      this.cwnd = Math.max(mss, Math.floor(this.cwnd / 2));
      return;
    }
    this.#save();
    this.#recovering = true;
    this.cwnd = cause === "timeout" ? mss : Math.min(this.cwnd, Math.max(inFlight, mss));
  }

  onUndo(): void {
    this.#recovering = false;
    this.#most = Math.max(this.#most, this.#prior);
    this.#restore();
  }

  onRestart(_idle: Micros): void {
    this.#idle = true;
    if (this.#mode !== "startup" && this.#rate.max > 0) {
      this.pacingRate = Math.max(MARGIN * this.#bandwidth(), this.#subflow.mss / 60);
    }
  }
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Record<never, never>> = {};

/**
 * BBR, version 3 (draft-ietf-ccwg-bbr), on each subflow alone: as {@linkcode bbr}, and it heeds what is lost. A round that loses more than 2 % while it probes
 * bounds what may be in flight, a round with any loss or mark in between lowers rate and window to what was delivered, to 0.7 of what they were at most, until
 * the next probe. It probes every 2 to 3 s, or as often as reno would come back, leaves 15 % of the bound to others meanwhile, and measures the round trip
 * every 5 s with half of what fills the path.
 *
 * Losses are judged by the round, where the draft goes by each packet lost and what was in flight when it was sent: that much an acknowledgement does not
 * tell. The window has room for three bursts of its pacer in place of the draft's estimate of how many ACKs come together.
 *
 * @example Usage
 * ```ts
 * import { bbr3 } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bbr3().name, "bbr3");
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function bbr3(
  options: Readonly<Record<string, never>> = {},
): CongestionControlPlugin {
  checkOptions("bbr3", options, defaults);
  return {
    kind: "congestion-control",
    name: "bbr3",
    basis: "model",
    create: (connection) => ({ join: (subflow) => new Bbr3Controller(subflow, connection) }),
  };
}
