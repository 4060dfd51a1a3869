/** What leaves: new data, retransmissions, acknowledgements, each with its header and its DSS. */

import {
  dss_checksum,
  header_build,
  receiver_sack,
  stream_at,
  sum,
  sum_join,
  u32,
} from "../../wasm/mod.ts";
import {
  DSS_DATA_ACK,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  OPTION_DSS,
  OPTION_MPTCP,
  OPTION_SACK,
  OPTION_TIMESTAMPS,
  PAGE,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TX_ACK,
  TX_DATA_LENGTH,
  TX_DSS_CHECKSUM,
  TX_DSS_FLAGS,
  TX_ECN,
  TX_FLAGS,
  TX_OPTIONS,
  TX_RAW_LENGTH,
  TX_SACK_COUNT,
  TX_SEQ,
  TX_SSN,
  TX_TSECR,
  TX_TSVAL,
  TX_WINDOW,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { clearOptions } from "../wire/mptcp.ts";
import { inOnePiece } from "../wire/packet.ts";
import { dssSize, type OptionPlan, type OptionWish, planOptions } from "../wire/option_space.ts";
import { TIMESTAMPS_SIZE } from "../wire/option_space.ts";
import { dsnWords, toWire, writeDataAck, writeDsn } from "../wire/seq.ts";
import { LOST, type Range } from "./in_flight.ts";
import { armRetransmission } from "./deadlines.ts";
import { RECOVERY, type Subflow } from "./subflow.ts";

const wish: OptionWish = {
  timestamps: false,
  dss: 0,
  checksum: false,
  dataAckMoved: false,
  sack: 0,
  raw: 0,
};
const plan: OptionPlan = { timestamps: false, dss: 0, sack: 0, size: 0 };

/** Milliseconds for the timestamp option (RFC 7323 §5.4: 1 ms to 1 s a tick), shifted by a secret. */
export function timestamp(subflow: Subflow, now: Micros): number {
  return (Math.floor(now / 1000) + subflow.timestampOffset) >>> 0;
}

/** Payload of a full data segment: MSS less the options of data. */
export function updateMss(subflow: Subflow): void {
  const { owner } = subflow;
  const flags = owner.mappingFlags | (owner.mappingFlags !== 0 ? owner.dataAckFlags : 0);
  let options = subflow.timestamps ? TIMESTAMPS_SIZE : 0;
  if (flags !== 0) options += dssSize(flags, owner.dssChecksum);
  subflow.mss = Math.max(1, subflow.maxSegment - options);
}

/** Writes what every segment after the handshake carries. */
function writeAcknowledgement(subflow: Subflow, now: Micros): void {
  const { owner } = subflow;
  const next = subflow.rcvNxt;
  u32[TX_ACK] = toWire(next, subflow.irs);
  const scale = subflow.scaled ? owner.receiveScale : 0;
  // Rounded up: rounding down would seem to take back what was offered before (RFC 7323 §2.4).
  u32[TX_WINDOW] = Math.min(65535, Math.ceil(owner.receiveWindow / (1 << scale)));
  u32[TX_ECN] = 0;
  if (plan.timestamps) {
    u32[TX_TSVAL] = timestamp(subflow, now);
    u32[TX_TSECR] = subflow.tsRecent;
  }
  let options = plan.timestamps ? OPTION_TIMESTAMPS : 0;
  if (plan.dss !== 0) {
    options |= OPTION_DSS;
    if (plan.dss & DSS_DATA_ACK) writeDataAck(owner.dataRcvNxt, owner.remoteIdsn);
  }
  u32[TX_DSS_FLAGS] = plan.dss;
  if (plan.sack > 0) options |= OPTION_SACK;
  u32[TX_SACK_COUNT] = plan.sack;
  if (u32[TX_RAW_LENGTH]! > 0) options |= OPTION_MPTCP;
  u32[TX_OPTIONS] = options;
}

/** Notes that an acknowledgement has left. */
function acknowledgementSent(subflow: Subflow): void {
  const { owner } = subflow;
  const next = subflow.rcvNxt;
  subflow.lastAckSent = next;
  const scale = subflow.scaled ? owner.receiveScale : 0;
  subflow.rcvEdge = Math.max(subflow.rcvEdge, next + u32[TX_WINDOW]! * (1 << scale));
  subflow.segmentsOut++;
  if (plan.dss & DSS_DATA_ACK) subflow.dataAckSent = owner.dataRcvNxt;
  // Where another option took its place, a DATA_ACK that has moved still waits.
  else if (owner.dataAckFlags !== 0 && owner.dataRcvNxt !== subflow.dataAckSent) return;
  subflow.ackNow = false;
  subflow.ackBytes = 0;
  subflow.ackAt = Infinity;
}

/** One-complement sum of `length` bytes of the send queue from data offset `data`. */
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

/** The DSS checksum of a mapping whose wire length is `wireLength` (RFC 8684 §3.3.1). */
export function mappingChecksum(
  subflow: Subflow,
  dsn: number,
  ssn: number,
  length: number,
  wireLength: number,
): number {
  const { owner } = subflow;
  const words = dsnWords(dsn, owner.localIdsn);
  return dss_checksum(
    words.high,
    words.low,
    ssn >>> 0,
    wireLength,
    streamSum(owner.sendStream, dsn, length),
  );
}

/**
 * Binds `length` bytes of the send queue from data offset `dsn` to this subflow under a new mapping and sends them at once (draft SQ-1, SQ-3).
 * Returns how many bytes left: less than asked only when the link is full.
 */
export function sendChunk(
  subflow: Subflow,
  dsn: number,
  length: number,
  first: boolean,
  now: Micros,
): number {
  const { owner } = subflow;
  const range = subflow.inFlightList.begin();
  const seq = subflow.sndNxt;
  range.seq = seq;
  range.end = seq + length;
  range.mapDsn = dsn;
  range.mapSsn = seq;
  range.mapLength = length;
  range.mapChecksum = owner.mappingFlags !== 0 && owner.dssChecksum
    ? mappingChecksum(subflow, dsn, seq, length, length)
    : -1;
  range.first = first;
  range.time = now;
  range.priorDelivered = subflow.delivered;
  if (subflow.inFlight === 0) subflow.deliveredTime = now;
  range.priorTime = subflow.deliveredTime;
  range.appLimited = subflow.delivered < subflow.appLimitedUntil;
  range.sends = 1;
  const sent = transmit(subflow, range, seq, range.end, now);
  if (sent === 0) return 0;
  // A mapping may be longer than what has left of it: the rest follows under the same one when the link takes packets again.
  subflow.inFlightList.append(range);
  if (sent < length) {
    const rest = subflow.inFlightList.split(range, seq + sent);
    rest.sends = 0;
    subflow.inFlightList.mark(rest, LOST);
  }
  subflow.sndNxt = range.mapSsn + length;
  subflow.bytesSent += sent;
  subflow.lastDataSent = now;
  if (subflow.recovery === RECOVERY) subflow.prr.onSend(sent);
  if (subflow.rtoAt === Infinity) armRetransmission(subflow, now);
  return length;
}

/** Sends again, or for the first time where the link was full, the part of `range` that fits into `most` bytes; cuts the range there. Returns the bytes that left. */
export function retransmit(subflow: Subflow, range: Range, most: number, now: Micros): number {
  const list = subflow.inFlightList;
  const length = range.end - range.seq;
  const part = length > most
    ? Math.max(Math.min(length, subflow.mss), most - most % subflow.mss)
    : length;
  if (part < length) list.split(range, range.seq + part);
  const sent = range.fin
    ? Number(sendFin(subflow, range.seq, now))
    : transmit(subflow, range, range.seq, range.end, now);
  if (sent === 0) return 0;
  if (sent < part) list.split(range, range.seq + sent);
  range.priorDelivered = subflow.delivered;
  range.priorTime = subflow.deliveredTime;
  if (range.sends === 0) {
    subflow.bytesSent += sent;
  } else {
    subflow.retransmits++;
    subflow.bytesRetransmitted += sent;
    subflow.owner.host.count("TcpRetransSegs");
  }
  list.sentAgain(range, now);
  if (subflow.recovery === RECOVERY) subflow.prr.onSend(sent);
  if (subflow.rtoAt === Infinity) armRetransmission(subflow, now);
  return sent;
}

/** Sends the bytes [from, to) of `range` in as many packets as the link needs. Returns the bytes that left. */
function transmit(subflow: Subflow, range: Range, from: number, to: number, now: Micros): number {
  const { owner, outlet } = subflow;
  const { out } = owner.host;
  clearOptions();
  let flags = owner.mappingFlags;
  if (flags !== 0) {
    if (range.first && owner.capableData) {
      owner.writeCapableData(range.mapLength, range.mapChecksum);
      flags = 0;
    } else {
      flags |= owner.dataAckFlags;
    }
  }
  wish.timestamps = subflow.timestamps;
  wish.dss = flags;
  wish.checksum = range.mapChecksum >= 0;
  wish.dataAckMoved = true;
  wish.sack = 0;
  wish.raw = u32[TX_RAW_LENGTH]!;
  planOptions(wish, plan);
  writeAcknowledgement(subflow, now);
  if (flags !== 0) {
    writeDsn(range.mapDsn, owner.localIdsn);
    u32[TX_SSN] = range.mapSsn >>> 0;
    u32[TX_DATA_LENGTH] = range.mapLength;
    u32[TX_DSS_CHECKSUM] = range.mapChecksum;
  }
  const payload = subflow.maxSegment - plan.size;
  const most = Math.max(
    1,
    Math.min(outlet.maxSegments, Math.floor((65535 - subflow.headers - plan.size) / payload)),
  ) * payload;
  const stream = owner.sendStream;
  let data = range.mapDsn + from - range.mapSsn;
  let at = from;
  while (at < to) {
    const length = Math.min(most, to - at);
    const aLength = Math.min(length, PAGE - (data & (PAGE - 1)));
    const bLength = length - aLength;
    const a = stream_at(stream, data);
    const b = bLength > 0 ? stream_at(stream, data + aLength) : 0;
    u32[TX_SEQ] = toWire(at, subflow.iss);
    u32[TX_FLAGS] = at + length === to ? TCP_ACK | TCP_PSH : TCP_ACK;
    const mode = outlet.checksumMode;
    out.headerLength = header_build(subflow.key, out.header, a, aLength, b, bLength, mode);
    out.a = a;
    out.aLength = aLength;
    out.b = b;
    out.bLength = bLength;
    out.gsoSize = length > payload ? payload : 0;
    if (!outlet.send(out)) break;
    acknowledgementSent(subflow);
    at += length;
    data += length;
  }
  return at - from;
}

/** Sends an ACK without data; options that were written since `clearOptions` ride on it when `options` is set. False when the link is full. */
export function sendAck(subflow: Subflow, now: Micros, options = false): boolean {
  const { owner } = subflow;
  if (!options) clearOptions();
  wish.timestamps = subflow.timestamps;
  // Other options travel alone: some pairs must not meet in one segment (RFC 8684 §3.1, §3.2).
  wish.dss = options ? 0 : owner.dataAckFlags;
  wish.checksum = false;
  wish.dataAckMoved = owner.dataRcvNxt !== subflow.dataAckSent;
  wish.sack = subflow.sackPermitted && subflow.ranges > 0 ? Math.min(4, subflow.ranges) : 0;
  wish.raw = u32[TX_RAW_LENGTH]!;
  planOptions(wish, plan);
  if (plan.sack > 0) plan.sack = receiver_sack(subflow.receiver, subflow.irs, plan.sack);
  return finish(subflow, TCP_ACK, subflow.sndNxt, now);
}

/** Builds and sends a segment without data after `planOptions`. */
function finish(subflow: Subflow, flags: number, seq: number, now: Micros): boolean {
  const { outlet } = subflow;
  const { out } = subflow.owner.host;
  writeAcknowledgement(subflow, now);
  u32[TX_SEQ] = toWire(seq, subflow.iss);
  u32[TX_FLAGS] = flags;
  inOnePiece(out, header_build(subflow.key, out.header, 0, 0, 0, 0, outlet.checksumMode));
  if (!outlet.send(out)) {
    subflow.ackNow = true;
    // Perhaps outside of a send pass, after which nobody would look at it again.
    outlet.wait(subflow.owner);
    return false;
  }
  acknowledgementSent(subflow);
  return true;
}

/** Sends an ACK whose sequence number lies before the window, so that the peer must answer with its own (zero-window and keep-alive probes, RFC 9293 §3.8.4). */
export function sendProbe(subflow: Subflow, now: Micros): boolean {
  clearOptions();
  wish.timestamps = subflow.timestamps;
  wish.dss = subflow.owner.dataAckFlags;
  wish.checksum = false;
  wish.dataAckMoved = true;
  wish.sack = 0;
  wish.raw = 0;
  planOptions(wish, plan);
  return finish(subflow, TCP_ACK, subflow.sndUna - 1, now);
}

/** Sends a DATA_FIN without data: sequence offset 0, length 1 (RFC 8684 §3.3.3). */
export function sendDataFin(subflow: Subflow, dsn: number, now: Micros): boolean {
  const { owner } = subflow;
  clearOptions();
  wish.timestamps = subflow.timestamps;
  wish.dss = DSS_MAPPING | DSS_DSN_8 | DSS_DATA_FIN | owner.dataAckFlags;
  wish.checksum = owner.dssChecksum;
  wish.dataAckMoved = true;
  wish.sack = 0;
  wish.raw = 0;
  planOptions(wish, plan);
  writeDsn(dsn, owner.localIdsn);
  u32[TX_SSN] = 0;
  u32[TX_DATA_LENGTH] = 1;
  u32[TX_DSS_CHECKSUM] = owner.dssChecksum ? mappingChecksum(subflow, dsn, 0, 0, 1) : -1;
  return finish(subflow, TCP_ACK, subflow.sndNxt, now);
}

/** Sends a RST; options that were written since `clearOptions` ride on it. */
export function sendReset(subflow: Subflow, now: Micros): void {
  subflow.owner.host.count("TcpOutRsts");
  wish.timestamps = subflow.timestamps;
  wish.dss = 0;
  wish.checksum = false;
  wish.sack = 0;
  wish.raw = u32[TX_RAW_LENGTH]!;
  planOptions(wish, plan);
  finish(subflow, TCP_ACK | TCP_RST, subflow.sndNxt, now);
}

/** Sends a FIN at sequence offset `seq`. */
export function sendFin(subflow: Subflow, seq: number, now: Micros): boolean {
  clearOptions();
  wish.timestamps = subflow.timestamps;
  wish.dss = subflow.owner.dataAckFlags;
  wish.checksum = false;
  wish.dataAckMoved = true;
  wish.sack = 0;
  wish.raw = 0;
  planOptions(wish, plan);
  return finish(subflow, TCP_ACK | TCP_FIN, seq, now);
}
