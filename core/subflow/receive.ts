/** Payload and FIN of acceptable segments, and when to acknowledge (RFC 9293 §3.10.7.4, RFC 5681 §4.2). */

import { f64, receiver_skip, u32 } from "../../wasm/mod.ts";
import {
  RECEIVER_TOP,
  RX_FLAGS,
  RX_LENGTH,
  RX_PAYLOAD,
  SEGMENT_DUPLICATE,
  SEGMENT_FILLED,
  SEGMENT_GAP,
  SEGMENT_MEMORY,
  TCP_FIN,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { enterTimeWait, finInOrder } from "./close.ts";
import { rearm } from "./deadlines.ts";
import { type Subflow, TIME_WAIT } from "./subflow.ts";

/** How long an acknowledgement of one segment may wait for a second (RFC 9293 §3.8.6.3 allows 500 ms; Linux starts at 40). */
export const DELAYED_ACK: Micros = 40e3;

/** Takes the payload at sequence offset `seq`. False when the subflow ended by it. */
export function receivePayload(subflow: Subflow, seq: number, now: Micros): boolean {
  const length = u32[RX_LENGTH]!;
  const { owner } = subflow;
  subflow.lastDataReceived = now;
  const bits = owner.payloadArrived(subflow, seq, u32[RX_PAYLOAD]!, length, now);
  if (subflow.gone) return false;
  if (bits & SEGMENT_MEMORY) {
    owner.host.count("TCPRcvQDrop");
    return true;
  }
  subflow.bytesReceived += length;
  subflow.ackBytes += length;
  if (bits & SEGMENT_GAP) owner.host.count("TCPOFOQueue");
  if (length > subflow.receiveMss) {
    subflow.receiveMss = Math.max(subflow.receiveMss, Math.min(length, subflow.maxSegment));
  }
  // RFC 5681 §4.2: out of order, duplicate or filling a hole is acknowledged at once; else every second full segment.
  if (
    (bits & (SEGMENT_GAP | SEGMENT_DUPLICATE | SEGMENT_FILLED)) !== 0 ||
    subflow.ackBytes > subflow.receiveMss
  ) {
    subflow.ackNow = true;
  } else if (subflow.ackAt === Infinity) {
    subflow.ackAt = now + DELAYED_ACK;
    if (subflow.ackAt < subflow.deadline) rearm(subflow);
  }
  owner.dirty(subflow);
  return true;
}

/** Notes a FIN in RX_*, and handles it when everything before it is there. */
export function receiveFin(subflow: Subflow, seq: number, now: Micros): void {
  if ((u32[RX_FLAGS]! & TCP_FIN) !== 0) {
    subflow.ackNow = true;
    subflow.owner.dirty(subflow);
    if (subflow.state === TIME_WAIT) {
      // The peer has not seen our last ACK (RFC 9293 §3.10.7.4, eighth).
      enterTimeWait(subflow, now);
      return;
    }
    const at = seq + u32[RX_LENGTH]!;
    // One below what has come already would never be reached.
    if (subflow.finSeq < 0 && at >= f64[subflow.record + RECEIVER_TOP]!) subflow.finSeq = at;
  }
  if (subflow.finSeq >= 0 && !subflow.finReceived && subflow.rcvNxt === subflow.finSeq) {
    receiver_skip(subflow.receiver);
    finInOrder(subflow, now);
  }
}
