/** Pull scheduling (draft §3.5.2, §3.5.3.2): whenever a subflow may send, the scheduler is asked over all of them; a mapping is made at that moment. */

import type { Choice, Chunk, Micros } from "../plugin.ts";
import { sendWantedFin } from "../subflow/close.ts";
import { sendThirdAck } from "../subflow/handshake.ts";
import { restartAfterIdle, retransmitLost } from "../subflow/recovery.ts";
import { sendAck, sendChunk, sendDataFin } from "../subflow/send.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { sendPrio } from "./paths.ts";
import { armDataTimer, armPersist } from "./reinject.ts";

/** Most bytes one answer binds where the scheduler names none. */
const DEFAULT_QUANTUM = 65535;

/** What the scheduler is asked about; one object for all connections, read within the call. */
const chunk: { -readonly [K in keyof Chunk]: Chunk[K] } = { offset: 0, length: 0, sentOn: [] };
const nobody: readonly Subflow[] = [];
const ready: Subflow[] = [];
const elsewhere: Subflow[] = [];

/** One send pass: retransmissions, repeats, reinjections, new data, DATA_FIN, FINs, acknowledgements. */
export function push(meta: MetaSocket, now: Micros): void {
  for (const subflow of meta.attempts) {
    if (subflow.inFlightList.lost > 0) retransmitLost(subflow, now);
  }
  if (meta.wakeAt <= now) meta.wakeAt = Infinity;
  if (meta.pathsStartAt <= now && meta.established) {
    meta.pathsStartAt = Infinity;
    if (!meta.fallback && !meta.closed) meta.paths.start();
  }
  if (!meta.closed) {
    if (meta.unsent > 0) { for (const subflow of meta.subflows) restartAfterIdle(subflow, now); }
    repeatOnOthers(meta, now);
    schedule(meta, now);
    for (const subflow of meta.subflows) {
      if (subflow.sendLimit - subflow.inFlight < subflow.mss) subflow.limitedUntil = subflow.sndNxt;
      else if (meta.unsent === 0) subflow.appLimitedUntil = subflow.delivered + subflow.inFlight;
    }
    finishSending(meta, now);
  }
  const { attempts } = meta;
  for (let i = attempts.length - 1; i >= 0; i--) {
    const subflow = attempts[i]!;
    if (subflow.thirdAckOwed) sendThirdAck(subflow, now);
    if (subflow.prioOwed) sendPrio(meta, subflow, now);
    if (subflow.finWanted) sendWantedFin(subflow, now);
    if (subflow.ackNow) sendAck(subflow, now);
    if (subflow.outlet.blocked) subflow.outlet.wait(meta);
  }
  meta.rcvEdgeSent = meta.rcvEdge;
  armPersist(meta, now);
}

/**
 * Collects the subflows that may take `bytes`: with room, not stale, backup ones only when no other works (RFC 8684 §3.3.8). Less than a segment must
 * wait where as many packets as fill the window are in flight already: thousands of small ones would overrun any queue, and later they go as one.
 */
function collectReady(meta: MetaSocket, bytes = Infinity): void {
  let count = 0;
  let regular = false;
  let working = false;
  for (const subflow of meta.subflows) {
    if (subflow.stale || !subflow.usable) continue;
    working = true;
    regular ||= !subflow.backup;
  }
  for (const subflow of meta.subflows) {
    if (!subflow.usable || (working && subflow.stale) || (regular && subflow.backup)) continue;
    const { room, mss } = subflow;
    if (bytes < mss && subflow.inFlightList.count * mss >= subflow.cwnd) continue;
    if (room >= mss || (room > 0 && subflow.inFlight === 0)) ready[count++] = subflow;
  }
  // Emptying an array gives its room back, and every pass would take it anew.
  if (ready.length !== count) ready.length = count;
}

/** Most bytes that one decision sends on `subflow`: about a millisecond of its rate, so that a slow path gets no bursts of 64 KB. */
function chunkLimit(subflow: Subflow): number {
  const { mss } = subflow;
  const burst = Math.max(2 * mss, subflow.cwnd * 1000 / subflow.srtt);
  const most = 65535 - subflow.headers - 40;
  const limit = Math.min(burst, most);
  return limit - limit % mss || mss;
}

/** Bytes that could be sent from the offset of `chunk` on, did the scheduler not want less at once. */
let available = 0;
/** They end the data, or a range that goes again: a part of a segment is no waste. */
let last = false;

/** Asks the scheduler until nothing is left, nobody has room or the answer is to wait. */
function schedule(meta: MetaSocket, now: Micros): void {
  if (!meta.established) return;
  while (true) {
    const again = nextReinjection(meta);
    if (!again && !nextNew(meta)) return;
    if (again) {
      if (ready.length === 0) {
        // Only those that carry it already have room: new data need not wait for that.
        if (!nextNew(meta)) return;
        if (!ask(meta, false, now)) return;
      } else if (!ask(meta, true, now)) {
        return;
      }
    } else if (!ask(meta, false, now)) {
      return;
    }
  }
}

/** Sets `chunk` and `ready` for what must go again; false when nothing must. */
function nextReinjection(meta: MetaSocket): boolean {
  const queue = meta.retransmitQueue;
  if (queue.empty) return false;
  queue.release(meta.dataUna);
  const first = queue.first;
  if (first === undefined) return false;
  const sent = meta.sentList.find(first.offset);
  if (sent === null) {
    queue.release(first.end);
    return nextReinjection(meta);
  }
  chunk.offset = first.offset;
  chunk.length = available = Math.min(first.end, sent.end) - first.offset;
  last = true;
  chunk.sentOn = sent.sentOn;
  collectReady(meta);
  // On a subflow that still carries it a second copy would be of no use.
  let kept = 0;
  for (const subflow of ready) {
    if (!carries(subflow, first.offset)) ready[kept++] = subflow;
  }
  ready.length = kept;
  return true;
}

/** Whether a subflow has the byte at `offset` in flight. */
export function carries(subflow: Subflow, offset: number): boolean {
  for (let range = subflow.inFlightList.head; range !== null; range = range.next) {
    if (!range.fin && range.data <= offset && offset < range.data + range.end - range.seq) {
      return true;
    }
  }
  return false;
}

/** Sets `chunk` and `ready` for new data; false when there are none that the window allows, or nobody has room. */
function nextNew(meta: MetaSocket): boolean {
  const unsent = Math.min(meta.unsent, meta.window);
  if (unsent <= 0) return false;
  collectReady(meta, unsent);
  if (ready.length === 0) return false;
  chunk.offset = meta.dataNxt;
  available = unsent;
  last = unsent === meta.unsent;
  chunk.length = Math.min(unsent, meta.schedulerPlugin.quantum ?? DEFAULT_QUANTUM);
  chunk.sentOn = nobody;
  // Nagle (RFC 9293 §3.7.4), where the application asked for it.
  if (!meta.noDelay && chunk.length < ready[0]!.mss && meta.unacked > 0 && meta.finOffset < 0) {
    return false;
  }
  return true;
}

/** Asks once and does as told; false when the answer is to wait. */
function ask(meta: MetaSocket, again: boolean, now: Micros): boolean {
  const choice: Choice = meta.scheduler.pick(ready, chunk);
  if (choice === null) return false;
  if (!Array.isArray(choice)) {
    const subflow = find(meta, (choice as { path: number }).path);
    if (subflow === null || !ready.includes(subflow)) return false;
    return bind(meta, subflow, null, again, now);
  }
  elsewhere.length = 0;
  for (const { path } of choice) {
    const subflow = find(meta, path);
    if (subflow !== null && ready.includes(subflow) && !elsewhere.includes(subflow)) {
      elsewhere.push(subflow);
    }
  }
  const first = elsewhere[0];
  return first !== undefined && bind(meta, first, elsewhere, again, now);
}

function find(meta: MetaSocket, path: number): Subflow | null {
  for (const subflow of meta.subflows) if (subflow.path === path) return subflow;
  return null;
}

/** Bytes of `chunk` that fit `subflow` now: whole segments, but for the end of the data. */
function fitting(subflow: Subflow): number {
  const { mss, room } = subflow;
  const most = Math.min(room, chunkLimit(subflow));
  if (last && chunk.length <= most && chunk.length === available) return available;
  const length = Math.min(Math.max(chunk.length, mss), available, most);
  if (length >= mss) return length - length % mss;
  // Less than a segment leaves only when nothing else would bring an answer (RFC 9293 §3.8.6.2.1).
  return subflow.inFlight === 0 ? length : 0;
}

/** Sends `chunk` on `subflow`, and copies of it on the others. */
function bind(
  meta: MetaSocket,
  subflow: Subflow,
  copies: readonly Subflow[] | null,
  again: boolean,
  now: Micros,
): boolean {
  let length = fitting(subflow);
  if (copies !== null) { for (const other of copies) length = Math.min(length, fitting(other)); }
  if (length <= 0) return false;
  const offset = chunk.offset;
  const first = meta.capableData && offset === 1 && !subflow.join;
  // The keys ride on one segment: what follows it has a DSS of its own.
  if (first) length = Math.min(length, subflow.mss);
  // A link that is full leaves its subflows without room: the others are asked for.
  if (sendChunk(subflow, offset, length, first, now) === 0) return true;
  meta.lastDataSent = now;
  meta.bytesSent += length;
  if (again) {
    const sent = meta.sentList.find(offset);
    if (sent !== null && !sent.sentOn.includes(subflow)) sent.sentOn.push(subflow);
    meta.retransmitQueue.release(offset + length);
    countRepeat(meta, length);
  } else {
    const sent = meta.sentList.append(offset, offset + length, subflow);
    meta.dataNxt = offset + length;
    if (copies !== null) {
      for (const other of copies) {
        if (other === subflow || sendChunk(other, offset, length, false, now) === 0) continue;
        sent.sentOn.push(other);
        countRepeat(meta, length);
      }
    }
    if (meta.dataRetransmitAt === Infinity) armDataTimer(meta, now);
  }
  return true;
}

function countRepeat(meta: MetaSocket, length: number): void {
  meta.repeated += length;
  meta.bytesRetransmitted += length;
  meta.retransmits++;
  meta.host.count("MPTCPRetrans");
}

/** Asks `repeat` for each subflow with room, from the oldest byte on that it does not carry. */
function repeatOnOthers(meta: MetaSocket, now: Micros): void {
  const { scheduler } = meta;
  if (scheduler.repeat === undefined || meta.fallback || meta.subflows.length < 2) return;
  collectReady(meta);
  const candidates = ready.slice();
  for (const subflow of candidates) {
    for (let sent = meta.sentList.head; sent !== null; sent = sent.next) {
      if (subflow.room < Math.min(subflow.mss, sent.length)) break;
      if (sent.sentOn.length === 0 || sent.sentOn.includes(subflow)) continue;
      chunk.offset = sent.offset;
      chunk.length = sent.length;
      chunk.sentOn = sent.sentOn;
      if (!scheduler.repeat(subflow, chunk)) break;
      // A part would leave `sentOn` half true: the whole goes, or nothing.
      if (sent.length > subflow.room) break;
      if (sendChunk(subflow, sent.offset, sent.length, false, now) === 0) break;
      sent.sentOn.push(subflow);
      countRepeat(meta, sent.length);
    }
  }
}

/** When everything has been sent, DATA_FIN follows; on plain TCP the FIN itself. */
function finishSending(meta: MetaSocket, now: Micros): void {
  if (meta.finOffset < 0 || meta.dataNxt !== meta.finOffset || !meta.established) return;
  if (meta.fallback) {
    for (const subflow of meta.subflows) {
      subflow.finWanted = true;
      meta.dataNxt = meta.finOffset + 1;
    }
    return;
  }
  if (!sendDataFinOn(meta, now)) return;
  meta.dataNxt = meta.finOffset + 1;
  armDataTimer(meta, now);
}

/** Sends DATA_FIN on the best working subflow; false when there is none. */
function sendDataFinOn(meta: MetaSocket, now: Micros): boolean {
  let best: Subflow | null = null;
  for (const subflow of meta.subflows) {
    if (!subflow.usable || subflow.outlet.blocked) continue;
    if (
      best === null || (best.stale && !subflow.stale) ||
      (best.stale === subflow.stale && subflow.srtt < best.srtt)
    ) best = subflow;
  }
  return best !== null && sendDataFin(best, meta.finOffset, now);
}
