/** The MPTCP options of a segment in `rx`: which part of the stack each belongs to (draft ARC-6). */

import {
  DSS_DATA_ACK,
  DSS_MAPPING,
  MAPPING_CONFLICT,
  SEGMENT_CHECKSUM,
  SEGMENT_MEMORY,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { formatAddress, isHostAddress, unmapped } from "../wire/ip.ts";
import {
  ADD_ADDR,
  isUnderstood,
  type Key,
  MP_CAPABLE,
  MP_FAIL,
  MP_FASTCLOSE,
  MP_JOIN,
  MP_PRIO,
  type MpCapable,
  readAddAddr,
  readFastclose,
  readMpCapable,
  readMpPrio,
  readRemoveAddr,
  REMOVE_ADDR,
  RST_MPTCP,
} from "../wire/mptcp.ts";
import { rx } from "../wire/segment.ts";
import { fromWire } from "../wire/seq.ts";
import { heedLateDss, mayFallBack, missOptions, spoilt, startFallback } from "./fallback.ts";
import { checksumFailed, failHeard, takeInfinite } from "./mp_fail.ts";
import { addAddrHmac, sameHmac } from "./keys.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Handles the options of an acceptable segment; false when it must not be looked at further. */
export function handleOptions(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if (meta.fallback) return !rx.hasDss || afterFallback(meta, subflow, now);
  if (rx.plainDss) return takeDss(meta, subflow, now);
  if (rx.malformed) meta.host.count("MPTCPMalformed");
  if (!rx.hasMptcp) return missOptions(meta, subflow, now);
  if (rx.hasDss && !takeDss(meta, subflow, now)) return false;
  return rx.onlyDss || handleRare(meta, subflow, now);
}

/** A DSS on plain TCP. */
function afterFallback(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if (!meta.awaitsInfinite) return heedLateDss(meta, subflow, now);
  if (!rx.hasMapping || rx.dataLength > 0) return true;
  const dsn = rx.dsn(meta.remoteIdsn, meta.receiveQueue.next);
  return !(dsn >= 0) || takeInfinite(meta, subflow, dsn, now);
}

/** DATA_ACK and mapping; false when the segment must not be looked at further. */
function takeDss(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  subflow.trust.dssCame();
  meta.confirm();
  const flags = rx.dssFlags;
  // RFC 8684 §3.3.2: "the Data ACK is present in segments only when the Data ACK value advances, and this behavior MUST be treated as valid"
  if (flags & DSS_DATA_ACK) takeDataAck(meta, subflow, now);
  if ((flags & DSS_MAPPING) === 0) return true;
  // A super-segment repeats its mapping on every packet.
  if (!subflow.receiver.repeatsMapping) return takeMapping(meta, subflow, now);
  // What goes again later may be told in more octets than before.
  if (rx.longDsn) meta.lengthenAcks();
  return true;
}

function takeDataAck(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { una, ackable } = meta.sendQueue;
  const offset = rx.dataAck(meta.localIdsn, una);
  if (!(offset <= ackable)) {
    meta.host.count("DSSNotMatching");
    return;
  }
  // RFC 8684 §3.3.4: the window counts from the DATA_ACK, whichever subflow brings it.
  // RFC 8684 §3.3.2: "an implementation MUST NOT use the RCV.WND field of a TCP segment at the connection level if it does not also carry a DSS option with a Data ACK field"
  meta.dataAcknowledged(offset, offset + subflow.sender.window.scaled(rx.window), now);
}

/** Learns the mapping of a DSS; false when the segment must not be looked at further. */
function takeMapping(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const { receiveQueue } = meta;
  const dsn = rx.dsn(meta.remoteIdsn, receiveQueue.next);
  if (!(dsn >= 0)) {
    meta.host.count("DSSNotMatching");
    return true;
  }
  // RFC 8684 §3.3.2: "If data is received with a 64-bit DSN, it MUST be acknowledged with a 64-bit Data ACK."
  if (rx.longDsn) meta.lengthenAcks();
  const length = rx.dataLength;
  if (length === 0) return takeInfinite(meta, subflow, dsn, now);
  // RFC 8684 §3.3: "If a checksum is present but its use had not been negotiated in the MP_CAPABLE handshake, the receiver MUST close the subflow with a RST"
  // RFC 8684 §3.3: "If a checksum is not present when its use has been negotiated, the receiver MUST close the subflow with a RST"
  if (rx.dssChecksum >= 0 !== meta.dssChecksum) return unlikeAgreed(meta, subflow, now);
  const { ssn } = rx;
  const bytes = rx.dataFin ? length - 1 : length;
  if (bytes === 0 && meta.dssChecksum && !soundWithoutData(meta, dsn, ssn)) {
    meta.host.count("DataCsumErr");
    return true;
  }
  if (rx.dataFin && receiveQueue.endsBeyond(dsn + bytes)) {
    // As data would be there: nothing is known of the end.
    meta.host.count("DSSNotMatching");
  } else if (rx.dataFin) {
    // The end lies neither below what has come, nor in two places: such a count does not add up.
    if (!receiveQueue.announce(dsn + bytes)) {
      meta.host.count("DSSNotMatching");
      spoilt(meta, subflow, "bytes-miscounted", now);
      return false;
    }
    subflow.needAck();
    meta.dirty();
  }
  if (bytes === 0) {
    meta.afterReceive(subflow, now);
    return true;
  }
  const at = fromWire(ssn, 0, subflow.receiver.nxt);
  // What follows damage is held until an infinite mapping tells what to make of it.
  // RFC 8684 §3.7: "Failed data MUST NOT be DATA_ACKed and so will be retransmitted on other subflows"
  // RFC 8684 §3.7: "The receiver MUST discard all data that follows the data sequence number specified."
  const { damage } = meta;
  if (damage !== null && damage.found >= 0 && at + bytes > damage.found) return true;
  const done = learn(meta, subflow, dsn, at, bytes, length, rx.dssChecksum, now);
  if (done) subflow.receiver.mappingLearned();
  // Without memory for the mapping its bytes would wait for ever: the segment is dropped, and comes again.
  return done && subflow.ended === null;
}

/** A mapping of another form than was agreed on shows a broken subflow (RFC 8684 §3.3). False: its segment is not looked at further. */
function unlikeAgreed(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  meta.host.count("DSSNotMatching");
  // RFC 8684 §3.3: "In both cases, this RST SHOULD be accompanied by an MP_TCPRST option"
  spoilt(meta, subflow, "options-removed", now, RST_MPTCP);
  return false;
}

/** Whether the checksum of a DATA_FIN without data is right: there is no payload to add to it. */
function soundWithoutData(meta: MetaSocket, dsn: number, ssn: number): boolean {
  const field = rx.dssChecksum;
  const expected = rx.expectedSum(dsn, meta.remoteIdsn, ssn, 1, field);
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
  field: number,
  now: Micros,
): boolean {
  const expected = meta.dssChecksum
    ? rx.expectedSum(dsn, meta.remoteIdsn, ssn, wireLength, field)
    : -1;
  const bits = subflow.receiver.map(dsn, ssn, bytes, expected, meta.receiveQueue.limit);
  if (bits & SEGMENT_MEMORY) return false;
  if (bits & MAPPING_CONFLICT) meta.host.count("DSSNotMatching");
  else if (!subflow.trust.mappingCame(dsn, ssn, ssn + bytes)) return false;
  subflow.trust.audit(subflow.receiver.nxt, now);
  if (bits & SEGMENT_CHECKSUM) {
    checksumFailed(meta, subflow, now);
    return false;
  }
  meta.afterReceive(subflow, now);
  return true;
}

/** Options other than DSS. */
function handleRare(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const { host } = meta;
  const capable = rx.option(MP_CAPABLE);
  if (capable !== 0 && meta.role === "server" && !subflow.join && subflow.receiver.started) {
    const option = readMpCapable(capable);
    const { dataLength, checksum } = option;
    // RFC 8684 §3.1: "If at any point in the handshake either party thinks the MPTCP negotiation is compromised -- for example, by a middlebox corrupting the
    // TCP options … the host MUST stop using MPTCP and no longer include MPTCP options in future TCP packets."
    if (!isRepeat(meta, option) && mayFallBack(meta, subflow)) {
      host.count("MPCapableDataFallback");
      startFallback(meta, subflow, now);
      return subflow.ended === null;
    }
    // First data: data offset 1 at sequence offset 1 (RFC 8684 §3.1). Further on it is a later part of such a segment that was cut in pieces, or data
    // that follow some which were sent in the SYN: only the bytes before it tell, and map these too, or are found to have no mapping.
    if (
      dataLength !== undefined && dataLength > 0 && isUnderstood(option, false) &&
      fromWire(rx.seq, subflow.receiver.irs, 1) === 1
    ) {
      if (checksum !== undefined !== meta.dssChecksum) return unlikeAgreed(meta, subflow, now);
      subflow.trust.dssCame();
      meta.confirm();
      // It names no number of either length. Where ours have eight octets, as Linux's have, the answer has them too, as Linux's has.
      if (meta.mptcp.dsn === "long") meta.lengthenAcks();
      if (
        !learn(meta, subflow, 1, 1, dataLength, dataLength, checksum ?? -1, now) ||
        subflow.ended !== null
      ) return false;
    }
  }
  if (rx.option(MP_JOIN) !== 0 && subflow.join) {
    // The third ACK again: the fourth has been lost (RFC 8684 §3.2).
    subflow.needAck();
    meta.dirty();
  }
  const addAddr = rx.option(ADD_ADDR);
  if (addAddr !== 0) takeAddAddr(meta, subflow, addAddr);
  const removeAddr = rx.option(REMOVE_ADDR);
  if (removeAddr !== 0) {
    const ids = readRemoveAddr(removeAddr);
    if (host.probe !== null) {
      for (const id of ids) host.probe.addressChanged(now, meta.id, "removed", id, "", 0);
    }
    host.count("RmAddr", ids.length);
    meta.paths.remoteRemoved(ids);
    if (subflow.ended !== null) return false;
  }
  const prio = rx.option(MP_PRIO);
  if (prio !== 0) {
    host.probe?.priorityAsked(now, meta.id, subflow.path, "prio", readMpPrio(prio));
    host.count("MPPrioRx");
    // RFC 8684 §3.3.8: "the data sender SHOULD adhere to these requests". One that says nothing new has nothing sent again: a peer may repeat it.
    const changes = subflow.backupByPeer !== readMpPrio(prio);
    subflow.setBackup("peer", readMpPrio(prio));
    if (changes) meta.priorityChanged(subflow);
  }
  if (closesFast(meta)) {
    meta.endAll("ConnectionReset", now, "aborted-by-peer");
    return false;
  }
  const fail = rx.option(MP_FAIL);
  if (fail !== 0 && !failHeard(meta, subflow, fail, now)) return false;
  // A path manager may have closed it.
  return subflow.ended === null;
}

/** Whether the keys of a further MP_CAPABLE are those of the third ACK, as far as it can be understood. */
function isRepeat(meta: MetaSocket, option: MpCapable): boolean {
  const { senderKey } = option;
  if (senderKey === undefined || !isUnderstood(option, false)) return true;
  const { high, low } = meta.keys.peer;
  return senderKey.high === high && senderKey.low === low;
}

/**
 * Whether the segment in `rx` has an MP_FASTCLOSE that holds our key (RFC 8684 §3.5), or is a RST without, and one that was challenged had it (`before`): who has
 * nothing left answers a challenge by a RST of plain TCP.
 */
export function closesFast(meta: MetaSocket, before: Key | null = null): boolean {
  const at = rx.option(MP_FASTCLOSE);
  const key = at === 0 ? before : readFastclose(at);
  if (key === null) return false;
  if (key.high !== meta.keys.own.high || key.low !== meta.keys.own.low) return false;
  meta.host.count("MPFastcloseRx");
  return true;
}

/** RFC 8684 §3.4.1 */
function takeAddAddr(meta: MetaSocket, subflow: Subflow, at: number): void {
  const option = readAddAddr(at);
  if (option.echo) {
    meta.host.count("EchoAdd");
    if (option.port !== 0) meta.host.count("PortAdd");
    meta.paths.echoed(option.addressId, formatAddress(option.address), option.port);
    return;
  }
  const mac = addAddrHmac(
    meta.keys.peer,
    meta.keys.own,
    option.addressId,
    option.address,
    option.port,
  );
  // RFC 8684 §3.4.1: "If a host receives an ADD_ADDR option for which it cannot validate the HMAC, it SHOULD silently ignore the option". And no peer shall
  // have us open paths to everybody, or to ourselves.
  if (!sameHmac(mac, option.hmac) || !isHostAddress(unmapped(option.address))) {
    meta.host.count("AddAddrDrop");
    return;
  }
  meta.host.count("AddAddr");
  if (option.port !== 0) meta.host.count("PortAdd");
  const { addressId, port } = option;
  const address = formatAddress(option.address);
  const { host } = meta;
  host.probe?.addressChanged(host.now, meta.id, "announced", addressId, address, port);
  meta.paths.announced(addressId, address, port, subflow.remote.port);
}
