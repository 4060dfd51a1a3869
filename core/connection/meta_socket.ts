/**
 * The meta-socket (draft §2.2): data sequence space, shared send queue and shared receive buffer of one connection, above the subflows that carry
 * it. Its parts stand beside this file: establish.ts, options.ts, reassembly.ts, pull.ts, reinject.ts, close.ts, fallback.ts, paths.ts.
 */

import { DSS_DATA_ACK, DSS_DSN_8, DSS_MAPPING } from "../../wasm/layout.ts";
import type {
  CongestionControl,
  CongestionControlPlugin,
  ConnectionView,
  Endpoint,
  Micros,
  PathManagerPlugin,
  Scheduler,
  SchedulerPlugin,
} from "../plugin.ts";
import type { LeaveReason, SubflowOwner, ThirdAck, Timed } from "../subflow/owner.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { InitialDsn } from "../wire/seq.ts";
import { type Key, writeMpCapable } from "../wire/mptcp.ts";
import { Buffers } from "./buffers.ts";
import {
  abortConnection,
  closeConnection,
  type DataState,
  finishWriting,
  stateOf,
  subflowFin,
  subflowLeft,
} from "./close.ts";
import {
  capableFlags,
  judgeSynAck,
  judgeThirdAck,
  subflowEstablished,
  writeHandshakeOption,
} from "./establish.ts";
import { fallbackAcknowledged } from "./fallback.ts";
import type { ConnectionHost, ConnectionObserver, NetworkCode } from "./host.ts";
import { keyMaterial } from "./keys.ts";
import { handleOptions } from "./options.ts";
import { PathTransportOf } from "./paths.ts";
import { payload, updateWindow } from "./reassembly.ts";
import { connectionTimers, revive, timeoutOf } from "./reinject.ts";
import { RetransmitQueue, SentList } from "./send_queue.ts";

/** Bytes of either buffer where nothing else is asked for. */
export const DEFAULT_BUFFER = 8388608;

/** The plugins of a connection. */
export interface Policies {
  /** Which subflow carries what. */
  readonly scheduler: SchedulerPlugin;
  /** Which paths are used. */
  readonly pathManager: PathManagerPlugin;
  /** How fast each subflow sends. */
  readonly congestionControl: CongestionControlPlugin;
}

/** One connection. Members without a comment are Linux's or RFC 8684's variables; data offsets count from the initial data sequence number. */
export class MetaSocket implements ConnectionView, SubflowOwner, Timed {
  readonly host: ConnectionHost;
  readonly role: "client" | "server";
  readonly localEndpoint: Endpoint;
  readonly remoteEndpoint: Endpoint;
  /** Who hears of it; the application layer sets it when it takes over an accepted connection. */
  observer: ConnectionObserver;

  readonly localKey: Key;
  readonly token: number;
  readonly localIdsn: InitialDsn;
  remoteKey: Key = { high: 0, low: 0 };
  remoteToken = 0;
  remoteIdsn: InitialDsn = { high: 0, low: 0 };
  /** The peer's C flag (RFC 8684 §3.1). */
  peerDeniesJoinToInitial = false;
  dssChecksum: boolean;

  /** The first subflow is established. */
  established = false;
  /** A DSS, or MP_CAPABLE with data, has come: the path lets options through, joins may begin (RFC 8684 §3.1). */
  confirmed = false;
  /** Plain TCP (RFC 8684 §3.7). */
  fallback = false;
  /** MP_CAPABLE was offered, or is still. */
  capable: boolean;
  /** Data offset less sequence offset of the only subflow after a fallback. */
  fallbackShift = 0;
  dataAckFlags = 0;
  mappingFlags = 0;

  readonly buffers: Buffers;
  readonly sendBuffer: number;
  readonly receiveBuffer: number;
  readonly receiveScale: number;
  dataUna = 1;
  dataNxt = 1;
  /** Right edge of the peer's window. */
  windowEnd = 1;
  readonly sentList: SentList = new SentList();
  readonly retransmitQueue: RetransmitQueue = new RetransmitQueue();
  /** Data offset of our DATA_FIN; -1 before finish(). */
  finOffset = -1;
  /** The peer had finished before we did. */
  closedSecond = false;
  /** Our DATA_FIN is DATA_ACKed. */
  finAcked = false;
  /** Data offset of the peer's DATA_FIN; -1 while unknown. */
  peerFin = -1;
  /** The peer's DATA_FIN is in order. */
  peerFinished = false;
  /** Right edge offered to the peer, and as last sent. */
  rcvEdge: number;
  rcvEdgeSent: number;
  discarding = false;
  /** The application has called close(). */
  appClosed = false;
  /** Nothing more will happen. */
  closed = false;
  /** The token and everything else is given back. */
  removed = false;
  code: NetworkCode | null = null;
  /** Why the last subflow ended. */
  lastReason: NetworkCode = "ConnectionReset";
  noDelay = true;

  /** Established subflows by path index. */
  readonly subflows: Subflow[] = [];
  /** Every subflow that is not gone, half-open ones included. */
  readonly attempts: Subflow[] = [];
  scheduler: Scheduler;
  congestion: CongestionControl;
  schedulerPlugin: SchedulerPlugin;
  readonly policies: Policies;
  readonly paths: PathTransportOf;
  /** Joins may begin from then on; Infinity before, and after it was told. */
  pathsStartAt: Micros = Infinity;
  /** Earliest time the scheduler asked to be asked again. */
  wakeAt: Micros = Infinity;
  /** Until then bytes without a mapping may still get one. */
  unmappedAt: Micros = Infinity;

  // Deadlines; the nearest is armed.
  dataRetransmitAt: Micros = Infinity;
  persistAt: Micros = Infinity;
  closeAt: Micros = Infinity;
  closeUna = 0; // `dataUna` when that was set
  persistCount = 0;
  dataTimeouts = 0;
  deadline: Micros = Infinity;
  queuedAt: Micros = Infinity;

  /** Queued for the send pass at the end of this batch. */
  inDirtyList = false;
  // What the observer is to hear at the end of this batch.
  tellEstablished = false;
  tellReadable = false;
  tellWritable = false;
  tellClosed = false;

  // Figures.
  repeated = 0;
  bytesSent = 0;
  bytesReceived = 0;
  bytesAcked = 0;
  bytesRetransmitted = 0;
  retransmits = 0;
  subflowsTotal = 0;
  addAddrSignal = 0;
  addAddrAccepted = 0;
  lastDataSent: Micros = 0;
  lastDataReceived: Micros = 0;
  lastAckReceived: Micros = 0;

  /** Makes a connection without subflows; host/stack.ts opens the first. */
  constructor(
    host: ConnectionHost,
    role: "client" | "server",
    local: Endpoint,
    remote: Endpoint,
    policies: Policies,
    observer: ConnectionObserver,
  ) {
    this.host = host;
    this.role = role;
    this.localEndpoint = local;
    this.remoteEndpoint = remote;
    this.observer = observer;
    this.policies = policies;
    const { experiments } = host;
    this.capable = experiments.mptcp ?? true;
    this.dssChecksum = experiments.checksum ?? false;
    this.sendBuffer = experiments.sendBuffer ?? DEFAULT_BUFFER;
    this.receiveBuffer = experiments.receiveBuffer ?? DEFAULT_BUFFER;
    this.receiveScale = Math.min(
      14,
      Math.max(0, Math.ceil(Math.log2((this.receiveBuffer + 1) / 65535))),
    );
    this.localKey = host.newKey();
    const { token, idsn } = keyMaterial(this.localKey);
    this.token = token;
    this.localIdsn = idsn;
    this.buffers = new Buffers(host.wasm);
    this.rcvEdge = this.rcvEdgeSent = 1 + this.receiveBuffer;
    this.schedulerPlugin = policies.scheduler;
    this.scheduler = policies.scheduler.create(this);
    this.congestion = policies.congestionControl.create(this);
    this.paths = new PathTransportOf(this, policies.pathManager);
    if (this.capable) host.claimToken(token, this);
  }

  get sendStream(): number {
    return this.buffers.send;
  }

  get receiveStream(): number {
    return this.buffers.receive;
  }

  // What plugins see.

  get unsent(): number {
    return this.tail - Math.min(this.dataNxt, this.tail);
  }

  get unacked(): number {
    return this.dataNxt - this.dataUna;
  }

  get window(): number {
    return Math.max(0, this.windowEnd - this.dataNxt);
  }

  get acked(): number {
    return this.dataUna - 1;
  }

  get now(): Micros {
    return this.host.now;
  }

  random(): number {
    return this.host.randomFraction(this.schedulerPlugin.name);
  }

  wake(at: Micros): void {
    this.wakeAt = Math.min(this.wakeAt, at);
    this.rearm();
  }

  // What the application does.

  /** End of what was written, as data offset. */
  get tail(): number {
    return this.buffers.tail;
  }

  /** Bytes that read() would give now. */
  get readable(): number {
    return this.buffers.receivedNext - this.buffers.readOffset;
  }

  /** First byte that the application has not read. */
  get readOffset(): number {
    return this.buffers.readOffset;
  }

  /** End of what is in order. */
  get receivedNext(): number {
    return this.buffers.receivedNext;
  }

  get dataRcvNxt(): number {
    return this.receivedNext + (this.peerFinished && !this.fallback ? 1 : 0);
  }

  get receiveWindow(): number {
    return Math.max(0, this.rcvEdge - this.receivedNext);
  }

  /** Data from here on are not kept: beyond the DATA_FIN, or one buffer beyond the edge, since Linux adds old windows to new DATA_ACKs. */
  get dataLimit(): number {
    return this.peerFin >= 0 ? this.peerFin : this.rcvEdge + this.receiveBuffer;
  }

  get capableData(): boolean {
    return this.role === "client" && !this.confirmed;
  }

  /** The peer's DATA_FIN was reached and everything before it was read. */
  get atEnd(): boolean {
    return this.peerFinished && this.readable === 0;
  }

  /** Both DATA_FINs are done. */
  get finished(): boolean {
    return this.finAcked && this.peerFinished;
  }

  /** The state in the words of RFC 8684 appendix D. */
  get state(): DataState {
    return stateOf(this);
  }

  /** Bytes that write() would take now. */
  get writeRoom(): number {
    if (this.finOffset >= 0 || this.closed) return 0;
    return Math.max(0, this.sendBuffer - (this.tail - this.dataUna));
  }

  /** Appends bytes of `source` from index `from` to the send queue; returns how many were taken. */
  write(now: Micros, source: Uint8Array, from: number): number {
    const taken = this.buffers.append(source, from, Math.min(source.length - from, this.writeRoom));
    if (taken > 0 && this.established) this.#pass(now);
    return taken;
  }

  /** Copies bytes that are there into `target`; 0 when there are none. */
  read(now: Micros, target: Uint8Array): number {
    const bytes = this.buffers.take(target);
    this.bytesReceived += bytes;
    if (bytes > 0) updateWindow(this, now);
    return bytes;
  }

  /** Ends the outgoing direction after what was written (DATA_FIN). */
  finish(now: Micros): void {
    finishWriting(this);
    this.#pass(now);
  }

  /** A send pass at the application's call. */
  #pass(now: Micros): void {
    this.dirty();
    this.host.flush(now);
  }

  /** Drops incoming bytes from now on. */
  discard(now: Micros): void {
    this.discarding = true;
    this.buffers.drop();
    updateWindow(this, now);
  }

  /** What was written is still sent; unread data make it an abort, as in Linux. */
  close(now: Micros): void {
    closeConnection(this, now);
    this.#pass(now);
  }

  /** Ends at once with MP_FASTCLOSE. */
  abort(now: Micros): void {
    abortConnection(this, "ConnectionAborted", now);
    this.#pass(now);
  }

  /** Replaces the scheduler on the living connection. */
  setScheduler(now: Micros, plugin: SchedulerPlugin): void {
    this.schedulerPlugin = this.host.guardScheduler(plugin);
    this.scheduler = this.schedulerPlugin.create(this);
    for (const subflow of this.subflows) this.scheduler.onSubflow?.(subflow, "joined");
    this.#pass(now);
  }

  // What subflows tell.

  writeHandshake(subflow: Subflow, tcpFlags: number): void {
    writeHandshakeOption(this, subflow, tcpFlags);
  }

  writeCapableData(length: number, checksum: number): void {
    writeMpCapable(
      capableFlags(this),
      this.localKey,
      this.remoteKey,
      length,
      checksum < 0 ? undefined : checksum,
    );
  }

  synAckArrived(subflow: Subflow, now: Micros): boolean {
    return judgeSynAck(this, subflow, now);
  }

  thirdAckArrived(subflow: Subflow): ThirdAck {
    return judgeThirdAck(this, subflow);
  }

  optionsArrived(subflow: Subflow, now: Micros): boolean {
    return handleOptions(this, subflow, now);
  }

  payloadArrived(
    subflow: Subflow,
    seq: number,
    address: number,
    length: number,
    now: Micros,
  ): number {
    return payload(this, subflow, seq, address, length, now);
  }

  acknowledged(subflow: Subflow, bytes: number, now: Micros): void {
    if (this.fallback) fallbackAcknowledged(this, subflow, now);
    if (bytes > 0) {
      this.scheduler.onAck?.(subflow, bytes);
      if (subflow.stale) revive(this, subflow);
    }
    this.dirty(subflow);
  }

  timedOut(subflow: Subflow, count: number): void {
    timeoutOf(this, subflow, count);
  }

  finArrived(subflow: Subflow, now: Micros): void {
    subflowFin(this, subflow, now);
  }

  left(subflow: Subflow, reason: LeaveReason, now: Micros): void {
    subflowLeft(this, subflow, reason, now);
  }

  dirty(_subflow?: Subflow): void {
    if (this.inDirtyList) return;
    this.inDirtyList = true;
    this.host.dirty(this);
  }

  writable(): void {
    this.dirty();
  }

  /** Tells scheduler and path manager of a change. */
  subflowChanged(
    subflow: Subflow,
    change: "joined" | "left" | "priority" | "stale" | "revived",
    reason?: string,
  ): void {
    this.scheduler.onSubflow?.(subflow, change);
    this.paths.subflowChanged(subflow, change, reason);
  }

  joined(subflow: Subflow): void {
    subflowEstablished(this, subflow);
  }

  /** A DSS, or what counts as one, has come. */
  confirm(now: Micros): void {
    if (this.confirmed) return;
    this.confirmed = true;
    this.pathsStartAt = now;
    this.dirty();
  }

  /** Sets the flags of DSS options once MPTCP is agreed. */
  startDss(): void {
    const short = this.host.experiments.shortDss ?? false;
    this.mappingFlags = DSS_MAPPING | (short ? 0 : DSS_DSN_8);
    this.dataAckFlags = DSS_DATA_ACK;
  }

  /** Files the nearest deadline. */
  rearm(): void {
    const nearest = Math.min(
      this.dataRetransmitAt,
      this.persistAt,
      this.closeAt,
      this.wakeAt,
      this.unmappedAt,
    );
    if (nearest !== this.deadline) this.host.timers.arm(this, nearest);
  }

  fire(now: Micros): void {
    connectionTimers(this, now);
    if (!this.removed) this.rearm();
  }

  /** Calls the observer for what happened in this batch. */
  notify(): void {
    const { observer } = this;
    if (this.tellEstablished) {
      this.tellEstablished = false;
      observer.onEstablished();
    }
    if (this.tellReadable) {
      this.tellReadable = false;
      observer.onReadable();
    }
    if (this.tellWritable) {
      this.tellWritable = false;
      observer.onWritable();
    }
    if (this.tellClosed) {
      this.tellClosed = false;
      observer.onClosed(this.code);
    }
  }
}
