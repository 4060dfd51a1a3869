/**
 * The meta-socket (draft §2.2): data sequence space, shared send queue and shared receive buffer of one connection, above the subflows that carry
 * it. Here are the parts that it holds and the application's verbs; what packets and time lead to stands in settle.ts, what leaves in pull.ts, what it waits
 * for in waits.ts. Two of its parts are stories of their own: plugins.ts, writer.ts.
 */

import { DSS_DATA_ACK, DSS_DATA_ACK_8 } from "../../wasm/layout.ts";
import type { GuardedConnection } from "../guard/faces.ts";
import type { GuardedPolicies, PolicyNames } from "../guard/policies.ts";
import type { GuardedScheduler, Wishes } from "../guard/scheduler.ts";
import type {
  CongestionControlPlugin,
  Endpoint,
  Micros,
  SchedulerPlugin,
  SubflowChange,
} from "../plugin.ts";
import { Deadlines } from "../subflow/deadlines.ts";
import { type ReceiveWindow, windowScale } from "../subflow/receive_window.ts";
import type { CapableKeys, DataLevel, Releasable, Waiter } from "../subflow/shared.ts";
import type { SafeProbe } from "../subflow/probe.ts";
import {
  type BufferSize,
  DEFAULT_SETTINGS,
  fixedBuffer,
  type KeepAlive,
  type TcpSettings,
} from "../subflow/settings.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { few } from "../guard/few.ts";
import { type Key, RST_MIDDLEBOX, RST_UNSPECIFIED } from "../wire/mptcp.ts";
import type { InitialDsn } from "../wire/seq.ts";
import { ProgressEstimate } from "./autotune.ts";
import {
  CONNECTION_TIMERS,
  type ConnectionTimer,
  DataTimer,
  TIMER_ASK,
  TIMER_CLOSE,
  TIMER_DATA,
  TIMER_FAIL,
  TIMER_WAKE,
} from "./data_timer.ts";
import { Damage } from "./damage.ts";
import { DsnOctets } from "./dsn_octets.ts";
import type { ConnectionHost, ConnectionObserver, EndReason, NetworkCode } from "./host.ts";
import { Figures, type LastReset } from "./figures.ts";
import { Holding } from "./holding.ts";
import { Keys } from "./keys.ts";
import { takeBack } from "./look_ahead.ts";
import { ALIVE, type DataState, dataState, type Life, OPENING } from "./life.ts";
import { EARLY, type FallbackReason, type Mode, MPTCP, OFFERED, TCP } from "./mode.ts";
import type { FirstTry, Race } from "./race.ts";
import { PathTransportOf } from "./paths.ts";
import { Patience } from "./patience.ts";
import { Plugins } from "./plugins.ts";
import { DEFAULT_MPTCP, type MptcpSettings } from "./settings.ts";
import { ReceiveQueue } from "./receive_queue.ts";
import { Relief } from "./relief.ts";
import { Replacements } from "./replacements.ts";
import { SendQueue } from "./send_queue.ts";
import { worksBetter } from "./stale.ts";
import { armClose, armDataTimer, closeTimeout } from "./waits.ts";
import { limitUnsent, Writer } from "./writer.ts";

/** In place of one where MPTCP is not spoken. */
const NO_KEY: Key = Object.freeze({ high: 0, low: 0 });
const NO_TRIES: readonly FirstTry[] = Object.freeze([]);

/** Of those that have held nothing back, and that have repeated nothing: nothing is ever put into them. */
const NOTHING_HELD = new Holding();
const NO_WAITS = new DataTimer();

/** What the observer is to hear at the end of a batch, as bits. */
const TELL_ESTABLISHED = 1;
const TELL_READABLE = 2;
const TELL_WRITABLE = 4;
const TELL_CLOSED = 8;

/** What holds of the connection, as bits: each place of its own would take eight bytes of every connection. */
/** The peer's own numbers have eight octets: so have our DATA_ACKs. */
const LONG_ACKS = 1;
/** A DSS, or MP_CAPABLE with data, has come: the path lets options through, joins may begin (RFC 8684 §3.1). */
const CONFIRMED = 2;
/** The path manager is to be told: addresses may be announced, or joins begin. */
const PATHS_DUE = 4;
/** What comes is dropped. */
const DISCARDING = 8;
/** The application has called close(). */
const APP_CLOSED = 16;
/** A subflow has ended and is not buried. */
const SUBFLOW_ENDED = 32;
/** Another subflow than the first could carry data, now or once. */
const COMPANY = 64;
/** A join was established. */
const JOINED_ONCE = 128;
/** It is among those that MPCurrEstab counts: established with MPTCP, and not ended by us. */
const CURRENT = 256;
/** The one way that was tried is the connection's, where there were others. */
const WON_ALONE = 512;

/** What most connections never meet: made for the first of it. */
class Rarities {
  /** The application's word for it, for the scheduler. */
  tag = 0;
  begunWith = 0;
  /** How the last subflow ended, and what led to that. */
  lastCode: NetworkCode = "ConnectionReset";
  lastReason: EndReason | null = null;
  /** It left as its network did, which may be back. */
  lastAway = false;
  /** Made when a checksum fails, or the peer says so. */
  damage: Damage | null = null;
  /** Plain TCP begins with an infinite mapping that has not gone. */
  infiniteOwed = false;
  /** Made for the first. */
  replacements: Replacements | null = null;
  /** What spoilt the last established subflow, while others are only on their way. */
  blame: EndReason | null = null;
}

/** An experiment's size of a buffer stands above what else is chosen. */
export function chosenBuffer(fixed: number | undefined, size: BufferSize): BufferSize {
  return fixed === undefined ? size : fixedBuffer(fixed);
}

/** One connection, the draft's meta-socket (MT-2). Data offsets count from the initial data sequence number. */
export class MetaSocket implements GuardedConnection<Subflow>, DataLevel, Waiter {
  readonly host: ConnectionHost;
  readonly id: number;
  readonly role: "client" | "server";
  readonly tcp: TcpSettings;
  /** What was chosen of MPTCP. */
  readonly mptcp: MptcpSettings;

  readonly keys: Keys;
  /** MP_CAPABLE was offered, or may be accepted. */
  readonly capable: boolean;
  readonly sendQueue: SendQueue;
  readonly receiveQueue: ReceiveQueue;
  readonly receiveScale: number;
  /** Made for the first repeat, question or DATA_FIN. */
  #timer = NO_WAITS;
  readonly patience: Patience = new Patience();
  /** Made when something is first to be held back. */
  #holding = NOTHING_HELD;
  /** Made for the first write. */
  #writer: Writer | null = null;
  /** Made when it is first thought of. */
  #relief: Relief | null = null;
  readonly figures: Figures = new Figures();
  readonly deadlines: Deadlines<ConnectionTimer> = new Deadlines(CONNECTION_TIMERS);
  readonly paths: PathTransportOf;
  /** What the size of the send queue follows from in place of the windows; null: from these (draft SBF-3). */
  readonly progress: ProgressEstimate | null;
  /** Established subflows by path index. */
  readonly subflows: readonly Subflow[] = few();

  /** Every subflow that is not buried, where some are not established; null: all are. */
  #attempts: readonly Subflow[] | null = null;
  readonly #alarm: Releasable;
  // Of its first subflow.
  #local: Endpoint;
  #remote: Endpoint;
  /** Null where it has begun in one way, as there is no other. */
  #race: Race | null = null;
  #observer: ConnectionObserver;
  #keepAlive: KeepAlive | null;
  readonly #dsnOctets: DsnOctets;
  #mode: Mode;
  #life: Life = OPENING;
  #flags = 0;
  #rare: Rarities | null = null;
  /** As they were chosen at the beginning. */
  readonly #policies: GuardedPolicies;
  /** Made with the first data that are to leave, or when others are chosen: who only receives has neither scheduler nor congestion control. */
  #plugins: Plugins | null = null;
  /** Queued for the pass at the end of this batch. */
  #dirty = false;
  #tell = 0;
  #subflowsTotal = 0;

  /** Makes a connection without subflows; host/stack.ts opens the first. */
  constructor(
    host: ConnectionHost,
    role: "client" | "server",
    local: Endpoint,
    remote: Endpoint,
    policies: GuardedPolicies,
    observer: ConnectionObserver,
    tcp: TcpSettings = DEFAULT_SETTINGS,
    mptcp: MptcpSettings = DEFAULT_MPTCP,
    key: Key | null = host.newKey(),
  ) {
    this.host = host;
    this.id = host.nextConnection();
    this.role = role;
    this.#local = local;
    this.#remote = remote;
    this.#observer = observer;
    this.tcp = tcp;
    this.mptcp = mptcp;
    this.#keepAlive = tcp.keepAlive;
    this.#policies = policies;
    const { experiments } = host;
    const hopeless = role === "client" && host.swallows(remote.address, mptcp.blackholeTimeout);
    this.capable = mptcp.enabled && !hopeless && key !== null;
    if (mptcp.enabled && hopeless) host.count("MPCapableSYNTXDisabled");
    else if (mptcp.enabled && key === null) host.count("MPFallbackTokenInit");
    this.#mode = this.capable || role === "server" ? OFFERED : TCP;
    // RFC 8684 §3.3.1: "an implementation MAY include just the lower 32 bits of the data sequence number"
    this.#dsnOctets = new DsnOctets(mptcp.dsn === "long", host.now);
    const receiveBuffer = chosenBuffer(experiments.receiveBuffer, tcp.receiveBuffer);
    const sendBuffer = chosenBuffer(experiments.sendBuffer, tcp.sendBuffer);
    // The SYN says once for all what the largest window can be.
    this.receiveScale = windowScale(receiveBuffer.most);
    this.keys = new Keys(key ?? NO_KEY, mptcp.checksum, !mptcp.allowJoinInitialAddress);
    this.sendQueue = new SendQueue(host.wasm, sendBuffer);
    this.receiveQueue = new ReceiveQueue(host.wasm, receiveBuffer, host.memory.receive);
    this.progress = experiments.sendEstimate === "progress" ? new ProgressEstimate() : null;
    this.sendQueue.setLowWater(tcp.notSentLowWater);
    this.#alarm = host.alarm(this);
    this.paths = new PathTransportOf(this, policies.pathManager);
    if (this.capable) host.claimToken(this.keys.token, this);
  }

  private rarities(): Rarities {
    return this.#rare ??= new Rarities();
  }

  private is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  /** Back-off of its waits; {@linkcode MetaSocket.waits} where one has passed. */
  get timer(): DataTimer {
    return this.#timer;
  }

  /** The same, which is to change. */
  waits(): DataTimer {
    return this.#timer === NO_WAITS ? this.#timer = new DataTimer() : this.#timer;
  }

  /** What is held back; {@linkcode MetaSocket.holds} where something else is to be. */
  get holding(): Holding {
    return this.#holding;
  }

  /** The same, which is to change. */
  holds(): Holding {
    return this.#holding === NOTHING_HELD ? this.#holding = new Holding() : this.#holding;
  }

  // What plugins see.

  get unsent(): number {
    return this.sendQueue.unbound;
  }

  get left(): number {
    const { ours, unbound, orphaned, tail } = this.sendQueue;
    const left = unbound + orphaned;
    if (ours.kind !== "open" || this.#writer === null) return left;
    return this.#writer.left(left, tail);
  }

  get unacked(): number {
    return this.sendQueue.unacked;
  }

  get window(): number {
    return this.sendQueue.window;
  }

  get mostWindow(): number {
    return this.sendQueue.mostWindow;
  }

  get receiveBuffer(): number {
    return this.receiveQueue.window.limit;
  }

  get tag(): number {
    return this.#rare === null ? 0 : this.#rare.tag;
  }

  get acked(): number {
    return this.sendQueue.una - 1;
  }

  get repeated(): number {
    return this.figures.repeated;
  }

  get now(): Micros {
    return this.host.now;
  }

  wake(at: Micros): void {
    if (at >= this.deadlines.at(TIMER_WAKE)) return;
    this.deadlines.set(TIMER_WAKE, at);
    this.arm();
  }

  // What subflows read.

  get sendStream(): number {
    return this.sendQueue.stream;
  }

  get receiveStream(): number {
    return this.receiveQueue.stream;
  }

  get localIdsn(): InitialDsn {
    return this.keys.idsn;
  }

  get remoteIdsn(): InitialDsn {
    return this.keys.peerIdsn;
  }

  get dataRcvNxt(): number {
    const { next, reached } = this.receiveQueue;
    return next + (reached && !this.fallback ? 1 : 0);
  }

  get receiveWindow(): number {
    return this.receiveQueue.window.size(this.receiveQueue.next);
  }

  get offered(): ReceiveWindow {
    return this.receiveQueue.window;
  }

  get offeredFrom(): number {
    return this.receiveQueue.next;
  }

  get mappingFlags(): number {
    return this.#mode === MPTCP || this.#mode === EARLY ? this.#dsnOctets.flags : 0;
  }

  mappingFlagsAt(dsn: number): number {
    if (this.#mode !== MPTCP && this.#mode !== EARLY) return 0;
    return this.#dsnOctets.at(dsn, this.sendQueue.nxt);
  }

  get dataAckFlags(): number {
    // RFC 8684 §3.7: "The receiver SHOULD stop generating Data ACKs after it receives an infinite mapping."
    if (this.#mode !== MPTCP && !this.awaitsInfinite) return 0;
    return this.is(LONG_ACKS) ? DSS_DATA_ACK | DSS_DATA_ACK_8 : DSS_DATA_ACK;
  }

  get dssChecksum(): boolean {
    return this.keys.checksum;
  }

  get finOut(): number {
    return this.sendQueue.finOut;
  }

  get keysOwed(): CapableKeys | null {
    if (this.role !== "client" || this.is(CONFIRMED)) return null;
    return this.keys;
  }

  get over(): boolean {
    return this.#life.kind === "over" || this.#life.kind === "gone";
  }

  resetTold(reset: LastReset): void {
    this.figures.reset(reset);
  }

  /** What was done about head-of-line blocking. */
  get relief(): Relief {
    return this.#relief ??= new Relief();
  }

  // Its state.

  /** Our end of the first subflow. */
  get localEndpoint(): Endpoint {
    return this.#local;
  }

  /** The peer's end of it. */
  get remoteEndpoint(): Endpoint {
    return this.#remote;
  }

  /** Every subflow that is not buried, half-open ones included. */
  get attempts(): readonly Subflow[] {
    return this.#attempts ?? this.subflows;
  }

  /** Where all are established one list is enough. */
  private compareAttempts(): void {
    if (this.#attempts?.length === this.subflows.length) this.#attempts = null;
  }

  /** The ways for it to begin; null: there was one only. */
  get race(): Race | null {
    return this.#race;
  }

  /** It may begin in several ways. */
  raceBy(race: Race): void {
    this.#race = race;
  }

  /** The one way that was tried is the connection's: of the others nothing need be kept. */
  wonAlone(): void {
    this.#race = null;
    this.#flags |= WON_ALONE;
  }

  /** What was tried to begin it, in that order; nothing where there was one way only. */
  get tries(): readonly FirstTry[] {
    if (this.#race !== null) return this.#race.tries;
    if (!this.is(WON_ALONE)) return NO_TRIES;
    return [{ local: this.#local, remote: this.#remote, outcome: "answered", trouble: null }];
  }

  /** How far it speaks MPTCP. */
  get mode(): Mode {
    return this.#mode;
  }

  /** Plain TCP, or as good as that (RFC 8684 §3.7). */
  get fallback(): boolean {
    return this.#mode !== MPTCP && this.#mode !== OFFERED && this.#mode !== EARLY;
  }

  /** Why it is plain TCP; null: it is not. */
  get fallbackReason(): FallbackReason | null {
    if (!this.fallback) return null;
    if (!this.mptcp.enabled) return "off";
    if (this.#mode.kind === "infinite") return "checksum-failed";
    const { high, low } = this.keys.peer;
    return high === 0 && low === 0 ? "not-agreed" : "options-removed";
  }

  /** We send as plain TCP, and the peer's infinite mapping is still to come. */
  get awaitsInfinite(): boolean {
    return this.#mode.kind === "infinite" && this.#mode.rx === null;
  }

  /** It has come. */
  mapped(mode: Mode): void {
    this.#mode = mode;
  }

  /** Damage on the only subflow; null: none was found. */
  get damage(): Damage | null {
    return this.#rare === null ? null : this.#rare.damage;
  }

  /** There is some. */
  damaged(): Damage {
    return this.rarities().damage ??= new Damage();
  }

  /** It has gone with its subflow: what failed was not DATA_ACKed, and goes elsewhere. */
  undamaged(): void {
    const rare = this.#rare;
    if (rare === null || rare.damage === null) return;
    rare.damage = null;
    this.deadlines.set(TIMER_FAIL, Infinity);
    this.paths.resume();
    // What was to begin meanwhile does.
    this.#flags |= PATHS_DUE;
    this.dirty();
  }

  /** Whether new data go under an infinite mapping, as the first of plain TCP (RFC 8684 §3.7). */
  get infiniteOwed(): boolean {
    return this.#rare !== null && this.#rare.infiniteOwed;
  }

  /** They shall, or have. */
  oweInfinite(owed = true): void {
    if (owed || this.#rare !== null) this.rarities().infiniteOwed = owed;
  }

  /** A join was established: the peer knows of it. */
  get joinedOnce(): boolean {
    return this.is(JOINED_ONCE);
  }

  /** No other subflow than the first could ever carry data: its sequence space may be the data's. */
  get alone(): boolean {
    return !this.is(COMPANY);
  }

  /** The first subflow is or was established. */
  get established(): boolean {
    return this.#subflowsTotal > 0;
  }

  /** Joins to it can be judged: the peer's key is known, or will not be. */
  get joinable(): boolean {
    return this.established && this.#mode !== EARLY;
  }

  /** Nothing more will come or go. */
  get closed(): boolean {
    return this.over;
  }

  /** Everything is given back. */
  get gone(): boolean {
    return this.#life.kind === "gone";
  }

  /** How it failed; null for an end in order, and before. */
  get code(): NetworkCode | null {
    return "code" in this.#life ? this.#life.code : null;
  }

  /** What led to that, where the code alone would not say. */
  get reason(): EndReason | null {
    return "reason" in this.#life ? this.#life.reason : null;
  }

  /** The application has let go of it. */
  get appClosed(): boolean {
    return this.is(APP_CLOSED);
  }

  /** The state in the words of RFC 8684 appendix D. */
  get state(): DataState {
    return dataState(this.#life, this.sendQueue.ours, this.receiveQueue.theirs);
  }

  /** A DSS, or what counts as one, has come. */
  get confirmed(): boolean {
    return this.is(CONFIRMED);
  }

  /** Our DATA_FIN is DATA_ACKed. */
  get finAcked(): boolean {
    return this.sendQueue.ours.kind === "acked";
  }

  /** Both DATA_FINs are done. */
  get finished(): boolean {
    return this.finAcked && this.receiveQueue.reached;
  }

  /** Whether all data of both sides have arrived, and of our DATA_FIN alone that is not known. */
  get onlyEndOpen(): boolean {
    const { ours, una } = this.sendQueue;
    return this.receiveQueue.reached && ours.kind !== "open" && una === ours.fin;
  }

  // Its plugins.

  /** Those who decide from now on, whether or not anything was to leave. */
  private decide(): Plugins {
    return this.#plugins ??= new Plugins(this, this.#policies);
  }

  /** The scheduler at work; null: there was nothing to schedule yet. */
  get scheduler(): GuardedScheduler<Subflow> | null {
    return this.#plugins === null ? null : this.#plugins.scheduler;
  }

  /** What the scheduler, or the plugin that will make it, asks of the connection. */
  get wishes(): Wishes {
    return this.#plugins === null ? this.#policies.scheduler.wishes : this.#plugins.wishes;
  }

  /** The plugins at work. */
  get policyNames(): PolicyNames {
    const { scheduler, congestionControl, pathManager } = this.#plugins?.chosen ?? this.#policies;
    return {
      scheduler: scheduler.name,
      congestion_control: congestionControl.name,
      path_manager: pathManager.name,
    };
  }

  /** Data are to leave: see {@linkcode Plugins.begin}. */
  beginSending(): void {
    this.decide().begin();
  }

  /** A pass begins: see {@linkcode Plugins.looksAhead}. */
  looksAhead(): number {
    return this.#plugins === null ? this.wishes.lookAhead : this.#plugins.looksAhead();
  }

  /** Replaces the scheduler on the living connection. */
  setScheduler(_now: Micros, plugin: SchedulerPlugin): void {
    if (!this.over) this.decide().setScheduler(plugin);
  }

  /** Has the scheduler change what may be changed while it runs; what it throws goes to the caller. */
  tuneScheduler(_now: Micros, parameters: Readonly<Record<string, unknown>>): void {
    if (!this.over) this.decide().tuneScheduler(parameters);
  }

  /** Replaces the congestion control on the living connection: each subflow goes on from the window and threshold that it has. */
  setCongestionControl(_now: Micros, plugin: CongestionControlPlugin): void {
    if (!this.over) this.decide().setCongestionControl(plugin);
  }

  // Figures.

  /** Oldest data offset that is not DATA_ACKed. */
  get dataUna(): number {
    return this.sendQueue.una;
  }

  /** Next data offset to be sent. */
  get dataNxt(): number {
    return this.sendQueue.nxt;
  }

  /** End of what was written, as data offset. */
  get tail(): number {
    return this.sendQueue.tail;
  }

  /** Bytes received in order. */
  get bytesReceived(): number {
    return this.receiveQueue.earlyBytes + this.receiveQueue.next - 1;
  }

  /** Subflows that were ever established. */
  get subflowsTotal(): number {
    return this.#subflowsTotal;
  }

  // What the application does. What a verb calls for is sent when its caller ends the batch by the host's `flush`.

  /** Its writing, which begins, or goes on. */
  private writes(): Writer {
    return this.#writer ??= new Writer(this);
  }

  /** `observer` hears of it from now on: the application layer takes over an accepted connection. */
  observe(observer: ConnectionObserver): void {
    this.#observer = observer;
  }

  /** Has small writes sent at once, those that wait included, or wait for what they could travel with (RFC 9293 §3.7.4). */
  setNoDelay(noDelay: boolean): void {
    if (noDelay !== this.#holding.noDelay) this.holds().setNoDelay(noDelay);
    this.dirty();
  }

  /** Has each subflow that is idle ask its peer whether it is there (RFC 9293 §3.8.4); null: none does. */
  setKeepAlive(now: Micros, choice: KeepAlive | null): void {
    this.#keepAlive = choice;
    if (this.over) return;
    // Before its third ACK no segment of ours may be without options: it begins with that.
    for (const subflow of this.subflows) if (!subflow.early) subflow.keepAlive(choice, now);
    this.dirty();
  }

  /** Has a write wait where so many bytes are unsent (TCP_NOTSENT_LOWAT); Infinity: where the send queue is full. */
  setNotSentLowWater(bytes: number): void {
    this.writes().setLowWater(bytes);
    this.dirty();
  }

  /** The last write was not taken whole. */
  get writerWaits(): boolean {
    return this.#writer !== null && this.#writer.waits;
  }

  /** A writer that waits may go on. */
  tellWritable(): void {
    this.#tell |= TELL_WRITABLE;
  }

  /** Bytes that read() would give now. */
  get readable(): number {
    return this.receiveQueue.readable;
  }

  /** The peer's DATA_FIN was reached and everything before it was read. */
  get atEnd(): boolean {
    return this.receiveQueue.reached && this.readable === 0;
  }

  /** Bytes that write() would take now. */
  get writeRoom(): number {
    if (this.over || (this.#writer !== null && this.#writer.awaitsFirst)) return 0;
    return this.sendQueue.room;
  }

  /** Gives up what waits for an answer when nothing has come from the peer for `timeout` (RFC 9293 §3.8.3: R2 is the application's to set). */
  setUserTimeout(timeout: Micros): void {
    this.patience.setLimit(timeout);
  }

  /**
   * Appends bytes of `source` from index `from` to the send queue; returns how many were taken: there may be no room, or no memory. `cork`: more follows
   * at once, so that less than a segment waits for it. `hint`: what the scheduler is told of these bytes. `message`: bytes of the message that begins with them,
   * 0 where none is announced.
   */
  write(
    now: Micros,
    source: Uint8Array,
    from: number,
    cork = false,
    hint = 0,
    message = 0,
  ): number {
    return this.writes().write(now, source, from, cork, hint, message);
  }

  /**
   * Lends a place of the send queue to be written to: a part of a page, null where there is no room, or no memory; then the observer hears when it may be
   * tried again. `filled` has to follow, before any other verb that writes.
   */
  lend(now: Micros): Uint8Array<ArrayBuffer> | null {
    return this.writes().lend(now);
  }

  /** The first `bytes` of what was lent hold data; the rest as in `write`. */
  filled(now: Micros, bytes: number, cork = false, hint = 0, message = 0): void {
    this.writes().filled(now, bytes, cork, hint, message);
  }

  /**
   * More is likely to be written before the job at hand ends: what would leave as a small super-segment waits for it. False: that is over, and it leaves. Each
   * true has to be followed by a false.
   */
  gather(gathers: boolean): void {
    this.writes().gather(gathers);
  }

  /** Bytes that may be written now; the observer hears of room where that is 0. */
  awaitRoom(now: Micros): number {
    return this.writes().awaitRoom(now);
  }

  /** Bytes of its first data, which were given when it was opened, that it has taken. */
  get begunWith(): number {
    return this.#rare === null ? 0 : this.#rare.begunWith;
  }

  /** It has taken so many. */
  beginWith(bytes: number): void {
    this.rarities().begunWith = bytes;
  }

  /** The SYN has the first data with it: what is written has to wait for its answer. */
  awaitSyn(): void {
    this.writes().awaitSyn();
  }

  /** The SYN is answered: `rest` was not acknowledged with it, and goes before all else. */
  writeFirst(rest: Uint8Array, now: Micros): void {
    this.writes().writeFirst(rest, now);
  }

  /** Copies bytes that are there into `target`; 0 when there are none. */
  read(now: Micros, target: Uint8Array): number {
    const bytes = this.receiveQueue.take(target);
    if (bytes > 0) this.updateWindow(now);
    return bytes;
  }

  /** The same for who does not look at them: up to `most` are gone. */
  skip(now: Micros, most: number): number {
    const bytes = this.receiveQueue.skip(most);
    if (bytes > 0) this.updateWindow(now);
    return bytes;
  }

  /** Lends bytes that are there, as many as lie in a row; null when there are none. `used` has to follow, before any other verb that reads. */
  lendReceived(): Uint8Array<ArrayBuffer> | null {
    return this.receiveQueue.lend();
  }

  /** The first `bytes` of what was lent are used. */
  used(now: Micros, bytes: number): void {
    this.receiveQueue.used(bytes);
    if (bytes > 0) this.updateWindow(now);
  }

  /** Ends the outgoing direction after what was written (DATA_FIN). */
  finish(_now: Micros): void {
    this.finishWriting();
  }

  /** Drops incoming bytes from now on. */
  discard(now: Micros): void {
    this.#flags |= DISCARDING;
    this.receiveQueue.drop();
    this.updateWindow(now);
  }

  /** What was written is still sent; unread data make it an abort, as in Linux. */
  close(now: Micros): void {
    this.closeAll(now);
    this.dirty();
  }

  /** Ends at once with MP_FASTCLOSE. */
  abort(now: Micros): void {
    this.abortWith("ConnectionAborted", now);
    this.dirty();
  }

  /** Tags the connection for its scheduler, which is asked again. */
  setTag(_now: Micros, tag: number): void {
    this.rarities().tag = tag;
    this.dirty();
  }

  /** No more is written: DATA_FIN takes its place behind what waits (IMP-3: no FIN while the queue holds data). */
  private finishWriting(): void {
    if (this.over || this.sendQueue.ours.kind !== "open") return;
    if (this.#writer !== null && this.#writer.endsWithFirst()) return;
    this.sendQueue.end(this.receiveQueue.reached);
    this.setCurrent(false);
    this.dirty();
  }

  private setCurrent(current: boolean): void {
    if (current === this.is(CURRENT)) return;
    this.#flags ^= CURRENT;
    this.host.count("MPCurrEstab", current ? 1 : -1);
  }

  private closeAll(now: Micros): void {
    if (this.is(APP_CLOSED)) return;
    this.#flags |= APP_CLOSED;
    if (this.over) {
      this.removeWhenBare();
    } else if (!this.established) {
      this.endAll(null, now);
    } else if (this.readable > 0) {
      this.abortWith(null, now);
    } else {
      this.finishWriting();
      armClose(this, now);
    }
  }

  // Passes and deadlines.

  /** Wants a pass at the end of the batch. */
  dirty(): void {
    if (this.#dirty || this.gone) return;
    this.#dirty = true;
    this.host.dirty(this);
  }

  /** A link that one of its subflows waited for takes packets again. */
  writable(): void {
    this.dirty();
  }

  /** The pass begins. */
  passing(): void {
    this.#dirty = false;
    this.#writer?.passing();
  }

  /**
   * It has found no room for what waits, which is much: what is written behind that needs no pass of its own. Of several subflows one may come to be in the way
   * of the others as time passes: there each pass judges anew.
   */
  crowd(): void {
    if (this.attempts.length === 1) this.#writer?.crowd();
  }

  /** It has sent what it could. */
  passed(): void {
    this.#writer?.passed();
  }

  /** Files the nearest deadline of its own and of its subflows: one timer a connection. */
  arm(): void {
    if (this.gone) return;
    let { nearest } = this.deadlines;
    for (let i = 0; i < this.attempts.length; i++) {
      const { deadline } = this.attempts[i]!;
      if (deadline < nearest) nearest = deadline;
    }
    if (nearest !== this.#alarm.deadline) this.host.timers.arm(this.#alarm, nearest);
  }

  // Handshakes and mode.

  /** A subflow is on its way. */
  begin(subflow: Subflow): void {
    this.#attempts = [...this.attempts, subflow];
    if (this.host.probe !== null) this.tellBegun(this.host.probe, subflow);
  }

  /** Of all that were tried this one is the first subflow. */
  beginsAt(subflow: Subflow): void {
    if (this.#local === subflow.local) return;
    this.#local = subflow.local;
    this.#remote = subflow.remote;
    if (this.host.probe !== null) this.tellOpened(this.host.probe, subflow);
  }

  private tellBegun(probe: SafeProbe, subflow: Subflow): void {
    const { path, join, local, remote } = subflow;
    const { id, role, keys, host } = this;
    const { now } = host;
    // What tries beside the first subflow is told when it has taken its place.
    if (!join && this.attempts.length > 1) return;
    if (!join) {
      const token = keys.token >>> 0;
      const { address, port } = remote;
      probe.connectionOpened(now, id, role, token, local.address, local.port, address, port);
    }
    this.tellOpened(probe, subflow);
    if (subflow.backupByPeer) probe.priorityAsked(now, id, path, "join", true);
  }

  private tellOpened(probe: SafeProbe, subflow: Subflow): void {
    const { path, join, local, remote, localId, remoteId } = subflow;
    const { address: from, port: fromPort } = local;
    const { address, port } = remote;
    const { now } = this.host;
    probe.subflowOpened(now, this.id, path, join, from, fromPort, address, port, localId, remoteId);
  }

  /** MPTCP is agreed. */
  agree(): void {
    this.#mode = MPTCP;
    this.host.probe?.modeChanged(this.host.now, this.id, "mptcp");
  }

  /** A server's SYN has brought data with a good cookie: they are the application's (RFC 7413 §4.2.2), and the connection with them. */
  takeEarly(data: Uint8Array<ArrayBuffer>): void {
    if (!this.fallback) this.#mode = EARLY;
    if (data.length === 0) return;
    this.receiveQueue.takeEarly(data);
    this.#tell |= TELL_READABLE;
  }

  /** The third ACK of a connection that was given out before it has come. */
  proved(subflow: Subflow): void {
    this.host.proved(this, false);
    if (this.#mode === MPTCP) this.#flags |= PATHS_DUE;
    if (this.#keepAlive !== null) subflow.keepAlive(this.#keepAlive, this.host.now);
    this.dirty();
  }

  /** The peer's numbers have eight octets: so have our DATA_ACKs from now on (RFC 8684 §3.3.2). */
  lengthenAcks(): void {
    if (this.is(LONG_ACKS)) return;
    this.#flags |= LONG_ACKS;
    for (const subflow of this.subflows) subflow.sender.resize();
  }

  /** A pass has sent what it could: where that is much, our numbers have eight octets from now on. */
  heedRate(now: Micros): void {
    if (!this.#dsnOctets.sent(this.sendQueue.nxt, now)) return;
    for (const subflow of this.subflows) subflow.sender.resize();
  }

  /** A DSS, or what counts as one, has come. */
  confirm(): void {
    if (this.is(CONFIRMED)) return;
    this.#flags |= CONFIRMED | PATHS_DUE;
    this.dirty();
  }

  /** Whether addresses may be announced now, or joins begin: true once for each. */
  takePathsDue(): boolean {
    if (!this.is(PATHS_DUE) || !this.established) return false;
    this.#flags &= ~PATHS_DUE;
    return !this.fallback && !this.over;
  }

  /** The peer has taken a join: it may send data there. */
  accompanied(): void {
    this.#flags |= COMPANY;
  }

  /** From now on `subflow` alone carries it, without mappings (RFC 8684 §3.7). */
  leaveMptcp(mode: Mode, subflow: Subflow, reason: number, now: Micros): void {
    if (this.capable) this.host.releaseToken(this.keys.token, this);
    this.#mode = mode;
    if (mode.kind !== "offered" && mode.kind !== "early") {
      this.host.probe?.modeChanged(now, this.id, mode.kind);
    }
    this.paths.settle();
    for (const other of this.attempts) if (other !== subflow) this.reset(other, reason, now);
    this.sendQueue.again.cut(0, Infinity);
    this.sendQueue.bindAnew();
    for (const other of this.attempts) other.partA?.cut(0, Infinity);
    this.deadlines.set(TIMER_DATA, Infinity);
    // The DATA_FIN was not heard, or not heeded: the FIN takes its place.
    if (this.sendQueue.finAgain()) this.dirty();
  }

  // Subflows.

  /** A subflow is established: it gets its congestion controller and is offered to the scheduler. */
  joined(subflow: Subflow): void {
    const marks = subflow.ecn.sends || subflow.ecn.receives;
    // Which marks the peer hears of from us is for the congestion control to say.
    if (marks || this.#plugins !== null) this.decide().join(subflow, marks);
    if (this.#keepAlive !== null && !subflow.early) {
      subflow.keepAlive(this.#keepAlive, this.host.now);
    }
    const subflows = this.subflows as Subflow[];
    let i = subflows.length;
    while (i > 0 && subflows[i - 1]!.path > subflow.path) i--;
    subflows.splice(i, 0, subflow);
    this.compareAttempts();
    this.#subflowsTotal++;
    if (this.#rare !== null) this.#rare.blame = null;
    limitUnsent(this, this.#writer === null ? this.tcp.notSentLowWater : this.#writer.lowWater);
    if (subflow.join) {
      this.#flags |= COMPANY | JOINED_ONCE;
    }
    if (this.#life.kind === "opening") {
      this.#life = ALIVE;
      this.#tell |= TELL_ESTABLISHED;
      this.setCurrent(!this.fallback);
      if (this.role === "server") {
        this.host.opened(this);
        // The third ACK has told the client's key. A client cannot know yet whether its own has arrived: an option before it would look like a fallback.
        if (this.#mode === MPTCP) this.#flags |= PATHS_DUE;
      }
      // Until a DATA_ACK comes, the first window is that of the SYN.
      this.sendQueue.open(1 + subflow.sender.window.size);
    }
    // Joins do not put off the end of what nobody holds any more.
    if (!this.is(APP_CLOSED) || !this.finAcked) armClose(this, this.host.now);
    this.subflowChanged(subflow, "joined");
    this.answerFins(this.host.now);
    this.dirty();
  }

  /** Tells scheduler and path manager of a change. */
  subflowChanged(subflow: Subflow, change: SubflowChange, reason?: string): void {
    const { probe } = this.host;
    if (probe !== null) {
      const priority = subflow.backup ? "backup" : "regular";
      const why = change === "priority" ? priority : reason ?? null;
      probe.subflowChanged(this.host.now, this.id, subflow.path, change, why);
    }
    this.scheduler?.onSubflow(subflow, change);
    this.paths.subflowChanged(subflow, change, reason);
  }

  /** Resets a subflow; it is buried at the end of the batch. `failed`: a data offset for MP_FAIL. */
  reset(subflow: Subflow, reason: number, now: Micros, failed = 0): void {
    subflow.reset(reason, now, undefined, failed);
    this.subflowEnded();
  }

  /** Resets a subflow whose sequence space is used up: another one over the same path can go on (RFC 8684 §3.6, T flag). */
  replace(subflow: Subflow, now: Micros): void {
    const replacements = this.rarities().replacements ??= new Replacements();
    const progress = replacements.begin(subflow, this.sendQueue.una);
    subflow.reset(RST_MIDDLEBOX, now, true);
    // Beside others the path does more harm than good while they carry what it has lost.
    this.paths.replaced(subflow, progress && !this.othersThan(subflow));
    this.subflowEnded();
  }

  /** A proxy, known of its path, has spoilt `subflow` as well: another one may do better. */
  mayReplace(subflow: Subflow): boolean {
    return this.#rare?.replacements?.may(subflow, this.sendQueue.una) ?? false;
  }

  /** A subflow has ended: it is to be buried. */
  subflowEnded(): void {
    this.#flags |= SUBFLOW_ENDED;
    this.dirty();
  }

  /** Joins of the peer that are answered and not proved: it may count on them already. */
  get pendingJoins(): number {
    let pending = 0;
    for (let i = 0; i < this.attempts.length; i++) {
      const { join, opening, synSent, ended } = this.attempts[i]!;
      if (join && opening && !synSent && ended === null) pending++;
    }
    return pending;
  }

  /** Another subflow than `subflow` lives, or is on its way. */
  othersThan(subflow: Subflow): boolean {
    for (let i = 0; i < this.attempts.length; i++) {
      const other = this.attempts[i]!;
      if (other !== subflow && other.ended === null) return true;
    }
    return false;
  }

  /** Resets a subflow that `reason` has spoilt: others carry on; without any the connection ends, at once and not by its timer. */
  giveUp(subflow: Subflow, rst: number, reason: EndReason, now: Micros, failed = 0): void {
    const others = this.othersThan(subflow);
    this.reset(subflow, rst, now, failed);
    if (this.over) return;
    if (!others) this.endAll("ConnectionAborted", now, reason);
    else this.charge(subflow, reason);
  }

  /** `reason` has spoilt `subflow`: when nothing established is left beside it, and nothing comes, that is what ends the connection. */
  charge(subflow: Subflow, reason: EndReason): void {
    const left = this.subflows.some((other) => other !== subflow && other.ended === null);
    if (!left) this.rarities().blame = reason;
  }

  /** What spoilt the last established subflow; null when nothing did. */
  get blame(): EndReason | null {
    return this.#rare === null ? null : this.#rare.blame;
  }

  /** The next subflow that has ended and is not buried; null when there is none. */
  nextEnded(): Subflow | null {
    if (!this.is(SUBFLOW_ENDED)) return null;
    for (const subflow of this.attempts) if (subflow.ended !== null) return subflow;
    this.#flags &= ~SUBFLOW_ENDED;
    return null;
  }

  /** Takes a subflow that has ended out of everything; true when it had been established. What nobody else was given goes again. */
  bury(subflow: Subflow): boolean {
    if (this.#attempts !== null) {
      this.#attempts = this.#attempts.filter((other) => other !== subflow);
    }
    const subflows = this.subflows as Subflow[];
    const at = subflows.indexOf(subflow);
    if (at >= 0) {
      this.patience.heard(subflow.sender.lastHeard);
      takeBack(this, subflow);
      const again = !this.over && !this.fallback;
      if (again) this.sendQueue.reinject(subflow);
      subflows.splice(at, 1);
      this.sendQueue.forget(subflow, !this.fallback);
      this.#plugins?.leave(subflow);
      this.progress?.forget(subflow);
      if (again && !subflow.join) this.undamaged();
    }
    this.compareAttempts();
    subflow.release();
    return at >= 0;
  }

  /** Why an established subflow has left: where nothing comes in place of the last one, this ends the connection. A join that came to nothing says nothing of that. */
  explain(code: NetworkCode | null, reason: EndReason | null, away: boolean): void {
    const rare = this.rarities();
    rare.lastCode = code ?? "ConnectionReset";
    rare.lastReason = reason;
    rare.lastAway = away;
  }

  /** Nothing is established, as the network of the last path is away: while that may be back, a join that comes to nothing is not the last hope. */
  get away(): boolean {
    return this.subflows.length === 0 && this.#rare !== null && this.#rare.lastAway;
  }

  /**
   * No subflow is left: others may still join, for a while (break before make, RFC 8684 §3.3.3). Where the network is `away`, or the peer
   * has taken its addresses back, it has as long to be reached as it has to answer; where it has ended its last path itself, a minute.
   */
  bare(established: boolean, away: boolean, now: Micros): void {
    // A join that came to nothing gives it no more time.
    if (!established && this.deadlines.has(TIMER_CLOSE)) return;
    const patient = away && this.mptcp.closeTimeout === null;
    const wait = patient ? this.patience.limit : closeTimeout(this);
    this.deadlines.set(TIMER_CLOSE, now + wait);
  }

  /** Nothing has come in place of the last subflow. */
  endBare(now: Micros): void {
    if (this.onlyEndOpen) this.endAll(null, now);
    else {
      const { lastCode, lastReason } = this.rarities();
      this.endAll(lastCode, now, lastReason);
    }
  }

  /** What `subflow` carries is offered to the others. */
  reinject(subflow: Subflow): void {
    if (this.fallback) return;
    this.sendQueue.reinject(subflow);
    if (subflow.queued > 0 && this.works(subflow)) takeBack(this, subflow);
    this.dirty();
  }

  /**
   * A subflow is a backup from now on, or is none any more (RFC 8684 §3.3.8). What a new backup carries is offered to the others: who retires a path
   * expects it to become worse, and nothing is to wait for that.
   */
  priorityChanged(subflow: Subflow): void {
    this.subflowChanged(subflow, "priority");
    if (subflow.backup && this.subflows.some((other) => other.usable && !other.backup)) {
      this.reinject(subflow);
    }
    this.dirty();
  }

  // The data level.

  /** A DATA_ACK, or what stands for it: frees the queue, moves the window, wakes the writer, and lets every subflow send (IMP-1). */
  dataAcknowledged(offset: number, windowEnd: number, now: Micros): void {
    const { sendQueue } = this;
    // RFC 8684 §3.3.4: only a right edge that moves right counts where several subflows tell of it.
    const size = windowEnd - offset;
    const shut = sendQueue.finShut;
    if (this.fallback ? sendQueue.moveWindow(windowEnd, size) : sendQueue.open(windowEnd, size)) {
      this.timer.opened();
      this.dirty();
    }
    if (offset < sendQueue.una) return this.patience.belied(now);
    this.patience.borneOut();
    if (offset === sendQueue.una) {
      if (shut && sendQueue.finUnacked && !sendQueue.finShut && !this.fallback) {
        // A peer that had no room for our DATA_FIN has dropped it, and that is all it waits for.
        this.waits().finHasRoom(this.deadlines, now);
      }
      return;
    }
    this.host.probe?.dataAcked(now, this.id, offset, sendQueue.windowEnd);
    this.figures.acked(now);
    this.timer.acknowledged();
    // The wait for the next begins anew, where one is needed.
    if (this.deadlines.has(TIMER_ASK)) this.deadlines.set(TIMER_ASK, Infinity);
    // RFC 8684 §4: "Implementations SHOULD NOT attempt to infer a data-level acknowledgment from the subflow ACKs."
    const finAcked = sendQueue.acknowledge(offset);
    if (sendQueue.ours.kind === "open") this.#tell |= TELL_WRITABLE;
    // A peer that goes on taking what was written has all the time that it needs.
    if (this.deadlines.has(TIMER_CLOSE)) armClose(this, now);
    if (finAcked) {
      this.maybeClosed(now);
      if (!this.over) this.answerFins(now);
    }
    armDataTimer(this, now);
    this.dirty();
  }

  /** A mapping was repeated on another subflow. */
  countRepeat(length: number): void {
    this.figures.repeat(length);
    this.host.count("MPTCPRetrans");
  }

  /** Something moved at the data level: tells the reader, looks whether the DATA_FIN is reached. */
  afterReceive(subflow: Subflow, now: Micros): void {
    if (this.is(DISCARDING)) {
      this.receiveQueue.drop();
      this.updateWindow(now);
    } else if (this.readable > 0) {
      if (this.is(APP_CLOSED)) {
        // Nobody will read it: the peer is told, as in Linux (RFC 8684 §3.5). A repeat of what was read does not come here.
        this.abortWith(null, now);
        return;
      }
      this.#tell |= TELL_READABLE;
    }
    if (this.receiveQueue.takeFin()) {
      this.host.probe?.dataFin(now, this.id, "peer", this.receiveQueue.next);
      this.#tell |= TELL_READABLE;
      subflow.needAck();
      // What was missed is there: of the peer nothing is awaited any more.
      if (!this.is(APP_CLOSED)) this.deadlines.set(TIMER_CLOSE, Infinity);
      this.maybeClosed(now);
    }
    this.dirty();
  }

  /** What comes on some paths waits for others, and fills the window: it may grow. */
  heldUp(now: Micros): void {
    this.updateWindow(now);
  }

  /** The peer has ended by a FIN of plain TCP. */
  peerEnded(now: Micros): void {
    this.receiveQueue.end();
    this.host.probe?.dataFin(now, this.id, "peer", this.receiveQueue.next);
    this.#tell |= TELL_READABLE;
    this.maybeClosed(now);
  }

  /** Moves the right edge as the reader takes bytes, and tells the peer when it matters. */
  private updateWindow(now: Micros): void {
    const { read, next, reached, window } = this.receiveQueue;
    let mss = 1;
    let rtt = 0;
    for (let i = 0; i < this.subflows.length; i++) {
      const subflow = this.subflows[i]!;
      mss = Math.max(mss, subflow.mss);
      rtt = Math.max(rtt, subflow.receiveRtt);
    }
    this.receiveQueue.resize(this.subflows, rtt, now);
    window.open(read, mss);
    if (reached) return;
    const owed = window.owed(next, mss);
    if (owed === "none") return;
    for (let i = 0; i < this.subflows.length; i++) {
      const subflow = this.subflows[i]!;
      // No pass need follow that would wait for a link that is full.
      if (!subflow.ack(now)) subflow.outlet.wait(this);
      else if (owed === "one") break;
    }
    window.told();
  }

  // Its end.

  /**
   * A FIN of the peer ends its own direction on one subflow: ours goes on (RFC 9293 §3.6), or what waits would have no way. Our FIN follows when another
   * subflow works, or our DATA_FIN is acknowledged (RFC 8684 §3.3.3); what the subflow carries is then offered to the others.
   */
  answerFins(now: Micros): void {
    for (let i = 0; i < this.subflows.length; i++) {
      const subflow = this.subflows[i]!;
      if (!subflow.peerFinished || !subflow.usable) continue;
      if (!this.finAcked && !this.works(subflow)) continue;
      this.reinject(subflow);
      subflow.finish(now);
      this.dirty();
    }
  }

  /** Whether a subflow other than this one carries data. */
  private works(but: Subflow): boolean {
    for (let i = 0; i < this.subflows.length; i++) {
      const other = this.subflows[i]!;
      if (other !== but && other.usable && !other.stale) return true;
    }
    return false;
  }

  /** MP_FASTCLOSE (RFC 8684 §3.5): on RSTs on every subflow (option R), or on an ACK on one, and RSTs on the others (option A). */
  abortWith(code: NetworkCode | null, now: Micros, reason: EndReason | null = null): void {
    if (this.over) return;
    if (!this.fallback && this.#mode !== EARLY && this.established) {
      // First of all, so that no path is opened in place of those that end.
      this.conclude(code, reason);
      // RFC 8684 §3.5: "If no TCP RST is received in response, Host A SHOULD send a TCP RST with the MP_FASTCLOSE option itself when it releases
      // state in order to clear any remaining state at middleboxes."
      this.host.count("MPFastcloseTx");
      if (this.mptcp.fastclose === "ack" && this.fastcloseByAck(now)) return;
      for (const subflow of this.attempts) subflow.fastclose(this.keys.peer, now);
    }
    this.endAll(code, now, reason);
  }

  /** Option A, on the subflow that works best; false where there is none for it. */
  private fastcloseByAck(now: Micros): boolean {
    let best: Subflow | null = null;
    for (const subflow of this.subflows) {
      if (!subflow.established || subflow.outlet.blocked) continue;
      if (worksBetter(subflow, best)) best = subflow;
    }
    if (best === null || !best.fastcloseByAck(this.keys.peer, now)) return false;
    for (const subflow of this.attempts) {
      if (subflow !== best) this.reset(subflow, RST_UNSPECIFIED, now);
    }
    this.dirty();
    return true;
  }

  /** Ends every subflow with a RST, and the connection. */
  endAll(code: NetworkCode | null, now: Micros, reason: EndReason | null = null): void {
    this.conclude(code, reason);
    for (const subflow of this.attempts) this.reset(subflow, RST_UNSPECIFIED, now);
    this.removeWhenBare();
  }

  /** Both directions are done: the subflows close in order (draft TRM-5, the safe variant). Until then none of them is ended for being idle or slow (TRM-1). */
  maybeClosed(now: Micros): void {
    // RFC 8684 §3.3.3: "a host MUST NOT close all functioning subflows unless it is safe to do so"
    // RFC 8684 §3.3.3: "Once a DATA_FIN has been acknowledged, all remaining subflows MUST be closed with standard FIN exchanges."
    // RFC 8684 §3.3.3: "Both hosts SHOULD send FINs on all subflows, as a courtesy"
    if (this.over || !this.finished) return;
    this.conclude(null, null);
    for (const subflow of this.attempts) {
      subflow.finish(now);
      if (subflow.ended !== null) this.subflowEnded();
    }
    this.dirty();
    this.removeWhenBare();
  }

  /** Nothing more will come or go at the data level. */
  private conclude(code: NetworkCode | null, reason: EndReason | null): void {
    if (this.over) return;
    this.#life = { kind: "over", code, reason };
    this.setCurrent(false);
    this.host.probe?.connectionClosed(this.host.now, this.id, code, reason);
    this.#tell |= TELL_CLOSED | TELL_READABLE;
    this.deadlines.clearAll();
    this.#plugins?.end();
    this.paths.stop();
    if (this.capable && !this.fallback) this.host.releaseToken(this.keys.token, this);
    this.dirty();
  }

  /** Gives everything back when it is over, nobody holds it, and no subflow is left. */
  private removeWhenBare(): void {
    const life = this.#life;
    if (life.kind !== "over" || !this.is(APP_CLOSED) || this.attempts.length > 0) return;
    this.#life = { kind: "gone", code: life.code, reason: life.reason };
    this.host.timers.arm(this.#alarm, Infinity);
    this.#alarm.release();
    this.free();
    this.host.closed(this);
  }

  /** A subflow of a connection that is over has been buried. */
  buried(): void {
    this.removeWhenBare();
  }

  /** Gives the buffers back without a word. */
  free(): void {
    this.sendQueue.free();
    this.receiveQueue.free();
  }

  /** Calls the observer for what happened in this batch. */
  notify(): void {
    const observer = this.#observer;
    if (this.told(TELL_ESTABLISHED)) observer.onEstablished();
    if (this.told(TELL_READABLE)) observer.onReadable();
    if (this.told(TELL_WRITABLE)) observer.onWritable();
    if (this.told(TELL_CLOSED)) observer.onClosed(this.code, this.reason);
  }

  private told(what: number): boolean {
    if ((this.#tell & what) === 0) return false;
    this.#tell &= ~what;
    return true;
  }
}
