/** What goes again on another subflow: after a timeout, when a subflow dies, and when the data level hears nothing (RFC 8684 §3.3.6, draft SQ-5). */

import type { Micros } from "../plugin.ts";
import { MAX_RTO } from "../subflow/rtt.ts";
import { sendDataFin, sendProbe } from "../subflow/send.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { closeTimeout, maybeClosed } from "./close.ts";
import { mappingMissed } from "./fallback.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { carries } from "./pull.ts";

/** Timeouts in a row that make a subflow stale. */
const STALE_TIMEOUTS = 2;

/** A DATA_ACK, or what stands for it: frees the queue, moves the window, wakes the writer, and lets every subflow send (IMP-1). */
export function dataAcknowledged(
  meta: MetaSocket,
  offset: number,
  windowEnd: number,
  now: Micros,
): void {
  if (windowEnd > meta.windowEnd) {
    meta.windowEnd = windowEnd;
    meta.persistCount = 0;
    meta.dirty();
  }
  if (offset <= meta.dataUna) return;
  meta.bytesAcked += offset - meta.dataUna;
  meta.dataUna = offset;
  meta.lastAckReceived = now;
  meta.dataTimeouts = 0;
  meta.buffers.releaseSent(offset);
  meta.sentList.release(offset);
  if (meta.finOffset < 0) meta.tellWritable = true;
  else if (offset > meta.finOffset && !meta.finAcked) {
    meta.finAcked = true;
    maybeClosed(meta, now);
  }
  armDataTimer(meta, now);
  meta.dirty();
}

/**
 * Queues what `subflow` carries, and the peer has not DATA_ACKed, for the others; what is SACKed too, as a peer may keep it on the subflow until the
 * hole before it is filled.
 */
export function reinjectFrom(meta: MetaSocket, subflow: Subflow): void {
  if (meta.fallback) return;
  for (let range = subflow.inFlightList.head; range !== null; range = range.next) {
    if (range.fin) continue;
    const from = Math.max(range.data, meta.dataUna);
    const to = range.data + range.end - range.seq;
    if (from < to) meta.retransmitQueue.add(from, to);
  }
  meta.dirty();
}

/**
 * Forgets a subflow that is gone. What nobody else was given goes again, acknowledged on the subflow or not: only a DATA_ACK tells that the peer has it
 * (RFC 8684 §3.3.6).
 */
export function forgetCarrier(meta: MetaSocket, subflow: Subflow): void {
  for (let sent = meta.sentList.head; sent !== null; sent = sent.next) {
    const index = sent.sentOn.indexOf(subflow);
    if (index < 0) continue;
    sent.sentOn.splice(index, 1);
    if (sent.sentOn.length === 0 && !meta.fallback) {
      meta.retransmitQueue.add(sent.offset, sent.end);
    }
  }
}

/** A retransmission timeout: the subflow repeats on its own, the others repeat at once (draft SQ-5, row c). */
export function timeoutOf(meta: MetaSocket, subflow: Subflow, count: number): void {
  if (count >= STALE_TIMEOUTS && !subflow.stale && subflow.usable) {
    subflow.stale = true;
    meta.host.count("SubflowStale");
    meta.subflowChanged(subflow, "stale");
  }
  if (count === 1 && !subflow.gone) reinjectFrom(meta, subflow);
}

/** A stale subflow has had something acknowledged. */
export function revive(meta: MetaSocket, subflow: Subflow): void {
  subflow.stale = false;
  meta.host.count("SubflowRecover");
  meta.subflowChanged(subflow, "revived");
}

/** Longest retransmission timeout among the subflows: less at the data level would only outrun TCP. */
function longestTimeout(meta: MetaSocket): Micros {
  let longest = 0;
  for (const subflow of meta.subflows) longest = Math.max(longest, subflow.rtt.rto);
  return longest === 0 ? 1e6 : longest;
}

/** Starts the data-level timer afresh; off when nothing is outstanding. */
export function armDataTimer(meta: MetaSocket, now: Micros): void {
  meta.dataRetransmitAt = meta.dataUna < meta.dataNxt && !meta.fallback
    ? now + Math.min(MAX_RTO, longestTimeout(meta) * 2 ** meta.dataTimeouts)
    : Infinity;
  meta.rearm();
}

/** Nothing in flight, something to send, no window: ask the peer from time to time (draft DA-4, RFC 9293 §3.8.6.1). */
export function armPersist(meta: MetaSocket, now: Micros): void {
  const stuck = meta.unsent > 0 && meta.dataUna === meta.dataNxt && meta.established &&
    !meta.closed;
  if (!stuck || meta.window > 0) {
    meta.persistAt = Infinity;
  } else if (meta.persistAt === Infinity) {
    meta.persistAt = now + Math.min(MAX_RTO, longestTimeout(meta) * 2 ** meta.persistCount);
  }
  meta.rearm();
}

/** Handles every deadline that has passed. */
export function connectionTimers(meta: MetaSocket, now: Micros): void {
  if (meta.closeAt <= now) {
    meta.closeAt = Infinity;
    closeTimeout(meta, now);
    if (meta.removed) return;
  }
  if (meta.wakeAt <= now) {
    meta.wakeAt = Infinity;
    meta.dirty();
  }
  if (meta.unmappedAt <= now) {
    const [subflow] = meta.subflows;
    if (subflow === undefined) meta.unmappedAt = Infinity;
    else mappingMissed(meta, subflow, now);
  }
  if (meta.persistAt <= now) {
    meta.persistAt = Infinity;
    meta.persistCount++;
    meta.host.count("WinProbe");
    for (const subflow of meta.subflows) if (subflow.usable) sendProbe(subflow, now);
    armPersist(meta, now);
  }
  if (meta.dataRetransmitAt <= now) {
    meta.dataRetransmitAt = Infinity;
    dataTimeout(meta, now);
  }
}

/** The oldest byte is not DATA_ACKed: unless a subflow still works on it, it goes again. */
function dataTimeout(meta: MetaSocket, now: Micros): void {
  meta.dataTimeouts++;
  if (meta.finOffset >= 0 && meta.dataUna === meta.finOffset && meta.dataNxt > meta.finOffset) {
    // Nothing below the data level sends it again, so each time counts: on every subflow, as Linux does.
    for (const subflow of meta.subflows) {
      if (subflow.usable && !subflow.outlet.blocked) sendDataFin(subflow, meta.finOffset, now);
    }
  } else {
    const oldest = meta.sentList.head;
    if (
      oldest !== null &&
      !meta.subflows.some((subflow) => !subflow.stale && carries(subflow, meta.dataUna))
    ) {
      meta.retransmitQueue.add(meta.dataUna, oldest.end);
      meta.dirty();
    }
  }
  armDataTimer(meta, now);
}
