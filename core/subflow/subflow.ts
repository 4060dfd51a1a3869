/**
 * One subflow: the TCP of RFC 9293 under the names of its variables. Sequence numbers are offsets from the initial ones: 0 is the SYN, 1 the
 * first byte. What arrives is handled in arrives.ts, what leaves in send.ts, losses in recovery.ts; this file holds the state they share.
 */

import { f64, memory_free, receiver_free, receiver_new, receiver_record } from "../../wasm/mod.ts";
import { RECEIVER_NEXT, RECEIVER_RANGES } from "../../wasm/layout.ts";
import type {
  AckSample,
  CongestionController,
  Endpoint,
  Micros,
  PathIndex,
  SubflowView,
} from "../plugin.ts";
import { fireTimers, rearm } from "./deadlines.ts";
import { InFlight } from "./in_flight.ts";
import type { Outlet, SubflowOwner, Timed } from "./owner.ts";
import { Prr } from "./prr.ts";
import { RttEstimator } from "./rtt.ts";

/** States of RFC 9293 §3.3.2; LISTEN belongs to listeners. */
export const CLOSED = 0;
export const SYN_SENT = 1;
export const SYN_RECEIVED = 2;
export const ESTABLISHED = 3;
export const FIN_WAIT_1 = 4;
export const FIN_WAIT_2 = 5;
export const CLOSE_WAIT = 6;
export const CLOSING = 7;
export const LAST_ACK = 8;
export const TIME_WAIT = 9;

/** No loss is being repaired. */
export const OPEN = 0;
/** Fast recovery until `recover` is acknowledged. */
export const RECOVERY = 1;
/** After a retransmission timeout, until `recover` is acknowledged. */
export const LOSS = 2;

/** IPv4 and IPv6 header with a TCP header. */
const HEADERS = { 4: 40, 6: 60 } as const;

/** What an AckSample holds, writable. */
export type MutableAckSample = { -readonly [K in keyof AckSample]: AckSample[K] };

/** What makes a subflow. */
export interface SubflowOptions {
  /** Its path index. */
  readonly path: PathIndex;
  /** Local end. */
  readonly local: Endpoint;
  /** Remote end. */
  readonly remote: Endpoint;
  /** Family of both. */
  readonly family: 4 | 6;
  /** Address of its KEY record; freed with it. */
  readonly key: number;
  /** The link it leaves by. */
  readonly outlet: Outlet;
  /** Initial sequence number. */
  readonly iss: number;
  /** Offset of its timestamps (RFC 7323 §5.4). */
  readonly timestampOffset: number;
  /** Address ids of both ends (RFC 8684 §3.4.1). */
  readonly localId: number;
  /** Of the peer's end. */
  readonly remoteId: number;
  /** Opened by MP_JOIN. */
  readonly join: boolean;
}

/** State of one subflow. Members without a comment are RFC 9293's variables. */
export class Subflow implements SubflowView, Timed {
  readonly path: PathIndex;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly family: 4 | 6;
  readonly key: number;
  readonly outlet: Outlet;
  readonly join: boolean;
  readonly owner: SubflowOwner;
  localId: number;
  remoteId: number;
  /** Value in the flow table. */
  flow = 0;

  state = CLOSED;
  readonly iss: number;
  irs = 0;
  sndUna = 0;
  sndNxt = 0;
  /** Bytes that the peer allows beyond `sndUna`. */
  sndWnd = 0;
  /** The largest window that the peer ever allowed. */
  maxSndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  /** Shift of the windows in segments from the peer (RFC 7323 §2.3). */
  sndScale = 0;
  /** Whether windows are scaled in both directions. */
  scaled = true;
  sackPermitted = true;
  timestamps = true;
  readonly timestampOffset: number;
  tsRecent = 0;
  tsRecentTime: Micros = 0;
  lastAckSent = 0;
  /** Right edge of the window last advertised, as sequence offset. */
  rcvEdge = 0;
  /** Largest segment of the peer's MSS option, and of our link. */
  maxSegment = 536;
  /** Bytes of payload of a full segment with the options of data. */
  mss = 536;

  /** Our FIN has been sent; it takes the offset before `sndNxt`. */
  finSent = false;
  /** A FIN is to be sent when nothing is left before it. */
  finWanted = false;
  /** Offset of the peer's FIN; -1 while unknown. */
  finSeq = -1;
  finReceived = false;

  /** Handle of the receiver in WebAssembly memory, and its record as index of f64. */
  receiver = 0;
  record = 0;

  readonly inFlightList: InFlight;
  readonly rtt: RttEstimator = new RttEstimator();
  readonly prr: Prr = new Prr();
  controller: CongestionController | null = null;
  recovery = OPEN;
  recover = 0;
  dupAcks = 0;
  /** `sndNxt` when the window was last full: what was sent before was limited by it (RFC 7661). */
  limitedUntil = 0;
  /** RACK: send time, end and round trip of the segment sent last among those delivered (RFC 8985 §5.2). */
  rackTime: Micros = -1;
  rackEnd = 0;
  rackRtt: Micros = 0;
  /** End of the highest byte delivered (RFC 8985 §5.4). */
  fack = 0;
  reordering = false;
  timeouts = 0;
  delivered = 0;
  deliveredTime: Micros = 0;
  deliveryRate = 0;
  /** `delivered` up to which samples count as limited by the application. */
  appLimitedUntil = 0;
  readonly sample: MutableAckSample = {
    acked: 0,
    lost: 0,
    marked: 0,
    rtt: -1,
    inFlight: 0,
    cwndLimited: false,
    delivered: 0,
    priorDelivered: 0,
    deliveryRate: 0,
    appLimited: false,
  };

  /** An ACK must leave at the end of this batch. */
  ackNow = false;
  /** Bytes received in order since the last ACK. */
  ackBytes = 0;
  /** Payload of the peer's full segments, as far as it was seen. */
  receiveMss = 536;
  /** The mapping learned last, as on the wire: a super-segment repeats it on every packet. */
  mapLow = -1;
  mapSsn = -1;
  mapLength = -1;
  /** DATA_ACK last sent on this subflow. */
  dataAckSent = 0;

  /** The link refused the third ACK, or an MP_PRIO: it is still to be sent. */
  thirdAckOwed = false;
  prioOwed = false;

  /** What our path manager asked for. */
  backupByUs = false;
  /** What the peer asked for by MP_PRIO or the B flag. */
  backupByPeer = false;
  stale = false;
  /** Joined, but the fourth ACK has not come (RFC 8684 §3.2). */
  preEstablished = false;
  /** May carry data. */
  usable = false;
  /** `left` has been told. */
  gone = false;

  // Deadlines; the nearest is armed. Infinity: not set.
  rtoAt: Micros = Infinity;
  ackAt: Micros = Infinity;
  rackAt: Micros = Infinity;
  probeAt: Micros = Infinity;
  endAt: Micros = Infinity;
  deadline: Micros = Infinity;
  queuedAt: Micros = Infinity;
  handshakeSentAt: Micros = 0;
  handshakeSends = 0;

  // Random number and HMAC of its join (RFC 8684 §3.2).
  localNonce = 0;
  remoteNonce = 0;

  // Figures for info().
  readonly openedAt: Micros;
  segmentsOut = 0;
  segmentsIn = 0;
  bytesSent = 0;
  bytesRetransmitted = 0;
  bytesReceived = 0;
  bytesAcked = 0;
  retransmits = 0;
  lastDataSent: Micros = 0;
  /** When its controller was told last that sending starts again. */
  restartedAt: Micros = 0;
  lastDataReceived: Micros = 0;
  lastAckReceived: Micros = 0;
  reordSeen = 0;

  /** Makes a closed subflow; handshake.ts opens it. */
  constructor(owner: SubflowOwner, options: SubflowOptions, now: Micros) {
    this.owner = owner;
    this.path = options.path;
    this.local = options.local;
    this.remote = options.remote;
    this.family = options.family;
    this.key = options.key;
    this.outlet = options.outlet;
    this.iss = options.iss;
    this.timestampOffset = options.timestampOffset;
    this.localId = options.localId;
    this.remoteId = options.remoteId;
    this.join = options.join;
    this.openedAt = now;
    this.inFlightList = new InFlight(owner.sendStream);
  }

  /** Bytes of an IP packet that are not TCP payload or options. */
  get headers(): number {
    return HEADERS[this.family];
  }

  /** Our MSS option (RFC 9293 §3.7.1). */
  get localMss(): number {
    return Math.min(65535, this.outlet.mtu - this.headers);
  }

  get rcvNxt(): number {
    return this.record === 0 ? this.lastAckSent : f64[this.record + RECEIVER_NEXT]!;
  }

  /** Ranges received above `rcvNxt`. */
  get ranges(): number {
    return this.record === 0 ? 0 : f64[this.record + RECEIVER_RANGES]!;
  }

  get backup(): boolean {
    return this.backupByUs || this.backupByPeer;
  }

  get srtt(): Micros {
    return Math.max(1, this.rtt.srtt);
  }

  get rttVar(): Micros {
    return this.rtt.rttVar;
  }

  get minRtt(): Micros {
    return this.rtt.minRtt;
  }

  get cwnd(): number {
    if (this.controller !== null) return this.controller.cwnd;
    // A lost SYN is a loss: one segment to begin with (RFC 5681 §3.1).
    return this.handshakeSends > 1 ? this.mss : initialWindow(this.mss);
  }

  get ssthresh(): number {
    return this.controller === null ? Infinity : this.controller.ssthresh;
  }

  get inFlight(): number {
    return this.sndNxt - this.sndUna - this.inFlightList.sacked - this.inFlightList.lost;
  }

  /** What limits `inFlight` now: PRR's window in recovery, else cwnd. */
  get sendLimit(): number {
    if (this.recovery === RECOVERY && this.controller?.ownsRecovery !== true) {
      return this.prr.window;
    }
    return this.cwnd;
  }

  get room(): number {
    if (!this.usable || this.outlet.blocked || this.inFlightList.lost > 0) return 0;
    let room = this.sendLimit - this.inFlight;
    // The shared window is the connection's to keep. What this subflow last heard of it may be old, so it only counts while an answer is due.
    if (this.sndNxt > this.sndUna) room = Math.min(room, this.sndUna + this.sndWnd - this.sndNxt);
    return room > 0 ? room : 0;
  }

  get queued(): number {
    return 0;
  }

  get pacingRate(): number {
    const own = this.controller?.pacingRate;
    if (own !== undefined) return own;
    return (this.inSlowStart ? 2 : 1.2) * this.cwnd * 1e6 / this.srtt;
  }

  get inSlowStart(): boolean {
    return this.cwnd < this.ssthresh;
  }

  get inRecovery(): boolean {
    return this.recovery !== OPEN;
  }

  /** Makes the receiver when the peer's initial sequence number is known. */
  startReceiver(stream: number): boolean {
    this.receiver = receiver_new(this.owner.host.wasm, stream);
    if (this.receiver === 0) return false;
    this.record = receiver_record(this.receiver) >> 3;
    return true;
  }

  /** The nearest of its deadlines has passed. */
  fire(now: Micros): void {
    fireTimers(this, now);
  }

  /** Files the nearest deadline. */
  rearm(): void {
    rearm(this);
  }

  /** Gives back what it holds in WebAssembly memory. */
  release(): void {
    this.inFlightList.clear();
    if (this.receiver !== 0) {
      this.lastAckSent = this.rcvNxt;
      receiver_free(this.receiver);
      this.receiver = 0;
      this.record = 0;
    }
  }

  /** Gives back the flow key too; nothing can be sent after it. */
  destroy(): void {
    this.release();
    this.owner.host.timers.arm(this, Infinity);
    this.owner.host.forget(this);
    memory_free(this.key);
  }
}

/** Initial window of RFC 6928 §2. */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14600));
}
