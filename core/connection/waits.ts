/**
 * What a connection waits for, and how long: each wait is a deadline of data_timer.ts, set and taken back as passes and acknowledgements come to it. What a
 * deadline that has passed leads to is in settle.ts.
 */

import type { Micros } from "../plugin.ts";
import {
  TIMER_ASK,
  TIMER_CLOSE,
  TIMER_DATA,
  TIMER_HOLD,
  TIMER_PERSIST,
  TIMER_USER,
} from "./data_timer.ts";
import { HOLD_LENGTH } from "./holding.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { CLOSE_TIMEOUT, CLOSED_PATIENCE } from "./patience.ts";

/** Starts the data-level timer afresh; off when nothing is outstanding. */
export function armDataTimer(meta: MetaSocket, now: Micros): void {
  const due = meta.sendQueue.unacked > 0 && !meta.fallback && !meta.over;
  if (!due) meta.deadlines.set(TIMER_DATA, Infinity);
  else if (meta.sendQueue.finUnacked) meta.timer.awaitFinAck(meta.deadlines, meta.subflows, now);
  else meta.timer.awaitDataAck(meta.deadlines, meta.subflows, now);
}

/** A pass is over: what waits has its timers. Most are as they should be while something is in flight, or nothing is to be sent. */
export function armWaits(meta: MetaSocket, now: Micros): void {
  const { deadlines, sendQueue } = meta;
  const { unsent, unacked } = sendQueue;
  const stopped = unsent > 0 && unacked === 0;
  if (stopped || deadlines.has(TIMER_PERSIST)) armPersist(meta, now);
  if (stopped || (unsent > 0 && meta.holding.corked) || deadlines.has(TIMER_HOLD)) {
    armHold(meta, now);
  }
  const blocked = unacked > 0 && (unsent > 0 || meta.writerWaits) && awaitsDataAck(meta);
  if (blocked !== deadlines.has(TIMER_ASK)) armAsk(meta, blocked, now);
  const begun = deadlines.has(TIMER_USER);
  if (unacked > 0 ? !begun : begun || unsent > 0 || sendQueue.finDue) armUserTimeout(meta, now);
}

/**
 * What waits to be written, or sent, needs a DATA_ACK, and no subflow has anything out that would bring one. A receiver whose application holds its lock
 * acknowledges on the subflow first, and with the data only when it has something else to tell, such as a much larger window: Linux does.
 */
function awaitsDataAck(meta: MetaSocket): boolean {
  const { sendQueue, subflows } = meta;
  if (meta.fallback || !meta.established) return false;
  const { unsent } = sendQueue;
  if (sendQueue.window >= unsent && (unsent > 0 || sendQueue.room > 0)) return false;
  for (let i = 0; i < subflows.length; i++) {
    if (!subflows[i]!.sender.board.empty) return false;
  }
  return sendQueue.again.empty && !sendQueue.finUnacked;
}

function armAsk(meta: MetaSocket, blocked: boolean, now: Micros): void {
  if (blocked) meta.timer.awaitAnswer(meta.deadlines, meta.subflows, now);
  else meta.deadlines.set(TIMER_ASK, Infinity);
}

/** The peer has had time for a DATA_ACK: asks for one, on each subflow in turn, as it may heed one such question in a while. */
export function askForDataAck(meta: MetaSocket, now: Micros): void {
  const { subflows, timer } = meta;
  if (!awaitsDataAck(meta)) return;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[(timer.asks + i) % subflows.length]!;
    if (!subflow.usable || subflow.early || subflow.stale) continue;
    subflow.probe(now);
    break;
  }
  meta.waits().asked();
}

/** Nothing in flight, something to send, no window: ask the peer from time to time (draft DA-4, RFC 9293 §3.8.6.1). */
export function armPersist(meta: MetaSocket, now: Micros): void {
  const { unsent, unacked, window } = meta.sendQueue;
  const stuck = unsent > 0 && unacked === 0 && window === 0 && meta.established && !meta.over;
  if (!stuck) meta.deadlines.set(TIMER_PERSIST, Infinity);
  else if (!meta.deadlines.has(TIMER_PERSIST)) {
    meta.timer.awaitWindow(meta.deadlines, meta.subflows, now);
  }
}

/** Less than a segment that is corked, or that a small window leaves with nothing in flight, waits so long and no longer. */
function armHold(meta: MetaSocket, now: Micros): void {
  const { unsent, unacked, window } = meta.sendQueue;
  // What a subflow has out, though its data are acknowledged, brings an answer; before that there may be no room.
  const cut = window > 0 && window < unsent && unacked === 0 && anyQuiet(meta);
  if (meta.over || (!cut && (!meta.holding.corked || unsent === 0))) {
    if (meta.deadlines.has(TIMER_HOLD)) meta.deadlines.set(TIMER_HOLD, Infinity);
  } else if (!meta.deadlines.has(TIMER_HOLD)) meta.deadlines.set(TIMER_HOLD, now + HOLD_LENGTH);
}

/** Whether a subflow has nothing out. */
function anyQuiet(meta: MetaSocket): boolean {
  const { subflows } = meta;
  for (let i = 0; i < subflows.length; i++) {
    if (subflows[i]!.sender.board.empty) return true;
  }
  return false;
}

/**
 * What waits for the peer's answer is given up when nothing comes from it for the user timeout (RFC 9293 §3.8.3, R2). Any segment is an answer: one
 * that keeps its window closed lives (§3.8.6.1).
 */
function armUserTimeout(meta: MetaSocket, now: Micros): void {
  if (!awaitsPeer(meta)) meta.deadlines.set(TIMER_USER, Infinity);
  else if (!meta.deadlines.has(TIMER_USER)) {
    meta.patience.begin(now);
    meta.deadlines.set(TIMER_USER, now + meta.patience.limit);
  }
}

/** Whether only the peer can bring on what was written. */
function awaitsPeer(meta: MetaSocket): boolean {
  if (meta.over || !meta.established) return false;
  const { unacked, unsent, window, finDue } = meta.sendQueue;
  if (unacked > 0 || finDue) return true;
  // One that has something out may take no more before that is acknowledged: what was DATA_ACKed may be in flight on it still.
  return unsent > 0 && (window === 0 || !anyQuiet(meta));
}

/** When the user timeout is over. */
export function givenUpAt(meta: MetaSocket): Micros {
  let heard = 0;
  for (let i = 0; i < meta.attempts.length; i++) {
    const { sender } = meta.attempts[i]!;
    // What a proxy has acknowledged and lost is never repaired on plain TCP: that it goes on with the rest is no sign of the peer.
    heard = Math.max(heard, meta.fallback ? sender.lastOwnHeard : sender.lastHeard);
  }
  return meta.patience.until(heard);
}

/** Begins to wait for what the peer alone can do, as long as its turn may take. */
export function armClose(meta: MetaSocket, now: Micros): void {
  // Without subflows another wait is under way, which no call of the application puts off.
  if (meta.over || meta.subflows.length === 0) return;
  meta.deadlines.set(TIMER_CLOSE, now + closeWait(meta));
}

function closeWait(meta: MetaSocket): Micros {
  if (!meta.appClosed) return peerLeft(meta) ? closeTimeout(meta) : Infinity;
  // All of ours is there, and nobody reads what may still come (Linux tcp_fin_timeout).
  return meta.finAcked ? closeTimeout(meta) : CLOSED_PATIENCE;
}

/** How long a connection without subflows, or one that the peer alone can end, is kept. */
export function closeTimeout(meta: MetaSocket): Micros {
  return meta.mptcp.closeTimeout ?? CLOSE_TIMEOUT;
}

/** Whether the peer has sent its FIN on every subflow, and its data have no end: nothing can bring the rest. */
export function peerLeft(meta: MetaSocket): boolean {
  const { subflows } = meta;
  if (subflows.length === 0 || meta.receiveQueue.reached || meta.fallback) return false;
  for (let i = 0; i < subflows.length; i++) if (!subflows[i]!.peerFinished) return false;
  return true;
}
