/**
 * A toy of the network, packet by packet, for what congestion controls do to one another: bottlenecks with a buffer that several connections share. What
 * is lost is not sent again: there is always more to send.
 */

import type {
  AckSample,
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  ConnectionView,
  SubflowView,
} from "../../core/plugin.ts";
import { seeded } from "./random.ts";
import { ToyEvents } from "./toy_events.ts";
import { MSS } from "./toy_subflow.ts";

/** Packets after one that is lost, whose acknowledgements tell. */
const REORDERING = 3;
/** Least retransmission timeout. */
const LEAST_RTO = 200e3;

/** One bottleneck; times in microseconds. */
export interface SharedBottleneck {
  /** Bytes per second. */
  readonly rate: number;
  /** Round trip while its buffer is empty. */
  readonly rtt: number;
  /** Bytes that wait in it before any is lost. */
  readonly buffer: number;
  /** Share of packets lost at random. */
  readonly loss?: number;
  /** From when on it has another rate. */
  readonly later?: { readonly at: number; readonly rate: number };
  /** Between these times it swallows everything. */
  readonly dead?: readonly [number, number];
}

/** A connection. */
export interface SharedUser {
  /** What rules its windows. */
  readonly plugin: CongestionControlPlugin;
  /** The bottlenecks of its subflows, by place; one may be there several times. */
  readonly paths: readonly number[];
}

/** What a connection got from the time `from` on. */
export interface SharedResult {
  /** Bytes delivered on each subflow. */
  readonly delivered: readonly number[];
  /** Bytes lost on each. */
  readonly lost: readonly number[];
  /** Mean time that packets of each waited. */
  readonly waited: readonly number[];
}

/** A queue and the wire behind it. */
class Bottleneck {
  readonly spec: SharedBottleneck;
  /** When what waits has left. */
  #free = 0;
  readonly #random: () => number;

  constructor(spec: SharedBottleneck, random: () => number) {
    this.spec = spec;
    this.#random = random;
  }

  /** When a packet sent now leaves; Infinity: it is lost. */
  take(now: number): number {
    const { rate, buffer, loss = 0, later, dead } = this.spec;
    const speed = later !== undefined && now >= later.at ? later.rate : rate;
    // A draw for each, so that one loss shifts no other.
    const [fate, place] = [this.#random(), this.#random()];
    if (fate < loss || (dead !== undefined && now >= dead[0] && now < dead[1])) return Infinity;
    const waiting = Math.max(0, this.#free - now) * speed / 1e6;
    // Not exactly the last place, or equal flows would lose in turns.
    if (waiting + MSS > buffer - 2 * MSS * place) return Infinity;
    this.#free = Math.max(this.#free, now) + MSS * 1e6 / speed;
    return this.#free;
  }
}

type Sample = { -readonly [K in keyof AckSample]: AckSample[K] };

/** A packet on its way. */
interface Sent {
  readonly number: number;
  readonly at: number;
  readonly prior: number;
  readonly priorTime: number;
  readonly firstSent: number;
  readonly lostOnTheWay: boolean;
}

/** One subflow. */
class Flow implements SubflowView {
  readonly path: number;
  readonly local: { readonly address: string; readonly port: number };
  readonly remote = { address: "192.0.2.1", port: 80 };
  readonly backup = false;
  readonly stale = false;
  readonly mss = MSS;
  readonly queued = 0;
  readonly localId = 0;
  readonly remoteId = 0;
  readonly timeouts = 0;
  lastAck = 0;
  readonly delayOut = 0;
  readonly delayIn = 0;
  inFlight = 0;
  srtt: number;
  rttVar: number;
  minRtt: number;
  deliveryRate = 0;
  readonly peakRate = 0;
  readonly burstRate = 0;
  readonly initialWindow = 14_600;
  readonly oldestSent = Infinity;
  bytesSent = 0;
  readonly bytesRetrans = 0;
  readonly bytesReceived = 0;
  inRecovery = false;
  controller: CongestionController | null = null;
  /** From `from` on. */
  delivered = 0;
  lost = 0;
  waited = 0;
  readonly #bottleneck: Bottleneck;
  readonly #events: ToyEvents;
  readonly #from: number;
  readonly #out: Sent[] = [];
  #next = 0;
  #recoveryEnd = -1;
  #deliveredTime = 0;
  #firstSent = 0;
  #lastAck = 0;
  #heard = 0;
  #backOff = 1;
  #waking = false;
  #paceAt = 0;
  /** Packets up to here were sent while the window was the limit. */
  #limited = 0;
  readonly #sample: Sample = {
    acked: 0,
    lost: 0,
    marked: 0,
    rtt: -1,
    inFlight: 0,
    cwndLimited: true,
    delivered: 0,
    priorDelivered: 0,
    deliveryRate: 0,
    appLimited: false,
  };

  constructor(path: number, bottleneck: Bottleneck, events: ToyEvents, from: number) {
    this.path = path;
    this.local = { address: `198.51.100.${path}`, port: 40000 + path };
    this.#bottleneck = bottleneck;
    this.#events = events;
    this.#from = from;
    const { rtt } = bottleneck.spec;
    this.srtt = rtt;
    this.minRtt = rtt;
    this.rttVar = rtt / 2;
  }

  get cwnd(): number {
    return this.controller?.cwnd ?? 10 * MSS;
  }

  get ssthresh(): number {
    return this.controller?.ssthresh ?? Infinity;
  }

  get room(): number {
    return Math.max(0, this.cwnd - this.inFlight);
  }

  get inSlowStart(): boolean {
    return this.cwnd < this.ssthresh;
  }

  get pacingRate(): number {
    return this.controller?.pacingRate ??
      (this.inSlowStart ? 2 : 1.2) * this.cwnd * 1e6 / this.srtt;
  }

  start(): void {
    this.#firstSent = this.#deliveredTime = this.#heard = this.#events.now;
    this.#watch();
    this.send();
  }

  /** Sends what window and pace allow. */
  send(): void {
    const { now } = this.#events;
    const pace = this.controller!.pacingRate;
    while (this.inFlight + MSS <= Math.max(MSS, this.cwnd)) {
      if (pace !== undefined) {
        if (this.#paceAt > now) return this.#wake();
        this.#paceAt = Math.max(this.#paceAt, now) + MSS * 1e6 / pace;
      }
      this.#transmit(now);
    }
    this.#limited = this.#next;
  }

  #wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    this.#events.at(this.#paceAt, () => {
      this.#waking = false;
      this.send();
    });
  }

  #transmit(now: number): void {
    if (this.inFlight === 0) this.#firstSent = this.#deliveredTime = now;
    const leaves = this.#bottleneck.take(now);
    const sent: Sent = {
      number: this.#next++,
      at: now,
      prior: this.#sample.delivered,
      priorTime: this.#deliveredTime,
      firstSent: this.#firstSent,
      lostOnTheWay: leaves === Infinity,
    };
    this.#out.push(sent);
    this.inFlight += MSS;
    this.bytesSent += MSS;
    if (sent.lostOnTheWay) return;
    const { rtt } = this.#bottleneck.spec;
    this.#lastAck = Math.max(this.#lastAck, leaves + rtt);
    this.#events.at(this.#lastAck, () => this.#acknowledge(sent));
  }

  #acknowledge(sent: Sent): void {
    const { now } = this.#events;
    const sample = this.#sample;
    const place = this.#out.indexOf(sent);
    // A timeout has taken it for lost.
    if (place < 0) return;
    this.#out.splice(place, 1);
    this.#heard = this.lastAck = now;
    this.#backOff = 1;
    sample.inFlight = this.inFlight;
    sample.cwndLimited = sent.number < this.#limited;
    sample.acked = MSS;
    sample.delivered += MSS;
    sample.priorDelivered = sent.prior;
    this.#deliveredTime = now;
    this.#firstSent = sent.at;
    this.inFlight -= MSS;
    sample.rtt = now - sent.at;
    const interval = Math.max(now - sent.priorTime, sent.at - sent.firstSent);
    sample.deliveryRate = interval > 0 && interval >= this.#bottleneck.spec.rtt
      ? (sample.delivered - sent.prior) * 1e6 / interval
      : 0;
    if (sample.deliveryRate > 0) this.deliveryRate = sample.deliveryRate;
    this.minRtt = Math.min(this.minRtt, sample.rtt);
    this.rttVar += (Math.abs(sample.rtt - this.srtt) - this.rttVar) / 4;
    this.srtt += (sample.rtt - this.srtt) / 8;
    if (now >= this.#from) {
      this.delivered += MSS;
      this.waited += sample.rtt - this.#bottleneck.spec.rtt;
    }
    if (this.inRecovery && sent.number >= this.#recoveryEnd) this.inRecovery = false;
    sample.lost = this.#detect(sent.number, now);
    this.controller!.onAck(sample);
    this.send();
  }

  /** Takes what should have come before `number` for lost. */
  #detect(number: number, now: number): number {
    const flight = this.inFlight + MSS;
    const out = this.#out;
    let lost = 0;
    let last = -1;
    while (out.length > 0 && out[0]!.lostOnTheWay && out[0]!.number + REORDERING <= number) {
      last = out.shift()!.number;
      lost += MSS;
    }
    if (lost === 0) return 0;
    this.inFlight -= lost;
    if (now >= this.#from) this.lost += lost;
    if (!this.inRecovery && last >= this.#recoveryEnd) {
      this.inRecovery = true;
      this.#recoveryEnd = this.#next;
      this.controller!.onCongestion("loss", flight);
    }
    return lost;
  }

  /** Retransmission timeouts: looked for often enough. */
  #watch(): void {
    const rto = this.#backOff * Math.max(LEAST_RTO, this.srtt + 4 * this.rttVar);
    this.#events.at(Math.max(this.#heard + rto, this.#events.now + 1e3), () => {
      const { now } = this.#events;
      if (this.#out.length > 0 && now >= this.#heard + rto) this.#timeout(now);
      this.#watch();
    });
  }

  #timeout(now: number): void {
    const flight = this.inFlight;
    if (now >= this.#from) this.lost += flight;
    this.#out.length = 0;
    this.inFlight = 0;
    this.inRecovery = true;
    this.#recoveryEnd = this.#next;
    this.#heard = now;
    if (this.#backOff === 1) this.controller!.onCongestion("timeout", flight);
    this.#backOff = Math.min(this.#backOff * 2, 64);
    this.#transmit(now);
  }
}

/** One connection. */
class User implements ConnectionView {
  readonly role = "client";
  readonly mostWindow = Infinity;
  readonly receiveBuffer = Infinity;
  readonly receiveWindow = Infinity;
  readonly readable = 0;
  readonly tag = 0;
  readonly subflows: Flow[];
  readonly unsent = Infinity;
  readonly left = Infinity;
  readonly unacked = 0;
  readonly window = Infinity;
  readonly acked = 0;
  readonly repeated = 0;
  readonly random: () => number;
  readonly #events: ToyEvents;

  constructor(flows: Flow[], events: ToyEvents, seed: number) {
    this.subflows = flows;
    this.#events = events;
    this.random = seeded(seed);
  }

  get now(): number {
    return this.#events.now;
  }

  wake(): void {}
}

/** Lets `users` send over `bottlenecks` up to the time `to`, and tells what each got from `from` on. */
export function runShared(
  bottlenecks: readonly SharedBottleneck[],
  users: readonly SharedUser[],
  from: number,
  to: number,
  seed = 1,
): SharedResult[] {
  const events = new ToyEvents();
  const chance = seeded(seed);
  const queues = bottlenecks.map((spec) => new Bottleneck(spec, seeded(chance() * 2 ** 31)));
  const connections = users.map(({ plugin, paths }) => {
    const flows = paths.map((path, i) => new Flow(i + 1, queues[path]!, events, from));
    const user = new User(flows, events, chance() * 2 ** 31);
    const group: CongestionControl = plugin.create(user);
    for (const flow of flows) {
      // Not all at once.
      events.at(chance() * 50e3, () => {
        flow.controller = group.join(flow);
        flow.start();
      });
    }
    return user;
  });
  events.run(to);
  return connections.map(({ subflows }) => ({
    delivered: subflows.map(({ delivered }) => delivered),
    lost: subflows.map(({ lost }) => lost),
    waited: subflows.map(({ waited, delivered }) => waited / Math.max(1, delivered / MSS)),
  }));
}
