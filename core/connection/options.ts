/** The MPTCP options of a segment in RX_*: which part of the stack each belongs to (draft ARC-6). */

import { dss_expected_sum, i32, receiver_map, u32 } from "../../wasm/mod.ts";
import {
  DSS_DATA_ACK,
  DSS_DATA_ACK_8,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  MAPPING_CONFLICT,
  OPTION_DSS,
  OPTION_MALFORMED,
  OPTION_MPTCP,
  RX_DATA_LENGTH,
  RX_DSN_LOW,
  RX_DSS_CHECKSUM,
  RX_DSS_FLAGS,
  RX_OPTIONS,
  RX_SSN,
  RX_WINDOW,
  SEGMENT_CHECKSUM,
  SEGMENT_MEMORY,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { reset } from "../subflow/close.ts";
import { updateMss } from "../subflow/send.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { formatAddress, isHostAddress } from "../wire/ip.ts";
import {
  ADD_ADDR,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  onlyDss,
  optionAt,
  readAddAddr,
  readFastclose,
  readMpCapable,
  readMpPrio,
  readRemoveAddr,
  REMOVE_ADDR,
  RST_MPTCP,
} from "../wire/mptcp.ts";
import { dsnWords, fromWire, receivedDataAck, receivedDsn } from "../wire/seq.ts";
import { endAll } from "./close.ts";
import { mayFallBack, missOptions, startFallback } from "./fallback.ts";
import { addAddrHmac, sameHmac } from "./keys.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { afterReceive, checksumFailed } from "./reassembly.ts";
import { dataAcknowledged } from "./reinject.ts";

/** Handles the options of an acceptable segment; false when the subflow ended by them. */
export function handleOptions(
  meta: MetaSocket,
  subflow: Subflow,
  now: Micros,
): boolean {
  if (meta.fallback) return true;
  const present = u32[RX_OPTIONS]!;
  if (present & OPTION_MALFORMED) meta.host.count("MPTCPMalformed");
  if ((present & OPTION_MPTCP) === 0) {
    missOptions(meta, subflow);
    return true;
  }
  if (present & OPTION_DSS) {
    const flags = u32[RX_DSS_FLAGS]!;
    meta.confirm(now);
    if (flags & DSS_DATA_ACK) takeDataAck(meta, subflow, flags, now);
    if ((flags & DSS_MAPPING) !== 0 && !takeMapping(meta, subflow, flags, now)) return false;
  }
  if (onlyDss()) return true;
  return handleRare(meta, subflow, now);
}

function takeDataAck(meta: MetaSocket, subflow: Subflow, flags: number, now: Micros): void {
  const offset = receivedDataAck(flags, meta.localIdsn, meta.dataUna);
  if (!(offset <= meta.dataNxt)) {
    meta.host.count("DSSNotMatching");
    return;
  }
  // RFC 8684 §3.3.4: the window counts from the DATA_ACK, whichever subflow brings it.
  dataAcknowledged(meta, offset, offset + u32[RX_WINDOW]! * 2 ** subflow.sndScale, now);
}

/** Learns the mapping of a DSS; false when the subflow ended by it. */
function takeMapping(meta: MetaSocket, subflow: Subflow, flags: number, now: Micros): boolean {
  const low = u32[RX_DSN_LOW]!;
  const length = u32[RX_DATA_LENGTH]!;
  const ssn = u32[RX_SSN]!;
  // A super-segment repeats its mapping on every packet.
  if (subflow.mapLow === low && subflow.mapSsn === ssn && subflow.mapLength === length) return true;
  const near = meta.receivedNext;
  const dsn = receivedDsn(flags, meta.remoteIdsn, near);
  if (!(dsn >= 0)) {
    meta.host.count("DSSNotMatching");
    return true;
  }
  // DATA_ACKs are as long as the peer's own numbers.
  if ((flags & DSS_DSN_8) !== 0 && (meta.dataAckFlags & DSS_DATA_ACK_8) === 0) {
    meta.dataAckFlags |= DSS_DATA_ACK_8;
    for (const each of meta.subflows) updateMss(each);
  }
  if (length === 0) {
    // RFC 8684 §3.7: an infinite mapping ends MPTCP on the only subflow.
    meta.host.count("InfiniteMapRx");
    if (mayFallBack(meta, subflow)) startFallback(meta, subflow);
    return true;
  }
  const fin = (flags & DSS_DATA_FIN) !== 0;
  const bytes = fin ? length - 1 : length;
  if (bytes === 0 && meta.dssChecksum && !soundWithoutData(meta, dsn, ssn)) {
    meta.host.count("DataCsumErr");
    return true;
  }
  if (fin) {
    const at = dsn + bytes;
    // The end lies neither below what has come, nor in two places.
    if (meta.peerFin < 0 ? at < meta.buffers.receivedTop : at !== meta.peerFin) {
      meta.host.count("DSSNotMatching");
      return true;
    }
    meta.peerFin = at;
    subflow.ackNow = true;
    meta.dirty(subflow);
  }
  if (bytes === 0) {
    afterReceive(meta, subflow, now);
    return true;
  }
  const done = learn(meta, subflow, dsn, fromWire(ssn, 0, subflow.rcvNxt), bytes, length, now);
  if (done) {
    subflow.mapLow = low;
    subflow.mapSsn = ssn;
    subflow.mapLength = length;
  }
  // Without memory for the mapping its bytes would wait for ever: the segment is dropped, and comes again.
  return done && !subflow.gone;
}

/** Whether the checksum of a DATA_FIN without data is right: there is no payload to add to it. */
function soundWithoutData(meta: MetaSocket, dsn: number, ssn: number): boolean {
  const field = i32[RX_DSS_CHECKSUM]!;
  const { high, low } = dsnWords(dsn, meta.remoteIdsn);
  const expected = dss_expected_sum(high, low, ssn, 1, field);
  return field >= 0 && (expected === 0 || expected === 0xffff);
}

/** Hands a mapping to the receiver; false when it could not be kept. */
function learn(
  meta: MetaSocket,
  subflow: Subflow,
  dsn: number,
  ssn: number,
  bytes: number,
  wireLength: number,
  now: Micros,
): boolean {
  let expected = -1;
  if (meta.dssChecksum) {
    const field = i32[RX_DSS_CHECKSUM]!;
    if (field < 0) {
      // RFC 8684 §3.3.1: a mapping without an agreed checksum shows a broken subflow.
      meta.host.count("DSSNotMatching");
      reset(subflow, RST_MPTCP, now);
      return false;
    }
    const words = dsnWords(dsn, meta.remoteIdsn);
    expected = dss_expected_sum(words.high, words.low, ssn >>> 0, wireLength, field);
  }
  const bits = receiver_map(
    subflow.receiver,
    dsn,
    ssn,
    bytes,
    expected,
    meta.dataLimit,
  );
  if (bits & SEGMENT_MEMORY) return false;
  if (bits & MAPPING_CONFLICT) meta.host.count("DSSNotMatching");
  if (bits & SEGMENT_CHECKSUM) {
    checksumFailed(meta, subflow, now);
    return false;
  }
  afterReceive(meta, subflow, now);
  return true;
}

/** Options other than DSS. */
function handleRare(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const { host } = meta;
  const capable = optionAt(MP_CAPABLE);
  if (capable !== 0 && meta.role === "server" && !subflow.join && subflow.receiver !== 0) {
    const option = readMpCapable(capable);
    if (option.dataLength !== undefined && option.dataLength > 0) {
      meta.confirm(now);
      i32[RX_DSS_CHECKSUM] = option.checksum ?? -1;
      // First data: data offset 1 at sequence offset 1 (RFC 8684 §3.1).
      const { dataLength } = option;
      if (!learn(meta, subflow, 1, 1, dataLength, dataLength, now) || subflow.gone) return false;
    }
  }
  if (optionAt(MP_JOIN) !== 0 && subflow.join) {
    // The third ACK again: the fourth has been lost (RFC 8684 §3.2).
    subflow.ackNow = true;
    meta.dirty(subflow);
  }
  const addAddr = optionAt(ADD_ADDR);
  if (addAddr !== 0) takeAddAddr(meta, addAddr);
  const removeAddr = optionAt(REMOVE_ADDR);
  if (removeAddr !== 0) {
    host.count("RmAddr");
    meta.paths.remoteRemoved(readRemoveAddr(removeAddr));
    if (subflow.gone) return false;
  }
  const prio = optionAt(MP_PRIO);
  if (prio !== 0) {
    host.count("MPPrioRx");
    subflow.backupByPeer = readMpPrio(prio);
    meta.subflowChanged(subflow, "priority");
    meta.dirty(subflow);
  }
  const fastclose = optionAt(MP_FASTCLOSE);
  if (fastclose !== 0 && closesFast(meta, fastclose)) {
    endAll(meta, "ConnectionReset", now);
    return false;
  }
  if (optionAt(MP_FAIL) !== 0) host.count("MPFailRx");
  // A path manager may have closed it.
  return !subflow.gone;
}

/** Whether an MP_FASTCLOSE holds our key (RFC 8684 §3.5). */
export function closesFast(meta: MetaSocket, at: number): boolean {
  const key = readFastclose(at);
  if (key.high !== meta.localKey.high || key.low !== meta.localKey.low) return false;
  meta.host.count("MPFastcloseRx");
  return true;
}

/** RFC 8684 §3.4.1 */
function takeAddAddr(meta: MetaSocket, at: number): void {
  const option = readAddAddr(at);
  if (option.echo) {
    meta.host.count("EchoAdd");
    meta.paths.echoed(option.addressId);
    return;
  }
  const mac = addAddrHmac(
    meta.remoteKey,
    meta.localKey,
    option.addressId,
    option.address,
    option.port,
  );
  // No peer shall have us open paths to everybody, or to ourselves.
  if (!sameHmac(mac, option.hmac) || !isHostAddress(option.address)) {
    meta.host.count("AddAddrDrop");
    return;
  }
  meta.host.count("AddAddr");
  if (option.port !== 0) meta.host.count("PortAdd");
  meta.paths.announced(option.addressId, formatAddress(option.address), option.port);
}
