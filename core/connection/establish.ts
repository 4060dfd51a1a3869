/** Opening a connection and joining subflows to it: MP_CAPABLE and MP_JOIN (RFC 8684 §3.1, §3.2). */

import { u32 } from "../../wasm/mod.ts";
import { OPTION_DSS, RX_OPTIONS, TCP_ACK, TCP_SYN } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { reset } from "../subflow/close.ts";
import type { ThirdAck } from "../subflow/owner.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { updateMss } from "../subflow/send.ts";
import {
  CAPABLE_CHECKSUM,
  CAPABLE_DENY_JOIN,
  CAPABLE_EXTENSIBILITY,
  CAPABLE_HMAC_SHA256,
  type Key,
  MP_CAPABLE,
  MP_JOIN,
  optionAt,
  readMpCapable,
  readMpJoin,
  RST_MPTCP,
  writeJoinAck,
  writeJoinSyn,
  writeJoinSynAck,
  writeMpCapable,
} from "../wire/mptcp.ts";
import { startFallback } from "./fallback.ts";
import { joinHmac, keyMaterial, sameHmac } from "./keys.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** SYNs with MP_CAPABLE before it is left out, for paths that drop unknown options (RFC 8684 §3.1; Linux syn_retrans_before_tcp_fallback). */
const CAPABLE_SYNS = 3;

/** Flags of our MP_CAPABLE. */
export function capableFlags(meta: MetaSocket): number {
  return CAPABLE_HMAC_SHA256 | (meta.dssChecksum ? CAPABLE_CHECKSUM : 0);
}

function sameKey(a: Key | undefined, b: Key): boolean {
  return a !== undefined && a.high === b.high && a.low === b.low;
}

/** Writes the option of a SYN, SYN/ACK or third ACK. */
export function writeHandshakeOption(meta: MetaSocket, subflow: Subflow, tcpFlags: number): void {
  const syn = (tcpFlags & TCP_SYN) !== 0;
  const ack = (tcpFlags & TCP_ACK) !== 0;
  const { host } = meta;
  if (subflow.join) {
    const backup = subflow.backupByUs;
    if (syn && !ack) {
      host.count("MPJoinSynTx");
      writeJoinSyn(backup, subflow.localId, meta.remoteToken, subflow.localNonce);
    } else if (syn) {
      const mac = joinHmac(meta.localKey, meta.remoteKey, subflow.localNonce, subflow.remoteNonce);
      writeJoinSynAck(backup, subflow.localId, mac.subarray(0, 8), subflow.localNonce);
    } else {
      const mac = joinHmac(meta.localKey, meta.remoteKey, subflow.localNonce, subflow.remoteNonce);
      writeJoinAck(mac.subarray(0, 20));
    }
    return;
  }
  if (!meta.capable || meta.fallback) return;
  if (syn && !ack) {
    if (subflow.handshakeSends >= CAPABLE_SYNS) {
      host.count("MPCapableSYNTXDrop");
      return;
    }
    host.count("MPCapableSYNTX");
    writeMpCapable(capableFlags(meta));
  } else if (syn) {
    writeMpCapable(capableFlags(meta), meta.localKey);
  } else {
    writeMpCapable(capableFlags(meta), meta.localKey, meta.remoteKey);
  }
}

/** The peer's key is known. */
function learnKey(meta: MetaSocket, key: Key): void {
  meta.remoteKey = key;
  const { token, idsn } = keyMaterial(key);
  meta.remoteToken = token;
  meta.remoteIdsn = idsn;
}

/** A server looks at the MP_CAPABLE of a SYN in RX_*; false: plain TCP (RFC 8684 §3.1). */
export function judgeSyn(meta: MetaSocket): boolean {
  const at = optionAt(MP_CAPABLE);
  if (at === 0) return false;
  meta.host.count("MPCapableSYNRX");
  const option = readMpCapable(at);
  const usable = option.version >= 1 && (option.flags & CAPABLE_HMAC_SHA256) !== 0 &&
    (option.flags & CAPABLE_EXTENSIBILITY) === 0;
  if (!usable) return false;
  meta.dssChecksum ||= (option.flags & CAPABLE_CHECKSUM) !== 0;
  meta.peerDeniesJoinToInitial = (option.flags & CAPABLE_DENY_JOIN) !== 0;
  return true;
}

/** Judges the option of a SYN/ACK; false: the subflow was reset. */
export function judgeSynAck(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if (subflow.join) {
    const at = optionAt(MP_JOIN);
    const option = at === 0 ? null : readMpJoin(at);
    if (option === null || option.length !== 16) {
      reset(subflow, RST_MPTCP, now);
      return false;
    }
    subflow.remoteNonce = option.nonce;
    const mac = joinHmac(meta.remoteKey, meta.localKey, option.nonce, subflow.localNonce);
    if (!sameHmac(mac.subarray(0, 8), option.hmac)) {
      meta.host.count("MPJoinSynAckHMacFailure");
      reset(subflow, RST_MPTCP, now);
      return false;
    }
    meta.host.count("MPJoinSynAckRx");
    if (option.backup) meta.host.count("MPJoinSynAckBackupRx");
    subflow.backupByPeer = option.backup;
    return true;
  }
  const at = optionAt(MP_CAPABLE);
  const option = at === 0 || !meta.capable ? null : readMpCapable(at);
  if (
    option === null || option.senderKey === undefined || option.version !== 1 ||
    (option.flags & CAPABLE_HMAC_SHA256) === 0
  ) {
    if (meta.capable) meta.host.count("MPCapableFallbackSYNACK");
    startFallback(meta, subflow);
    return true;
  }
  meta.host.count("MPCapableSYNACKRX");
  learnKey(meta, option.senderKey);
  meta.dssChecksum ||= (option.flags & CAPABLE_CHECKSUM) !== 0;
  meta.peerDeniesJoinToInitial = (option.flags & CAPABLE_DENY_JOIN) !== 0;
  meta.startDss();
  return true;
}

/** Judges the option of the ACK that ends a passive open. */
export function judgeThirdAck(meta: MetaSocket, subflow: Subflow): ThirdAck {
  if (subflow.join) {
    const at = optionAt(MP_JOIN);
    const option = at === 0 ? null : readMpJoin(at);
    // Without it the third ACK itself was lost; the peer repeats it.
    if (option === null || option.length !== 24) return "drop";
    const mac = joinHmac(meta.remoteKey, meta.localKey, subflow.remoteNonce, subflow.localNonce);
    if (!sameHmac(mac.subarray(0, 20), option.hmac)) {
      meta.host.count("MPJoinAckHMacFailure");
      return "reset";
    }
    meta.host.count("MPJoinAckRx");
    return "accept";
  }
  if (meta.fallback || !meta.capable) return "accept";
  const at = optionAt(MP_CAPABLE);
  const option = at === 0 ? null : readMpCapable(at);
  if (
    option !== null && option.senderKey !== undefined && sameKey(option.receiverKey, meta.localKey)
  ) {
    meta.host.count("MPCapableACKRX");
    learnKey(meta, option.senderKey);
    meta.startDss();
    return "accept";
  }
  // A DSS shows that the peer goes on with MPTCP: the segment with its key is still to come.
  if ((u32[RX_OPTIONS]! & OPTION_DSS) !== 0) return "drop";
  meta.host.count("MPCapableFallbackACK");
  startFallback(meta, subflow);
  return "accept";
}

/** A subflow is established: it gets its congestion controller and is offered to the scheduler. */
export function subflowEstablished(meta: MetaSocket, subflow: Subflow): void {
  if (!subflow.usable || subflow.controller !== null) return;
  updateMss(subflow);
  if (meta.fallback) startFallback(meta, subflow);
  subflow.controller = meta.congestion.join(subflow);
  let i = meta.subflows.length;
  while (i > 0 && meta.subflows[i - 1]!.path > subflow.path) i--;
  meta.subflows.splice(i, 0, subflow);
  meta.subflowsTotal++;
  if (!meta.established) {
    meta.established = true;
    meta.tellEstablished = true;
    if (meta.role === "server") meta.host.opened(meta);
    // Until a DATA_ACK comes, the first window is that of the SYN.
    meta.windowEnd = Math.max(meta.windowEnd, 1 + subflow.sndWnd);
  }
  if (!meta.appClosed) meta.closeAt = Infinity;
  meta.subflowChanged(subflow, "joined");
  meta.rearm();
  meta.dirty(subflow);
}
