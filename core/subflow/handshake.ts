/** Opening: SYN, SYN/ACK, third ACK, and what they agree on (RFC 9293 §3.5, RFC 7323, RFC 2018, RFC 8684 §3.1, §3.2). */

import { header_build, u32 } from "../../wasm/mod.ts";
import {
  OPTION_MPTCP,
  OPTION_MSS,
  OPTION_SACK_PERMITTED,
  OPTION_TIMESTAMPS,
  OPTION_WINDOW_SCALE,
  RX_ACK,
  RX_FLAGS,
  RX_MSS,
  RX_OPTIONS,
  RX_SEQ,
  RX_TSVAL,
  RX_WINDOW,
  RX_WINDOW_SCALE,
  TCP_ACK,
  TCP_RST,
  TCP_SYN,
  TX_ACK,
  TX_ECN,
  TX_FLAGS,
  TX_MSS,
  TX_OPTIONS,
  TX_RAW_LENGTH,
  TX_SACK_COUNT,
  TX_SEQ,
  TX_TSECR,
  TX_TSVAL,
  TX_WINDOW,
  TX_WINDOW_SCALE,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { clearOptions } from "../wire/mptcp.ts";
import { inOnePiece } from "../wire/packet.ts";
import { fromWire, toWire } from "../wire/seq.ts";
import { leave } from "./close.ts";
import { armRetransmission, rearm } from "./deadlines.ts";
import { sendAck, timestamp, updateMss } from "./send.ts";
import { CLOSED, ESTABLISHED, type Subflow, SYN_RECEIVED, SYN_SENT } from "./subflow.ts";

/** SYNs sent in all before a first subflow gives up, as Linux does by default. */
const SYN_TRIES = 7;
/** A join gives up sooner: other paths carry the data. */
const JOIN_TRIES = 4;
/** Third ACKs of a join sent without an answer. */
const THIRD_ACK_TRIES = 6;
/** Timeout for data where the SYN timed out and no round trip was measured (RFC 6298 §5.7). */
const LOST_SYN_RTO: Micros = 3e6;
/** Largest shift (RFC 7323 §2.3). */
const MAX_WINDOW_SCALE = 14;
/** MSS of a peer that names none (RFC 9293 §3.7.1), IPv4 and IPv6. */
const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;

/** Sends SYN or SYN/ACK at sequence offset 0. */
export function sendSyn(subflow: Subflow, tcpFlags: number, now: Micros): void {
  const { owner, outlet } = subflow;
  const answer = (tcpFlags & TCP_ACK) !== 0;
  clearOptions();
  owner.writeHandshake(subflow, tcpFlags);
  let options = OPTION_MSS;
  if (subflow.sackPermitted) options |= OPTION_SACK_PERMITTED;
  if (subflow.timestamps) options |= OPTION_TIMESTAMPS;
  if (subflow.scaled) options |= OPTION_WINDOW_SCALE;
  if (u32[TX_RAW_LENGTH]! > 0) options |= OPTION_MPTCP;
  u32[TX_OPTIONS] = options;
  u32[TX_SEQ] = subflow.iss;
  u32[TX_ACK] = answer ? toWire(1, subflow.irs) : 0;
  u32[TX_FLAGS] = tcpFlags;
  // The window of a SYN is never scaled (RFC 7323 §2.2).
  u32[TX_WINDOW] = Math.min(65535, owner.receiveWindow);
  u32[TX_MSS] = subflow.localMss;
  u32[TX_WINDOW_SCALE] = owner.receiveScale;
  u32[TX_TSVAL] = timestamp(subflow, now);
  u32[TX_TSECR] = answer ? subflow.tsRecent : 0;
  u32[TX_SACK_COUNT] = 0;
  u32[TX_ECN] = 0;
  const { out } = owner.host;
  inOnePiece(out, header_build(subflow.key, out.header, 0, 0, 0, 0, outlet.checksumMode));
  outlet.send(out);
  subflow.segmentsOut++;
  subflow.sndNxt = 1;
  subflow.handshakeSends++;
  subflow.handshakeSentAt = now;
  armRetransmission(subflow, now);
}

/** Active open. */
export function open(subflow: Subflow, now: Micros): void {
  subflow.state = SYN_SENT;
  subflow.rcvEdge = Math.min(65535, subflow.owner.receiveWindow);
  sendSyn(subflow, TCP_SYN, now);
}

/** Takes over what the SYN in RX_* offers, and the first window. */
function takeOffer(subflow: Subflow, now: Micros): void {
  const offered = u32[RX_OPTIONS]!;
  subflow.irs = u32[RX_SEQ]!;
  subflow.lastAckSent = 1;
  subflow.sackPermitted &&= (offered & OPTION_SACK_PERMITTED) !== 0;
  subflow.scaled &&= (offered & OPTION_WINDOW_SCALE) !== 0;
  subflow.sndScale = subflow.scaled ? Math.min(MAX_WINDOW_SCALE, u32[RX_WINDOW_SCALE]!) : 0;
  subflow.timestamps &&= (offered & OPTION_TIMESTAMPS) !== 0;
  if (subflow.timestamps) {
    subflow.tsRecent = u32[RX_TSVAL]!;
    subflow.tsRecentTime = now;
  }
  const mss = (offered & OPTION_MSS) !== 0 ? u32[RX_MSS]! : DEFAULT_MSS[subflow.family];
  // A few octets of MSS would make a header cost more than its data: no less than 64, which still fits 40 octets of options.
  subflow.maxSegment = Math.max(64, Math.min(mss, subflow.localMss));
  subflow.sndWnd = u32[RX_WINDOW]!;
  subflow.sndWl1 = 0;
  subflow.sndWl2 = 0;
}

/** Passive open: the SYN is in RX_*. */
export function accept(subflow: Subflow, now: Micros): void {
  subflow.state = SYN_RECEIVED;
  takeOffer(subflow, now);
  subflow.rcvEdge = 1 + Math.min(65535, subflow.owner.receiveWindow);
  sendSyn(subflow, TCP_SYN | TCP_ACK, now);
}

/** A segment in SYN-SENT (RFC 9293 §3.10.7.3), in the order of the text. */
export function arriveSynSent(subflow: Subflow, now: Micros): void {
  const { owner } = subflow;
  const flags = u32[RX_FLAGS]!;
  const acked = (flags & TCP_ACK) !== 0;
  if (acked && fromWire(u32[RX_ACK]!, subflow.iss, 1) !== 1) {
    // The peer still has an old connection: the RST ends it, and the next SYN gets through (RFC 9293 §3.5.1).
    if ((flags & TCP_RST) === 0) owner.host.refuse();
    return;
  }
  if (flags & TCP_RST) {
    if (acked) leave(subflow, "refused", now);
    return;
  }
  if ((flags & TCP_SYN) === 0) return;
  takeOffer(subflow, now);
  if (!acked) {
    // Simultaneous open (RFC 9293 §3.5): MPTCP does not survive it, the owner sees it by the state.
    subflow.state = SYN_RECEIVED;
    sendSyn(subflow, TCP_SYN | TCP_ACK, now);
    return;
  }
  subflow.sndUna = 1;
  if (subflow.handshakeSends === 1) subflow.rtt.sample(now - subflow.handshakeSentAt, now);
  if (!owner.synAckArrived(subflow, now)) return;
  if (!begin(subflow, now)) return;
  // Until the fourth ACK a join carries no data, and its third ACK is repeated (RFC 8684 §3.2).
  subflow.preEstablished = subflow.join;
  subflow.usable = !subflow.join;
  sendThirdAck(subflow, now);
  if (subflow.join) subflow.probeAt = now + subflow.rtt.rto;
  owner.joined(subflow, now);
  rearm(subflow);
}

/** Sends the third ACK with the option that belongs to it. */
export function sendThirdAck(subflow: Subflow, now: Micros): void {
  clearOptions();
  subflow.owner.writeHandshake(subflow, TCP_ACK);
  subflow.thirdAckOwed = !sendAck(subflow, now, true);
}

/** The fourth ACK has not come: the third is sent again. */
export function repeatThirdAck(subflow: Subflow, now: Micros): void {
  if (++subflow.handshakeSends > THIRD_ACK_TRIES) {
    leave(subflow, "timeout", now);
    return;
  }
  sendThirdAck(subflow, now);
  subflow.probeAt = now + subflow.rtt.rto * 2 ** (subflow.handshakeSends - 1);
}

/** Enters ESTABLISHED; false when there is no memory for it. */
export function begin(subflow: Subflow, now: Micros): boolean {
  if (!subflow.startReceiver(subflow.owner.receiveStream)) {
    leave(subflow, "aborted", now);
    return false;
  }
  subflow.state = ESTABLISHED;
  subflow.rtoAt = Infinity;
  subflow.timeouts = 0;
  if (subflow.handshakeSends > 1) subflow.rtt.rto = LOST_SYN_RTO;
  subflow.rcvEdge = Math.max(subflow.rcvEdge, 1);
  updateMss(subflow);
  return true;
}

/** A SYN or SYN/ACK was not answered. */
export function handshakeTimeout(subflow: Subflow, now: Micros): void {
  const tries = subflow.join ? JOIN_TRIES : SYN_TRIES;
  if (subflow.state === CLOSED) return;
  if (subflow.handshakeSends >= tries) {
    leave(subflow, "timeout", now);
    return;
  }
  subflow.timeouts++;
  sendSyn(subflow, subflow.state === SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK, now);
}
