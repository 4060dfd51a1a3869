/**
 * Data bound to subflows ahead of their sending: a scheduler with `lookAhead` (draft SQ-8: hybrid; A.5, ALT-5: push). Each subflow then has a part A of its
 * own, besides its part B. The event/action table of A.5:
 *
 * - acknowledged on the subflow: its part B lets go of it, as ever;
 * - DATA_ACKed: nothing; what a part A still holds of it is passed over;
 * - timeout: what the subflow holds, sent or not, goes to those that the scheduler names (`MetaSocket.reinject`);
 * - ready: the next of its own part A leaves, and nobody asks the scheduler.
 *
 * The price: what is bound may turn out to lie on the wrong path. Where the peer's window ends below all that a subflow with room holds, while another one
 * has yet to send what would move it, everything is taken back and bound anew (A.5, "reallocate").
 */

import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { TIMER_DATA } from "./data_timer.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { armDataTimer } from "./waits.ts";

/** Most bytes of one mapping on `subflow` (RFC 8684 §3.3.1: a length of 16 bits), and of one super-segment with its headers. */
export function mappingLimit({ mtu }: Subflow): number {
  return 65535 - mtu.headers - 40;
}

/** Most bytes that one decision sends on `subflow`: about a millisecond of its rate, so that a slow path gets no bursts of 64 KB. */
export function chunkLimit(subflow: Subflow): number {
  const { mss, sender } = subflow;
  const burst = Math.max(2 * mss, sender.cwnd * 1000 / sender.rtt.srtt);
  let limit = Math.min(burst, mappingLimit(subflow));
  // Of what the link takes at once no small part is left over, which would cost as much as the whole.
  const whole = subflow.outlet.maxSegments * mss;
  if (limit > whole) limit -= limit % whole;
  return limit - limit % mss || mss;
}

/** What is bound to `subflow` and not sent on it is to be bound anew; returns how many bytes that is. */
export function takeBack(meta: MetaSocket, subflow: Subflow): number {
  const part = subflow.partA;
  if (part === null) return 0;
  const { sendQueue } = meta;
  const { una } = sendQueue;
  if (part.bytes === 0) return 0;
  const again = sendQueue.toGoAgain();
  part.cut(0, una);
  let bytes = 0;
  for (let moved = part.move(again); moved > 0; moved = part.move(again)) bytes += moved;
  return bytes;
}

/** The same for all subflows. */
export function takeAllBack(meta: MetaSocket): number {
  const { subflows } = meta;
  let bytes = 0;
  for (let i = 0; i < subflows.length; i++) bytes += takeBack(meta, subflows[i]!);
  return bytes;
}

/** Bytes that `subflow` may be bound now, of the data from `offset` on: what goes again leaves before what is bound to it further ahead, and does not wait for that. */
export function capacity(subflow: Subflow, lookAhead: number, offset: number): number {
  const part = subflow.partA;
  const before = part === null ? 0 : part.before(offset);
  return Math.max(0, subflow.room + lookAhead - before);
}

/** Has all that are ready send the next of their parts A. Those that may send no more give theirs back. */
export function serveAll(meta: MetaSocket, now: Micros): void {
  const { subflows } = meta;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (subflow.queued === 0) continue;
    if (subflow.usable) serve(meta, subflow, now);
    else takeBack(meta, subflow);
  }
}

/** Sends what there is room for of what is bound to `subflow`. */
export function serve(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const part = subflow.partA;
  if (part === null) return;
  part.cut(0, meta.sendQueue.una);
  while (part.bytes > 0 && sendFirst(meta, subflow, now));
}

/** Sends one mapping of the part A of `subflow`; false when nothing of it may leave now. */
function sendFirst(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const { sendQueue, holding } = meta;
  const part = subflow.partA!;
  const offset = part.first;
  const sent = sendQueue.find(offset);
  if (sent === null) {
    part.cut(offset, part.firstEnd);
    return true;
  }
  const { mss, room } = subflow;
  const held = Math.min(part.firstEnd, sent.end) - offset;
  const window = sendQueue.windowEnd - offset;
  const probe = held > mss && subflow.mtu.searches
    ? subflow.sender.probe(sendQueue.unsent, now)
    : 0;
  const probes = probe > 0 && probe <= Math.min(held, window);
  let length = probe;
  if (probes) {
    if (subflow.sender.probeRoom < probe) return false;
  } else {
    length = Math.min(held, window, room, chunkLimit(subflow));
    if (length <= 0) return false;
    if (length < held) {
      if (length >= mss) length -= length % mss;
      else if (length === window && length < room) {
        if (holding.cut(window, sendQueue.mostWindow, sendQueue.unacked)) return false;
      } else if (subflow.inFlight > 0) return false;
    }
  }
  const { infiniteOwed } = meta;
  const ssn = subflow.sender.board.nxt;
  // The keys, and an infinite mapping, ride on one segment: what follows it has a DSS of its own.
  const first = offset === 1 && ssn === 1 && !subflow.join && meta.keysOwed !== null;
  const alone = first || infiniteOwed;
  const whole = alone ? subflow.sender.payloadBeside(infiniteOwed) : mss;
  if (alone) length = Math.min(length, whole);
  if (!subflow.chunk(offset, length, first, now, probes && length === probe, infiniteOwed)) {
    return false;
  }
  if (infiniteOwed) {
    meta.oweInfinite(false);
    meta.host.count("InfiniteMapTx");
  }
  part.cut(offset, offset + length);
  meta.figures.sent(length, now);
  const repeated = sendQueue.left(sent, offset, length, subflow, ssn);
  if (repeated > 0) meta.countRepeat(repeated);
  else if (length % whole !== 0 && !holding.noDelay) holding.small(offset + length);
  if (!meta.deadlines.has(TIMER_DATA)) armDataTimer(meta, now);
  return true;
}

/**
 * Takes everything back where the window keeps a subflow with room from sending, as all that is bound to it lies too far ahead, while what would move the
 * window waits on others; counts it. True when something is to be bound anew.
 */
export function reallocate(meta: MetaSocket): boolean {
  const { subflows, sendQueue } = meta;
  if (meta.host.experiments.reallocate === false) return false;
  const { windowEnd } = sendQueue;
  let shut = false;
  let below = false;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    const part = subflow.partA;
    if (part === null || part.bytes === 0) continue;
    if (part.first < windowEnd) below = true;
    else if (subflow.room >= subflow.mss && !subflow.doubted) shut = true;
  }
  if (!shut || !below) return false;
  meta.figures.reallocate(takeAllBack(meta));
  return true;
}
