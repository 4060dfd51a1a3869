/** Opening a connection and joining subflows to it: MP_CAPABLE and MP_JOIN (RFC 8684 §3.1, §3.2). */

import type { Endpoint, Micros } from "../plugin.ts";
import { PLAIN, type SynOption } from "../subflow/handshake.ts";
import { Subflow } from "../subflow/subflow.ts";
import {
  isUnderstood,
  type Key,
  MP_CAPABLE,
  MP_JOIN,
  type MpCapable,
  readMpCapable,
  readMpJoin,
  RST_MPTCP,
  RST_PROHIBITED,
} from "../wire/mptcp.ts";
import { TCP_SYN } from "../../wasm/layout.ts";
import { rx } from "../wire/segment.ts";
import { startFallback } from "./fallback.ts";
import { fastOpenAnswered } from "./fast_open.ts";
import type { FlowPlan } from "./host.ts";
import { joinHmac, sameHmac } from "./keys.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { damageOutlived } from "./mp_fail.ts";
import { remember, won } from "./race.ts";

function sameKey(a: Key | undefined, b: Key): boolean {
  return a !== undefined && a.high === b.high && a.low === b.low;
}

/** The first subflow of a connection, closed; `iss` where its initial sequence number is out already. */
export function firstSubflow(meta: MetaSocket, plan: FlowPlan, iss?: number): Subflow {
  const { host } = meta;
  return new Subflow(host, meta, {
    path: 1,
    local: plan.local,
    remote: plan.remote,
    family: plan.family,
    key: plan.key,
    outlet: plan.outlet,
    ...host.flowNumbers(plan.key),
    ...(iss !== undefined && { iss }),
    localId: 0,
    remoteId: 0,
    option: meta.capable ? capable(meta, null) : PLAIN,
  });
}

function capable(meta: MetaSocket, peer: Key | null): SynOption {
  const { keys, mptcp } = meta;
  const repeats = mptcp.synRetriesBeforeFallback;
  return { kind: "capable", flags: keys.flags, repeats, own: keys.own, peer };
}

/** A server looks at the MP_CAPABLE of a SYN in `rx`, before `accept` answers it (RFC 8684 §3.1). */
export function judgeSyn(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const option = capableOption(meta, true);
  if (option === null) {
    // RFC 8684 §3.1: "it MUST respond without an MP_CAPABLE option, thus forcing a fallback to regular TCP"
    subflow.learn(PLAIN);
    startFallback(meta, subflow, now);
    return;
  }
  meta.host.count("MPCapableSYNRX");
  meta.keys.heed(option.flags);
  subflow.learn(capable(meta, null));
}

/** A server makes up for the SYN of a handshake that kept nothing of it, by the third ACK in `rx`: only our own key that comes back tells of MPTCP. */
export function judgeReturned(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const option = capableOption(meta, false);
  if (option !== null && sameKey(option.receiverKey, meta.keys.own)) {
    meta.keys.heed(option.flags);
    return;
  }
  if (option !== null) meta.host.count("MPCapableFallbackACK");
  subflow.learn(PLAIN);
  startFallback(meta, subflow, now);
}

/** The MP_CAPABLE of the segment in `rx`; null where none came, or one that is to be ignored, or MPTCP is not spoken. */
export function capableOption(
  { capable }: { readonly capable: boolean },
  proposal: boolean,
): MpCapable | null {
  const at = rx.option(MP_CAPABLE);
  if (at === 0 || !capable) return null;
  const option = readMpCapable(at);
  return isUnderstood(option, proposal) ? option : null;
}

/** Judges the segment in `rx` that ends a handshake; only where it returns true the subflow is admitted. */
export function judgeHandshake(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const option = subflow.option;
  if (option?.kind === "join") {
    return subflow.synSent || (rx.flags & TCP_SYN) !== 0
      ? judgeJoinSynAck(meta, subflow, option, now)
      : judgeJoinAck(meta, subflow, option, now);
  }
  return subflow.synSent ? judgeSynAck(meta, subflow, now) : judgeThirdAck(meta, subflow, now);
}

type JoinOption = SynOption & { kind: "join" };

function judgeJoinSynAck(
  meta: MetaSocket,
  subflow: Subflow,
  own: JoinOption,
  now: Micros,
): boolean {
  const at = rx.option(MP_JOIN);
  const option = at === 0 ? null : readMpJoin(at);
  if (option === null || option.length !== 16) {
    // RFC 8684 §3.2: "If the SYN/ACK as received at Host A does not have an MP_JOIN option, Host A MUST close the subflow with a TCP
    // RST."
    // RFC 8684 §3.2: "a SYN/ACK is received without the MP_JOIN option … then the subflow is unusable and Host A MUST close it with a
    // RST"
    // RFC 8684 §3.9.3: "Section 3.8 specifies that an incorrect handshake MUST lead to the subflow being closed with a RST."
    // Where it was the last hope, the path that takes the option away is what ends the connection.
    if (meta.away) meta.reset(subflow, RST_MPTCP, now);
    else meta.giveUp(subflow, RST_MPTCP, "options-removed", now);
    return false;
  }
  const theirs = joinHmac(meta.keys.peer, meta.keys.own, option.nonce, own.nonce);
  // RFC 8684 §3.2: "the HMAC returned to Host A does not match the one expected, Host A MUST close the subflow with a TCP RST"
  // RFC 8684 §3.2: "the sender SHOULD send an MP_TCPRST option (Section 3.6) on this RST packet with the reason code for an
  // 'MPTCP-specific error'"
  if (!sameHmac(theirs.subarray(0, 8), option.hmac)) {
    meta.host.count("MPJoinSynAckHMacFailure");
    meta.reset(subflow, RST_MPTCP, now);
    return false;
  }
  meta.host.count("MPJoinSynAckRx");
  if (subflow.remote.port !== meta.remoteEndpoint.port) meta.host.count("MPJoinPortSynAckRx");
  // RFC 8684 §3.2: "A host MUST store the mappings between Address IDs and addresses both for itself and the remote host."
  meta.paths.named(subflow, option.addressId);
  meta.accompanied();
  if (option.backup) meta.host.count("MPJoinSynAckBackupRx");
  subflow.setBackup("peer", option.backup);
  if (option.backup) {
    meta.host.probe?.priorityAsked(meta.host.now, meta.id, subflow.path, "join", true);
  }
  const mac = joinHmac(meta.keys.own, meta.keys.peer, own.nonce, option.nonce);
  subflow.learn({ ...own, peerNonce: option.nonce, mac });
  return true;
}

/** The SYN in `rx` crosses ours on the same flow: it begins the same join, or has nothing to do with it and is left to its sender's repeats. */
export function joinCrossed(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const own = subflow.option;
  const at = rx.option(MP_JOIN);
  if (own?.kind !== "join" || at === 0) return;
  const { token, nonce, backup, addressId } = readMpJoin(at);
  if (token !== meta.keys.token >>> 0) return;
  meta.host.count("MPJoinSynRx");
  if (backup) meta.host.count("MPJoinSynBackupRx");
  meta.paths.named(subflow, addressId);
  subflow.setBackup("peer", backup);
  const mac = joinHmac(meta.keys.own, meta.keys.peer, own.nonce, nonce);
  subflow.learn({ ...own, peerNonce: nonce, mac });
  subflow.cross(now);
}

function judgeJoinAck(meta: MetaSocket, subflow: Subflow, own: JoinOption, now: Micros): boolean {
  const at = rx.option(MP_JOIN);
  const option = at === 0 ? null : readMpJoin(at);
  // RFC 8684 §3.2: "If Host B does not receive the expected HMAC or the MP_JOIN option is missing from the ACK, it MUST close the
  // subflow with a TCP RST."
  // RFC 8684 §3.2: nothing else may come before the fourth ACK, so that what comes without it has lost it on the way.
  if (option === null || option.length !== 24) {
    meta.reset(subflow, RST_MPTCP, now);
    return false;
  }
  const mac = joinHmac(meta.keys.peer, meta.keys.own, own.peerNonce, own.nonce);
  if (!sameHmac(mac.subarray(0, 20), option.hmac)) {
    meta.host.count("MPJoinAckHMacFailure");
    meta.reset(subflow, RST_MPTCP, now);
    return false;
  }
  if (!meta.paths.mayJoin()) {
    meta.host.count("MPJoinRejected");
    meta.reset(subflow, RST_PROHIBITED, now);
    return false;
  }
  // The address was taken back after the SYN.
  if (!takesJoinsAt(meta, subflow.local)) {
    meta.host.count("MismatchPortAckRx");
    meta.reset(subflow, RST_PROHIBITED, now);
    return false;
  }
  // As in Linux, of those that are taken.
  meta.host.count("MPJoinAckRx");
  if (subflow.local.port !== meta.localEndpoint.port) meta.host.count("MPJoinPortAckRx");
  return true;
}

/**
 * Whether the peer may join at an address and port of ours, by the host's policy.
 *
 * RFC 8684 §3.2, "local policy prohibits the acceptance of the new subflow": nothing else limits the ports.
 */
export function takesJoinsAt(meta: MetaSocket, local: Endpoint): boolean {
  return meta.mptcp.joinPorts === "any" || local.port === meta.localEndpoint.port ||
    meta.host.holdsPort(meta, local);
}

function judgeSynAck(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  won(meta, subflow, now);
  const option = capableOption(meta, false);
  if (option === null || option.senderKey === undefined) {
    // RFC 8684 §3.1: "it is assumed that the sender of the SYN/ACK is not multipath capable; thus, the MPTCP session MUST operate as a
    // regular, single-path TCP session"
    // RFC 8684 §3.7: "SHOULD fall back to regular TCP if either of the SYN messages does not have the MPTCP options"
    if (meta.capable) meta.host.count("MPCapableFallbackSYNACK");
    const { blackholeTimeout } = meta.mptcp;
    if (subflow.triedPlain && blackholeTimeout > 0) {
      meta.host.swallowed(subflow.remote.address, blackholeTimeout);
    }
    subflow.learn(PLAIN);
    startFallback(meta, subflow, now);
    return true;
  }
  meta.host.count("MPCapableSYNACKRX");
  meta.host.passed(subflow.remote.address);
  meta.keys.learn(option.senderKey);
  meta.keys.heed(option.flags);
  meta.agree();
  subflow.learn(capable(meta, option.senderKey));
  return true;
}

function judgeThirdAck(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if (!meta.host.mayOpen(meta)) return false;
  // Both ends have opened at once (RFC 9293 §3.5).
  if (meta.role === "client") won(meta, subflow, now);
  if (meta.fallback || !meta.capable) return true;
  // Both ends have opened at once: no SYN/ACK had a key (RFC 9293 §3.5), as Linux has it.
  if (meta.role === "client") {
    meta.host.count("SimultConnectFallback");
    startFallback(meta, subflow, now);
    return true;
  }
  const option = capableOption(meta, false);
  if (
    option !== null && option.senderKey !== undefined && sameKey(option.receiverKey, meta.keys.own)
  ) {
    meta.host.count("MPCapableACKRX");
    meta.keys.learn(option.senderKey);
    meta.agree();
    return true;
  }
  // RFC 8684 §3.1: "If the third packet (the ACK) does not contain the MP_CAPABLE option, then the session MUST fall back"
  // RFC 8684 §3.1: "the host MUST stop using MPTCP and no longer include MPTCP options in future TCP packets"
  // A DSS shows that the peer goes on with MPTCP: the segment with its key is still to come, and the SYN/ACK asks for it. Data without a mapping were sent
  // in the SYN, before MPTCP was agreed on, and are followed by others: they can be told apart on plain TCP alone.
  if (rx.hasDss && (rx.length === 0 || rx.hasMapping)) {
    subflow.askAgain(now);
    return false;
  }
  meta.host.count("MPCapableFallbackACK");
  startFallback(meta, subflow, now);
  return true;
}

/** A subflow may carry data. */
export function subflowJoined(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const early = meta.subflows.includes(subflow);
  if (early && subflow.join) return;
  if (!subflow.join) fastOpenAnswered(meta, subflow, now);
  if (subflow.active) remember(meta, subflow, now);
  subflow.sender.resize();
  if (meta.fallback) startFallback(meta, subflow, now);
  if (subflow.ended !== null) return;
  if (early) meta.proved(subflow);
  else meta.joined(subflow);
  if (subflow.join) damageOutlived(meta, now);
}
