/** The sending side of one subflow from SND.UNA to SND.NXT: what may leave, what an ACK tells, what is sent again (RFC 5681, RFC 6298, RFC 6675, RFC 8985). */

import type { AckSample, CongestionController, Micros } from "../plugin.ts";
import { rx } from "../wire/segment.ts";
import { fromWire } from "../wire/seq.ts";
import { TIMER_LATE, TIMER_PACE, TIMER_PROBE, TIMER_RACK, TIMER_RTO } from "./deadlines.ts";
import { DeliveryRate } from "./delivery_rate.ts";
import { Frto } from "./frto.ts";
import { NewReno } from "./newreno.ts";
import { FREE_FLAG, Output, type OutputParts } from "./output.ts";
import { burst, Pacer } from "./pacer.ts";
import { type LossDetection, type Progress, Rack } from "./rack.ts";
import { Repeats } from "./repeats.ts";
import { fastRecovery, lossRecovery, OPEN, type Recovery } from "./recovery.ts";
import { Rtt } from "./rtt.ts";
import { Heard } from "./heard.ts";
import { INFINITE_MAPPING, type Mapping, type Piece } from "./pieces.ts";
import { SackLoss } from "./sack_loss.ts";
import { Scoreboard } from "./scoreboard.ts";
import { Busy, BUSY_BUFFER, BUSY_IDLE, BUSY_SENDING, BUSY_WINDOW } from "./busy.ts";
import { SendWindow } from "./send_window.ts";
import { SizeWatch } from "./size_watch.ts";
import { MAX_ACK_DELAY, Tlp } from "./tlp.ts";
import { Undo } from "./undo.ts";
import { Witness } from "./witness.ts";
import { type Outcome, OUTCOME_HEARD, OUTCOME_TIMEOUT, OUTCOME_WORK } from "./shared.ts";

/** Timeouts in a row after which a subflow is given up (RFC 9293 §3.8.3 R2; Linux tcp_retries2). */
const MAX_TIMEOUTS = 15;
/** The same when the connection is over, and its FIN is all that is left: nobody waits for it (Linux tcp_orphan_retries). At the least timeout that is not asked for, 200 ms, that is 102 s: no less than R2. */
const MAX_ORPHAN_TIMEOUTS = 8;

/**
 * Nobody is given up sooner, however soon timeouts follow each other; a peer that has taken its window back when it has answered nothing for so long (RFC 9293
 * §3.8.3: R2 is at least 100 seconds).
 */
const UNANSWERED: Micros = 100e6;

/** What a pacer that is not at work allows: more than any window. */
const UNPACED = 2 ** 30;
/** Round trips so short that what they hold is no burst: a quarter of one is what timers on a real clock can tell. */
const SHORT: Micros = 4e3;
/** Initial windows per round trip at which any window may leave. */
const FIRST_GAIN = 4;
/** Windows per round trip at which a larger one leaves, in slow start and later (Linux tcp_pacing_ss_ratio, tcp_pacing_ca_ratio). */
const SLOW_START_GAIN = 2;
const AVOIDANCE_GAIN = 1.2;
/** Rates at which a path has let a burst through at which the next one leaves, at most: of a queue that holds what fills the path it takes the half of two such. */
const KNOWN_GAIN = 2;

/** Round trips that have grown by more, or by a quarter, tell of a queue (RFC 9406 §4.3: MAX_RTT_THRESH). */
const MOST_GROWTH: Micros = 16e3;

/** What the ACK in hand has told; read until the next one comes. */
const heard = new Heard();

/** What controllers are told of it. */
const sample: { -readonly [K in keyof AckSample]: AckSample[K] } = {
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

/** The mapping that is being made. */
const fresh: { -readonly [K in keyof Mapping]: Mapping[K] } = {
  dsn: 0,
  ssn: 0,
  length: 0,
  checksum: -1,
  first: false,
};

// What holds of a sender, as bits beside those of its output: each place of its own would take eight bytes of every subflow.
/** Tail loss probes are sent. */
const PROBES = FREE_FLAG;
/** A pass had nothing to send before anything was. */
const BEGAN_STARVED = 2 * FREE_FLAG;
/** A SYN was lost. */
const LOST_SYN = 4 * FREE_FLAG;

/** What has gone wrong on a subflow so far: most idle ones have met none of it, and hold no place for it. */
class Troubles {
  /** Made when something is first taken for lost. */
  undo: Undo | null = null;
  /** Made when something is first sent again. */
  repeats: Repeats | null = null;
  /** How far the peer itself was when it last told of less than SND.UNA, and since when; whether that was the last that was heard of it. */
  ownAck = 0;
  ownAckAt: Micros = 0;
  belied = false;
  /** When something last left again, or later than it was bound as the link was full. */
  left: Micros = 0;
  bytesAgain = 0;
  again = 0;
  lostAgain = 0;
  lost = 0;
  lostTold = 0;
  timeouts = 0;
  /** When the first of those in a row passed, and the last one. */
  timedOut: Micros = 0;
  timedOutLast: Micros = 0;
  duplicates = 0;
  /** SND.NXT when the clock of our timestamps was held; 0: it ticks. */
  heldTo = 0;
}

/**
 * Initial window of RFC 6928 §2, in bytes of data. `mss` is what the peer's option, link and path allow, of which a segment's options are a part (RFC 6691 §2):
 * those of a DSS cost no window.
 */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14600));
}

/** What rules the window of a subflow. */
export interface Controller extends CongestionController {
  /** As if it joined, from this window and threshold: a loss, of which a controller before it was told, was none. */
  beginAgain?(cwnd: number, ssthresh: number): void;
}

/** The sender of one subflow. */
export class Sender extends Output {
  readonly board: Scoreboard;
  readonly rtt: Readonly<Rtt>;
  readonly window: SendWindow = new SendWindow();
  /** New bytes that may leave whatever is lost or in flight, in the pass that comes: a loss probe, or what F-RTO asks by. */
  #trial = 0;
  /** What finds losses where there is no SACK, or where only what is SACKed tells of them; else null. */
  #counting: NewReno | SackLoss | null = null;
  // Made when each is first needed, by the getters of their names: many subflows only receive, or wait.
  #madeRack: Rack | null = null;
  #madeTlp: Tlp | null = null;
  #madeSizes: SizeWatch | null = null;
  #madeRate: DeliveryRate | null = null;
  #madeBusy: Busy | null = null;
  #recovery: Recovery = OPEN;
  #controller: Controller | null = null;
  /** Made for the first loss, repeat or contradiction. */
  #troubles: Troubles | null = null;
  /** SND.NXT when the window was last full: what was sent before was limited by it (RFC 7661). */
  #limitedUntil = 0;
  /** The same when the pacer last held something back, and what was in flight then. */
  #heldUntil = 0;
  #heldFlight = 0;
  /** Made when more than a segment is first in flight while paced. */
  #pacer: Pacer | null = null;
  /** Bytes that the pacer lets out in this pass. */
  #allowance = UNPACED;
  // Null before the first. Boxed once, as `now` (CONTRIBUTING.md, Garbage): what happens at one time shares the box.
  #lastSent: Micros | null = null;
  #restarted: Micros | null = null;
  #lastHeard: Micros | null = null;
  #bytes = 0;

  /** From the parts of one subflow. */
  constructor(parts: OutputParts) {
    super(parts);
    const { host, level, path } = parts;
    const { probe } = host;
    const witness = probe === null ? null : new Witness(probe, level.id, path);
    this.board = new Scoreboard(undefined, witness);
    this.rtt = new Rtt(level.tcp.minRto);
  }

  private troubled(): Troubles {
    return this.#troubles ??= new Troubles();
  }

  /** RACK finds losses, alone or beside what counts duplicates. */
  private rack(): Rack {
    return this.#madeRack ??= new Rack(this.board, this.rtt);
  }

  private reno(): NewReno | null {
    const counting = this.#counting;
    return counting !== null && counting instanceof NewReno ? counting : null;
  }

  private sackLoss(): SackLoss | null {
    const counting = this.#counting;
    return counting !== null && counting instanceof SackLoss ? counting : null;
  }

  /** Who finds losses. */
  private detection(): LossDetection {
    return this.#counting ?? this.rack();
  }

  private tlp(): Tlp {
    return this.#madeTlp ??= new Tlp();
  }

  private sizes(): SizeWatch {
    return this.#madeSizes ??= new SizeWatch(this.host, this.board, this.mtu);
  }

  /** How fast bytes arrive. */
  get rate(): DeliveryRate {
    return this.#madeRate ??= new DeliveryRate(this.is(BEGAN_STARVED));
  }

  /** How long it had data out. */
  get busy(): Busy {
    return this.#madeBusy ??= new Busy();
  }

  /** How fast bytes arrive, in bytes a second; 0 before a first sample. */
  get deliveryRate(): number {
    return this.#madeRate === null ? 0 : this.#madeRate.rate;
  }

  /** The highest of late; see {@linkcode DeliveryRate.peak}. */
  get peakRate(): number {
    return this.#madeRate === null ? 0 : this.#madeRate.peak;
  }

  /** See {@linkcode DeliveryRate.through}. */
  get burstRate(): number {
    return this.#madeRate === null ? 0 : this.#madeRate.through;
  }

  /** Bytes delivered so far. */
  get delivered(): number {
    return this.#madeRate === null ? 0 : this.#madeRate.delivered;
  }

  /** What is done about losses now. */
  get recovery(): Recovery {
    return this.#recovery;
  }

  /** A controller rules the window: the subflow has joined its connection. */
  get controlled(): boolean {
    return this.#controller !== null;
  }

  /** Congestion window in bytes. A lost SYN is a loss: one segment to begin with (RFC 5681 §3.1). */
  get cwnd(): number {
    if (this.#controller !== null) return this.#controller.cwnd;
    return this.is(LOST_SYN) ? this.mtu.payload : initialWindow(this.mtu.segment);
  }

  /** Slow-start threshold in bytes; Infinity before the first loss. */
  get ssthresh(): number {
    return this.#controller === null ? Infinity : this.#controller.ssthresh;
  }

  /** What the controller asks for; undefined: not paced. */
  get pacingRate(): number | undefined {
    return this.#controller?.pacingRate;
  }

  /** The controller wants to know which bytes were marked: so does the peer's, who hears it from us. */
  get accurateEcn(): boolean {
    return this.#controller?.accurateEcn === true;
  }

  /**
   * What limits `inFlight` now: PRR's window in recovery, else cwnd. Duplicates inflate that where there is no SACK, and by RFC 6675 what is in flight twice
   * counts twice.
   */
  get limit(): number {
    const recovery = this.#recovery;
    if (recovery.kind === "fast" && this.#controller?.ownsRecovery === true) return this.cwnd;
    const reno = this.reno();
    if (reno !== null) return Math.max(this.mtu.payload, this.cwnd + reno.inflation);
    if (recovery.kind !== "fast") return this.cwnd;
    const sack = this.sackLoss();
    return sack === null ? recovery.prr.window : this.cwnd - sack.doubled;
  }

  /** New bytes that windows and link allow now. */
  get room(): number {
    return this.roomWithin(this.#allowance);
  }

  /** The same for one segment of a size that is tried: the pacer, whose bursts are counted in segments of the present size, lets it out like one of those. */
  get probeRoom(): number {
    return this.#allowance < this.mtu.payload ? 0 : this.roomWithin(UNPACED);
  }

  private roomWithin(allowance: number): number {
    const { board } = this;
    if (this.blocked || this.ecn.quiet) return 0;
    let room = this.#trial;
    if (board.lost === 0) {
      room = Math.max(room, Math.min(this.limit - board.inFlight, allowance));
    }
    // The shared window is the connection's to keep. What this subflow last heard of it may be old, so it only counts while an answer is due.
    if (board.nxt > board.una) {
      room = Math.min(room, board.una + this.window.size - board.nxt);
    }
    return room > 0 ? room : 0;
  }

  /** More is in flight than the peer has said on this subflow that it takes: the shared window allows it, of which others have told since. */
  get overreached(): boolean {
    const { board } = this;
    return board.nxt - board.una > this.window.size;
  }

  /** The window leaves less than a segment, in bytes or in packets: as many as it is in segments show as well that it was needed (Linux tcp_is_cwnd_limited). */
  get full(): boolean {
    const { board, limit } = this;
    const mss = this.mtu.payload;
    return limit - board.inFlight < mss || (board.pieces + 1) * mss > limit;
  }

  /** Bytes sent and not cumulatively acknowledged: FlightSize (RFC 5681 §2, RFC 6675 §5). */
  private flightSize(): number {
    return this.board.nxt - this.board.una;
  }

  /** Bytes that the ACK in hand has delivered. */
  get heard(): number {
    return heard.delivered;
  }

  /** Bytes taken for lost so far. */
  get lost(): number {
    return this.#troubles === null ? 0 : this.#troubles.lost;
  }

  /** Those that nobody has been told of. */
  takeLosses(): number {
    const troubles = this.#troubles;
    if (troubles === null) return 0;
    const bytes = troubles.lost - troubles.lostTold;
    troubles.lostTold = troubles.lost;
    return bytes;
  }

  /** Times that the retransmission timeout has passed. */
  get timeouts(): number {
    return this.#troubles === null ? 0 : this.#troubles.timeouts;
  }

  /** Times that reordering was seen. */
  get reorderings(): number {
    return this.#madeRack === null ? 0 : this.#madeRack.reorderings;
  }

  /** Times that the peer has told of something that came twice (RFC 2883). */
  get duplicates(): number {
    return this.#troubles === null ? 0 : this.#troubles.duplicates;
  }

  /** Bytes sent for the first time. */
  get bytesSent(): number {
    return this.#bytes;
  }

  /** Bytes sent again. */
  get bytesRetransmitted(): number {
    return this.#troubles === null ? 0 : this.#troubles.bytesAgain;
  }

  /** Segments sent again. */
  get retransmits(): number {
    return this.#troubles === null ? 0 : this.#troubles.again;
  }

  /** When data was last sent; 0 when none was. */
  get lastSent(): Micros {
    return this.#lastSent ?? 0;
  }

  /** When the retransmission timer passes; Infinity where nothing awaits it. */
  get timeoutAt(): Micros {
    return this.deadlines.at(TIMER_RTO);
  }

  /** When a tail loss probe is due; Infinity where none is. */
  get probeAt(): Micros {
    return this.deadlines.at(TIMER_PROBE);
  }

  /**
   * When all that is in flight is late, as far as round trips tell: later than they vary, and nothing has come since. Of less than two segments the peer may delay
   * the ACK, but not of what fills a hole (RFC 5681 §4.2). Infinity: nothing is in flight.
   */
  get overdueAt(): Micros {
    const { board, rtt } = this;
    if (board.inFlight === 0) return Infinity;
    const { srtt, rttVar } = rtt;
    const alone = board.inFlight < 2 * this.mtu.payload && this.#recovery.kind === "open";
    const due = this.lastLeft + srtt + (alone ? MAX_ACK_DELAY : 0);
    return Math.max(due, this.lastHeard) + Math.max(alone ? 0 : 4 * rttVar, srtt / 4);
  }

  /** When something last left for the first time or again. */
  get lastLeft(): Micros {
    const troubles = this.#troubles;
    return troubles === null ? this.lastSent : Math.max(this.lastSent, troubles.left);
  }

  /** When an ACK last came. */
  get lastHeard(): Micros {
    return this.#lastHeard ?? 0;
  }

  /** A timeout has passed, and nothing has come since. */
  get unanswered(): boolean {
    const troubles = this.#troubles;
    return troubles !== null && this.rtt.timeouts > 0 && this.lastHeard < troubles.timedOutLast;
  }

  /** When the peer itself last got further, where it contradicts what was acknowledged in its name; when an ACK last came, where it does not. */
  get lastOwnHeard(): Micros {
    const troubles = this.#troubles;
    return troubles !== null && troubles.belied ? troubles.ownAckAt : this.lastHeard;
  }

  /** The newest segment acknowledges only what lies below `ack`, which is below SND.UNA: somebody else has told of more. */
  contradicted(ack: number, now: Micros): void {
    const troubles = this.troubled();
    if (ack < troubles.ownAck) return;
    if (ack > troubles.ownAck) troubles.ownAckAt = now;
    troubles.ownAck = ack;
    troubles.belied = true;
  }

  /**
   * The peer has taken its window back over what is in flight, and has answered what left last: that was a probe, and its timeout tells nothing of the
   * path (RFC 9293 §3.8.6, §3.8.6.1).
   */
  get shut(): boolean {
    return this.window.size === 0 && this.lastHeard > this.lastLeft;
  }

  /** What has been sent may be too large for the path: as {@linkcode SizeWatch.inDoubt}. */
  get sizeInDoubt(): boolean {
    return this.sizes().inDoubt;
  }

  /** The window that was shut is open: what has waited for it goes again as soon as a timeout allows. */
  reopened(now: Micros): void {
    if (this.board.empty || this.rtt.timeouts === 0) return;
    this.rtt.answered();
    this.deadlines.set(TIMER_RTO, Math.min(this.deadlines.at(TIMER_RTO), now + this.rtt.base));
  }

  /** The handshake is over; without SACK losses are found by counting. What has left before (RFC 7413) is waited for from now on. */
  begin(sack: boolean, lostSyn: boolean, now: Micros): void {
    const byTime = this.level.tcp.lossDetection === "rack";
    if (!sack) this.#counting = new NewReno(this.board, byTime ? this.rack() : null);
    else if (!byTime) this.#counting = new SackLoss(this.board);
    this.set(PROBES, sack && byTime && this.level.tcp.tlp);
    this.rtt.begin(lostSyn);
    this.set(LOST_SYN, lostSyn);
    this.arm(now);
  }

  /** The SYN, sent once, was answered after `rtt`: a first sample. */
  measured(rtt: Micros, now: Micros): void {
    heard.begin(this.rtt.minRtt);
    heard.measured(rtt);
    this.rtt.sample(heard, now);
    this.board.witness?.sampled(rtt, this.rtt, now);
  }

  /** What a repeated SYN's answer echoes tells `rtt`. */
  measuredEchoed(rtt: Micros, now: Micros): void {
    this.rtt.sampleEchoed(rtt, false, now);
    this.board.witness?.sampled(rtt, this.rtt, now);
  }

  /** Tells who watches what has become of windows and recovery. */
  private settled(now: Micros): void {
    if (this.board.witness === null) return;
    const { cwnd, ssthresh, board } = this;
    this.board.witness.settled(this.#recovery, cwnd, ssthresh, board.inFlight, now);
  }

  /** A third ACK had to be sent again: the path has lost something. */
  beginSlow(): void {
    this.set(LOST_SYN, true);
  }

  /** A tail loss probe is on its way. */
  get probing(): boolean {
    return this.#madeTlp !== null && this.#madeTlp.pending;
  }

  /**
   * It holds up a connection that could go on without it (NSDI 2012, mechanism 2): the controller is to make the window smaller. False where something is being
   * repaired, which has done so already.
   */
  penalise(now: Micros): boolean {
    if (this.#controller === null || this.#recovery.kind !== "open") return false;
    this.#controller.onCongestion("penalty", this.flightSize());
    this.settled(now);
    return true;
  }

  /** A controller takes over. */
  control(controller: Controller, now: Micros): void {
    if (this.#controller !== null) this.#troubles?.undo?.handOn();
    this.#controller = controller;
    this.settled(now);
  }

  /** Starts the retransmission timer afresh (RFC 6298 §5.1, §5.3). */
  private arm(now: Micros): void {
    if (this.board.empty && !this.ecn.quiet) this.deadlines.set(TIMER_RTO, Infinity);
    else this.rtt.arm(this.deadlines, now);
  }

  /**
   * Binds `length` bytes of the send queue from data offset `dsn` to this subflow under a new mapping and sends them at once (draft SQ-1, SQ-3).
   * False when the link is full and nothing has left: nothing is bound. What of it has not left follows when the link takes packets again. `probe`: it is
   * one segment, by which a size is tried.
   */
  chunk(
    dsn: number,
    length: number,
    checksum: boolean,
    first: boolean,
    now: Micros,
    probe = false,
    infinite = false,
  ): boolean {
    const { board } = this;
    const seq = board.nxt;
    fresh.dsn = dsn;
    fresh.ssn = seq;
    fresh.length = length;
    fresh.checksum = checksum ? this.checksum(dsn, seq, length, length) : -1;
    if (infinite) fresh.checksum = INFINITE_MAPPING;
    fresh.first = first;
    if (board.inFlight === 0) this.rate.idle(now, this.overfilled());
    const mtu = this.mtu;
    if (probe) mtu.probing(length);
    const segment = probe ? mtu.probeSegment : mtu.segment;
    const sent = this.data(fresh, seq, seq + length, true, now, segment);
    if (sent === 0) {
      if (probe) mtu.withdraw();
      return false;
    }
    if (this.#bytes === 0) board.sendFrom(this.level.sendStream);
    board.send(fresh, sent, probe ? length : mtu.payload, this.rate, now);
    if (probe) this.sizes().sent(seq);
    this.#bytes += sent;
    this.#lastSent = now;
    if (this.#trial > 0) this.triedNew(length);
    else this.tlp().sent(now);
    this.left(sent, now);
    return true;
  }

  /** Payload of a segment by which a larger size is to be tried now, where `unsent` bytes wait; 0: none. */
  probe(unsent: number, now: Micros): number {
    if (this.#recovery.kind !== "open" || this.board.lost > 0) return 0;
    return this.sizes().due(this.limit, unsent, now);
  }

  /**
   * A router has dropped a packet of `length` bytes as larger than `bytes`. What was is in flight in such segments goes again at once, and no window falls: the
   * path is not congested (RFC 1191 §6.4, RFC 8201 §5.4).
   */
  tooBig(bytes: number, length: number, now: Micros): Outcome {
    const outcome = this.mtu.tooBig(bytes, length, now);
    if (outcome === "ignored") return 0;
    if (outcome === "probe") this.sizes().probeTooBig();
    else this.shrunk();
    this.board.witness?.lost("size", now);
    return OUTCOME_WORK;
  }

  /** Segments are smaller from now on: those in flight that are larger are lost, for no congestion. Nor does it tell of any when more of their flight is found lost. */
  private shrunk(): void {
    const { board } = this;
    board.loseLarger(this.mtu.payload);
    if (board.lost === 0 || this.#recovery.kind === "fast") return;
    this.#recovery = lossRecovery(board.nxt, null);
    this.detection().restart();
  }

  /** Of `found` bytes that are newly lost, those that tell of congestion: none of a probe, nor of what was too large for the path. */
  private congestion(found: number, now: Micros): number {
    if (found > 0) this.troubled().lost += found;
    const sizes = this.sizes();
    const lost = sizes.probing ? sizes.judge(found, this.probePause(), now) : found;
    if (!sizes.swallows(lost, now)) return lost;
    this.shrunk();
    return 0;
  }

  /** How long no probe follows one that was lost: as long as congestion is expected to lose a packet (RFC 4821 §7.6.2). */
  private probePause(): Micros {
    return this.rtt.srtt * this.cwnd / this.mtu.payload;
  }

  /** Sends a FIN; false when the link is full. */
  fin(now: Micros): boolean {
    if (!this.finAt(this.board.nxt, now)) return false;
    this.board.sendFin(this.rate, now);
    this.arm(now);
    this.tlp().sent(now);
    this.armProbe();
    return true;
  }

  /** Sends what is lost again, oldest first, as far as the window allows. */
  resend(now: Micros): void {
    const { board } = this;
    const { wholePayload } = this;
    const frto = this.#recovery.kind === "loss" ? this.#recovery.frto : null;
    if (frto !== null && frto.holds) return;
    for (let piece = board.nextLost(); piece !== null; piece = board.nextLost()) {
      const { seq, end, sends } = piece;
      const length = end - seq;
      const mss = piece.unit(this.mtu.payload, wholePayload);
      // RFC 5682 §2.1, §3.1, step 1: the first segment.
      let room = frto !== null ? mss : Math.min(this.limit - board.inFlight, this.#allowance);
      // RFC 5681 §3.2 step 3, RFC 6582 §3.2 step 3: a hole is filled at once; the first by RFC 6675 §5 step 4.3.
      if (
        this.#recovery.kind === "fast" && (this.reno() !== null || this.sackLoss()?.owes === true)
      ) {
        room = Math.max(room, mss);
      }
      // A segment goes whatever the window, where no answer would widen it: options that fell away have made it larger than that.
      if (this.blocked || (room < Math.min(length, mss) && board.inFlight > 0)) return;
      // The pacer's time will come.
      if (frto === null && this.#allowance < Math.min(length, mss)) return;
      const part = length > room ? Math.max(Math.min(length, mss), room - room % mss) : length;
      board.cut(part);
      if (sends > 0) this.holdClock(now);
      const sent = piece.fin
        ? Number(this.finAt(seq, now))
        : this.data(piece.mapping, seq, seq + part, sends === 0, now);
      if (sent === 0) return;
      board.resent(sent, this.rate, now, mss);
      const troubles = this.troubled();
      troubles.left = now;
      if (sends === 0) {
        this.#bytes += sent;
      } else {
        const segments = Math.ceil(sent / mss);
        troubles.again += segments;
        troubles.bytesAgain += sent;
        this.host.count("TcpRetransSegs", segments);
        (troubles.repeats ??= new Repeats()).add(seq, seq + sent);
        if (!piece.fin) troubles.undo?.sentAgain(sent, now);
        this.board.witness?.repeats(seq, seq + sent, sends, now);
        this.sackLoss()?.resent(seq + sent);
      }
      this.left(sent, now);
      if (frto === null) continue;
      frto.sentAgain(seq + sent);
      return;
    }
  }

  /**
   * On a path that reorders, what a repeat overtakes is old by RFC 7323 §5.3 once the repeat has filled the hole in front: its timestamp is younger. The peer
   * drops it, and what is repeated for that overtakes others. Those sent from the first repeat on have its timestamp, and are not old.
   */
  private holdClock(now: Micros): void {
    if (this.#recovery.kind !== "fast" || this.#madeRack === null) return;
    if (this.#madeRack.reorderings > 0 && this.timestamps.hold(now)) {
      this.troubled().heldTo = this.board.nxt;
    }
  }

  /** Nothing is repaired any more of what has been old since the clock was held, or time is needed to tell what a timeout was. */
  private releaseClock(now: Micros): void {
    this.troubled().heldTo = 0;
    this.timestamps.release(now);
  }

  private left(bytes: number, now: Micros): void {
    if (this.#allowance < UNPACED) this.spendAllowance(bytes, now);
    if (this.#recovery.kind === "fast") this.#recovery.prr.onSend(bytes);
    if (!this.deadlines.has(TIMER_RTO)) this.arm(now);
    if (!this.deadlines.has(TIMER_PROBE)) this.armProbe();
  }

  /** A loss probe may be due some time (RFC 8985 §7.2, §7.3): nothing is being repaired, or known to be missing, and no earlier probe tells enough. */
  private mayProbe(): boolean {
    const { board } = this;
    return this.is(PROBES) && !board.empty && this.tlp().may && this.#recovery.kind === "open" &&
      board.sacked === 0 && board.lost === 0 && this.window.size > 0;
  }

  private armProbe(): void {
    if (this.mayProbe()) this.setProbe();
  }

  /** So many bytes may be one segment: it may have left when there was more room for data in one, as DATA_ACKs were shorter, or without one. */
  private oneSegment(): number {
    return Math.max(this.mtu.payload, this.wholePayload);
  }

  private setProbe(): void {
    const { board } = this;
    this.tlp().arm(this.deadlines, this.rtt, board.nxt - board.una <= this.oneSegment());
  }

  /**
   * A loss probe is due, unless something was sent since its time was set. New data are asked for in the pass that comes; without, the last segment goes
   * again (RFC 8985 §7.3).
   */
  probeTimeout(now: Micros): Outcome {
    if (!this.mayProbe()) return 0;
    if (this.tlp().moved) {
      this.armProbe();
      if (this.deadlines.at(TIMER_PROBE) > now) return 0;
      this.deadlines.set(TIMER_PROBE, Infinity);
    }
    const timeout = this.deadlines.at(TIMER_RTO);
    this.arm(now);
    if (this.blocked) return 0;
    this.#trial = this.mtu.payload;
    this.deadlines.set(TIMER_LATE, Math.max(timeout, now + this.rtt.srtt));
    return OUTCOME_WORK;
  }

  /** New data have left as F-RTO, or a loss probe, has asked for. */
  private triedNew(bytes: number): void {
    if (this.#recovery.kind === "loss") {
      this.#trial = Math.max(0, this.#trial - bytes);
      this.#recovery.frto?.sentNew();
      return;
    }
    this.#trial = 0;
    this.host.count("TCPLossProbes");
    this.tlp().left(this.board.nxt, false, 0);
  }

  /** The pass is over: where new data were asked for and none was given, what was sent goes again. */
  settle(now: Micros): void {
    const recovery = this.#recovery;
    const sack = this.sackLoss();
    if (sack !== null && recovery.kind === "fast") this.lastResort(sack, recovery.until, now);
    if (this.#trial === 0) return;
    this.#trial = 0;
    if (recovery.kind === "open") {
      if (this.mayProbe()) this.repeatLast(now);
    } else if (recovery.kind === "loss" && recovery.frto !== null && !recovery.frto.asked) {
      // RFC 5682 §2.1, §3.1, step 2b: the conventional recovery.
      this.#recovery = lossRecovery(recovery.until, null);
      this.resend(now);
    }
  }

  /** RFC 8985 §7.3: the highest segment that was sent. */
  private repeatLast(now: Micros): void {
    const { board } = this;
    const last = board.lastSegment(this.mtu.payload, this.wholePayload);
    const flight = board.flightWith(last);
    if (!this.repeat(last, now)) return;
    this.host.count("TCPLossProbes");
    this.tlp().left(board.nxt, true, flight);
  }

  /**
   * Sends the first segment in flight once more, as a question whether the path is back. No timeout has passed: neither back-off nor window, nor the
   * controller, takes notice.
   */
  ask(now: Micros): void {
    const { una } = this.board;
    const { payload } = this.mtu;
    const piece = this.board.segmentAt(una, Infinity, payload, this.wholePayload);
    if (piece === null) return;
    const bytes = piece.end - piece.seq;
    if (this.repeat(piece, now)) this.#troubles?.undo?.sentAgain(bytes, now);
  }

  /** What is in flight may have gone nowhere, and what is sent now arrives: its first segment does not wait for a timeout, nor for one of before. */
  sendAgain(now: Micros): void {
    if (this.board.empty) return;
    this.deadlines.set(TIMER_RTO, Math.min(this.deadlines.at(TIMER_RTO), now + this.rtt.base));
    this.ask(now);
  }

  /** RFC 6675 §5 step C.1: nothing is lost, nobody has given new data, and the window has room. */
  private lastResort(sack: SackLoss, until: number, now: Micros): void {
    const { board } = this;
    const mss = this.mtu.payload;
    while (board.lost === 0 && Math.min(this.limit - board.inFlight, this.#allowance) >= mss) {
      const piece = sack.nextSegment(mss, this.wholePayload);
      if (piece === null) return;
      const { seq, end } = piece;
      if (!this.repeat(piece, now)) return;
      this.#troubles?.undo?.sentAgain(end - seq, now);
      sack.left(end, until);
    }
  }

  /** Sends what is in flight, a segment, once more; false when the link is full. */
  private repeat(piece: Piece, now: Micros): boolean {
    const { seq, end, sends } = piece;
    if (this.blocked) return false;
    const sent = piece.fin
      ? Number(this.finAt(seq, now))
      : this.data(piece.mapping, seq, end, false, now);
    if (sent === 0) return false;
    this.board.repeatAt(seq, this.rate, now);
    this.board.witness?.repeats(seq, end, sends, now);
    const troubles = this.troubled();
    troubles.left = now;
    troubles.again++;
    troubles.bytesAgain += sent;
    this.host.count("TcpRetransSegs");
    (troubles.repeats ??= new Repeats()).add(seq, end);
    this.left(sent, now);
    return true;
  }

  /** A pass begins, and what is lost goes again. `unsent`: new data wait; `waiting`: they do, or something else may be to be sent; `spread`: bursts are spread. */
  begins(unsent: boolean, waiting: boolean, spread: boolean, now: Micros): void {
    if (unsent) this.restart(now);
    const lost = this.board.lost > 0;
    this.#allowance = UNPACED;
    if (waiting || lost) this.allow(spread, now);
    if (lost) this.resend(now);
  }

  /**
   * How much the pacer lets out in this pass. Controllers may ask for a rate. With `spread` bursts are spread, too: an initial window, and what follows a
   * pause, which no ACK clock spaces (RFC 9002 §7.7), or ACKs that come together as they have waited behind data of the other direction. While ACKs keep
   * their distance it holds nothing back.
   */
  private allow(spread: boolean, now: Micros): void {
    const rate = this.#controller?.pacingRate;
    if (rate === undefined && (!spread || this.rtt.pathRtt < SHORT)) return;
    const { payload } = this.mtu;
    const pacer = this.#pacer;
    let budget: number;
    if (pacer === null) {
      budget = Math.floor(burst(this.pace(), payload));
    } else {
      budget = rate === undefined
        ? pacer.spread(this.perRound(), this.rtt, payload, now)
        : pacer.budget(rate, payload, now);
    }
    if (budget < UNPACED) this.#allowance = budget;
  }

  /**
   * RFC 6928 lets an initial window leave at once, which fills many a short queue: it takes a quarter of a round trip here, but for the burst. A larger
   * one takes most of a round trip, and what follows a pause longer where the path is known to be slower than that.
   */
  private perRound(): number {
    const { cwnd } = this;
    const gain = cwnd < this.ssthresh ? SLOW_START_GAIN : AVOIDANCE_GAIN;
    let bytes = Math.floor(gain * cwnd);
    if (this.#madeRate !== null) {
      const known = Math.floor(KNOWN_GAIN * this.#madeRate.bottleneck * this.rtt.pathRtt / 1e6);
      if (known > 0 && known < bytes) bytes = known;
    }
    const first = FIRST_GAIN * Math.min(cwnd, initialWindow(this.mtu.segment));
    return bytes > first ? bytes : first;
  }

  /** Bytes in a second that it is spread at. */
  private pace(): number {
    return this.#controller?.pacingRate ?? this.perRound() * 1e6 / this.rtt.pathRtt;
  }

  private spendAllowance(bytes: number, now: Micros): void {
    this.#allowance -= bytes;
    if (this.#pacer !== null) return this.#pacer.sent(bytes);
    const { payload } = this.mtu;
    // Who sends no more than a segment in a round trip has no need of one.
    const { inFlight } = this.board;
    if (inFlight <= payload) return;
    this.#pacer = new Pacer(this.pace(), payload, now);
    this.#pacer.sent(inFlight);
  }

  /** Sending is spread, or was. */
  get paced(): boolean {
    return this.#pacer !== null;
  }

  /** Nothing new leaves before some time has passed: the pacer's, or what follows a mark in a window of one segment. */
  get held(): boolean {
    return this.ecn.quiet || this.#allowance < this.mtu.payload;
  }

  /** A pass of who is `paced` is over: where there may be something to send, the next comes when the pacer lets more out. */
  holdBack(waiting: boolean): void {
    const held = this.#allowance < this.mtu.payload && (waiting || this.board.lost > 0);
    if (held) this.#pacer?.arm(this.deadlines);
    else this.deadlines.set(TIMER_PACE, Infinity);
  }

  /** After a timeout's length without data the window of then says nothing of now (RFC 5681 §4.1). */
  restart(now: Micros): void {
    const { board, rtt } = this;
    if (board.nxt > board.una) return;
    // What went again was data, too.
    const idle = now - Math.max(this.lastLeft, this.#restarted ?? 0);
    if (this.#lastSent === null || idle <= rtt.base) return;
    this.#restarted = now;
    this.#troubles?.repeats?.clear();
    this.#controller?.onRestart?.(idle, rtt.base);
    this.settled(now);
  }

  /** What it is at, after a pass. `shut`: the peer's window has no room for what waits; `short`: nothing waits, and the send queue had no room for more. */
  spends(shut: boolean, short: boolean, now: Micros): void {
    const idle = !shut && this.board.empty;
    if (idle && this.#madeBusy === null) return;
    const busy = short ? BUSY_BUFFER : BUSY_SENDING;
    this.busy.enter(shut ? BUSY_WINDOW : idle ? BUSY_IDLE : busy, now);
  }

  /**
   * The window has been more than the path carries, at its highest rate: a queue has shown (RFC 9406 §4.3), and slow start alone leaves twice of what comes back
   * in a round trip, a quarter of which is not told from a queue.
   */
  private overfilled(): boolean {
    const { srtt, minRtt } = this.rtt;
    return srtt - minRtt > Math.min(minRtt / 4, MOST_GROWTH) &&
      this.cwnd * 1e6 > 2.5 * this.peakRate * minRtt;
  }

  /** Slow start goes on, and round trips tell of no queue (RFC 9406 §4.3). */
  private searches(): boolean {
    const { srtt, minRtt } = this.rtt;
    return this.cwnd < this.ssthresh && srtt - minRtt <= Math.min(minRtt / 4, MOST_GROWTH);
  }

  /**
   * A pass has sent what it could: notes whether the window held it back (RFC 7661), or nobody gave it more: there was nothing to send, `starved`, or the
   * scheduler has left it room.
   */
  passed(starved: boolean): void {
    const { board } = this;
    // Who only receives.
    if (starved && board.empty) {
      if (this.#madeRate === null) this.set(BEGAN_STARVED, true);
      else this.#madeRate.limit(0);
      return;
    }
    const held = !starved && this.#allowance < this.mtu.payload && this.pacingRate === undefined;
    if (this.full) {
      this.#limitedUntil = board.nxt;
      return;
    }
    // RFC 7661 §4.3: who uses half of its window grows as if it were full: to twice of what was in flight, whoever else than the pacer holds it back, while
    // slow start has met no queue.
    if (held || this.searches()) {
      const { inFlight } = board;
      if (board.una >= this.#heldUntil || inFlight >= this.#heldFlight) {
        this.#heldUntil = board.nxt;
        this.#heldFlight = inFlight;
      }
    }
    if (!held && board.lost === 0 && (starved || this.room >= this.mtu.payload)) {
      this.rate.limit(board.inFlight);
    }
  }

  /**
   * The acceptable ACK in `rx` at offset `ack` (SND.UNA ≤ ack ≤ SND.NXT); `duplicate` as RFC 5681 §2 defines it. `behind`: the one in `rx` is older, or
   * the peer is not as far as somebody else has told, so that its SACK blocks may begin below SND.UNA.
   */
  acknowledge(ack: number, duplicate: boolean, now: Micros, behind = false): Outcome {
    const { board, rtt } = this;
    const before = board.inFlight;
    const prior = board.una;
    // What is behind is no answer to what waits: it may be old, or from a peer that lacks what a proxy has acknowledged.
    const troubles = this.#troubles;
    if (!behind) {
      this.#lastHeard = now;
      if (troubles !== null) troubles.belied = false;
    }
    // Who only receives has nothing out that could be acknowledged.
    if (board.empty && rx.sacks === 0 && !rx.ece) {
      heard.nothing();
      return OUTCOME_HEARD | OUTCOME_WORK;
    }
    if (board.repeated > 0) heard.answers(this.timestamps.answeredBefore(now));
    board.acknowledge(ack, rtt.minRtt, now, heard);
    if (this.sackPermitted) this.takeBlocks(behind ? board.una : 0, now);
    const { delivered } = heard;
    const advanced = ack > prior;
    if (rx.ece && this.ecn.sends && !behind) this.hearEcho(prior, now);
    // One that tells nothing of data may have opened the window, which on plain TCP nothing else tells.
    if (!advanced && delivered === 0 && !duplicate && heard.duplicate === 0) {
      return OUTCOME_HEARD | OUTCOME_WORK;
    }
    if (advanced) {
      rtt.answered();
      this.#trial = 0;
    }
    this.rate.count(delivered, now);
    const tlp = this.tlp();
    if (heard.rtt >= 0) {
      // RFC 5681 §4.2: an ACK of less than two full segments may have waited for more, as nothing came behind them.
      rtt.sample(heard, now, board.empty && delivered < 2 * this.mtu.payload);
      tlp.sampled();
      this.board.witness?.sampled(heard.rtt, rtt, now);
    } else if (advanced) {
      this.sampleEcho(now);
    }
    if (tlp.pending) {
      this.deadlines.set(TIMER_LATE, Infinity);
      this.heardProbe(ack, prior, duplicate);
    }
    const undo = troubles === null ? null : troubles.undo;
    if (undo !== null) this.reconsider(undo, ack, prior, duplicate, now);

    const mss = this.mtu.payload;
    const progress: Progress = advanced ? "advanced" : duplicate ? "duplicate" : "none";
    // RFC 3465 §2.3: after a timeout an ACK counts as one segment: most of what it acknowledges had left the network before, as duplicates have told.
    const most = this.reno() !== null && this.#recovery.kind === "loss" ? mss : Infinity;
    const detection = this.detection();
    const found = detection.onAck(heard, progress, this.#recovery, mss, now);
    this.deadlines.set(TIMER_RACK, detection.timer);
    const sizes = this.sizes();
    sizes.hear(heard, now);
    const lost = found > 0 || sizes.probing ? this.congestion(found, now) : 0;
    if (this.#recovery.kind !== "open" && ack >= this.#recovery.until) {
      this.#recovery = OPEN;
      detection.ended();
      undo?.recovered(board.nxt);
    }
    if (troubles !== null && troubles.heldTo > 0 && ack >= troubles.heldTo) {
      if (this.#recovery.kind === "open" && lost === 0) this.releaseClock(now);
    }
    if (found > 0) this.board.witness?.lost("ack", now);
    if (lost > 0) this.lose(before);
    this.tellController(before, lost, prior, most, now);
    if (this.#recovery.kind === "fast") {
      const safe = advanced && lost === 0;
      const { prr } = this.#recovery;
      prr.onAck(delivered, board.inFlight, this.ssthresh, mss, safe);
    }
    if (advanced) this.arm(now);
    if (!this.mayProbe()) this.deadlines.set(TIMER_PROBE, Infinity);
    else if (advanced || !this.deadlines.has(TIMER_PROBE)) {
      // A timeout has taken it off, and was none.
      if (tlp.answered(this.deadlines, rtt, delivered <= this.oneSegment(), now)) {
        this.setProbe();
      }
    }
    if (this.board.witness !== null) this.settled(now);
    return OUTCOME_HEARD | OUTCOME_WORK;
  }

  /** Something more is lost; `inFlight` bytes were in the network before. */
  private lose(inFlight: number): void {
    const { lostAgain } = this.board;
    const troubles = this.troubled();
    if (lostAgain > troubles.lostAgain) {
      this.host.count("TCPLostRetransmit", lostAgain - troubles.lostAgain);
      troubles.lostAgain = lostAgain;
    }
    if (this.#recovery.kind === "open") this.enterRecovery(inFlight);
  }

  /** RFC 8985 §7.4.2: a loss that the probe has repaired is told as one, once. What it has doubled tells nothing else. */
  private heardProbe(ack: number, prior: number, duplicate: boolean): void {
    const bare = duplicate && rx.sacks === 0;
    const repaired = this.tlp().onAck(ack, heard.duplicate > 0, bare);
    if (!this.tlp().pending) heard.twice(0);
    if (!repaired) return;
    this.host.count("TCPLossProbeRecovery");
    const flightSize = Math.max(this.board.nxt - prior, this.tlp().flight);
    this.reduce("loss", Math.min(flightSize, this.cwnd));
  }

  /**
   * A duplicate ACK has come, and nothing is in flight: what a probe has sent again has come twice, and was not lost (RFC 8985 §7.4.2, case 2). A peer with
   * D-SACK says so by that.
   */
  cameTwice(): void {
    this.#madeTlp?.reset();
  }

  /** The controller is to reduce the window: what it was told before cannot be taken back any more. */
  private reduce(cause: "loss" | "ecn", flightSize: number): void {
    this.#troubles?.undo?.drop();
    this.ecn.reduced(this.board.nxt, cause === "ecn");
    this.#controller?.onCongestion(cause, flightSize);
  }

  /**
   * The ACK in hand has ECE: told once for each window of data, and not for one in which something was lost (RFC 3168 §6.1.2). The window is what the
   * controller makes of it from now on: nothing waits for a repair that would be the sooner for being spread (RFC 6937), and the queue that is too long drains.
   */
  private hearEcho(prior: number, now: Micros): void {
    const ecn = this.ecn;
    const { board } = this;
    const mss = this.mtu.payload;
    const segments = ecn.heard(heard.delivered, mss);
    if (segments > 0) this.host.count("TCPDeliveredCE", segments);
    if (this.#controller === null || this.#recovery.kind !== "open") return;
    if (ecn.answeredFor(board.una)) return;
    const least = this.cwnd <= mss;
    // At the end of the data less is in flight by now than when what was marked left (RFC 7661 §4.4.1).
    const { delivered, priorDelivered } = heard;
    const flight = delivered > 0 ? this.delivered + delivered - priorDelivered : 0;
    this.reduce("ecn", Math.min(Math.max(board.nxt - prior, flight), this.cwnd));
    if (!least) return;
    ecn.setQuiet(true);
    this.rtt.arm(this.deadlines, now);
  }

  /** Whether the ACK in hand tells that the loss, or the timeout, that is being repaired was none. */
  private reconsider(
    undo: Undo,
    ack: number,
    prior: number,
    duplicate: boolean,
    now: Micros,
  ): void {
    const { board } = this;
    const recovery = this.#recovery;
    if (heard.duplicate > 0) heard.twice(undo.unknown(heard.duplicate));
    if (undo.on && this.level.tcp.undo) {
      const known = board.lost === 0 || recovery.kind === "loss";
      if (undo.twice(heard.duplicate) && known) return this.takeBack("TCPDSACKUndo", now);
      if (recovery.kind !== "open" && ack > prior && (heard.repeated || !undo.repeated)) {
        undo.answered(this.timestamps.answeredBefore(now));
        if (undo.needless && recovery.kind === "loss") return this.takeBack("TCPLossUndo", now);
      }
      if (recovery.kind === "fast" && undo.needless && board.lost === 0 && board.repeated === 0) {
        this.host.count("TCPTSReorder");
        // The original came first: the repeat has filled nothing.
        if (this.troubled().heldTo > 0) this.releaseClock(now);
        return this.takeBack(ack < recovery.until ? "TCPPartialUndo" : "TCPFullUndo", now);
      }
      if (recovery.kind === "open") undo.acknowledged(ack);
    }
    if (recovery.kind !== "loss" || recovery.frto === null) return;
    const { nxt, fack } = board;
    switch (recovery.frto.onAck(ack, prior, nxt, duplicate, heard.delivered, fack)) {
      case "new":
        this.#trial = 2 * this.mtu.payload;
        return;
      case "spurious":
        return this.takeBack("TCPLossUndo", now);
      case "lost":
        this.#recovery = lossRecovery(recovery.until, null);
    }
  }

  /** Nothing was lost: window and threshold come back, and with a timeout what it took for lost, and the back-off (RFC 4015 §3.2). Counted under `name`. */
  private takeBack(name: string, now: Micros): void {
    this.host.count(name);
    const undo = this.#troubles!.undo!;
    undo.drop(this.#recovery.kind === "loss");
    if (this.#recovery.kind === "loss") {
      this.host.count("TCPSpuriousRTOs");
      this.board.restore();
      this.rtt.undone();
      this.rack().forget();
      heard.forgetRepeats();
      this.arm(now);
    }
    this.#recovery = OPEN;
    this.detection().restart();
    if (undo.handedOn) this.#controller?.beginAgain?.(undo.cwnd, undo.ssthresh);
    else this.#controller?.onUndo?.();
  }

  /**
   * What was sent twice tells a round trip by the timestamp that it echoes (RFC 7323 §4). Where an older sending is echoed and the last one may be what
   * is answered, either the path is slow, or the peer answers again as its ACK was lost: that leaves doubt.
   */
  private sampleEcho(now: Micros): void {
    const roundTrip = this.timestamps.roundTrip(now);
    if (roundTrip < 0) return;
    const delayed = this.board.empty && heard.delivered < 2 * this.mtu.payload;
    this.rtt.sampleEchoed(roundTrip, heard.early, now, delayed);
    this.tlp().sampled();
    this.board.witness?.sampled(roundTrip, this.rtt, now);
  }

  /** Takes the SACK blocks in `rx`, of each what lies above `least`. */
  private takeBlocks(least: number, now: Micros): void {
    const { board } = this;
    const loss = this.sackLoss();
    const count = rx.sacks;
    if (count > 0) this.takeDuplicate();
    for (let i = 0; i < count; i++) {
      const left = Math.max(fromWire(rx.left(i), this.iss, board.una), least);
      const right = fromWire(rx.right(i), this.iss, board.una);
      if (loss === null) board.sack(left, right, now, heard);
      else loss.take(left, right, now, heard);
    }
  }

  /**
   * The first block in `rx` is a D-SACK where it begins below the ACK that it comes with, or lies in the second (RFC 2883 §4). What the network has
   * doubled, or the peer made up, is not heeded.
   */
  private takeDuplicate(): void {
    const { una, nxt } = this.board;
    const left = fromWire(rx.left(0), this.iss, una);
    const right = fromWire(rx.right(0), this.iss, una);
    const old = left < fromWire(rx.ack, this.iss, una);
    const inside = !old && rx.sacks > 1 && left >= fromWire(rx.left(1), this.iss, una) &&
      right <= fromWire(rx.right(1), this.iss, una);
    if ((!old && !inside) || right <= left || right > nxt) return;
    this.host.count(old ? "TCPDSACKRecv" : "TCPDSACKOfoRecv");
    heard.twice(this.#troubles?.repeats?.twice(left, right) ?? 0);
    if (heard.duplicate === 0) this.host.count("TCPDSACKIgnoredDubious");
    this.troubled().duplicates++;
  }

  /** Tells the controller what the ACK in hand acknowledges, as `most` bytes at most. */
  private tellController(
    before: number,
    lost: number,
    prior: number,
    most: number,
    now: Micros,
  ): void {
    sample.acked = Math.min(heard.delivered, most);
    sample.marked = rx.ece && this.ecn.sends ? heard.delivered : 0;
    sample.lost = lost;
    sample.rtt = heard.rtt;
    sample.inFlight = before;
    // The pace follows from the window: what it has held back would be let out by twice of what was in flight at most.
    sample.cwndLimited = prior < this.#limitedUntil ||
      (prior < this.#heldUntil && this.cwnd < 2 * this.#heldFlight);
    this.rate.take(heard, sample, now);
    this.#controller?.onAck(sample);
  }

  /**
   * Fast recovery begins: one reduction for all losses of a flight (RFC 5681 §3.2, RFC 6675 §5). `inFlight` bytes were in the network before; what
   * was SACKed counts for the reduction (RFC 5681 eq. 4), not for PRR, which would never see it delivered (RFC 9937 §6).
   */
  private enterRecovery(inFlight: number): void {
    this.#recovery = fastRecovery(this.board.nxt, inFlight);
    this.tlp().reset();
    this.host.count(this.sackPermitted ? "TCPSackRecovery" : "TCPRenoRecovery");
    // RFC 3168 §6.1.2: one reduction for what is lost and what is marked of a window of data.
    if (this.ecn.coversLoss(this.board.una)) return;
    (this.troubled().undo ??= new Undo()).begin(this.cwnd, this.ssthresh);
    this.ecn.reduced(this.board.nxt, false);
    // RFC 5681 §3.2 step 2: without what went beyond the window while the loss was waited for; nor does it count twice what has left the network since.
    // At the end of the data less is in flight by now than what was too much: RFC 7661 §4.4.1 counts what was acknowledged meanwhile.
    const flightSize = Math.max(this.flightSize(), this.board.lossFlight);
    this.#controller?.onCongestion("loss", Math.min(flightSize, this.cwnd));
  }

  /** The reordering window is over: what has not come is lost, as if an acknowledgement told (RFC 8985 §6.3). */
  reorderingTimeout(now: Micros): Outcome {
    const { board } = this;
    const mss = this.mtu.payload;
    const before = board.inFlight;
    const found = this.detection().onTimer(this.#recovery, mss, now);
    this.deadlines.set(TIMER_RACK, this.detection().timer);
    if (found === 0) return 0;
    const lost = this.congestion(found, now);
    this.board.witness?.lost("reordering", now);
    if (lost === 0) return OUTCOME_WORK;
    this.lose(before);
    if (this.#recovery.kind === "fast") {
      this.#recovery.prr.onAck(0, board.inFlight, this.ssthresh, mss, false);
    }
    this.settled(now);
    return OUTCOME_WORK;
  }

  /**
   * RFC 6298 §5.4 to 5.7 and RFC 5681 §3.1: everything in flight is taken for lost, the first segment leaves again. Null when it is given up; a `patient`
   * connection, one that is not over, tries longer, and lets a peer answer without taking anything.
   */
  retransmissionTimeout(patient: boolean, now: Micros): Outcome | null {
    const { board, rtt } = this;
    const { quiet } = this.ecn;
    this.ecn.setQuiet(false);
    if (board.empty) return quiet ? OUTCOME_WORK : 0;
    if (this.blocked && rtt.timeouts > 0) {
      // What was to go again has not left: nobody can have answered it.
      this.arm(now);
      return 0;
    }
    // Without SACK duplicates have let new segments go, one each, for as long as a lost repeat took to time out: these were never in the network together.
    const flightSize = this.reno() !== null && this.#recovery.kind === "fast"
      ? Math.min(this.flightSize(), this.cwnd)
      : this.flightSize();
    rtt.backOff();
    this.host.count("TCPTimeouts");
    this.board.witness?.timedOut(rtt.timeouts, rtt.rto, now);
    // RFC 9293 §3.8.6: who takes the window back is not to be given up for that.
    const answered = this.window.size === 0 && now - this.lastHeard < UNANSWERED;
    // RFC 8684 §3.3.6: "The sender will declare the subflow failed after a predefined upper bound on retransmissions is reached"
    const most = patient ? MAX_TIMEOUTS : MAX_ORPHAN_TIMEOUTS;
    const troubles = this.troubled();
    if (rtt.timeouts === 1) troubles.timedOut = now;
    const long = rtt.timeouts > most && now - troubles.timedOut >= UNANSWERED;
    if (long && !(patient && answered)) return null;
    // RFC 5682 §2.1, §3.1, step 1: not while an earlier recovery is under way, but for timeouts of the same segment.
    const { kind } = this.#recovery;
    const first = kind === "open" ||
      (this.#recovery.kind === "loss" && this.#recovery.frto?.answered === false);
    troubles.timeouts++;
    troubles.lost += board.inFlight;
    const reneged = board.loseAll();
    this.board.witness?.lost("timeout", now);
    if (reneged) this.host.count("TCPSACKReneging");
    const asks = first && !reneged && this.level.tcp.frto;
    this.#recovery = lossRecovery(board.nxt, asks ? new Frto(this.sackPermitted) : null);
    if (troubles.heldTo > 0) this.releaseClock(now);
    this.tlp().reset();
    this.#trial = 0;
    this.deadlines.set(TIMER_PROBE, Infinity);
    this.deadlines.set(TIMER_LATE, Infinity);
    troubles.timedOutLast = now;
    if (rtt.timeouts === 1) (troubles.undo ??= new Undo()).begin(this.cwnd, this.ssthresh);
    this.detection().restart();
    this.ecn.reduced(board.nxt, false);
    if (rtt.timeouts === 1) this.#controller?.onCongestion("timeout", flightSize);
    this.arm(now);
    this.settled(now);
    // A peer that has taken its window back answers whatever it refuses.
    const timeouts = this.window.size > 0 ? rtt.timeouts : 0;
    this.sizes().timedOut(timeouts, this.reno() !== null, this.probePause(), now);
    return OUTCOME_TIMEOUT | OUTCOME_WORK;
  }
}
