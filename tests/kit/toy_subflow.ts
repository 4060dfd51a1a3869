/** Paths, subflows and chunks of the toy connection. */

import type { Chunk, SubflowView } from "../../core/plugin.ts";
import type { Breaches } from "./rule.ts";

/** Payload of a segment on every toy path. */
export const MSS = 1400;
/** Most that one decision sends, like the stack's millisecond of data. */
export const BURST = 4 * MSS;

/** One path of a scenario; times in microseconds. */
export interface ToyPath {
  /** Bytes per second. */
  readonly rate: number;
  /** Round trip of an empty path. */
  readonly rtt: number;
  /** Only for when no other works. */
  readonly backup?: boolean;
  /** It joins at, and leaves at. */
  readonly from?: number;
  /** Its end. */
  readonly until?: number;
  /** Between these times it swallows everything. */
  readonly dead?: readonly [number, number];
}

/** What happens. */
export interface ToyScenario {
  /** For messages. */
  readonly name: string;
  /** Paths 1, 2, … */
  readonly paths: readonly ToyPath[];
  /** What the application writes, by time. */
  readonly writes: readonly { readonly at: number; readonly bytes: number }[];
  /** Bytes that the peer buffers. */
  readonly window?: number;
  /** Timeouts in a row after which a path is stale, 1 where nothing is said; before that it repairs, and has no room. */
  readonly staleLossCount?: number;
  /** Until then another scheduler decides. */
  readonly swapAt?: number;
  /** For `connection.random()`. */
  readonly seed?: number;
}

/** What came of it. */
export interface ToyResult {
  /** When the peer had everything, in microseconds; Infinity when it never had. */
  readonly done: number;
  /** Bytes carried by each path, copies included. */
  readonly carried: readonly number[];
  /** The rules that were broken on the way. */
  readonly breaches: Breaches;
  /** Of all decisions. */
  readonly fingerprint: number;
}

/** A subflow of the toy. */
export class ToySubflow implements SubflowView {
  readonly path: number;
  readonly local: { readonly address: string; readonly port: number };
  readonly remote = { address: "192.0.2.1", port: 80 };
  readonly backup: boolean;
  stale = false;
  readonly mss = MSS;
  readonly ssthresh: number;
  inFlight = 0;
  queued = 0;
  srtt: number;
  readonly rttVar: number;
  readonly minRtt: number;
  readonly deliveryRate: number;
  readonly peakRate: number;
  readonly burstRate = 0;
  readonly initialWindow = 14_600;
  readonly bytesRetrans = 0;
  readonly bytesReceived = 0;
  readonly remoteId = 0;
  delivered = 0;
  lost = 0;
  timeouts = 0;
  lastAck = 0;
  readonly delayIn = 0;
  readonly inSlowStart = false;
  /** A timeout has passed, and nothing has come back since: one segment is out again. */
  inRecovery = false;
  readonly spec: ToyPath;
  carried = 0;
  busyUntil = 0;
  readonly #window: number;
  /** Sent and not acknowledged, and bound but unsent. */
  outstanding: ToyChunk[] = [];
  /** When these were sent. */
  times: number[] = [];
  bound: ToyChunk[] = [];
  /** Counts timeouts: acknowledgements of what was given up are ignored. */
  epoch = 0;
  progress = 0;

  constructor(path: number, spec: ToyPath) {
    this.path = path;
    this.spec = spec;
    this.local = { address: `198.51.100.${path}`, port: 40000 + path };
    this.backup = spec.backup ?? false;
    this.#window = Math.max(4 * MSS, Math.ceil(2 * spec.rate * spec.rtt / 1e6 / MSS) * MSS);
    this.ssthresh = this.#window;
    this.srtt = spec.rtt;
    this.rttVar = spec.rtt / 8;
    this.minRtt = spec.rtt;
    this.deliveryRate = this.peakRate = spec.rate;
  }

  /** RFC 5681 §3.1: one segment after a timeout. */
  get cwnd(): number {
    return this.inRecovery ? MSS : this.#window;
  }

  get bytesSent(): number {
    return this.carried;
  }

  get localId(): number {
    return this.path - 1;
  }

  /** What waits in the path, of which the scheduler's own bytes are all. */
  get delayOut(): number {
    return Math.max(0, this.srtt - this.spec.rtt);
  }

  get room(): number {
    return Math.max(0, this.cwnd - this.inFlight);
  }

  get oldestSent(): number {
    return this.times[0] ?? Infinity;
  }

  get pacingRate(): number {
    return 1.2 * this.cwnd * 1e6 / this.srtt;
  }

  /** Whether it swallows what is sent at `time`. */
  swallows(time: number): boolean {
    const { dead } = this.spec;
    return dead !== undefined && time >= dead[0] && time < dead[1];
  }
}

/** A piece of the stream. */
export class ToyChunk implements Chunk {
  readonly offset: number;
  readonly length: number;
  readonly sentOn: ToySubflow[] = [];
  /** When it was first sent; 0 = not yet. */
  sentAt = 0;
  readonly hint = 0;
  readonly written = 0;
  received = false;
  acked = false;

  constructor(offset: number, length: number) {
    this.offset = offset;
    this.length = length;
  }
}
