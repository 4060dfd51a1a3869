/** Builds and sends every segment of one subflow: data, acknowledgements, SYN, FIN, RST, each with the options that have room (RFC 9293 §3.10.7.4, RFC 8684 §3.3). */

import {
  dss_checksum,
  header_build,
  header_next,
  memory_alloc,
  stream_at,
  sum,
  sum_join,
  u8,
} from "../../wasm/mod.ts";
import {
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  PAGE,
  TCP_ACK,
  TCP_CWR,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
} from "../../wasm/layout.ts";
import type { Endpoint, Micros, PathIndex } from "../plugin.ts";
import {
  dssSize,
  type OptionPlan,
  type OptionWish,
  planOptions,
  synFits,
  TIMESTAMPS_SIZE,
} from "../wire/option_space.ts";
import { inOnePiece } from "../wire/packet.ts";
import { type Draft, tx } from "../wire/segment.ts";
import { dsnWords, toWire } from "../wire/seq.ts";
import type { Acks } from "./acks.ts";
import { type Deadlines, type SubflowTimer, TIMER_ACK } from "./deadlines.ts";
import { type Ecn, ECT_0 } from "./ecn.ts";
import type { FastOpen } from "./fast_open.ts";
import type { Handshake } from "./handshake.ts";
import type { Mtu } from "./mtu.ts";
import { nothing } from "./probe.ts";
import type { Receiver } from "./receiver.ts";
import { offersSack } from "./settings.ts";
import type { DataLevel, Outlet, SubflowHost } from "./shared.ts";
import { INFINITE_MAPPING, type Mapping } from "./pieces.ts";
import { TimeWait } from "./time_wait.ts";
import { windowField } from "./receive_window.ts";
import type { Timestamps } from "./timestamps.ts";

const wish: OptionWish = {
  timestamps: false,
  dss: 0,
  checksum: false,
  dataAckMoved: false,
  sack: 0,
  raw: 0,
};
const plan: OptionPlan = { timestamps: false, dss: 0, sack: 0, size: 0 };
/** The segment being built tells what came again. */
let tellsAgain = false;

/** Octets of an MP_CAPABLE with both keys beside data, padded to four (RFC 8684 §3.1). */
const KEYS_SIZE = 24;
/** Most bytes in a SYN: an MSS of Ethernet. */
const MOST_SYN_DATA = 1500;
/** Where they lie while it is built; made for the first. */
let synData = 0;

/**
 * Sequence offset of the first byte behind a SYN. What begins there always has its DATA_ACK: RFC 8684 §3.1 and §3.2 have a client, and who joins, wait for one
 * before it takes the path for MPTCP; Linux falls back, or resets a join, where the first segment in order has none.
 */
const FIRST = 1;
/** Segments after which a peer that was sent no data has got one of them: not all ACKs of its first flight (RFC 6928) and of what it repeats are lost. */
const SURE = 16;

// What holds of the output of a subflow, as bits: each place of its own would take eight bytes of every subflow.
/** SACK-permitted is offered, or was agreed (RFC 2018 §2). */
const SACK = 1;
/** Windows are scaled in both directions (RFC 7323 §2.2). */
const SCALED = 2;
/** The first that is left to the sender. */
export const FREE_FLAG = 4;

/** What the segments of a subflow are built from. */
export interface OutputParts {
  readonly host: SubflowHost;
  readonly level: DataLevel;
  /** Path index of the subflow. */
  readonly path: PathIndex;
  readonly outlet: Outlet;
  /** Address of the KEY record. */
  readonly key: number;
  /** Initial sequence number. */
  readonly iss: number;
  readonly timestamps: Timestamps;
  readonly receiver: Receiver;
  readonly acks: Acks;
  readonly ecn: Ecn;
  readonly mtu: Mtu;
  readonly deadlines: Deadlines<SubflowTimer>;
}

/**
 * What builds and sends the segments of one subflow: a part of its {@linkcode Sender}, which extends it, as what both need would else stand in each of
 * two objects of every subflow. Sequence numbers are offsets.
 */
export class Output {
  /** Path index of the subflow. */
  readonly path: PathIndex;
  protected readonly host: SubflowHost;
  protected readonly level: DataLevel;
  /** The link that its segments leave by. */
  readonly outlet: Outlet;
  /** Address of its KEY record. */
  readonly key: number;
  #iss: number;
  readonly timestamps: Timestamps;
  readonly #receiver: Receiver;
  readonly #acks: Acks;
  readonly ecn: Ecn;
  readonly mtu: Mtu;
  readonly deadlines: Deadlines<SubflowTimer>;
  #flags: number;
  #segments = 0;
  #withData = 0;

  /** From the parts of one subflow. */
  constructor(parts: OutputParts) {
    this.path = parts.path;
    this.host = parts.host;
    this.level = parts.level;
    this.outlet = parts.outlet;
    this.key = parts.key;
    this.#iss = parts.iss;
    this.timestamps = parts.timestamps;
    this.#receiver = parts.receiver;
    this.#acks = parts.acks;
    this.ecn = parts.ecn;
    this.mtu = parts.mtu;
    this.deadlines = parts.deadlines;
    this.#flags = offersSack(parts.level.tcp) ? SACK | SCALED : SCALED;
  }

  protected is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  protected set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  /** What our sequence offsets count from, as on the wire. */
  get iss(): number {
    return this.#iss;
  }

  /** Segments and super-segments sent. */
  get segments(): number {
    return this.#segments;
  }

  /** Those with payload. */
  get withData(): number {
    return this.#withData;
  }

  /** The link is full. */
  get blocked(): boolean {
    return this.outlet.blocked;
  }

  /** SACK-permitted was agreed (RFC 2018 §2). */
  get sackPermitted(): boolean {
    return this.is(SACK);
  }

  /** Windows are scaled in both directions (RFC 7323 §2.2). */
  get scaled(): boolean {
    return this.is(SCALED);
  }

  /** Shift of the windows that we send. */
  get scale(): number {
    return this.is(SCALED) ? this.level.receiveScale : 0;
  }

  /** Agrees on what the peer's SYN offers. */
  agree(sack: boolean, scaled: boolean): void {
    if (!sack) this.set(SACK, false);
    if (!scaled) this.set(SCALED, false);
  }

  /** `bytes` in our SYN are acknowledged: offset 1 is the byte behind them (RFC 8684 appendix B.2). */
  passOver(bytes: number): void {
    this.#iss = (this.#iss + bytes) | 0;
  }

  /** The options of data have changed: so has the payload of a full segment. */
  resize(): void {
    const { mappingFlags, dataAckFlags, dssChecksum } = this.level;
    const flags = mappingFlags | (mappingFlags !== 0 ? dataAckFlags : 0);
    let options = this.timestamps.on ? TIMESTAMPS_SIZE : 0;
    if (flags !== 0) options += dssSize(flags, dssChecksum);
    this.mtu.options(options);
  }

  /** Payload of a full segment with a mapping and without a DATA_ACK. */
  get wholePayload(): number {
    const { payload, segment } = this.mtu;
    const { mappingFlags, dssChecksum } = this.level;
    if (mappingFlags === 0) return payload;
    return segment - dssSize(mappingFlags, dssChecksum) -
      (this.timestamps.on ? TIMESTAMPS_SIZE : 0);
  }

  /** Payload of a full segment that has the keys, or an `infinite` mapping, where others have a mapping and a DATA_ACK. */
  payloadBeside(infinite: boolean): number {
    const { payload, segment } = this.mtu;
    const { mappingFlags, dssChecksum } = this.level;
    if (mappingFlags === 0 && !infinite) return payload;
    const option = infinite ? dssSize(DSS_MAPPING | DSS_DSN_8, dssChecksum) : KEYS_SIZE;
    return Math.min(payload, segment - option - (this.timestamps.on ? TIMESTAMPS_SIZE : 0));
  }

  /** SYN or SYN/ACK. */
  syn(handshake: Handshake, flags: number, now: Micros): void {
    const level = this.level;
    const answer = (flags & TCP_ACK) !== 0;
    flags |= this.ecn.opens(flags, handshake.sends);
    const { fastOpen } = handshake;
    const draft = tx.begin();
    if (fastOpen !== null) draft.fastOpen(fastOpen.cookie);
    handshake.write(draft, flags, (name) => this.host.count(name));
    if (!synFits(tx.optionLength, this.timestamps.on)) this.timestamps.leaveOut();
    // The window of a SYN is never scaled (RFC 7323 §2.2).
    const window = Math.min(65535, level.receiveWindow);
    tx.header(this.#iss, answer ? toWire(1, this.#receiver.irs) : 0, flags, window);
    tx.offer(this.mtu.local, this.is(SACK), this.is(SCALED) ? level.receiveScale : -1);
    if (this.timestamps.on) {
      tx.timestamps(this.timestamps.value(now), answer ? this.timestamps.recent : 0);
    }
    plan.dss = plan.sack = 0;
    tx.plan(plan);
    const length = fastOpen === null || answer ? 0 : this.synData(fastOpen);
    if (length === 0) this.empty();
    const left = this.outlet.send(this.host.out);
    this.#segments++;
    if (!left || this.host.probe === null) return;
    const { id } = level;
    const ack = answer ? 1 : 0;
    this.host.probe.segmentSent(now, id, this.path, 0, length, flags, ack, window, -1, 0);
  }

  /** Builds a SYN with data in front of those of the send queue; returns how many bytes. */
  private synData({ syn, inSyn }: FastOpen): number {
    if (inSyn === 0) return 0;
    synData ||= memory_alloc(MOST_SYN_DATA);
    u8.set(syn, synData);
    const { out } = this.host;
    inOnePiece(out, 0);
    out.a = synData;
    out.aLength = inSyn;
    tx.build(this.key, out, this.outlet.checksumMode);
    return inSyn;
  }

  /** The third ACK with the option that belongs to it; false when the link is full. */
  thirdAck(handshake: Handshake, nxt: number, now: Micros): boolean {
    const draft = tx.begin();
    handshake.write(draft, TCP_ACK, (name) => this.host.count(name));
    const left = this.ack(draft, nxt, now);
    handshake.acked(left);
    return left;
  }

  /** An ACK without data, with the options of `draft`, or, `beside` them where there is room, with DATA_ACK and SACK blocks. False when the link is full. */
  ack(draft: Draft | null, nxt: number, now: Micros, beside = draft === null): boolean {
    if (draft === null) tx.begin();
    const level = this.level;
    const moved = level.dataRcvNxt !== this.#acks.dataAck ||
      nxt === FIRST && this.#segments < SURE;
    // Some pairs must not meet in one segment (RFC 8684 §3.1, §3.2).
    this.wish(beside ? level.dataAckFlags : 0, false, moved, true);
    return this.bare(TCP_ACK, nxt, now);
  }

  /** An ACK whose sequence number lies before the window, so that the peer must answer with its own (zero-window and keep-alive probes, RFC 9293 §3.8.4). */
  probeBefore(una: number, now: Micros): boolean {
    tx.begin();
    this.wish(this.level.dataAckFlags);
    return this.bare(TCP_ACK, una - 1, now);
  }

  /** A DATA_FIN without data: sequence offset 0, length 1 (RFC 8684 §3.3.3). */
  dataFin(dsn: number, nxt: number, now: Micros): boolean {
    return this.end(TCP_ACK, dsn, nxt, now);
  }

  private end(flags: number, dsn: number, nxt: number, now: Micros): boolean {
    const level = this.level;
    tx.begin();
    const mapping = DSS_MAPPING | level.mappingFlagsAt(dsn);
    this.wish(mapping | DSS_DATA_FIN | level.dataAckFlags, level.dssChecksum);
    // RFC 8684 §3.3.3: "when the DATA_FIN is not attached to a TCP segment containing data, the DSS MUST have a subflow sequence number of 0, a
    // Data-Level Length of 1"
    const checksum = level.dssChecksum ? this.checksum(dsn, 0, 0, 1) : -1;
    tx.mapping(dsn, level.localIdsn, 0, 1, checksum);
    return this.bare(flags, nxt, now);
  }

  /**
   * A FIN at sequence offset `seq`. Beside one that the data level has sent ahead, which nothing repeats where all subflows are closed for data, the DATA_FIN
   * comes as surely as it.
   */
  finAt(seq: number, now: Micros): boolean {
    const { finOut, mappingFlags, dataAckFlags } = this.level;
    if (finOut >= 0 && mappingFlags !== 0) return this.end(TCP_ACK | TCP_FIN, finOut, seq, now);
    tx.begin();
    this.wish(dataAckFlags);
    return this.bare(TCP_ACK | TCP_FIN, seq, now);
  }

  /** A RST with the options of `draft`. */
  reset(_draft: Draft, nxt: number, now: Micros): void {
    this.host.count("TcpOutRsts");
    this.plan(0, false, true, 0);
    tellsAgain = false;
    this.bare(TCP_ACK | TCP_RST, nxt, now);
  }

  /** The DSS checksum of a mapping whose wire length is `wireLength` (RFC 8684 §3.3.1). */
  checksum(dsn: number, ssn: number, length: number, wireLength: number): number {
    const { localIdsn, sendStream } = this.level;
    const { high, low } = dsnWords(dsn, localIdsn);
    return dss_checksum(high, low, ssn >>> 0, wireLength, streamSum(sendStream, dsn, length));
  }

  /**
   * The bytes [from, to) of a mapping in as many packets as the link needs, under the whole of it, `segment` octets of options and payload in each. Returns
   * the bytes that left. Only what is `fresh`, sent for the first time, may be marked on its way (RFC 3168 §6.1.5), and tells that the window was reduced.
   */
  data(
    mapping: Mapping,
    from: number,
    to: number,
    fresh: boolean,
    now: Micros,
    segment: number = this.mtu.segment,
  ): number {
    const level = this.level;
    const { out } = this.host;
    const keys = mapping.first ? level.keysOwed : null;
    const draft = tx.begin();
    let flags = level.mappingFlagsAt(mapping.dsn);
    if (flags !== 0) {
      if (keys !== null) {
        const checksum = mapping.checksum < 0 ? undefined : mapping.checksum;
        draft.capable(keys.flags, keys.own, keys.peer, mapping.length, checksum);
        flags = 0;
      } else {
        flags |= level.dataAckFlags;
      }
    }
    const infinite = mapping.checksum === INFINITE_MAPPING;
    if (infinite) flags = DSS_MAPPING | DSS_DSN_8;
    const summed = infinite ? level.dssChecksum : mapping.checksum >= 0;
    const bytes = to - from;
    const full = this.mtu.payload;
    this.wish(flags, summed, true, bytes <= full);
    const both = (flags & DSS_MAPPING) !== 0 && (flags & DSS_DATA_ACK) !== 0;
    if (
      plan.sack > 0 &&
      Math.ceil(bytes / (this.mtu.segment - plan.size)) >
        Math.ceil(bytes / (both ? this.wholePayload : full))
    ) {
      // A segment more for their sake is better an ACK of its own, also where the DATA_ACK has to go as well.
      this.plan(flags, summed, true, 0);
      tellsAgain = false;
    }
    if (both) {
      // So is one for a DATA_ACK that is longer than when the bytes were measured out, or than on the subflow that they were measured out for: it may be in
      // any segment, and need not be (RFC 8684 §3.3.2).
      const room = segment - plan.size;
      if (bytes > room && plan.dss === flags && from !== FIRST) {
        this.spareSegment(flags, summed, bytes, room);
      }
    }
    this.header(TCP_ACK, from, now);
    if (flags !== 0) {
      // RFC 8684 §3.3.1: "The mapping provided by a Data Sequence Mapping MUST apply to some or all of the subflow sequence space in the TCP segment
      // that carries the option"
      // RFC 8684 §3.7: "A sender MUST include a DSS option with Data Sequence Mapping in every segment until one of the sent segments has been
      // acknowledged with a DSS option containing a Data ACK"
      const { dsn, ssn, length, checksum } = mapping;
      if (infinite) tx.mapping(dsn, level.localIdsn, ssn, 0, summed ? 0 : -1);
      else tx.mapping(dsn, level.localIdsn, ssn, length, checksum);
    }
    const payload = segment - plan.size;
    const most = Math.max(
      1,
      Math.min(
        this.outlet.maxSegments,
        Math.floor((65535 - this.mtu.headers - plan.size) / payload),
      ),
    ) * payload;
    const stream = level.sendStream;
    const key = this.key;
    const mode = this.outlet.checksumMode;
    const ecn = this.ecn;
    let header = TCP_ACK | ecn.echo;
    if (fresh && ecn.sends) {
      tx.ecn(ECT_0);
      header |= ecn.cwr;
    }
    let data = mapping.dsn + from - mapping.ssn;
    let at = from;
    let packets = 0;
    let place = stream_at(stream, data);
    out.paged = true;
    while (at < to) {
      const length = Math.min(most, to - at);
      const aLength = Math.min(length, PAGE - (data & (PAGE - 1)));
      out.a = place;
      out.aLength = aLength;
      out.b = aLength < length ? stream_at(stream, data + aLength) : 0;
      out.bLength = length - aLength;
      out.gsoSize = length > payload ? payload : 0;
      const bits = at + length === to ? header | TCP_PSH : header;
      tx.next(toWire(at, this.#iss), bits);
      // What follows the first one differs from it in its place alone.
      out.headerLength = packets === 0
        ? header_build(key, out.header, out.a, aLength, out.b, out.bLength, mode)
        : header_next(key, out.header, out.a, aLength, out.b, out.bLength, mode);
      if (!this.outlet.send(out)) break;
      if (this.told()) this.tell(at, length, bits, data, out.gsoSize, now);
      if ((header & TCP_CWR) !== 0) {
        // RFC 3168 §6.1.2: on the first of them; of a super-segment, whoever cuts it sees to that.
        ecn.toldCwr();
        header &= ~TCP_CWR;
      }
      packets++;
      at += length;
      data += length;
      if (at === to) break;
      // Where the one has ended the next begins, unless that is a page of its own.
      if ((data & (PAGE - 1)) === 0) place = stream_at(stream, data);
      else place = aLength < length ? out.b + out.bLength : place + length;
    }
    // They all acknowledge the same.
    if (packets > 0) this.sent(packets, true);
    return at - from;
  }

  /**
   * Plans a segment with the SACK blocks that there is room for (RFC 2018 §3: on every ACK), and writes these; the options of the draft count. What came
   * again is told on one segment `alone`, never on each of a super-segment (RFC 2883 §4, (2)).
   */
  private wish(dss: number, checksum = false, dataAckMoved = true, alone = true): void {
    const { ranges, againOwed } = this.#receiver;
    const again = alone && againOwed;
    const blocks = this.is(SACK) ? Math.min(4, ranges + (again ? 1 : 0)) : 0;
    this.plan(dss, checksum, dataAckMoved, blocks);
    if (plan.sack > 0) plan.sack = this.#receiver.sack(plan.sack, again);
    tellsAgain = again && plan.sack > 0;
  }

  /** Leaves the DATA_ACK out where `bytes`, of which a segment has `room` beside it, fill one segment less without. */
  private spareSegment(flags: number, summed: boolean, bytes: number, room: number): void {
    const bare = flags & ~(DSS_DATA_ACK | DSS_DATA_ACK_8);
    const spare = dssSize(flags, summed) - dssSize(bare, summed);
    if (Math.ceil(bytes / room) <= Math.ceil(bytes / (room + spare))) return;
    this.plan(bare, summed, true, 0);
    tellsAgain = false;
  }

  private plan(dss: number, checksum: boolean, dataAckMoved: boolean, blocks: number): void {
    wish.timestamps = this.timestamps.on;
    wish.dss = dss;
    wish.checksum = checksum;
    wish.dataAckMoved = dataAckMoved;
    wish.sack = blocks;
    wish.raw = tx.optionLength;
    planOptions(wish, plan);
  }

  /** Sends a planned segment without data. */
  private bare(flags: number, seq: number, now: Micros): boolean {
    if ((flags & TCP_RST) === 0) flags |= this.ecn.echo;
    this.header(flags, seq, now);
    this.empty();
    if (!this.outlet.send(this.host.out)) {
      this.#acks.need();
      return false;
    }
    if (this.told()) this.tell(seq, 0, flags, -1, 0, now);
    this.sent(1, false);
    return true;
  }

  /** Somebody watches what leaves. */
  private told(): boolean {
    const { probe } = this.host;
    return probe !== null && probe.segmentSent !== nothing;
  }

  /** Tells who watches of a segment that has left. */
  private tell(
    seq: number,
    length: number,
    flags: number,
    dsn: number,
    segment: number,
    now: Micros,
  ): void {
    const { id } = this.level;
    // At most 2^30 (RFC 7323 §2.3).
    const window = this.windowNow() << this.scale;
    const { nxt } = this.#receiver;
    const { path } = this;
    this.host.probe!.segmentSent(now, id, path, seq, length, flags, nxt, window, dsn, segment);
  }

  /** Builds the headers of a segment without data. */
  private empty(): void {
    const { out } = this.host;
    inOnePiece(out, 0);
    tx.build(this.key, out, this.outlet.checksumMode);
  }

  /** What every segment after the handshake carries. */
  private header(flags: number, seq: number, now: Micros): void {
    const level = this.level;
    const ack = toWire(this.#receiver.nxt, this.#receiver.irs);
    tx.header(toWire(seq, this.#iss), ack, flags, this.windowNow());
    if (plan.timestamps) tx.timestamps(this.timestamps.value(now), this.timestamps.recent);
    tx.plan(plan);
    if (plan.dss & DSS_DATA_ACK) tx.dataAck(level.dataRcvNxt, level.remoteIdsn);
  }

  /** The window field. */
  private windowNow(): number {
    return windowField(this.level.receiveWindow, this.scale);
  }

  /** Notes that segments have left, and what they acknowledged; `data`: they carry some. */
  private sent(segments: number, data: boolean): void {
    const { dataAckFlags, dataRcvNxt } = this.level;
    const { nxt } = this.#receiver;
    if (tellsAgain) this.#receiver.againTold();
    this.#segments += segments;
    if (data) this.#withData += segments;
    this.#acks.offered(nxt + this.windowNow() * (1 << this.scale));
    const told = (plan.dss & DSS_DATA_ACK) !== 0;
    this.#acks.sent(nxt, told ? dataRcvNxt : -1);
    // Where another option took its place, a DATA_ACK that has moved still waits; where it gave way to data, also one that something has come for: who
    // repeats what is DATA_ACKed, or asks, lacks it.
    const moved = dataRcvNxt !== this.#acks.dataAck;
    if (!told && dataAckFlags !== 0 && (moved || (data && this.#acks.pending))) return;
    // Beside data there may be no room for the SACK blocks that an ACK is owed for at once.
    if (data && this.#acks.now && this.is(SACK)) {
      const { ranges, againOwed } = this.#receiver;
      if (againOwed || (ranges > 0 && plan.sack === 0)) return;
    }
    this.#acks.settled();
    this.deadlines.set(TIMER_ACK, Infinity);
  }

  /** What answers for the subflow in TIME-WAIT: it says what the last ACK said. */
  rest(flow: number, local: Endpoint, nxt: number): TimeWait {
    const level = this.level;
    const next = this.#receiver.nxt;
    return new TimeWait({
      host: this.host,
      outlet: this.outlet,
      local,
      key: this.key,
      flow,
      seq: toWire(nxt, this.#iss),
      ack: toWire(next, this.#receiver.irs),
      offered: level.offered,
      next: level.offeredFrom,
      scale: this.scale,
      room: Math.max(this.#acks.edge - next, level.receiveWindow),
      timestamps: this.timestamps,
      // In full: it stays as it is, and others go on.
      dss: level.dataAckFlags === 0 ? 0 : DSS_DATA_ACK | DSS_DATA_ACK_8,
      dataAck: dsnWords(level.dataRcvNxt, level.remoteIdsn),
    });
  }
}

/** One's-complement sum of `length` bytes of a stream from data offset `data`. */
function streamSum(stream: number, data: number, length: number): number {
  let result = 0;
  let done = 0;
  while (done < length) {
    const piece = Math.min(length - done, PAGE - ((data + done) & (PAGE - 1)));
    const part = sum(stream_at(stream, data + done), piece);
    result = done === 0 ? part : sum_join(result, part, done);
    done += piece;
  }
  return result;
}
