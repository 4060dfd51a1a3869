/**
 * Handshakes of which nothing is kept between SYN and third ACK (RFC 4987 §3.6; RFC 8684 §3.1, "If the server behaves in a stateless manner"): a SYN is
 * answered from what is in it, and a connection, or a subflow of one, is made of the ACK that comes back.
 */

import { memory_alloc, memory_free } from "../../wasm/mod.ts";
import { KEY_SIZE, TCP_ACK, TCP_ECE, TCP_SYN } from "../../wasm/layout.ts";
import { capableOption, judgeReturned } from "../connection/establish.ts";
import { keyMaterial, Keys } from "../connection/keys.ts";
import { chosenBuffer, type MetaSocket } from "../connection/meta_socket.ts";
import { segmentArrived } from "../connection/settle.ts";
import type { Micros } from "../plugin.ts";
import { asksForEcn } from "../subflow/ecn.ts";
import type { SynOffer } from "../subflow/handshake.ts";
import { DEFAULT_MSS, Mtu } from "../subflow/mtu.ts";
import { windowScale } from "../subflow/receive_window.ts";
import type { TcpSettings } from "../subflow/settings.ts";
import { timestampAt } from "../subflow/timestamps.ts";
import {
  type Key,
  MP_CAPABLE,
  MP_JOIN,
  type MpJoin,
  RST_MPTCP,
  RST_RESOURCE,
} from "../wire/mptcp.ts";
import { inOnePiece } from "../wire/packet.ts";
import { rx, tx } from "../wire/segment.ts";
import { distance32 } from "../wire/seq.ts";
import { writeKey } from "./flow_key.ts";
import type { Link } from "./link.ts";
import type { Listener } from "./listener.ts";
import { planReply, refuse } from "./replies.ts";
import type { LocalAddress } from "./routes.ts";
import type { Stack } from "./stack.ts";
import { offersSack } from "../subflow/settings.ts";
import { ecnOf, sackOf, scaleOf, timestampWithOptions } from "./syn_cookies.ts";

const KEY = memory_alloc(KEY_SIZE);
const PLAN = { timestamps: false, dss: 0, sack: 0, size: 0 };

/** Whether a SYN to `listener` is answered by a cookie. */
export function wantsCookie(listener: Listener): boolean {
  const { synCookies } = listener.tcp;
  return synCookies === "always" || (synCookies === "pressure" && listener.crowded);
}

/** Whether a SYN with the token of `connection` is. RFC 8684 §3.2 sees no need for it; who has seen the token can fill the connection with joins. */
export function joinWantsCookie(connection: MetaSocket): boolean {
  const { synCookies } = connection.tcp;
  return synCookies === "always" || (synCookies === "pressure" && connection.paths.crowded);
}

/** Answers the SYN in `rx`, which has no MP_JOIN. */
export function answerSyn(
  stack: Stack,
  link: Link,
  local: LocalAddress,
  { tcp, mptcp }: Listener,
  now: Micros,
): void {
  const iss = begin(stack, local, tcp.dscp, false, now);
  const draft = tx.begin();
  const option = capableOption({ capable: mptcp.enabled }, true);
  if (option !== null) {
    stack.count("MPCapableSYNRX");
    const own = stack.cookies.mptcpKey(KEY, rx.seq, iss);
    const keys = new Keys(own, mptcp.checksum, !mptcp.allowJoinInitialAddress);
    keys.heed(option.flags);
    // RFC 8684 §3.1: there is no other key that could be verified.
    // RFC 8684 §3.1: "if uniqueness is not met and there is no way to generate an alternative verifiable key, then the connection MUST
    // fall back to using regular TCP"
    if (stack.tokens.find(keys.token) === undefined) draft.capable(keys.flags, own);
    else stack.count("MPFallbackTokenInit");
  }
  send(stack, link, local, tcp, iss, now);
}

/** Answers the SYN in `rx`, which has the MP_JOIN `option` of `connection`. */
export function answerJoin(
  stack: Stack,
  link: Link,
  local: LocalAddress,
  connection: MetaSocket,
  option: MpJoin,
  now: Micros,
): void {
  const { paths, tcp, keys } = connection;
  const plan = planReply(local, stack.routes.back(link, local), tcp.dscp, KEY);
  const reason = paths.refuseJoin(option.addressId, plan.remote, plan.local);
  if (reason !== null) {
    stack.count("MPJoinRejected");
    refuse(stack, reason);
    return;
  }
  const fresh = begin(stack, local, tcp.dscp, true, now);
  // The SYN comes again: the third ACK to either SYN/ACK has the same number, and is about the same random ones.
  const iss = joinNumber(stack, keys.token, option.nonce, now) ?? fresh;
  const join = paths.proposeJoin(option, stack.joins.held(iss, keys.token, option.nonce));
  stack.joins.put(iss, keys.token, join);
  const { localId, backup, mac } = paths.joinAnswer(join, local.view.address);
  tx.begin().joinSynAck(backup, localId, mac.subarray(0, 8), join.nonce);
  send(stack, link, local, tcp, iss, now);
}

/**
 * Whether the SYN in `rx`, which has the MP_JOIN `option` of `connection`, has been answered by a cookie that may still be acknowledged: it is answered so
 * again, as a subflow with other numbers would refuse that third ACK.
 */
export function joinAnsweredBefore(
  stack: Stack,
  local: LocalAddress,
  { tcp, keys }: MetaSocket,
  option: MpJoin,
  now: Micros,
): boolean {
  if (!stack.cookies.awaited(now)) return false;
  writeKey(local.prefix.address, rx.destinationPort, rx.source, rx.sourcePort, tcp.dscp, KEY);
  return joinNumber(stack, keys.token, option.nonce, now) !== null;
}

/** The number of the cookie that has answered the SYN in `rx`, of the flow in KEY, with a join to `token`; null: none has that may still be acknowledged. */
function joinNumber(
  { cookies, joins }: Stack,
  token: number,
  nonce: number,
  now: Micros,
): number | null {
  const mss = offeredMss();
  const present = cookies.number(KEY, rx.seq, mss, true, now);
  if (joins.held(present, token, nonce) !== null) return present;
  const before = cookies.before(KEY, rx.seq, mss, true, now);
  return joins.held(before, token, nonce) !== null ? before : null;
}

/**
 * The number and the key of the SYN/ACK with which the SYN in `rx` may have been answered before there was room to keep it. Its peer takes the answer that
 * comes first: had the one that is kept another number, the ACK of the cookie would be refused with a RST. Nothing where no cookie is awaited.
 */
export function answeredBefore(
  stack: Stack,
  local: LocalAddress,
  { tcp }: Listener,
  now: Micros,
): { readonly iss?: number; readonly key?: Key } {
  if (!stack.cookies.awaited(now)) return {};
  const { source } = rx;
  writeKey(local.prefix.address, rx.destinationPort, source, rx.sourcePort, tcp.dscp, KEY);
  const iss = stack.cookies.latest(KEY, rx.seq, offeredMss());
  if (rx.option(MP_CAPABLE) === 0) return { iss };
  const key = stack.cookies.mptcpKey(KEY, rx.seq, iss);
  return stack.tokens.find(keyMaterial(key).token) === undefined ? { iss, key } : { iss };
}

function offeredMss(): number {
  return (rx.hasMss ? rx.mss : 0) || DEFAULT_MSS[rx.source.family];
}

/** The initial sequence number that answers the SYN in `rx`, whose flow is in KEY then. */
function begin(
  stack: Stack,
  local: LocalAddress,
  dscp: number,
  join: boolean,
  now: Micros,
): number {
  const { source } = rx;
  writeKey(local.prefix.address, rx.destinationPort, source, rx.sourcePort, dscp, KEY);
  stack.count("TCPReqQFullDoCookies");
  stack.count("SyncookiesSent");
  return stack.cookies.issue(KEY, rx.seq, offeredMss(), join, now);
}

/** Sends the SYN/ACK whose MPTCP option is written. What its timestamp cannot tell, where there is none, is not agreed on. */
function send(
  stack: Stack,
  link: Link,
  local: LocalAddress,
  tcp: TcpSettings,
  iss: number,
  now: Micros,
): void {
  const { out, experiments } = stack;
  const outlet = stack.routes.back(link, local);
  const buffer = chosenBuffer(experiments.receiveBuffer, tcp.receiveBuffer);
  const hasTimestamps = tcp.timestamps && rx.hasTimestamps;
  const sack = hasTimestamps && offersSack(tcp) && rx.sackPermitted;
  const scale = hasTimestamps && rx.hasWindowScale ? rx.windowScale : -1;
  const ecn = hasTimestamps && tcp.ecn !== "off" && asksForEcn(rx.flags);
  const flags = TCP_SYN | TCP_ACK | (ecn ? TCP_ECE : 0);
  tx.header(iss, rx.seq + 1, flags, Math.min(65535, buffer.first));
  tx.offer(
    new Mtu(outlet, rx.family, tcp.maxSegment).local,
    sack,
    scale < 0 ? -1 : windowScale(buffer.most),
  );
  if (hasTimestamps) {
    const clock = timestampWithOptions(timestampAt(now, 0), scale, sack, ecn);
    tx.timestamps(clock + stack.flowNumbers(KEY).timestampOffset, rx.tsval);
  }
  tx.plan(PLAN);
  inOnePiece(out, 0);
  tx.build(KEY, out, outlet.checksumMode);
  outlet.send(out);
}

/** The segment in `rx` belongs to no flow. True when it has come back from a SYN/ACK of these, and nothing is left to do with it. */
export function cookieReturned(
  stack: Stack,
  link: Link,
  local: LocalAddress,
  dscp: number,
  now: Micros,
): boolean {
  if (!stack.cookies.awaited(now) || (rx.flags & (TCP_SYN | TCP_ACK)) !== TCP_ACK) return false;
  const join = rx.option(MP_JOIN) !== 0;
  const listener = stack.listeners.find(local.view.address, rx.destinationPort);
  if (!local.outlet.up || (!join && (listener?.tcp.synCookies ?? "off") === "off")) return false;
  writeKey(local.prefix.address, rx.destinationPort, rx.source, rx.sourcePort, 0, KEY);
  const iss = distance32(rx.ack, 1);
  const mss = stack.cookies.check(KEY, distance32(rx.seq, 1), iss, join, now);
  if (mss === 0) {
    if (!join && stack.cookies.behind(KEY, distance32(rx.seq, 1), iss, now)) {
      // The third ACK and first data have been lost: they come again. Who keeps the SYN would take what follows them (RFC 9293 §3.10.7.4), not reset it.
      stack.count("TCPOFODrop");
      return true;
    }
    stack.count("SyncookiesFailed");
    return false;
  }
  stack.count("SyncookiesRecv");
  const { timestampOffset } = stack.flowNumbers(KEY);
  const timestamp = distance32(rx.tsecr, timestampOffset);
  const offer = rx.hasTimestamps
    ? { mss, sack: sackOf(timestamp), scale: scaleOf(timestamp), ecn: ecnOf(timestamp) }
    : { mss, sack: false, scale: -1, ecn: false };
  if (join) joinReturned(stack, link, local, iss, offer, now);
  else return ackReturned(stack, link, local, listener!, dscp, iss, offer, now);
  return true;
}

/** Makes a connection of the third ACK, or of the first data behind it. False: it has made one before, which is there still, and belongs to no flow any more. */
function ackReturned(
  stack: Stack,
  link: Link,
  local: LocalAddress,
  listener: Listener,
  dscp: number,
  iss: number,
  offer: SynOffer,
  now: Micros,
): boolean {
  if (listener.full) {
    stack.overflow();
    return true;
  }
  const spoken = listener.mptcp.enabled;
  const capable = spoken && rx.option(MP_CAPABLE) !== 0;
  // It goes on with MPTCP, and its keys have been lost: they come again with what it says next.
  if (spoken && !capable && rx.hasDss && (rx.length === 0 || rx.hasMapping)) return true;
  let key = capable ? stack.cookies.mptcpKey(KEY, distance32(rx.seq, 1), iss) : undefined;
  const holder = key && stack.tokens.find(keyMaterial(key).token);
  if (key !== undefined && holder !== undefined) {
    const { own } = holder.keys;
    // A first subflow has ended before its connection. Another one in its place would take, and acknowledge, data that are that one's.
    if (own.high === key.high && own.low === key.low) return false;
    // Another connection has taken its token since.
    stack.count("MPFallbackTokenInit");
    key = undefined;
  }
  const label = listener.transparent && dscp !== 0 ? dscp : listener.tcp.dscp;
  const plan = planReply(local, stack.routes.back(link, local), label);
  const opened = plan.key === 0 ? null : stack.halfOpen(listener, plan, iss, key);
  if (opened === null) {
    if (plan.key !== 0) memory_free(plan.key);
    stack.count("ListenDrops");
    return true;
  }
  const { connection, subflow } = opened;
  judgeReturned(connection, subflow, now);
  subflow.resume(offer, now);
  segmentArrived(connection, subflow, now);
  return true;
}

/** Makes a subflow of the third ACK of a join. */
function joinReturned(
  stack: Stack,
  link: Link,
  local: LocalAddress,
  iss: number,
  offer: SynOffer,
  now: Micros,
): void {
  // The first one was judged. Where that ended in a RST, who has not heard it yet repeats, and asks nothing new.
  if (stack.joins.taken(iss)) return;
  const found = stack.joins.take(iss);
  const connection = found === null ? undefined : stack.tokens.find(found.token);
  if (found === null || connection === undefined || connection.over) {
    stack.count("MPJoinNoTokenFound");
    refuse(stack, RST_MPTCP);
    return;
  }
  const plan = planReply(local, stack.routes.back(link, local), connection.tcp.dscp);
  const subflow = plan.key === 0
    ? RST_RESOURCE
    : connection.paths.joinReturned(found.join, plan, iss, offer, now);
  if (typeof subflow === "number") {
    stack.count("MPJoinRejected");
    memory_free(plan.key);
    refuse(stack, subflow);
    return;
  }
  segmentArrived(connection, subflow, now);
}
