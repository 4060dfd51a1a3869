/**
 * A toy of the network for congestion controls: each path is a bottleneck with a buffer, and a sender sends one window per round trip. What is told to
 * the controllers, and when, is what the stack tells.
 */

import type {
  AckSample,
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  ConnectionView,
  SubflowView,
} from "../../core/plugin.ts";
import { Fingerprint, seeded } from "./random.ts";
import { Breaches, textOf } from "./rule.ts";
import { ToyEvents } from "./toy_events.ts";
import { MSS } from "./toy_subflow.ts";

/** No peer offers more (RFC 7323 §2.3). */
const LARGEST_WINDOW = 2 ** 30;
/** Most acknowledgements in a round trip. */
const ACKS = 16;

/** What a controller is told of congestion. The stack has no "penalty" to tell yet; who is sound here is sound then. */
export type ToyCause = "loss" | "ecn" | "timeout" | "penalty";

/** One bottleneck; times in microseconds. */
export interface ToyBottleneck {
  /** Bytes per second. */
  readonly rate: number;
  /** Round trip while its buffer is empty. */
  readonly rtt: number;
  /** Bytes that wait in it before any is lost. */
  readonly buffer: number;
  /** Bytes that the application sends in a round trip. */
  readonly supply?: number;
  /** What happens in each round trip. */
  readonly every?: readonly ToyCause[];
  /** It joins at, and leaves at. */
  readonly from?: number;
  /** Its end. */
  readonly until?: number;
}

/** What came of a run. */
export interface ToyCongestionResult {
  /** Bytes acknowledged on each path. */
  readonly delivered: readonly number[];
  /** Round trips of each path, and those in which its buffer ran over. */
  readonly rounds: readonly { readonly all: number; readonly lossy: number }[];
  /** The window of each path at the start and at the end of the run. */
  readonly windows: readonly { readonly first: number; readonly last: number }[];
  /** The rules that were broken on the way. */
  readonly breaches: Breaches;
  /** Of all windows. */
  readonly fingerprint: number;
}

/** A controller where the plugin under test gives none. */
class Fixed implements CongestionController {
  readonly cwnd = 10 * MSS;
  readonly ssthresh = 10 * MSS;
  onAck(): void {}
  onCongestion(): void {}
}

type Sample = { -readonly [K in keyof AckSample]: AckSample[K] };

/** A subflow over one bottleneck. */
class ToyFlow implements SubflowView {
  readonly path: number;
  readonly local: { readonly address: string; readonly port: number };
  readonly remote = { address: "192.0.2.1", port: 80 };
  readonly backup = false;
  readonly stale = false;
  readonly mss = MSS;
  readonly queued = 0;
  readonly spec: ToyBottleneck;
  readonly sample: Sample = {
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
  controller: CongestionController | null = null;
  readonly rounds = { all: 0, lossy: 0 };
  inFlight = 0;
  srtt: number;
  rttVar: number;
  minRtt: number;
  deliveryRate = 0;
  peakRate = 0;
  readonly burstRate = 0;
  readonly initialWindow = 14_600;
  oldestSent = Infinity;
  readonly bytesSent = 0;
  readonly bytesRetrans = 0;
  readonly bytesReceived = 0;
  readonly localId = 0;
  readonly remoteId = 0;
  readonly delivered = 0;
  readonly lost = 0;
  readonly timeouts = 0;
  lastAck = 0;
  readonly delayOut = 0;
  readonly delayIn = 0;
  inRecovery = false;
  first = 0;
  /** The window after the last callback. */
  known = 0;

  constructor(path: number, spec: ToyBottleneck) {
    this.path = path;
    this.spec = spec;
    this.local = { address: `198.51.100.${path}`, port: 40000 + path };
    this.srtt = spec.rtt;
    this.minRtt = spec.rtt;
    this.rttVar = spec.rtt / 2;
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

  get pacingRate(): number {
    return this.controller?.pacingRate ??
      (this.inSlowStart ? 2 : 1.2) * this.cwnd * 1e6 / this.srtt;
  }

  get inSlowStart(): boolean {
    return this.cwnd < this.ssthresh;
  }
}

/** Runs a congestion control over `paths` for `time` microseconds. */
export function runCongestion(
  plugin: CongestionControlPlugin,
  paths: readonly ToyBottleneck[],
  time: number,
): ToyCongestionResult {
  return new ToyCongestion(plugin, paths).run(time);
}

class ToyCongestion implements ConnectionView {
  readonly mostWindow = 1e9;
  readonly receiveBuffer = 1e9;
  readonly receiveWindow = 1e9;
  readonly readable = 0;
  readonly tag = 0;
  readonly role = "client";
  readonly subflows: ToyFlow[] = [];
  readonly unsent = Infinity;
  readonly left = Infinity;
  readonly unacked = 0;
  readonly window = Infinity;
  readonly acked = 0;
  readonly repeated = 0;
  readonly random = seeded(1);
  readonly #flows: ToyFlow[];
  readonly #events = new ToyEvents();
  /** A model of the path says what the window is: an acknowledgement may tell it whether the window was used or not. */
  readonly #model: boolean;
  readonly #breaches = new Breaches();
  readonly #windows = new Fingerprint();
  #group: CongestionControl | null = null;

  constructor(plugin: CongestionControlPlugin, paths: readonly ToyBottleneck[]) {
    this.#flows = paths.map((spec, i) => new ToyFlow(i + 1, spec));
    this.#model = plugin.basis === "model";
    this.#try("create", () => this.#group = plugin.create(this));
  }

  get now(): number {
    return this.#events.now;
  }

  wake(): void {}

  run(time: number): ToyCongestionResult {
    for (const flow of this.#flows) {
      this.#events.at(flow.spec.from ?? 0, () => this.#join(flow));
      if (flow.spec.until !== undefined) this.#events.at(flow.spec.until, () => this.#leave(flow));
    }
    this.#events.run(time);
    return {
      delivered: this.#flows.map(({ sample }) => sample.delivered),
      rounds: this.#flows.map(({ rounds }) => rounds),
      windows: this.#flows.map(({ first, cwnd }) => ({ first, last: cwnd })),
      breaches: this.#breaches,
      fingerprint: this.#windows.value,
    };
  }

  #try(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#breaches.note("never-throws", `${what}: ${textOf(error)}`);
    }
  }

  #join(flow: ToyFlow): void {
    this.subflows.push(flow);
    const start = flow.cwnd;
    let controller: CongestionController | undefined;
    this.#try("join", () => controller = this.#group?.join(flow));
    flow.controller = controller ?? new Fixed();
    flow.first = flow.cwnd;
    this.#look(flow, "join");
    if (controller && flow.cwnd !== start) {
      this.#breaches.note("starts-at-cwnd", `it starts at ${flow.cwnd}, the subflow has ${start}`);
    }
    this.#round(flow);
  }

  #leave(flow: ToyFlow): void {
    this.subflows.splice(this.subflows.indexOf(flow), 1);
    this.#try("leave", () => this.#group?.leave?.(flow));
  }

  /** Values after a callback. */
  #look(flow: ToyFlow, after: string): void {
    const { cwnd, ssthresh, pacingRate } = flow.controller!;
    if (!(cwnd >= MSS && cwnd <= LARGEST_WINDOW)) {
      this.#breaches.note("sane-window", `cwnd is ${cwnd} after ${after}, a segment is ${MSS}`);
      flow.controller = new Fixed();
    } else if (!(ssthresh >= MSS)) {
      this.#breaches.note("sane-window", `ssthresh is ${ssthresh} after ${after}`);
    } else if (
      pacingRate !== undefined && !(pacingRate >= flow.mss / 60 && pacingRate < Infinity)
    ) {
      this.#breaches.note("sane-window", `pacingRate is ${pacingRate} after ${after}`);
    }
    flow.known = flow.cwnd;
    this.#windows.add(flow.cwnd);
  }

  /** Runs a callback after which the window may not be larger. */
  #still(flow: ToyFlow, what: string, work: () => void): void {
    const before = flow.known;
    const { controller } = flow;
    this.#try(what, work);
    this.#look(flow, what);
    if (flow.known > before && flow.controller === controller) {
      this.#breaches.note("grows-by-acks", `cwnd went from ${before} to ${flow.known} by ${what}`);
    }
  }

  #acknowledge(flow: ToyFlow, acked: number): void {
    const { sample } = flow;
    // Only acknowledged bytes that used the window make it grow (RFC 7661).
    if (flow.cwnd > flow.known) {
      const detail = `cwnd went from ${flow.known} to ${flow.cwnd} while nothing came`;
      this.#breaches.note("grows-by-acks", detail);
    }
    sample.acked = acked;
    sample.delivered += acked;
    sample.inFlight = flow.inFlight;
    flow.lastAck = this.now;
    flow.inFlight = Math.max(0, flow.inFlight - acked);
    const tell = (): void => flow.controller!.onAck(sample);
    if (acked === 0) return this.#still(flow, "an ACK of nothing new", tell);
    if (!sample.cwndLimited && !this.#model) {
      return this.#still(flow, "an ACK with the window not used", tell);
    }
    this.#try("onAck", tell);
    this.#look(flow, "onAck");
  }

  #congestion(flow: ToyFlow, cause: ToyCause, flight: number): void {
    this.#still(
      flow,
      cause === "ecn" ? "an ecn" : `a ${cause}`,
      () => flow.controller!.onCongestion(cause, flight),
    );
  }

  /** Sends a window and takes its acknowledgements. */
  #round(flow: ToyFlow): void {
    const { rate, rtt, buffer, supply = Infinity, every = [] } = flow.spec;
    if (!this.subflows.includes(flow)) return;
    const { sample, cwnd } = flow;
    const flight = Math.max(MSS, Math.floor(Math.min(cwnd, supply) / MSS) * MSS);
    const pipe = rate * rtt / 1e6;
    const fits = Math.min(flight, Math.floor((pipe + buffer) / MSS) * MSS);
    const lost = flight - fits;
    const took = rtt + Math.max(0, fits - pipe) * 1e6 / rate;
    flow.inFlight = flight;
    sample.cwndLimited = supply >= cwnd;
    sample.appLimited = !sample.cwndLimited;
    sample.rtt = took;
    sample.priorDelivered = sample.delivered;
    sample.deliveryRate = fits * 1e6 / took;
    sample.lost = 0;
    const start = this.now;
    const count = Math.max(1, Math.min(ACKS, Math.floor(fits / (2 * MSS))));
    for (let i = 0; i < count; i++) {
      const bytes = Math.floor(fits * (i + 1) / count) - Math.floor(fits * i / count);
      this.#events.at(start + took * (i + 1) / count, () => {
        if (!this.subflows.includes(flow)) return;
        flow.srtt += (took - flow.srtt) / 8;
        flow.deliveryRate = sample.deliveryRate;
        this.#acknowledge(flow, bytes);
        this.#acknowledge(flow, 0);
      });
    }
    this.#events.at(start + took, () => {
      if (!this.subflows.includes(flow)) return;
      flow.inRecovery = lost > 0 || every.length > 0;
      flow.rounds.all++;
      if (lost > 0) flow.rounds.lossy++;
      sample.lost = lost;
      if (lost > 0) this.#congestion(flow, "loss", flight);
      else for (const cause of every) this.#congestion(flow, cause, flight);
      this.#round(flow);
    });
  }
}
