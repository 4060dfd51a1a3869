/** A segment arrives: RFC 9293 §3.10.7 in the order of its text, with RFC 7323 §5 before it and RFC 5961 inside. The segment is in RX_*. */

import { u32 } from "../../wasm/mod.ts";
import {
  OPTION_TIMESTAMPS,
  RX_ACK,
  RX_FLAGS,
  RX_LENGTH,
  RX_OPTIONS,
  RX_SEQ,
  RX_TSVAL,
  RX_WINDOW,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { onlyDss, RST_MPTCP } from "../wire/mptcp.ts";
import { distance32, fromWire } from "../wire/seq.ts";
import { leave, reset } from "./close.ts";
import { arriveSynSent, begin, sendSyn, sendThirdAck } from "./handshake.ts";
import { receiveFin, receivePayload } from "./receive.ts";
import { acknowledge } from "./recovery.ts";
import { sendAck } from "./send.ts";
import { CLOSED, ESTABLISHED, type Subflow, SYN_RECEIVED, SYN_SENT, TIME_WAIT } from "./subflow.ts";

/** How long a timestamp of the peer tells old from new (RFC 7323 §5.5). */
const TIMESTAMP_LIFE: Micros = 24 * 24 * 3600e6;

/** Handles the segment in RX_*. */
export function arrive(subflow: Subflow, now: Micros): void {
  subflow.segmentsIn++;
  if (subflow.state === CLOSED) return;
  if (subflow.state === SYN_SENT) {
    arriveSynSent(subflow, now);
    return;
  }
  let flags = u32[RX_FLAGS]!;
  let length = u32[RX_LENGTH]!;
  const next = subflow.rcvNxt;
  const seq = fromWire(u32[RX_SEQ]!, subflow.irs, next);

  if (!timestampGood(subflow, flags, now)) {
    subflow.owner.host.count("PAWSEstab");
    challenge(subflow, now);
    return;
  }
  // First, check the sequence number.
  const end = seq + length + ((flags & TCP_FIN) !== 0 ? 1 : 0);
  // The window is shared: what another subflow has offered since holds for this one too (RFC 8684 §3.3.4).
  const edge = Math.max(subflow.rcvEdge, next + subflow.owner.receiveWindow);
  if (end < subflow.lastAckSent || seq > edge) {
    if (flags & TCP_RST) return;
    if (flags & TCP_SYN) repeated(subflow, flags, now);
    else challenge(subflow, now);
    return;
  }
  // Second, check the RST bit (RFC 5961 §3.2: only the exact number resets).
  if (flags & TCP_RST) {
    if (seq === next) leave(subflow, subflow.state === SYN_RECEIVED ? "refused" : "reset", now);
    else challenge(subflow, now);
    return;
  }
  // Fourth, check the SYN bit (RFC 5961 §4.2).
  if (flags & TCP_SYN) {
    repeated(subflow, flags, now);
    return;
  }
  // Fifth, check the ACK field.
  if ((flags & TCP_ACK) === 0) return;
  const ack = fromWire(u32[RX_ACK]!, subflow.iss, subflow.sndUna);
  if (subflow.state === SYN_RECEIVED && !arriveSynReceived(subflow, ack, now)) return;
  // RFC 5961 §5.2: what somebody guessed lies rarely so close.
  if (ack > subflow.sndNxt || ack < subflow.sndUna - subflow.maxSndWnd) {
    challenge(subflow, now);
    return;
  }
  if (
    subflow.timestamps && (u32[RX_OPTIONS]! & OPTION_TIMESTAMPS) !== 0 && seq <= subflow.lastAckSent
  ) {
    // RFC 7323 §4.3
    subflow.tsRecent = u32[RX_TSVAL]!;
    subflow.tsRecentTime = now;
  }
  if (subflow.preEstablished && subflow.state === ESTABLISHED) {
    // Any segment tells that the third ACK has arrived (RFC 8684 §3.2).
    subflow.preEstablished = false;
    subflow.probeAt = Infinity;
    subflow.usable = true;
    subflow.owner.joined(subflow, now);
    if (subflow.gone) return;
  }
  if (ack >= subflow.sndUna) arriveAck(subflow, seq, ack, length, flags, now);
  if (subflow.state === CLOSED) return;
  // Sixth, the urgent bit: RFC 8684 §3.3.2 has no urgent data; the bytes are taken in line.
  if (!subflow.owner.optionsArrived(subflow, now)) return;
  // Seventh, process the segment text: none behind a FIN, nor beyond the window.
  if (length > edge - seq && length > 0) {
    u32[RX_LENGTH] = length = edge - seq;
    u32[RX_FLAGS] = flags &= ~TCP_FIN;
    answer(subflow, now);
  }
  if (length > 0 && subflow.state !== TIME_WAIT) {
    if (subflow.finSeq >= 0 && seq + length > subflow.finSeq) answer(subflow, now);
    else if (!receivePayload(subflow, seq, now)) return;
  }
  // Eighth, check the FIN bit.
  if ((flags & TCP_FIN) !== 0 || subflow.finSeq >= 0) receiveFin(subflow, seq, now);
}

/** RFC 7323 §5.3: an older timestamp than the last one shows an old duplicate. */
function timestampGood(subflow: Subflow, flags: number, now: Micros): boolean {
  if (!subflow.timestamps || (u32[RX_OPTIONS]! & OPTION_TIMESTAMPS) === 0) return true;
  if ((flags & TCP_RST) !== 0 || distance32(u32[RX_TSVAL]!, subflow.tsRecent) >= 0) return true;
  // RFC 7323 §5.5: after so long the peer's clock may have gone half round.
  return now - subflow.tsRecentTime > TIMESTAMP_LIFE;
}

/** An ACK that tells the peer where we are, within the limit of RFC 5961 §7. */
function challenge(subflow: Subflow, now: Micros): void {
  if (!subflow.owner.host.mayChallenge(now)) {
    subflow.owner.host.count("TCPACKSkippedChallenge");
    return;
  }
  subflow.owner.host.count("TCPChallengeACK");
  answer(subflow, now);
}

/** Has an ACK sent at the end of this batch. */
function answer(subflow: Subflow, now: Micros): void {
  if (subflow.state === TIME_WAIT) {
    // No send pass reaches it any more.
    sendAck(subflow, now);
    return;
  }
  subflow.ackNow = true;
  subflow.owner.dirty(subflow);
}

/** A SYN or SYN/ACK that came before: our answer was lost. */
function repeated(subflow: Subflow, flags: number, now: Micros): void {
  const first = u32[RX_SEQ] === subflow.irs;
  if (first && subflow.state === SYN_RECEIVED && (flags & TCP_ACK) === 0) {
    sendSyn(subflow, TCP_SYN | TCP_ACK, now);
  } else if (first && subflow.state === ESTABLISHED && (flags & TCP_ACK) !== 0) {
    sendThirdAck(subflow, now);
  } else {
    challenge(subflow, now);
  }
}

/** The ACK that ends a passive open (RFC 9293 §3.10.7.4, fifth, SYN-RECEIVED). */
function arriveSynReceived(subflow: Subflow, ack: number, now: Micros): boolean {
  if (ack !== 1) {
    subflow.owner.host.refuse();
    return false;
  }
  const verdict = subflow.owner.thirdAckArrived(subflow, now);
  if (verdict === "drop") return false;
  if (verdict === "reset") {
    reset(subflow, RST_MPTCP, now);
    return false;
  }
  if (subflow.handshakeSends === 1) subflow.rtt.sample(now - subflow.handshakeSentAt, now);
  subflow.sndUna = 1;
  if (!begin(subflow, now)) return false;
  subflow.usable = true;
  // The fourth ACK (RFC 8684 §3.2).
  if (subflow.join) {
    subflow.ackNow = true;
    subflow.owner.dirty(subflow);
  }
  subflow.owner.joined(subflow, now);
  return !subflow.gone;
}

/** An acceptable ACK: windows first, then what it acknowledges. */
function arriveAck(
  subflow: Subflow,
  seq: number,
  ack: number,
  length: number,
  flags: number,
  now: Micros,
): void {
  const window = u32[RX_WINDOW]! * 2 ** subflow.sndScale;
  // RFC 5681 §2. One that came to carry another MPTCP option than DSS tells no loss.
  const duplicate = ack === subflow.sndUna && length === 0 && (flags & TCP_FIN) === 0 &&
    window === subflow.sndWnd &&
    subflow.inFlightList.head !== null && (subflow.sackPermitted || onlyDss());
  if (subflow.sndWl1 < seq || (subflow.sndWl1 === seq && subflow.sndWl2 <= ack)) {
    subflow.sndWnd = window;
    if (window > subflow.maxSndWnd) subflow.maxSndWnd = window;
    subflow.sndWl1 = seq;
    subflow.sndWl2 = ack;
  }
  acknowledge(subflow, ack, duplicate, now);
}
