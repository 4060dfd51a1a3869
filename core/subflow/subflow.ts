/**
 * One subflow: a TCP connection (RFC 9293) whose variables are kept by the parts that it holds. A segment arrives in the order of RFC 9293 §3.10.7
 * with RFC 7323 §5 before it and RFC 5961 inside; what it leads to beyond the subflow is answered as an {@linkcode Outcome}, which the connection
 * settles. Sequence numbers are offsets from the initial ones: 0 is the SYN, 1 the first byte.
 */

import { memory_free, u8 } from "../../wasm/mod.ts";
import {
  KEY_DSCP,
  SEGMENT_DUPLICATE,
  SEGMENT_GAP,
  SEGMENT_MEMORY,
  SEGMENT_PRUNED,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../../wasm/layout.ts";
import type { Endpoint, Micros, PathIndex, PathView, SubflowView } from "../plugin.ts";
import {
  isTransient,
  type Key,
  MP_CAPABLE,
  MP_FASTCLOSE,
  readFastclose,
  RST_PERFORMANCE,
  RST_UNSPECIFIED,
} from "../wire/mptcp.ts";
import { type Draft, rx, tx } from "../wire/segment.ts";
import { dsnWords, fromWire } from "../wire/seq.ts";
import { Acks } from "./acks.ts";
import { Challenges } from "./challenges.ts";
import {
  Deadlines,
  SUBFLOW_TIMERS,
  type SubflowTimer,
  TIMER_ACK,
  TIMER_END,
  TIMER_INQUIRY,
  TIMER_KEEPALIVE,
  TIMER_LATE,
  TIMER_PACE,
  TIMER_PROBE,
  TIMER_RACK,
  TIMER_RTO,
  TIMER_SIGNAL,
  TIMER_SILENCE,
  TIMER_THIRD_ACK,
} from "./deadlines.ts";
import { Ecn } from "./ecn.ts";
import { FastClose } from "./fast_close.ts";
import type { FastOpen } from "./fast_open.ts";
import { Handshake, type SynOffer, type SynOption } from "./handshake.ts";
import { Inquiry } from "./inquiry.ts";
import { Keepalive } from "./keepalive.ts";
import { Mtu } from "./mtu.ts";
import { OneWay } from "./one_way.ts";
import { nothing, type SafeProbe } from "./probe.ts";
import { Ranges } from "./ranges.ts";
import { ReceiveRtt } from "./receive_rtt.ts";
import { Receiver } from "./receiver.ts";
import type { Recovery } from "./recovery.ts";
import { INITIAL_RTO } from "./rtt.ts";
import { type Controller, initialWindow, Sender } from "./sender.ts";
import { Silence } from "./silence.ts";
import {
  type DataLevel,
  type LeaveReason,
  type Outcome,
  OUTCOME_CROSSED,
  OUTCOME_ENDED,
  OUTCOME_FIN,
  OUTCOME_JOINED,
  OUTCOME_JUDGE,
  OUTCOME_LATE,
  OUTCOME_MORE,
  OUTCOME_REFUSE,
  OUTCOME_SEGMENT,
  OUTCOME_SILENT,
  OUTCOME_WORK,
  type Outlet,
  type PathTrouble,
  type SubflowHost,
} from "./shared.ts";
import type { KeepAlive } from "./settings.ts";
import { Signals } from "./signals.ts";
import { STATE_NAMES, type TcpEvent, TcpState } from "./state.ts";
import { Timestamps } from "./timestamps.ts";
import { Trust } from "./trust.ts";

/** Largest shift (RFC 7323 §2.3). */
const MAX_WINDOW_SCALE = 14;
/** How long a FIN of the peer is awaited when ours is acknowledged, and nothing else is awaited from it. */
const FIN_WAIT_2_LENGTH: Micros = 60e6;

/** How long both FINs of a subflow that is used no longer may take: nothing waits for it, but its path cannot be opened anew before. */
const LEAVE_LENGTH: Micros = 60e6;
/** Longest round trip that a handshake tells whose SYN went more than once. */
const SLOWEST_OPENING: Micros = 4e6;
/** Timeouts in a row after which its FIN, and what was sent before, is taken for unanswered. */
const LEAVE_TIMEOUTS = 3;

// What holds of a subflow, as bits: each place of its own would take eight bytes of every subflow.
/** We have opened it. */
const ACTIVE = 1;
/** A server has taken the SYN's cookie: it may send before the third ACK (RFC 7413 §4.2.2). */
const EARLY = 2;
/** What it held is given back. */
const RELEASED = 4;
/** A FIN is to follow what was sent. */
const FIN_WANTED = 8;
/** We use it no longer. */
const LEAVING = 16;
/** It is left by a RST, once all in flight is acknowledged. */
const DRAINS = 32;
/** The peer is to be told whether it is a backup. */
const PRIO_OWED = 64;
/** We use it only when no other works. */
const BACKUP_BY_US = 128;
/** The peer wants that. */
const BACKUP_BY_PEER = 256;
/** Opened by MP_JOIN. */
const JOIN = 512;

/** The segment in `rx`, as the subflow sees it that it has come on. */
const inHand = {
  /** Its sequence offset. */
  seq: 0,
  /** The right edge of the window that it found. */
  edge: 0,
  /** Its timestamp is older than one that came before. */
  old: false,
};

/** What a subflow has that met trouble, or was asked for what most are not: made for the first of it. */
class Rarities {
  /** What our SYN had of Fast Open. */
  fastOpen: FastOpen | null = null;
  /** Made when a timeout first passes. */
  silence: Silence | null = null;
  /** What a router told last. */
  trouble: { readonly what: PathTrouble; readonly at: Micros } | null = null;
  /** Made when a scheduler first asks for it. */
  oneWay: OneWay | null = null;
  /** Made when the first is wanted. */
  challenges: Challenges | null = null;
  /** Null unless it is asked for. */
  keepalive: Keepalive | null = null;
  /** The peer says that its address is gone, and is asked whether that is so. */
  inquiry: Inquiry | null = null;
  /** The end of the connection was told, and a RST is awaited. */
  fastClose: FastClose | null = null;
  /** The key of an MP_FASTCLOSE on a RST that was challenged. */
  fastClosed: Key | null = null;
  /** When an MP_PRIO left last, and whether it went into a silence. */
  prioAt: Micros = -1;
  prioLost = false;
  /** Made when data are first bound to it beyond its room. */
  partA: Ranges | null = null;
  /** Segments whose payload came above something missing. */
  outOfOrder = 0;
}

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
  /** What its handshake says of MPTCP. */
  readonly option: SynOption;
  /** Used only when no other works, as we or the peer asked when it was opened. */
  readonly backup?: "us" | "peer";
}

/** One subflow. */
export class Subflow implements SubflowView {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly sender: Sender;
  readonly receiver: Receiver = new Receiver();
  readonly acks: Acks;
  readonly trust: Trust = new Trust();
  /** What path managers see of it, made when one looks. */
  shown: PathView | null = null;
  readonly #host: SubflowHost;
  readonly #level: DataLevel;
  /** Address ids of both ends, an octet each, the peer's above ours. */
  #ids: number;
  #tcp = TcpState.closed;
  /** Null when the peer has shown that it is over. */
  #handshake: Handshake | null;
  #flow = 0;
  #flags = 0;
  #ended: LeaveReason | null = null;
  /** Made with the first payload. */
  #receiveRtt: ReceiveRtt | null = null;
  /** Made for the first. */
  #signals: Signals | null = null;
  #rare: Rarities | null = null;
  // Figures.
  #segmentsIn = 0;
  /** Null before the first. Boxed once, as `now` (CONTRIBUTING.md, Garbage). */
  #lastReceived: Micros | null = null;
  #withData = 0;

  /** Makes a closed subflow: `open` or `accept` begins. */
  constructor(host: SubflowHost, level: DataLevel, options: SubflowOptions) {
    const { family, outlet, key, option, backup } = options;
    const iss = options.iss | 0;
    this.#host = host;
    this.#level = level;
    this.local = options.local;
    this.remote = options.remote;
    this.#ids = options.localId | options.remoteId << 8;
    this.#handshake = new Handshake(option, level.tcp.synRetries);
    if (option.kind === "join") this.#flags = JOIN;
    if (backup === "us") this.#flags |= BACKUP_BY_US;
    else if (backup === "peer") this.#flags |= BACKUP_BY_PEER;
    this.acks = new Acks(level.tcp.delayedAck);
    const memory = host.pathMemory(options.local.address, options.remote.address);
    const { maxSegment, mtuProbing } = level.tcp;
    this.sender = new Sender({
      host,
      level,
      path: options.path,
      outlet,
      key,
      iss,
      timestamps: new Timestamps(options.timestampOffset | 0, level.tcp.timestamps),
      receiver: this.receiver,
      acks: this.acks,
      ecn: new Ecn(level.tcp.ecn),
      mtu: new Mtu(outlet, family, maxSegment, mtuProbing, memory),
      deadlines: new Deadlines<SubflowTimer>(SUBFLOW_TIMERS),
    });
  }

  private rarities(): Rarities {
    return this.#rare ??= new Rarities();
  }

  private is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  private set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  private get silence(): Silence | null {
    return this.#rare === null ? null : this.#rare.silence;
  }

  private oneWay(): OneWay | null {
    return this.#rare === null ? null : this.#rare.oneWay;
  }

  private keepaliveOn(): Keepalive | null {
    return this.#rare === null ? null : this.#rare.keepalive;
  }

  private inquiry(): Inquiry | null {
    return this.#rare === null ? null : this.#rare.inquiry;
  }

  private fastClosing(): FastClose | null {
    return this.#rare === null ? null : this.#rare.fastClose;
  }

  get path(): PathIndex {
    return this.sender.path;
  }

  /** Opened by MP_JOIN. */
  get join(): boolean {
    return this.is(JOIN);
  }

  /** Address id of our end. */
  get localId(): number {
    return this.#ids & 255;
  }

  get ecn(): Ecn {
    return this.sender.ecn;
  }

  get mtu(): Mtu {
    return this.sender.mtu;
  }

  get timestamps(): Timestamps {
    return this.sender.timestamps;
  }

  /** Address of its KEY record; freed with it. */
  get key(): number {
    return this.sender.key;
  }

  /** The link it leaves by. */
  get outlet(): Outlet {
    return this.sender.outlet;
  }

  /** Differentiated Services codepoint of its packets. */
  get dscp(): number {
    return u8[this.key + KEY_DSCP]!;
  }

  // What plugins see.

  get backup(): boolean {
    return (this.#flags & (BACKUP_BY_US | BACKUP_BY_PEER)) !== 0;
  }

  /** Keepalive probes that nothing has answered. */
  get keepaliveProbes(): number {
    return this.keepaliveOn()?.unanswered(this.sender.lastHeard) ?? 0;
  }

  /** The peer wants it to be one. */
  get backupByPeer(): boolean {
    return this.is(BACKUP_BY_PEER);
  }

  get stale(): boolean {
    return this.silence?.stale === true;
  }

  /** It is stale, or may be gone: nothing new is given to it where another works. */
  get doubted(): boolean {
    return this.stale || this.inquiry() !== null;
  }

  get srtt(): Micros {
    return this.sender.rtt.srtt;
  }

  get rttVar(): Micros {
    return this.sender.rtt.rttVar;
  }

  get minRtt(): Micros {
    return this.sender.rtt.minRtt;
  }

  get mss(): number {
    return this.mtu.payload;
  }

  get cwnd(): number {
    return this.sender.cwnd;
  }

  get initialWindow(): number {
    return initialWindow(this.mtu.segment);
  }

  get ssthresh(): number {
    return this.sender.ssthresh;
  }

  get inFlight(): number {
    return this.sender.board.inFlight;
  }

  get room(): number {
    return this.usable ? this.sender.room : 0;
  }

  /** It takes nothing new before some time has passed, or what is lost has gone again: after a timeout that may wait for what new data tell. */
  get held(): boolean {
    return this.usable && (this.sender.held || this.sender.board.lost > 0);
  }

  get queued(): number {
    const { partA } = this;
    return partA === null ? 0 : partA.bytes;
  }

  /** What is bound to it and not sent on it, in the order of the data; null: nothing ever was. */
  get partA(): Ranges | null {
    return this.#rare === null ? null : this.#rare.partA;
  }

  /** Binds [offset, end) of the data to it, to be sent when there is room. */
  bind(offset: number, end: number): void {
    (this.rarities().partA ??= new Ranges()).add(offset, end);
  }

  get deliveryRate(): number {
    return this.sender.deliveryRate;
  }

  get oldestSent(): Micros {
    return this.sender.board.oldestSent;
  }

  get peakRate(): number {
    return this.sender.peakRate;
  }

  get burstRate(): number {
    return this.sender.burstRate;
  }

  get bytesSent(): number {
    return this.sender.bytesSent + this.sender.bytesRetransmitted;
  }

  get bytesRetrans(): number {
    return this.sender.bytesRetransmitted;
  }

  get delivered(): number {
    return this.sender.delivered;
  }

  get lost(): number {
    return this.sender.lost;
  }

  get timeouts(): number {
    return this.sender.timeouts;
  }

  get lastAck(): Micros {
    return this.sender.lastHeard;
  }

  get delayOut(): Micros {
    return (this.rarities().oneWay ??= new OneWay()).out;
  }

  get delayIn(): Micros {
    return (this.rarities().oneWay ??= new OneWay()).in;
  }

  get pacingRate(): number {
    const own = this.sender.pacingRate;
    if (own !== undefined) return own;
    return (this.inSlowStart ? 2 : 1.2) * this.cwnd * 1e6 / this.srtt;
  }

  get inSlowStart(): boolean {
    return this.cwnd < this.ssthresh;
  }

  get inRecovery(): boolean {
    return this.sender.recovery.kind !== "open";
  }

  // What the connection asks.

  /** May carry data: established, proved if it is a join (RFC 8684 §3.2), and no FIN is wanted. */
  get usable(): boolean {
    return this.mayWrite() && (this.#flags & (FIN_WANTED | DRAINS)) === 0 && !this.provisional &&
      this.fastClosing() === null;
  }

  /** Data may leave: also before the third ACK, where the SYN has brought a cookie. */
  private mayWrite(): boolean {
    return this.#tcp.maySend || (this.is(EARLY) && this.#tcp.synReceived);
  }

  /** Joined, but the fourth ACK has not come (RFC 8684 §3.2). */
  get provisional(): boolean {
    return this.#handshake !== null && this.join;
  }

  /** The handshake is over and neither side has finished: other options may be sent on it. */
  get established(): boolean {
    return this.#tcp.established;
  }

  /** The peer's FIN has come in order. */
  get peerFinished(): boolean {
    return this.#tcp.peerFinished;
  }

  /** A handshake is under way that we, or the peer, began. */
  get opening(): boolean {
    return this.#tcp.opening;
  }

  /** We have opened it. */
  get active(): boolean {
    return this.is(ACTIVE);
  }

  /** SYNs, SYN/ACKs or third ACKs that went again, as no answer came in time; when the first has left: Infinity where the handshake is over. */
  get handshakeRepeats(): number {
    return Math.max(0, (this.#handshake?.sends ?? 1) - 1);
  }

  get handshakeBegunAt(): Micros {
    return this.#handshake?.begunAt ?? Infinity;
  }

  /** Address id of the peer's end, as the peer calls it. */
  get remoteId(): number {
    return this.#ids >> 8;
  }

  /** The peer's SYN, or SYN/ACK, names its end. */
  learnRemoteId(id: number): void {
    this.#ids = this.localId | id << 8;
  }

  /** Our SYN waits for its answer. */
  get synSent(): boolean {
    return this.#tcp.synSent;
  }

  /** A server whose data may leave, though the third ACK has not come; stays true when it ends before that. */
  get early(): boolean {
    return this.is(EARLY);
  }

  /** What our SYN had of Fast Open; null: nothing. */
  get fastOpen(): FastOpen | null {
    return this.#rare === null ? null : this.#rare.fastOpen;
  }

  /** Data were acknowledged with their SYN, ours or the peer's. */
  get fastOpened(): boolean {
    return this.receiver.early > 0 || (this.fastOpen?.acked ?? 0) > 0;
  }

  /** The handshake had to be sent again, as no answer came in time. */
  get handshakeRepeated(): boolean {
    return (this.#handshake?.sends ?? 2) > 1;
  }

  /** A SYN went without the MP_CAPABLE of those before it. */
  get triedPlain(): boolean {
    return this.#handshake?.triedPlain ?? false;
  }

  /** What the handshake says; null when it is over. */
  get option(): SynOption | null {
    return this.#handshake?.option ?? null;
  }

  /** Why it ended; null while it lives. */
  get ended(): LeaveReason | null {
    return this.#ended;
  }

  /** What it sends lies beyond what the peer takes, and will for ever (see {@linkcode Trust.outOfReach}). */
  get outOfReach(): boolean {
    return this.trust.outOfReach(this.sender.board.nxt);
  }

  /** Its nearest deadline; Infinity: none. */
  get deadline(): Micros {
    return this.sender.deadlines.nearest;
  }

  /** What is done about losses. */
  get recovery(): Recovery {
    return this.sender.recovery;
  }

  // Figures for info().

  /** CLOSED to TIME_WAIT of state.ts. */
  get state(): number {
    return this.#tcp.number;
  }

  /** Segments that came. */
  get segmentsIn(): number {
    return this.#segmentsIn;
  }

  /** Those of them whose payload was taken. */
  get dataSegmentsIn(): number {
    return this.#withData;
  }

  /** Those of them that came above something missing. */
  get outOfOrder(): number {
    return this.#rare === null ? 0 : this.#rare.outOfOrder;
  }

  /** It has brought something to either end. */
  get moved(): boolean {
    return this.receiver.bytes > 0 || this.sender.board.una > 1;
  }

  /** Payload received in order. */
  get bytesReceived(): number {
    return this.receiver.bytes;
  }

  /** The round trip as the receiver of data sees it, in whole microseconds; without timestamps that of our own data, or of the handshake. */
  get receiveRtt(): Micros {
    return this.#receiveRtt === null ? Math.round(this.sender.rtt.srtt) : this.#receiveRtt.rtt;
  }

  /** When payload last came. */
  get lastDataReceived(): Micros {
    return this.#lastReceived ?? 0;
  }

  // Opening.

  /** It has a place in the flow table. */
  registered(flow: number): void {
    this.#flow = flow;
  }

  /** Active open; the first SYN has what `fastOpen` says. */
  open(now: Micros, fastOpen: FastOpen | null = null): void {
    this.#flags |= ACTIVE;
    if (fastOpen !== null) this.rarities().fastOpen = fastOpen;
    this.#handshake!.carry(fastOpen);
    this.moves("open", now);
    this.acks.offered(Math.min(65535, this.#level.receiveWindow));
    this.sendSyn(TCP_SYN, now);
  }

  /** Passive open: the SYN is in `rx`. `reply`: of Fast Open in the SYN/ACK; `early`: the data are taken, and we may send before the third ACK. */
  accept(now: Micros, reply: FastOpen | null = null, early = false): void {
    const { probe } = this.#host;
    if (probe !== null && probe.segmentReceived !== nothing) this.comes(probe, now);
    this.moves("syn", now);
    this.takeOffer(now);
    this.#handshake!.carry(reply);
    if (early) {
      this.#flags |= EARLY;
      this.receiver.takeEarly(Math.min(rx.length, this.#level.receiveWindow));
    }
    this.acks.offered(1 + Math.min(65535, this.#level.receiveWindow));
    this.sendSyn(TCP_SYN | TCP_ACK, now);
    // Beside an initial window of data the SYN/ACK does not count.
    if (early) this.sender.board.synAcked();
  }

  /** Passive open whose SYN left nothing behind (RFC 4987 §3.6): the ACK that answers the SYN/ACK is in `rx`, and `offer` was in the SYN. */
  resume(offer: SynOffer, now: Micros): void {
    this.moves("syn", now);
    const { scale } = offer;
    this.ecn.resumed(offer.ecn);
    this.take(
      rx.seq - 1,
      offer.sack,
      scale >= 0,
      offer.mss,
      rx.window * 2 ** Math.max(0, scale),
      scale,
      now,
    );
    this.acks.offered(1 + Math.min(65535, this.#level.receiveWindow));
    this.sender.board.synSent();
  }

  /** The peer's part of the handshake's MPTCP option is known, or there is none. */
  learn(option: SynOption): void {
    this.#handshake?.learn(option);
  }

  private sendSyn(flags: number, now: Micros): void {
    const { sender } = this;
    this.sender.syn(this.#handshake!, flags, now);
    this.#handshake!.sent(now);
    sender.board.synSent();
    sender.rtt.arm(this.sender.deadlines, now);
  }

  /** The third ACK was lost, and what came shows that the SYN/ACK was not: it goes again, no more often than it may without that. */
  askAgain(now: Micros): void {
    const handshake = this.#handshake;
    if (handshake === null || !this.#tcp.synReceived || handshake.exhausted) return;
    handshake.spoken();
    if (now - handshake.sentAt >= INITIAL_RTO) this.sendSyn(TCP_SYN | TCP_ACK, now);
  }

  /** Takes over what the SYN in `rx` offers, and the first window. */
  private takeOffer(now: Micros): void {
    const mss = rx.hasMss ? rx.mss : undefined;
    this.ecn.came(rx.flags);
    this.take(rx.seq, rx.sackPermitted, rx.hasWindowScale, mss, rx.window, rx.windowScale, now);
  }

  private take(
    irs: number,
    sack: boolean,
    scaled: boolean,
    mss: number | undefined,
    window: number,
    scale: number,
    now: Micros,
  ): void {
    this.receiver.begin(irs);
    this.acks.begin();
    this.sender.agree(sack, scaled);
    this.timestamps.agree(now);
    this.mtu.peer(mss);
    this.mtu.begin(now);
    const shift = this.sender.scaled ? Math.min(MAX_WINDOW_SCALE, scale) : 0;
    this.sender.window.begin(window, shift);
  }

  /** The arrow of `event`. */
  private moves(event: TcpEvent, now: Micros): void {
    const from = this.#tcp;
    const to = from.on(event);
    if (to === null || to === from) return;
    this.#tcp = to;
    const [before, after] = [STATE_NAMES[from.number]!, STATE_NAMES[to.number]!];
    this.#host.probe?.stateChanged(now, this.#level.id, this.path, before, after);
  }

  /** Tells who watches of the segment in `rx`. */
  private comes(probe: SafeProbe, now: Micros): void {
    const { receiver, sender } = this;
    const { flags, length } = rx;
    const seq = receiver.nxt === 0 ? 0 : fromWire(rx.seq, receiver.irs, receiver.nxt);
    const ack = flags & TCP_ACK ? fromWire(rx.ack, this.sender.iss, sender.board.una) : 0;
    let dsn = -1;
    if (length > 0 && rx.hasDss && rx.hasMapping) {
      const { remoteIdsn, dataRcvNxt } = this.#level;
      dsn = rx.dsn(remoteIdsn, dataRcvNxt) + seq - fromWire(rx.ssn, 0, receiver.nxt);
    }
    const { id } = this.#level;
    const { window, sacks } = rx;
    probe.segmentReceived(now, id, this.path, seq, length, flags, ack, window, dsn, sacks);
  }

  // A segment arrives.

  /** Handles the segment in `rx` as far as it is the subflow's own. */
  arrive(now: Micros): Outcome {
    this.#segmentsIn++;
    const { probe } = this.#host;
    if (probe !== null && probe.segmentReceived !== nothing) this.comes(probe, now);
    if (this.#tcp.closed) return 0;
    if (this.#tcp.synSent) return this.arriveSynSent(now);
    const fastClose = this.fastClosing();
    if (fastClose !== null) return this.arriveClosing(fastClose, now);
    const { flags } = rx;
    const next = this.receiver.nxt;
    const seq = inHand.seq = fromWire(rx.seq, this.receiver.irs, next);
    const old = inHand.old = (flags & TCP_RST) === 0 &&
      this.timestamps.old(rx.hasText && (flags & TCP_SYN) === 0, now);
    if (old) {
      if (!this.overtaken(seq, next)) {
        this.#host.count("PAWSEstab");
        return this.unacceptable(now);
      }
      this.#host.count("PAWSOldAck");
    }
    // First, check the sequence number.
    const end = seq + rx.length + ((flags & TCP_FIN) !== 0 ? 1 : 0);
    // The window is shared: what another subflow has offered since holds for this one too (RFC 8684 §3.3.4). A first SYN offers what its field can say, not
    // more (RFC 7323 §2.2).
    const { acks, receiver } = this;
    let { edge } = acks;
    if (acks.told || this.join) {
      const window = this.#level.receiveWindow;
      edge = Math.max(edge, next + window);
      // A proxy may have acknowledged what never came. The peer sends those data again, further on; the data level bounds what is kept.
      if (receiver.ranges > 0 && this.#level.mappingFlags !== 0) {
        edge = Math.max(edge, receiver.top + window);
      }
    }
    inHand.edge = edge;
    if (end < this.acks.last || seq > edge) {
      if (flags & TCP_RST) return 0;
      if (this.crosses(seq, flags)) return OUTCOME_JUDGE;
      return flags & TCP_SYN ? this.repeated(flags, now) : this.unacceptable(now);
    }
    // Second, check the RST bit (RFC 5961 §3.2: only the exact number resets).
    if (flags & TCP_RST) {
      if (seq !== next) {
        const at = rx.option(MP_FASTCLOSE);
        if (at !== 0) this.rarities().fastClosed = readFastclose(at);
        return this.challenge(now);
      }
      const refused = this.#tcp.synReceived && !this.is(EARLY);
      return this.end(refused ? "refused" : "reset", now);
    }
    // Fourth, check the SYN bit (RFC 5961 §4.2).
    if (flags & TCP_SYN) return this.repeated(flags, now);
    // Fifth, check the ACK field.
    if ((flags & TCP_ACK) === 0) return 0;
    if (this.#tcp.synReceived) {
      return this.beyondSyn() >= 0 ? OUTCOME_JUDGE : OUTCOME_REFUSE;
    }
    return this.proceed(now);
  }

  /**
   * A segment while the end was told: of interest is the RST that answers, or the MP_FASTCLOSE of a peer that has done the same. A RST that is not at the
   * exact number (RFC 5961 §3.2) is answered by the option once more: who has nothing left answers that by the right one.
   */
  private arriveClosing(fastClose: FastClose, now: Micros): Outcome {
    const seq = fromWire(rx.seq, this.receiver.irs, this.receiver.nxt);
    if (seq + rx.length < this.acks.last || seq > this.acks.edge) return 0;
    if ((rx.flags & TCP_RST) === 0) return rx.option(MP_FASTCLOSE) === 0 ? 0 : OUTCOME_SEGMENT;
    if (seq === this.receiver.nxt) return this.end("reset", now);
    if ((this.rarities().challenges ??= new Challenges()).take(now)) {
      this.say(tx.begin().fastclose(fastClose.key), now);
    }
    return OUTCOME_WORK;
  }

  /**
   * An ACK without anything in it that another one, of a later tick, has overtaken: it cannot be of an earlier round of sequence numbers, acknowledges
   * nothing new, and its SACK blocks are worth as much as ever. RFC 7323 §5.3 would have each answered.
   */
  private overtaken(seq: number, next: number): boolean {
    if (!this.#tcp.established || (rx.flags & TCP_SYN) !== 0 || rx.hasText || seq !== next) {
      return false;
    }
    const { board, rtt } = this.sender;
    return fromWire(rx.ack, this.sender.iss, board.una) <= board.una &&
      1000 * this.timestamps.lag <= rtt.rto;
  }

  /** A segment in SYN-SENT (RFC 9293 §3.10.7.3), in the order of the text. */
  private arriveSynSent(now: Micros): Outcome {
    const { flags } = rx;
    // The peer's SYN is at offset 0, and found no window.
    inHand.seq = inHand.edge = 0;
    inHand.old = false;
    const acked = (flags & TCP_ACK) !== 0;
    if (acked && this.beyondSyn() < 0) {
      // The peer still has an old connection: the RST ends it, and the next SYN gets through (RFC 9293 §3.5.1).
      return flags & TCP_RST ? 0 : OUTCOME_REFUSE;
    }
    if (flags & TCP_RST) return acked ? this.end("refused", now) : 0;
    if ((flags & TCP_SYN) === 0 || (!acked && (flags & TCP_FIN) !== 0)) return 0;
    if (this.join && !acked) return OUTCOME_CROSSED;
    this.takeOffer(now);
    if (acked) return OUTCOME_JUDGE;
    // Simultaneous open (RFC 9293 §3.5): MP_CAPABLE does not survive it.
    this.#handshake!.asked(false);
    this.moves("syn", now);
    this.sendSyn(TCP_SYN | TCP_ACK, now);
    return OUTCOME_WORK;
  }

  /**
   * Both sides have begun the same join: the SYN of the peer is in `rx`, and what our SYN/ACK says is learnt. RFC 8684 §3.9.2 leaves it to the simultaneous
   * open of TCP that one subflow comes of it. RFC 8684 §3.9.2: "If a host does not support TCP simultaneous open, it is RECOMMENDED that some element of
   * randomization be applied to the time to wait before opening new subflows": we do.
   */
  cross(now: Micros): void {
    this.takeOffer(now);
    this.moves("syn", now);
    this.sendSyn(TCP_SYN | TCP_ACK, now);
  }

  /**
   * Whether the segment in `rx` is the SYN/ACK of a peer that has opened at the same time, whose SYN came before: it acknowledges ours (RFC 9293 §3.5,
   * Figure 7, line 6). That it lies below the window is no reason to wait for an ACK of it.
   */
  private crosses(seq: number, flags: number): boolean {
    const synAck = (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) === (TCP_SYN | TCP_ACK);
    if (!this.is(ACTIVE) || !this.#tcp.synReceived) return false;
    if (!synAck || seq !== 0 || rx.length > 0 || this.beyondSyn() < 0) return false;
    this.ecn.came(flags);
    // A peer that insists on an ACK gets one; that of a join has its third ACK for it.
    if (!this.join) this.acks.need();
    return true;
  }

  /** How many bytes beyond our SYN the segment in `rx` acknowledges: those in it, or what an early answer has sent; -1: not even the SYN, or what was never sent. */
  private beyondSyn(): number {
    const bytes = fromWire(rx.ack, this.sender.iss, 1) - 1;
    const most = this.is(EARLY) ? this.sender.board.nxt - 1 : this.fastOpen?.inSyn ?? 0;
    return bytes <= most ? Math.max(-1, bytes) : -1;
  }

  /** Offset 1 is the byte behind those that went in our SYN and are acknowledged (RFC 8684 appendix B.2). */
  private passOver(fastOpen: FastOpen): void {
    const bytes = this.beyondSyn();
    fastOpen.answered(bytes);
    this.sender.passOver(bytes);
  }

  /** The connection has nothing against the handshake whose last segment is in `rx`: enters ESTABLISHED. */
  admit(now: Micros): Outcome {
    const { sender } = this;
    const handshake = this.#handshake!;
    // Where SYNs have crossed on a join, each side has shown itself to the other when its third ACK is answered.
    const active = this.#tcp.synSent || (this.join && (rx.flags & TCP_SYN) !== 0);
    const lost = this.measure(handshake, now);
    const fastOpen = this.fastOpen;
    if (fastOpen !== null) this.passOver(fastOpen);
    sender.board.synAcked();
    this.receiver.start(this.#host.wasm, this.#level);
    this.moves("established", now);
    this.#flags &= ~EARLY;
    sender.begin(this.sender.sackPermitted, lost, now);
    this.acks.offered(1);
    this.sender.resize();
    if (!active) {
      this.#handshake = null;
      // The fourth ACK (RFC 8684 §3.2).
      if (this.join) this.acks.need();
      return OUTCOME_JOINED | OUTCOME_MORE | OUTCOME_WORK;
    }
    this.sender.thirdAck(handshake, sender.board.nxt, now);
    if (!this.join) return OUTCOME_JOINED | OUTCOME_WORK;
    // RFC 8684 §3.2: "receipt of this packet MUST trigger a regular TCP ACK in response, and the packet MUST be retransmitted if this
    // ACK is not received"
    // Until the fourth ACK a join carries no data, and its third ACK is repeated (RFC 8684 §3.2).
    this.sender.deadlines.set(TIMER_THIRD_ACK, now + sender.rtt.estimate);
    return OUTCOME_WORK;
  }

  /** Takes the round trip of a handshake whose last segment is in `rx`; true when a SYN, or its answer, was lost. */
  private measure(handshake: Handshake, now: Micros): boolean {
    const { begunAt } = handshake;
    // What a SYN/ACK that left nothing behind has in its timestamp is no time.
    if (handshake.sends === 0) return false;
    if (handshake.sentOnce) {
      this.sender.measured(now - begunAt, now);
      return false;
    }
    // Where the answer is one to the first, the repeats were not needed: the path is slow. Or answers were lost: no long outage counts as a round trip.
    if (this.timestamps.echoes(begunAt)) {
      this.sender.measured(Math.min(now - begunAt, SLOWEST_OPENING), now);
      return false;
    }
    const roundTrip = this.timestamps.roundTrip(now);
    if (roundTrip >= 0) {
      this.sender.measuredEchoed(Math.min(roundTrip, SLOWEST_OPENING), now);
    }
    return handshake.sends > 1;
  }

  /** Goes on with the segment in `rx` from its ACK field on. */
  proceed(now: Micros): Outcome {
    const { sender, timestamps } = this;
    const { board } = sender;
    const ack = fromWire(rx.ack, this.sender.iss, board.una);
    // RFC 8684 §3.4.2: "Typical TCP validity tests on the subflow (e.g., ensuring that sequence and ACK numbers are correct) MUST also be undertaken."
    // RFC 8684 §3.4.1: "the receiver MUST undertake standard TCP validity checks, e.g., per [RFC5961], before acting upon it"
    // RFC 5961 §5.2: what somebody guessed lies rarely so close.
    if (ack > board.nxt || ack < board.una - sender.window.most) return this.challenge(now);
    // Where no timestamp tells, what was overtaken comes before a timeout would.
    const late = ack < board.una && now - sender.lastHeard > sender.rtt.base;
    const newer = timestamps.newer(late);
    // RFC 7323 §4.3, and §5.3 R2 before R3: what lies before RCV.NXT altogether leaves no timestamp, though the batch has not been acknowledged yet.
    if (
      timestamps.on && rx.hasTimestamps && inHand.seq <= this.acks.last && !inHand.old
    ) {
      const { nxt } = this.receiver;
      if (inHand.seq >= nxt || inHand.seq + rx.length > nxt) {
        timestamps.take(this.receiver.ranges > 0, now);
      }
    }
    const oneWay = this.oneWay();
    if (oneWay !== null && timestamps.on && rx.hasTimestamps && !inHand.old) {
      oneWay.heard(timestamps.clock(now), !timestamps.echoesHeld(now), now);
    }
    if (this.#handshake !== null) {
      // Any segment tells that the third ACK has arrived (RFC 8684 §3.2).
      const joined = this.provisional;
      this.#handshake = null;
      this.sender.deadlines.set(TIMER_THIRD_ACK, Infinity);
      if (joined) return OUTCOME_JOINED | OUTCOME_MORE | OUTCOME_WORK;
    }
    const size = sender.window.scaled(rx.window);
    const mptcp = this.#level.mappingFlags !== 0;
    if (mptcp) {
      this.trust.heard(ack, board.una, size, newer, inHand.seq, this.receiver.nxt);
      const { finAt } = this.trust;
      if (finAt !== Infinity && rx.hasMptcp && timestamps.echoes(finAt)) {
        this.trust.finArrived();
      }
    }
    let outcome = 0;
    if (ack >= board.una) outcome = this.acknowledge(ack, size, now);
    else {
      // An older one, or the peer lacks what a proxy has acknowledged: what it has got above that, it says in SACK blocks alone.
      if (newer) sender.contradicted(ack, now);
      if (rx.sacks > 0) outcome = sender.acknowledge(board.una, false, now, true);
    }
    return this.#tcp.closed ? outcome : outcome | OUTCOME_SEGMENT;
  }

  /** An acceptable ACK with a window of `size` bytes: windows first, then what it acknowledges. */
  private acknowledge(ack: number, size: number, now: Micros): Outcome {
    const { sender } = this;
    const { board, window } = sender;
    // RFC 8684 §3: "an MPTCP implementation receiving a duplicate ACK that contains an MPTCP option MUST NOT treat it as a signal of
    // congestion"
    // RFC 8684 §3.4.1: "an MPTCP implementation MUST NOT treat duplicate ACKs with any MPTCP option, with the exception of the DSS
    // option, as indications of congestion"
    // RFC 8684 §4: "(with the exception of the DSS option) MUST NOT be treated as a signal of congestion"
    // RFC 5681 §2. One that came to carry another MPTCP option than DSS tells no loss.
    const same = ack === board.una && rx.length === 0 && (rx.flags & TCP_FIN) === 0 &&
      size === window.size && (this.sender.sackPermitted || rx.onlyDss);
    const duplicate = same && !board.empty;
    if (same && !duplicate && rx.sacks === 0) sender.cameTwice();
    const shut = window.size === 0;
    window.update(inHand.seq, ack, size);
    const outcome = sender.acknowledge(ack, duplicate, now);
    if (shut && window.size > 0) sender.reopened(now);
    if (!this.#tcp.finUnacked || ack !== board.nxt) return outcome;
    // Our FIN was acknowledged.
    this.moves("finAcked", now);
    if (this.#tcp.closed) return outcome | this.end("closed", now);
    if (this.#tcp.timeWait) return outcome | this.rest(now);
    // On plain TCP the peer may send data as long as it likes (RFC 9293 §3.6, case 1).
    if (this.#level.over) this.#limitFinWait2(now);
    return outcome;
  }

  /**
   * Whether all that the segment in `rx`, which was taken, says but for its payload would lead to nothing if it were said once more: it acknowledges SND.UNA, and
   * its window and its timestamp are known.
   */
  get saidAll(): boolean {
    const { sender, acks } = this;
    const { una } = sender.board;
    const rare = this.#rare;
    return this.#tcp.established && this.#handshake === null && (acks.told || this.join) &&
      (rare === null || (rare.fastClose === null && rare.oneWay === null)) &&
      !inHand.old && this.receiver.finSeq < 0 &&
      fromWire(rx.ack, sender.iss, una) === una &&
      sender.window.scaled(rx.window) === sender.window.size;
  }

  /**
   * The segment in `rx` has come with the one before, after which {@linkcode Subflow.saidAll} holds, and says the same: whether it goes on in order, within
   * the window, so that its payload is all that is to be looked at. True counts it as come.
   */
  follows(): boolean {
    const { acks, receiver } = this;
    const next = receiver.nxt;
    const seq = fromWire(rx.seq, receiver.irs, next);
    // With what an ACK has told meanwhile its timestamp counts anew (RFC 7323 §4.3).
    if (seq !== next || seq <= acks.last || !this.#tcp.established) return false;
    if (rx.length > this.#level.receiveWindow) return false;
    inHand.seq = seq;
    this.#segmentsIn++;
    const { board, window } = this.sender;
    window.update(seq, board.una, window.size);
    return true;
  }

  /**
   * Seventh, the segment text: how many bytes of payload are to be taken. None behind a FIN, nor beyond the window; those are acknowledged.
   * (Sixth, the urgent bit: RFC 8684 §3.3.2 has no urgent data; the bytes are taken in line.)
   */
  text(): number {
    // RFC 8684 §3.3.1: "if Urgent data is received on a subflow, it SHOULD be mapped to the data sequence space and delivered to the application"
    const room = inHand.edge - inHand.seq;
    if (rx.length > room && rx.length > 0) {
      rx.trim(room);
      this.acks.need();
    }
    const { length } = rx;
    if (length === 0 || this.#tcp.timeWait) return 0;
    const { finSeq } = this.receiver;
    if (finSeq < 0 || inHand.seq + length <= finSeq) return length;
    this.acks.need();
    return 0;
  }

  /** Places the payload in `rx`, data offsets below `limit` only; SEGMENT_* bits. */
  place(limit: number, now: Micros): number {
    this.#lastReceived = now;
    this.#withData++;
    if (this.acks.precede(now)) this.ack(now);
    if (this.ecn.receives) this.hearMark(now);
    return this.receiver.place(inHand.seq, limit);
  }

  /** The payload in `rx` is the small rest of something larger, whole with it: who sends over several paths has probably turned to another one. */
  get restCame(): boolean {
    return this.acks.merged && rx.length <= this.mtu.segment && this.receiver.mappings === 0;
  }

  /**
   * Data are acceptable, and may be marked. What an ACK is still owed for is acknowledged by the echo that was right for it; of another one the peer hears at
   * once, as its window may have become small (RFC 8257 §3.2; Linux for both).
   */
  private hearMark(now: Micros): void {
    const { ecn, acks } = this;
    // RFC 3168 §6.1.5: anybody could send what has come before.
    if (inHand.seq + rx.length <= this.receiver.nxt) return;
    const accurate = this.sender.accurateEcn;
    if (!ecn.changes(rx.ecn, rx.cwr, accurate)) return;
    if (accurate && acks.pending) this.ack(now);
    ecn.change();
    if (!accurate) acks.need();
  }

  /** The payload in `rx` was placed, `bits` tell how: decides when to acknowledge it. */
  placed(bits: number, now: Micros): void {
    if (bits & SEGMENT_PRUNED) this.#host.count("OfoPruned");
    if (bits & SEGMENT_MEMORY) {
      this.#host.count("TCPRcvQDrop");
      // It comes again; meanwhile the peer shall hear that we live.
      this.acks.need();
      return;
    }
    if (bits & SEGMENT_GAP) {
      this.rarities().outOfOrder++;
      this.#host.count("TCPOFOQueue");
    }
    if (bits & SEGMENT_DUPLICATE) {
      this.cameAgain(this.receiver.duplicateFrom, this.receiver.duplicateTo, now);
    }
    if (this.timestamps.on) {
      this.#receiveRtt ??= new ReceiveRtt(this.sender.rtt);
      this.#receiveRtt.heard(this.timestamps, now);
    }
    const { length } = rx;
    if ((bits & SEGMENT_DUPLICATE) === 0) this.receiver.count(length);
    const waits = this.acks.received(length, bits, this.mtu.segment, now);
    if (waits && !this.sender.deadlines.has(TIMER_ACK)) {
      this.sender.deadlines.set(TIMER_ACK, now + this.acks.delay);
    }
  }

  /** Eighth, the FIN bit: notes a FIN, and moves when everything before it is there. */
  arriveFin(now: Micros): Outcome {
    if ((rx.flags & TCP_FIN) !== 0) {
      this.acks.need();
      this.trust.finCame();
      this.receiver.noteFin(inHand.seq + rx.length);
    }
    if (!this.receiver.takeFin()) return 0;
    // Also where what was missing before it has come (RFC 5681 §4.2).
    this.acks.need();
    this.moves("fin", now);
    return this.#tcp.timeWait ? OUTCOME_FIN | this.rest(now) : OUTCOME_FIN;
  }

  /** [from, to) came again: the next ACK says so (RFC 2883 §4), and what another one has to say is said now. */
  private cameAgain(from: number, to: number, now: Micros): void {
    const { receiver } = this;
    if (from < 1) from = 1;
    if (to <= from || !this.sender.sackPermitted) return;
    if (receiver.againApart(from, to)) this.ack(now);
    receiver.cameAgain(from, to);
    this.#host.count(from < receiver.nxt ? "TCPDSACKOldSent" : "TCPDSACKOfoSent");
  }

  /** What came before, or cannot be, is acknowledged: with something in it always, it may be repeated for want of our ACK; else within the limit. */
  private unacceptable(now: Micros): Outcome {
    if (!rx.hasText) return this.challenge(now);
    this.cameAgain(inHand.seq, Math.min(inHand.seq + rx.length, this.receiver.nxt), now);
    this.acks.need();
    return OUTCOME_WORK;
  }

  /** An ACK that tells the peer where we are, within the limit of RFC 5961 §7. */
  private challenge(now: Micros): Outcome {
    if (!(this.rarities().challenges ??= new Challenges()).take(now)) {
      this.#host.count("TCPACKSkippedChallenge");
      return 0;
    }
    this.#host.count("TCPChallengeACK");
    this.acks.need();
    return OUTCOME_WORK;
  }

  /** A SYN or SYN/ACK that came before: our answer was lost. */
  private repeated(flags: number, now: Micros): Outcome {
    const first = rx.seq === this.receiver.syn;
    const answer = (flags & TCP_ACK) !== 0;
    const handshake = this.#handshake;
    const answered = first && handshake !== null &&
      (answer ? this.#tcp.established : this.#tcp.synReceived);
    if (!answered) return this.challenge(now);
    if (!answer) {
      handshake.asked(rx.option(MP_CAPABLE) !== 0);
      this.ecn.came(flags);
    }
    if (!handshake.mayAnswer(now)) {
      this.#host.count("TCPACKSkippedSynRecv");
      return 0;
    }
    // No try of ours: a network that doubles SYNs loses none, and copies prolong nothing.
    if (answer) this.sender.thirdAck(handshake, this.sender.board.nxt, now);
    else this.sender.syn(handshake, TCP_SYN | TCP_ACK, now);
    return OUTCOME_WORK;
  }

  // A router tells something of a segment of ours that begins at `seq`, as on the wire (ICMP).

  /** Whether it can be true: the segment is in flight (RFC 5927 §4.1). */
  private hasInFlight(seq: number): boolean {
    const { una, nxt } = this.sender.board;
    const offset = fromWire(seq, this.sender.iss, una);
    if (!this.#tcp.closed && offset >= una && offset < nxt) return true;
    this.#host.count("OutOfWindowIcmps");
    return false;
  }

  /**
   * It was not forwarded. That ends a SYN at once: no time is to be lost before another address is tried (RFC 5461 §4). Else it is only kept in mind, however
   * hard it sounds: the path may come back, and the router may be none (RFC 1122 §4.2.3.9, RFC 5927 §5.2).
   */
  unreachable(what: PathTrouble, seq: number, now: Micros): Outcome {
    if (!this.hasInFlight(seq)) return 0;
    this.rarities().trouble = { what, at: now };
    if (!this.#tcp.synSent) return 0;
    const refused = what === "port-unreachable" || what === "protocol-unreachable";
    return this.end(refused && !this.join ? "refused" : "unreachable", now);
  }

  /** It was not forwarded as its packet, of `length` bytes, is larger than `mtu` (RFC 1191, RFC 8201). */
  tooBig(mtu: number, length: number, seq: number, now: Micros): Outcome {
    if (!this.hasInFlight(seq)) return 0;
    if (this.#tcp.opening) return this.synTooBig(now);
    return this.sender.tooBig(mtu, length, now);
  }

  /** One with data goes again without, at once. */
  private synTooBig(now: Micros): Outcome {
    const carried = this.#tcp.synSent && (this.fastOpen?.inSyn ?? 0) > 0;
    if (!carried || this.handshakeRepeated) return 0;
    this.sendSyn(TCP_SYN, now);
    return OUTCOME_WORK;
  }

  /** What routers tell since anything came from the peer; null: nothing. */
  get trouble(): PathTrouble | null {
    const trouble = this.#rare === null ? null : this.#rare.trouble;
    return trouble !== null && trouble.at >= this.sender.lastHeard ? trouble.what : null;
  }

  // Time passes.

  /** Handles every deadline that has passed. */
  expire(now: Micros): Outcome {
    let outcome = 0;
    for (
      let due = this.sender.deadlines.due(now);
      due >= 0 && this.#ended === null;
      due = this.sender.deadlines.due(now)
    ) outcome |= this.expired(due as SubflowTimer, now);
    return outcome;
  }

  private expired(timer: SubflowTimer, now: Micros): Outcome {
    switch (timer) {
      case TIMER_END:
        return this.endTimeout(now);
      case TIMER_ACK:
        this.acks.need();
        return OUTCOME_WORK;
      case TIMER_RACK:
        return this.sender.reorderingTimeout(now);
      case TIMER_PACE:
      case TIMER_SIGNAL:
        return OUTCOME_WORK;
      case TIMER_THIRD_ACK:
        return this.thirdAckTimeout(now);
      case TIMER_PROBE:
        return this.sender.probeTimeout(now);
      case TIMER_RTO:
        if (this.#tcp.opening) return this.handshakeTimeout(now);
        if (this.is(LEAVING) && this.sender.rtt.timeouts >= LEAVE_TIMEOUTS) {
          return this.abandon(now);
        }
        return this.sender.retransmissionTimeout(!this.#level.over, now) ?? this.fail(now);
      case TIMER_KEEPALIVE:
        return this.askPeer(now);
      case TIMER_INQUIRY:
        return this.inquireNow(now);
      case TIMER_SILENCE:
        return OUTCOME_SILENT;
      case TIMER_LATE:
        return this.sender.probing && !this.sender.board.empty ? OUTCOME_LATE : 0;
    }
  }

  /** Asks a peer that has been silent for long whether it is there; none that owes an acknowledgement (RFC 9293 §3.8.4). */
  private askPeer(now: Micros): Outcome {
    const keepalive = this.keepaliveOn();
    if (keepalive === null) return 0;
    const { board, lastHeard } = this.sender;
    let next = board.empty ? keepalive.due(lastHeard) : keepalive.outstanding(now);
    if (next <= now) {
      if (keepalive.exhausted) return this.abandon(now);
      if (this.probe(now)) {
        keepalive.probed(now);
        this.#host.count("TCPKeepAlive");
      }
      next = keepalive.next(now);
    }
    this.sender.deadlines.set(TIMER_KEEPALIVE, next);
    return keepalive.unanswered(lastHeard) > 0 ? OUTCOME_WORK | OUTCOME_SILENT : OUTCOME_WORK;
  }

  /**
   * The peer says that its address is gone: is it? One whose handshake is not over is reset.
   *
   * RFC 8684 §3.4.2: "The receipt of REMOVE_ADDR SHOULD first trigger the sending of a TCP keepalive [RFC1122] on the path, and if a response is received,
   * the path SHOULD NOT be removed."
   */
  inquire(now: Micros): void {
    if (this.#ended !== null || this.is(LEAVING) || this.inquiry() !== null) return;
    if (this.#tcp.opening || this.provisional) {
      this.reset(RST_UNSPECIFIED, now);
      return;
    }
    this.rarities().inquiry = new Inquiry();
    this.inquireNow(now);
  }

  private inquireNow(now: Micros): Outcome {
    const inquiry = this.inquiry();
    if (inquiry === null) return 0;
    if (inquiry.answered(this.sender.lastHeard)) {
      this.rarities().inquiry = null;
      return OUTCOME_WORK;
    }
    // RFC 8684 §3.4.2: "The sending and receipt (if no keepalive response was received) of this message SHOULD trigger the sending of RSTs by both hosts on
    // the affected subflow(s) (if possible)"
    if (inquiry.exhausted) return this.abandon(now);
    if (this.probe(now)) {
      inquiry.asked(this.minRtt, now);
      this.#host.count("TCPKeepAlive");
    }
    this.sender.deadlines.set(TIMER_INQUIRY, now + inquiry.wait(this.sender.rtt.base));
    return OUTCOME_WORK;
  }

  /** Nobody answers: a RST, as a courtesy to what may be on the way (RFC 8684 §3.4.2). */
  private abandon(now: Micros): Outcome {
    this.sayReset(RST_UNSPECIFIED, now, false);
    return this.end("timeout", now);
  }

  /**
   * Nobody answers any more. The path may be tried again.
   *
   * RFC 8684 §3.3.6: "The sender will declare the subflow failed after a predefined upper bound on retransmissions is reached"
   * RFC 8684 §3.3.6: "this MAY lead to a host resetting the subflow with a RST"
   * RFC 8684 §3.3.6: "A RST for this purpose SHOULD be accompanied by an 'Unacceptable performance' MP_TCPRST option"
   */
  private fail(now: Micros): Outcome {
    if (this.#level.mappingFlags !== 0) this.sayReset(RST_PERFORMANCE, now, true);
    return this.end("timeout", now);
  }

  /** A SYN or SYN/ACK was not answered. */
  private handshakeTimeout(now: Micros): Outcome {
    if (this.#handshake!.exhausted) return this.end("timeout", now);
    this.sender.rtt.backOff();
    this.sendSyn(this.#tcp.synSent ? TCP_SYN : TCP_SYN | TCP_ACK, now);
    return OUTCOME_WORK;
  }

  /** The fourth ACK has not come: the third is sent again. */
  private thirdAckTimeout(now: Micros): Outcome {
    const handshake = this.#handshake;
    if (handshake === null) return 0;
    if (!handshake.again()) return this.end("timeout", now);
    const { sender } = this;
    sender.beginSlow();
    this.sender.thirdAck(handshake, sender.board.nxt, now);
    const wait = sender.rtt.estimate * 2 ** (handshake.sends - 1);
    this.sender.deadlines.set(TIMER_THIRD_ACK, now + wait);
    return OUTCOME_WORK;
  }

  // What the connection wants of it.

  /** A congestion controller takes over: it is one of the connection's subflows from now on. */
  control(controller: Controller, now: Micros): void {
    this.sender.control(controller, now);
  }

  /** Has an idle peer asked whether it is there, or not; that begins to count now. */
  keepAlive(choice: KeepAlive | null, now: Micros): void {
    if (choice !== null || this.#rare !== null) {
      this.rarities().keepalive = choice === null ? null : new Keepalive(choice, now);
    }
    this.sender.deadlines.set(TIMER_KEEPALIVE, choice === null ? Infinity : now + choice.idle);
  }

  /** Has an ACK sent at the end of this batch. */
  needAck(): void {
    this.acks.need();
  }

  /**
   * What was sent of late may have gone nowhere, and what is sent now arrives: the first segment in flight goes again, and an ACK, or our SYN. False: it is of no
   * use.
   */
  sendAgain(now: Micros): boolean {
    if (this.#ended !== null) return false;
    if (this.#tcp.synSent) {
      this.#handshake!.goAgain();
      this.sender.syn(this.#handshake!, TCP_SYN, now);
    }
    if (this.#tcp.opening) return false;
    this.acks.need();
    this.sender.sendAgain(now);
    return true;
  }

  /** Uses it only when no other works, or no longer so, as we or the peer asked (RFC 8684 §3.3.8). */
  setBackup(by: "us" | "peer", backup: boolean): void {
    this.set(by === "us" ? BACKUP_BY_US : BACKUP_BY_PEER, backup);
  }

  /** Nothing has been acknowledged since a timeout. */
  get silent(): boolean {
    return this.silence?.on === true;
  }

  /** A timeout has passed. */
  fallSilent(now: Micros): void {
    const rare = this.rarities();
    (rare.silence ??= new Silence()).timedOut(this.sender.rtt.base, now);
    const { lastHeard, rtt } = this.sender;
    if (rare.prioAt >= 0 && lastHeard < rare.prioAt + rtt.minRtt) rare.prioLost = true;
  }

  /** When it will have been silent for `count` timeouts; Infinity: it is not, or is stale. */
  silentFor(count: number): Micros {
    return this.silence?.until(count) ?? Infinity;
  }

  /** Nothing new goes on it until it answers. */
  giveUp(): void {
    this.silence?.giveUp();
  }

  /** Has its silence looked at again at that time; Infinity: not by itself. */
  watchSilence(at: Micros): void {
    this.sender.deadlines.set(TIMER_SILENCE, at);
  }

  /** It is stale, and asked whether it is back unless something has left of late; sets when to look again. */
  askBack(now: Micros): void {
    const silence = this.silence!;
    const due = silence.askAt(this.sender.lastLeft);
    if (due <= now) this.sender.ask(now);
    this.watchSilence(due > now ? due : silence.askAt(now));
  }

  /** Something is acknowledged, or the peer has shown otherwise that it lives. True: it was stale. */
  answered(now: Micros): boolean {
    const { stale, sender } = this;
    // Nothing confirms an MP_PRIO, nor repeats it: who retires a path does so as it is bad.
    if (this.#rare !== null && this.#rare.prioLost) {
      this.#rare.prioLost = false;
      this.owePrio();
    }
    this.silence?.answered(sender.recovery.kind === "loss", sender.rtt.base, now);
    return stale;
  }

  /** Binds and sends bytes of the send queue; see {@linkcode Sender.chunk}. */
  chunk(
    dsn: number,
    length: number,
    first: boolean,
    now: Micros,
    probe = false,
    infinite = false,
  ): boolean {
    const { mappingFlags, dssChecksum } = this.#level;
    const checksum = mappingFlags !== 0 && dssChecksum;
    const ssn = this.sender.board.nxt;
    if (!this.sender.chunk(dsn, length, checksum, first, now, probe, infinite)) return false;
    if (mappingFlags !== 0) this.trust.mappingLeft(dsn, ssn);
    return true;
  }

  /** An ACK may leave that only carries an option; else a pass is called for when one may. */
  maySay(now: Micros): boolean {
    const signals = this.#signals;
    if (signals === null || signals.may(this.sender.board.nxt, this.receiver.nxt, now)) return true;
    this.sender.deadlines.set(TIMER_SIGNAL, signals.until);
    return false;
  }

  /** Sends an ACK with the options of `draft`, and a DATA_ACK `beside` them where there is room; false when the link is full, or two have left in a row. */
  say(draft: Draft, now: Micros, beside = false): boolean {
    const { board, rtt } = this.sender;
    if (!this.maySay(now) || !this.sender.ack(draft, board.nxt, now, beside)) return false;
    this.#signals ??= new Signals();
    this.#signals.sent(board.nxt, this.receiver.nxt, rtt.rto, now);
    return true;
  }

  /** The peer is to be told whether it is a backup: at the end of this batch, as it is then. */
  owePrio(): void {
    this.#flags |= PRIO_OWED;
  }

  /**
   * Tells the peer by MP_PRIO whether it is a backup (RFC 8684 §3.3.8); when no ACK may leave, or the third is still to come, in a later pass. With its
   * DATA_ACK it may be the ACK that a join waits for: one without is no MPTCP to Linux, which resets the subflow.
   */
  sayPrio(now: Micros): void {
    // None follows a fallback (RFC 8684 §3.7).
    const mptcp = this.#level.mappingFlags !== 0;
    // RFC 8684 §3.7, "it is important to ensure that the path is fully MPTCP capable": a peer whose first look is at an MP_PRIO falls back (Linux does).
    const proved = this.join || this.trust.in === "proved";
    if (mptcp && proved && !this.join && this.trust.out === "unproved") this.ack(now);
    const owed = mptcp &&
      (this.is(EARLY) || !proved ||
        !this.say(tx.begin().prio(this.is(BACKUP_BY_US)), now, true));
    this.set(PRIO_OWED, owed);
    if (!mptcp || owed) return;
    this.#host.count("MPPrioTx");
    const rare = this.rarities();
    rare.prioAt = now;
    rare.prioLost = this.sender.unanswered;
  }

  /** Sends an ACK at once; false when the link is full. Until the peer has shown that it has our third one, each is that: one without its option would end MPTCP. */
  ack(now: Micros): boolean {
    const { nxt } = this.sender.board;
    if (this.#handshake !== null && this.#tcp.established) {
      return this.sender.thirdAck(this.#handshake, nxt, now);
    }
    return this.sender.ack(null, nxt, now);
  }

  /**
   * Sends a DATA_FIN without data again. Nothing has come yet: the third ACK may be lost, and a server without the keys heeds no DSS (RFC 8684 §3.1). Both do
   * not fit into one segment.
   */
  repeatDataFin(dsn: number, now: Micros): void {
    if (this.#handshake !== null && !this.join) {
      this.sender.thirdAck(this.#handshake, this.sender.board.nxt, now);
    }
    this.dataFin(dsn, now);
  }

  /** Sends a DATA_FIN without data; false when the link is full. */
  dataFin(dsn: number, now: Micros): boolean {
    return this.sender.dataFin(dsn, this.sender.board.nxt, now);
  }

  /** Sends a segment that the peer must answer: before what the peer itself has acknowledged, whatever a proxy has told since. */
  probe(now: Micros): boolean {
    const { una } = this.sender.board;
    const mptcp = this.#level.mappingFlags !== 0;
    return this.sender.probeBefore(mptcp ? Math.min(una, this.trust.vouched) : una, now);
  }

  /** Wants a FIN after what was sent; before the handshake is over it is reset. Where ours is acknowledged, the peer's has a limit if nothing else is awaited. */
  finish(now: Micros): void {
    if (this.mayWrite()) this.#flags |= FIN_WANTED;
    else if (this.#tcp.opening) this.reset(RST_UNSPECIFIED, now);
    else if (this.#tcp.finWait2 && this.#level.over) this.#limitFinWait2(now);
  }

  #limitFinWait2(now: Micros): void {
    if (!this.sender.deadlines.has(TIMER_END)) {
      this.sender.deadlines.set(TIMER_END, now + FIN_WAIT_2_LENGTH);
    }
  }

  /**
   * It is used no longer, although it could be. One that works ends by a FIN exchange and carries nothing new meanwhile; one that
   * does not, or whose handshake is not over, by a RST for `reason`, and so does one whose FIN is not answered. False: it had been left before.
   *
   * RFC 8684 §3.4.2: "A subflow that is still functioning MUST be closed with a FIN exchange as in regular TCP, rather than using this option."
   */
  leave(now: Micros, byFin: boolean, reason = RST_UNSPECIFIED): boolean {
    if (this.is(LEAVING) || this.#ended !== null) return false;
    this.#flags |= LEAVING;
    if (this.#tcp.opening || this.provisional || this.stale) {
      this.reset(reason, now);
      return true;
    }
    // RFC 8684 §3.4.2: "A subflow that is still functioning MUST be closed with a FIN exchange as in regular TCP"
    if (byFin) this.finish(now);
    else this.#flags |= DRAINS;
    this.sender.deadlines.set(TIMER_END, now + LEAVE_LENGTH);
    return true;
  }

  /** It was left without a FIN, and all that it carried is acknowledged: the RST is due. */
  get drained(): boolean {
    return this.is(DRAINS) && this.sender.board.empty;
  }

  /** We use it no longer. */
  get leaving(): boolean {
    return this.is(LEAVING);
  }

  /** Sends what is owed: a loss probe, third ACK, MP_PRIO, FIN, ACK. */
  settle(now: Micros): void {
    if (this.fastClosing() !== null) return;
    this.sender.settle(now);
    if (this.#handshake?.ackOwed) {
      this.sender.thirdAck(this.#handshake, this.sender.board.nxt, now);
    }
    if (this.is(PRIO_OWED)) this.sayPrio(now);
    // RFC 9293 §3.10.4
    if (this.is(FIN_WANTED) && this.#tcp.maySend && this.sender.fin(now)) {
      this.moves("finSent", now);
    }
    if (this.acks.now) this.ack(now);
  }

  /** Sends a RST with a reason (RFC 8684 §3.6) and ends at once; `transient`: the path may be tried again; `failed`: data offset for MP_FAIL, 0: none. */
  reset(
    reason: number,
    now: Micros,
    transient: boolean = isTransient(reason),
    failed = 0,
  ): void {
    if (this.#ended !== null) return;
    // Before its SYN is acknowledged the peer may know nothing of it.
    if (!this.#tcp.closed && (!this.#tcp.synSent || this.receiver.nxt > 0)) {
      this.sayReset(reason, now, transient, failed);
    }
    this.end("aborted", now);
  }

  private sayReset(reason: number, now: Micros, transient: boolean, failed = 0): void {
    const draft = tx.begin();
    const mptcp = this.#level.mappingFlags !== 0;
    if (mptcp && failed > 0) {
      draft.fail(dsnWords(failed, this.#level.remoteIdsn));
      this.#host.count("MPFailTx");
    }
    // RFC 8684 §3.6: "the TCP RST packet MAY include the MP_TCPRST option"
    if (mptcp) draft.tcpRst(reason, transient);
    // Only the number that the peer itself expects resets (RFC 5961 §3.2).
    const seq = this.outOfReach ? this.trust.vouched : this.sender.board.nxt;
    this.sender.reset(draft, seq, now);
    if (!mptcp) return;
    this.#host.count("MPRstTx");
    this.tellReset("us", reason, transient, now);
  }

  /** An MP_TCPRST has left, or has come: the connection remembers it, and who watches hears of it. */
  tellReset(by: "us" | "peer", reason: number, transient: boolean, now: Micros): void {
    this.#level.resetTold({ by, path: this.path, reason, transient, at: now });
    this.#host.probe?.subflowReset(now, this.#level.id, this.path, by, reason, transient);
  }

  /** Sends MP_FASTCLOSE on a RST (RFC 8684 §3.5) and ends at once. */
  fastclose(key: Key, now: Micros): void {
    if (this.#ended !== null || this.#tcp.opening || this.#tcp.closed) return;
    this.sender.reset(tx.begin().fastclose(key), this.sender.board.nxt, now);
    this.end("aborted", now);
  }

  /** Sends MP_FASTCLOSE on an ACK and waits for the RST that answers it (RFC 8684 §3.5, option A); false where that cannot be. */
  fastcloseByAck(key: Key, now: Micros): boolean {
    if (this.#ended !== null || !this.established || this.provisional) return false;
    this.sender.deadlines.clearAll();
    this.sayFastclose(this.rarities().fastClose = new FastClose(key), now);
    return true;
  }

  /** The key of an MP_FASTCLOSE on a RST that was challenged. */
  get fastClosed(): Key | null {
    return this.#rare === null ? null : this.#rare.fastClosed;
  }

  /** The end was told, and a RST is awaited. */
  get closingFast(): boolean {
    return this.fastClosing() !== null;
  }

  private sayFastclose(fastClose: FastClose, now: Micros): void {
    this.sender.ack(tx.begin().fastclose(fastClose.key), this.sender.board.nxt, now);
    this.sender.deadlines.set(TIMER_END, now + fastClose.sent(this.sender.rtt.base));
  }

  /** Its end was awaited long enough. */
  private endTimeout(now: Micros): Outcome {
    const fastClose = this.fastClosing();
    if (fastClose !== null) return this.fastcloseTimeout(fastClose, now);
    return this.is(LEAVING) && !this.#tcp.finWait2 ? this.abandon(now) : this.end("closed", now);
  }

  /**
   * RFC 8684 §3.5: "If Host A does not receive a TCP RST in reply to its MP_FASTCLOSE after one retransmission timeout (RTO) … it SHOULD retransmit the
   * MP_FASTCLOSE."
   * RFC 8684 §3.5: "If no TCP RST is received in response, Host A SHOULD send a TCP RST with the MP_FASTCLOSE option itself when it releases state"
   */
  private fastcloseTimeout(fastClose: FastClose, now: Micros): Outcome {
    if (!fastClose.exhausted) {
      this.sayFastclose(fastClose, now);
      return OUTCOME_WORK;
    }
    this.sender.reset(tx.begin().fastclose(fastClose.key), this.sender.board.nxt, now);
    return this.end("aborted", now);
  }

  /** Both sides have finished: TIME-WAIT answers from now on. */
  private rest(now: Micros): Outcome {
    const { nxt } = this.sender.board;
    this.ack(now);
    this.sender.deadlines.clearAll();
    this.#ended = "closed";
    this.#host.rest(this.sender.rest(this.#flow, this.local, nxt), now);
    this.#flow = 0;
    return OUTCOME_ENDED | OUTCOME_WORK;
  }

  /** Ends without a word on the wire. */
  private end(reason: LeaveReason, now: Micros): Outcome {
    this.#ended = reason;
    this.moves("end", now);
    this.sender.deadlines.clearAll();
    this.#host.forget(this.#flow);
    this.#flow = 0;
    return OUTCOME_ENDED | OUTCOME_WORK;
  }

  /** Gives back what it holds in WebAssembly memory; nothing can be asked of it after that but its figures. */
  release(): void {
    if (this.is(RELEASED)) return;
    this.#flags |= RELEASED;
    this.sender.board.clear();
    this.receiver.free();
    if (this.#tcp.timeWait) return;
    this.#host.forget(this.#flow);
    memory_free(this.key);
  }
}
