/** What the parts of a subflow are lent, without a stack below or a connection above: for tests of one part. */

import { DEFAULT_SETTINGS, type TcpSettings } from "../../core/subflow/settings.ts";
import { writeKey } from "../../core/host/flow_key.ts";
import type { AckSample, CongestionController, Endpoint, Micros } from "../../core/plugin.ts";
import { Acks } from "../../core/subflow/acks.ts";
import { Ecn } from "../../core/subflow/ecn.ts";
import { Deadlines, SUBFLOW_TIMERS, type SubflowTimer } from "../../core/subflow/deadlines.ts";
import { Mtu } from "../../core/subflow/mtu.ts";
import { Sender } from "../../core/subflow/sender.ts";
import type { SafeProbe } from "../../core/subflow/probe.ts";
import { ReceiveWindow } from "../../core/subflow/receive_window.ts";
import { PLAIN } from "../../core/subflow/handshake.ts";
import type {
  CapableKeys,
  DataLevel,
  Outlet,
  PathMemory,
  SubflowHost,
  Waiter,
} from "../../core/subflow/shared.ts";
import { Receiver } from "../../core/subflow/receiver.ts";
import { Subflow } from "../../core/subflow/subflow.ts";
import { Timestamps } from "../../core/subflow/timestamps.ts";
import type { TimeWait } from "../../core/subflow/time_wait.ts";
import { parseAddress } from "../../core/wire/ip.ts";
import { inOnePiece, type PacketOut, packetOut } from "../../core/wire/packet.ts";
import { type Draft, rx, tx } from "../../core/wire/segment.ts";
import {
  CHECKSUM_FULL,
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DSN_8,
  DSS_MAPPING,
  OUT_0,
  PAGE,
  PARSE_OK,
  TCP_ACK,
  TX_SACK,
} from "../../wasm/layout.ts";
import {
  copy,
  host_new,
  memory_alloc,
  packet_alloc,
  packet_parse,
  stream_append,
  stream_new,
  u32,
  u8,
} from "../../wasm/mod.ts";
import { octet } from "./segment_codec.ts";
import { bytesOf } from "./packets.ts";
import { packetText } from "./packet_text.ts";

/** Initial sequence numbers: ours, and the peer's. */
export const ISS = 1000;
export const IRS = 5000;

const LOCAL: Endpoint = { address: "10.0.0.1", port: 1000 };
const REMOTE: Endpoint = { address: "10.0.0.2", port: 80 };

/** A flow key, of our end or of the peer's. */
export function flowKey(ours = true, port = LOCAL.port): number {
  const local = parseAddress(LOCAL.address)!;
  const remote = parseAddress(REMOTE.address)!;
  return ours
    ? writeKey(local, port, remote, REMOTE.port, 0)
    : writeKey(remote, REMOTE.port, local, port, 0);
}

/** A link that keeps what is sent over it. */
export class FakeOutlet implements Outlet {
  readonly name = "fake";
  mtu = 1500;
  maxSegments = 1;
  readonly checksumMode = CHECKSUM_FULL;
  /** Packets that it takes before it is full. */
  room = Infinity;
  /** What was sent and not taken out. */
  readonly packets: Uint8Array[] = [];
  readonly gsoSizes: number[] = [];
  readonly waiting: Waiter[] = [];

  get blocked(): boolean {
    return this.room === 0;
  }

  send(packet: Readonly<PacketOut>): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.packets.push(bytesOf(packet));
    this.gsoSizes.push(packet.gsoSize);
    return true;
  }

  wait(waiter: Waiter): void {
    this.waiting.push(waiter);
  }

  /** Takes out what was sent, a line each: `FLAGS SEQ:END ack N win N <options>`, numbers as on the wire. */
  lines(): string[] {
    this.gsoSizes.length = 0;
    return this.packets.splice(0).map((bytes) =>
      packetText(bytes).replace(/^\S+ > \S+ | <>$/g, "")
    );
  }
}

/** A host that notes what it is told. */
export class FakeHost implements SubflowHost {
  readonly wasm: number = host_new(1, 2);
  readonly out: PacketOut = packetOut();
  probe: SafeProbe | null = null;
  readonly counted: string[] = [];
  readonly forgotten: number[] = [];
  readonly rested: TimeWait[] = [];

  constructor() {
    this.out.header = memory_alloc(256) + 16;
  }

  count(name: string, by = 1): void {
    for (let i = 0; i < by; i++) this.counted.push(name);
  }

  pathMemory(): PathMemory {
    return { known: () => null, found() {} };
  }

  forget(flow: number): void {
    this.forgotten.push(flow);
  }

  rest(timeWait: TimeWait): void {
    this.rested.push(timeWait);
  }
}

/** A connection as its subflows read it; all of it may be set. */
export class FakeLevel implements DataLevel {
  resetTold(): void {}
  readonly id = 1;
  tcp: TcpSettings = DEFAULT_SETTINGS;
  readonly sendStream: number;
  readonly receiveStream: number;
  readonly localIdsn = { high: 0, low: 10_000 };
  readonly remoteIdsn = { high: 0, low: 20_000 };
  dataRcvNxt = 1;
  receiveWindow = 50_000;
  offered = new ReceiveWindow(50_000);
  offeredFrom = 1;
  receiveScale = 0;
  dataAckFlags: number = DSS_DATA_ACK | DSS_DATA_ACK_8;
  mappingFlags: number = DSS_MAPPING | DSS_DSN_8;
  /** Data below are told in eight octets. */
  far = 0;
  dssChecksum = false;
  keysOwed: CapableKeys | null = null;
  finOut = -1;
  over = false;

  /** Both streams are new; `written` bytes of {@linkcode octet} wait to be sent. */
  constructor(host: SubflowHost, written = 0) {
    this.sendStream = stream_new(host.wasm, 1);
    this.receiveStream = stream_new(host.wasm, 1);
    for (let done = 0; done < written;) {
      const address = stream_append(this.sendStream, Math.min(written - done, PAGE));
      const piece = u32[OUT_0]!;
      for (let i = 0; i < piece; i++) u8[address + i] = octet("stack", 1 + done + i);
      done += piece;
    }
  }

  mappingFlagsAt(dsn: number): number {
    return this.mappingFlags === 0 || dsn >= this.far ? this.mappingFlags : DSS_MAPPING | DSS_DSN_8;
  }

  /** Plain TCP from now on. */
  plain(): this {
    this.dataAckFlags = this.mappingFlags = 0;
    return this;
  }
}

/** A controller with a fixed window that notes what it is told. */
export class FakeController implements CongestionController {
  cwnd: number;
  ssthresh: number = Infinity;
  readonly acks: AckSample[] = [];
  readonly congestion: string[] = [];
  readonly restarts: Micros[] = [];

  constructor(cwnd: number) {
    this.cwnd = cwnd;
  }

  onAck(ack: AckSample): void {
    this.acks.push({ ...ack });
  }

  onCongestion(cause: string, flightSize: number): void {
    this.congestion.push(`${cause} ${flightSize}`);
  }

  onRestart(idle: Micros): void {
    this.restarts.push(idle);
  }
}

/** A segment of the peer; what is left out is 0 or absent. Numbers are offsets from ISS and IRS. */
export interface Incoming {
  readonly flags?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly length?: number;
  /** TSval and TSecr. */
  readonly ts?: readonly [number, number];
  readonly mss?: number;
  readonly sackPermitted?: boolean;
  readonly scale?: number;
  /** SACK blocks, offsets from ISS. */
  readonly sack?: readonly (readonly [number, number])[];
  /** DSS_* flags; the DATA_ACK and the mapping are the level's. */
  readonly dss?: {
    readonly flags: number;
    readonly ack?: number;
    readonly dsn?: number;
    readonly ssn?: number;
    readonly length?: number;
    readonly checksum?: number;
  };
  /** Writes MPTCP options. */
  readonly options?: (draft: Draft) => void;
}

const KEY = flowKey(false);
const BUFFER = packet_alloc(66048);
const PAYLOAD = BUFFER + 256;

/** Builds a segment of the peer and reads it into `rx`; the bytes of its payload are those of {@linkcode octet} from `seq` on. */
export function comes(segment: Incoming): void {
  const { flags = TCP_ACK, seq = 1, ack = 1, window = 50_000, length = 0, dss } = segment;
  const out = packetOut();
  out.header = PAYLOAD - 128;
  inOnePiece(out, 0);
  for (let i = 0; i < length; i++) u8[PAYLOAD + i] = octet("peer", seq + i);
  out.a = PAYLOAD;
  out.aLength = length;
  const draft = tx.begin();
  segment.options?.(draft);
  tx.header(IRS + seq, (flags & TCP_ACK) === 0 ? 0 : ISS + ack, flags, window);
  if (segment.mss !== undefined) {
    tx.offer(segment.mss, segment.sackPermitted ?? false, segment.scale ?? -1);
  }
  if (segment.ts !== undefined) tx.timestamps(...segment.ts);
  const blocks = segment.sack ?? [];
  blocks.forEach(([left, right], i) => {
    u32[TX_SACK + 2 * i] = ISS + left;
    u32[TX_SACK + 2 * i + 1] = ISS + right;
  });
  tx.plan({ timestamps: false, dss: dss?.flags ?? 0, sack: blocks.length, size: 0 });
  if (dss !== undefined) {
    tx.dataAck(dss.ack ?? 1, { high: 0, low: 10_000 });
    const { dsn = 1, ssn = 1, checksum = -1 } = dss;
    tx.mapping(dsn, { high: 0, low: 20_000 }, ssn, dss.length ?? 0, checksum);
  }
  tx.build(KEY, out, CHECKSUM_FULL);
  copy(PAYLOAD - out.headerLength, out.header, out.headerLength);
  const start = PAYLOAD - out.headerLength;
  if (packet_parse(0, start, out.headerLength + length, 0) !== PARSE_OK) {
    throw new Error("a malformed packet was built");
  }
  if (rx.length !== length) throw new Error("a packet was built with the wrong length");
}

/** How {@linkcode subflowParts} differ from the usual. */
export interface PartsOptions {
  /** Bytes that wait in the send queue. */
  readonly written?: number;
  /** Plain TCP. */
  readonly plain?: boolean;
  readonly path?: number;
}

/** A subflow with all that it is lent. */
export interface SubflowParts {
  readonly host: FakeHost;
  readonly level: FakeLevel;
  readonly outlet: FakeOutlet;
  readonly subflow: Subflow;
}

/** A subflow that nobody has opened. */
export function subflowParts(options: PartsOptions = {}): SubflowParts {
  const host = new FakeHost();
  const level = new FakeLevel(host, options.written ?? 0);
  if (options.plain) level.plain();
  const outlet = new FakeOutlet();
  const subflow = new Subflow(host, level, {
    path: options.path ?? 1,
    local: LOCAL,
    remote: REMOTE,
    family: 4,
    key: flowKey(),
    outlet,
    iss: ISS,
    timestampOffset: 0,
    localId: 0,
    remoteId: 0,
    option: PLAIN,
  });
  return { host, level, outlet, subflow };
}

/** A subflow that we opened and the peer accepted at time 0, with SACK, without timestamps and window scale; its MSS is 1,000. */
export function established(options: PartsOptions = {}): SubflowParts {
  const parts = subflowParts(options);
  const { subflow, outlet } = parts;
  subflow.open(0);
  comes({ flags: TCP_ACK | 2, seq: 0, ack: 1, mss: 1000, sackPermitted: true });
  subflow.arrive(0);
  subflow.admit(0);
  // Any segment ends the handshake.
  comes({});
  subflow.arrive(0);
  outlet.lines();
  return parts;
}

/** The parts from which a subflow's segments are built, after the handshake; its peer allows segments of 1,000 bytes, options included. */
export class OutputParts {
  readonly host: FakeHost = new FakeHost();
  readonly outlet: FakeOutlet = new FakeOutlet();
  readonly level: FakeLevel;
  readonly timestamps: Timestamps = new Timestamps(0);
  readonly receiver: Receiver = new Receiver();
  readonly acks: Acks = new Acks();
  readonly ecn: Ecn = new Ecn("accept");
  readonly deadlines: Deadlines<SubflowTimer> = new Deadlines<SubflowTimer>(SUBFLOW_TIMERS);
  readonly mtu: Mtu = new Mtu(this.outlet, 4);
  readonly output: Sender;

  constructor(
    options: { written?: number; timestamps?: boolean; plain?: boolean; minRto?: number } = {},
  ) {
    this.level = new FakeLevel(this.host, options.written ?? 10_000);
    if (options.minRto !== undefined) {
      this.level.tcp = { ...DEFAULT_SETTINGS, minRto: options.minRto };
    }
    if (options.plain) this.level.plain();
    comes(options.timestamps ? { ts: [77, 0] } : {});
    this.timestamps.agree(0);
    this.receiver.begin(IRS);
    this.receiver.start(this.host.wasm, this.level);
    this.acks.begin();
    this.mtu.peer(1000);
    const { host, level, outlet, timestamps, receiver, acks, mtu, deadlines } = this;
    this.output = new Sender({
      host,
      level,
      path: 1,
      outlet,
      key: flowKey(),
      iss: ISS,
      timestamps,
      receiver,
      acks,
      ecn: this.ecn,
      mtu,
      deadlines,
    });
    this.output.resize();
  }

  /** Payload of `length` bytes comes at `seq` and is placed. */
  receive(seq: number, length: number): void {
    this.receiver.map(1, 1, 1e5, -1, 1e6);
    comes({ seq, length });
    this.receiver.place(seq, 1e6);
  }
}
