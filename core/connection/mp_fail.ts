/**
 * Damaged payload (RFC 8684 §3.7): a mapping that is not what its checksum says costs its subflow; where that is the only one there ever was, both ends
 * tell each other by MP_FAIL, and go on as plain TCP behind an infinite mapping.
 *
 * Such a mapping may reach back: mapped like everything before, it says that the bytes which came are to be taken as plain TCP would take them, as Linux
 * means it. Or it maps the failed data anew: what came is dropped then, and a repeat takes its place.
 */

import type { Micros } from "../plugin.ts";
import { MAX_RTO } from "../subflow/rtt.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { readMpFail, RST_MIDDLEBOX } from "../wire/mptcp.ts";
import { rx, tx } from "../wire/segment.ts";
import { dsnWords, fromWire, fromWords } from "../wire/seq.ts";
import { TIMER_FAIL } from "./data_timer.ts";
import { mayFallBack, spoilt, startFallback } from "./fallback.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Whether damage on `subflow` can be outlived on it: all that is in flight is contiguous, and no join will change that. */
function onlyWay(meta: MetaSocket, subflow: Subflow): boolean {
  return mayFallBack(meta, subflow) && meta.pendingJoins === 0;
}

/** A mapping on `subflow` is not what its checksum says: no byte of it reaches the application before the peer has said what to make of it. */
export function checksumFailed(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { host } = meta;
  const { failed } = subflow.receiver;
  host.count("DataCsumErr");
  if (!onlyWay(meta, subflow)) {
    // RFC 8684 §3.7, "the affected subflow must be immediately closed with a RST that includes an MP_FAIL option"; also on the only one that is left,
    // where data are not contiguous.
    // RFC 8684 §3.7: "the receiver MUST close the subflow with a RST with MP_FAIL".
    meta.giveUp(subflow, RST_MIDDLEBOX, "checksum-failed", now, failed);
    return;
  }
  // RFC 8684 §3.7: "The receiver of this option MUST discard all data following the data sequence number specified." No mapping from there on counts, and
  // nothing is DATA_ACKed.
  subflow.receiver.forgetMappings(failed);
  if (meta.damage === null) meta.paths.pause();
  meta.damaged().find(failed, now);
  tellFailure(meta, subflow, now);
}

/** RFC 8684 §3.7, "it will send back an MP_FAIL option on the subflow-level ACK", again until it is answered. */
function tellFailure(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const damage = meta.damaged();
  sayFail(meta, subflow, damage.found, now);
  damage.tell();
  meta.deadlines.set(TIMER_FAIL, now + subflow.sender.rtt.base * 2 ** damage.told);
  meta.dirty();
}

function sayFail(meta: MetaSocket, subflow: Subflow, dsn: number, now: Micros): void {
  // With a DATA_ACK, as in Linux: how far everything was right.
  if (subflow.say(tx.begin().fail(dsnWords(dsn, meta.remoteIdsn)), now, true)) {
    meta.host.count("MPFailTx");
  } else subflow.needAck();
}

/** The MP_FAIL at `at` has come on a segment that is no RST; false when that ended the subflow. */
export function failHeard(meta: MetaSocket, subflow: Subflow, at: number, now: Micros): boolean {
  meta.host.count("MPFailRx");
  if (!onlyWay(meta, subflow)) {
    // The peer cannot go on with it either way: what it carried goes elsewhere.
    spoilt(meta, subflow, "checksum-failed", now);
    return false;
  }
  const { damage, sendQueue } = meta;
  const told = damage !== null && damage.found >= 0;
  const offset = fromWords(readMpFail(at), meta.localIdsn, sendQueue.una);
  if (damage === null) meta.paths.pause();
  // One that names none of what is out is an answer, and no more.
  meta.damaged().hear(offset < sendQueue.nxt ? offset : 0);
  // RFC 8684 §3.7: "the receiver of an MP_FAIL MUST also respond with an MP_FAIL in the reverse direction". What is named there has come intact.
  if (!told) sayFail(meta, subflow, meta.dataRcvNxt - 1, now);
  judgeLoss(meta, subflow, now);
  meta.dirty();
  return true;
}

/**
 * Finds out what the peer has made of our damaged data. All that is in flight on the subflow must have come, so that what follows is behind it; then
 * DATA_ACKs tell, after an answer to a question of ours: the one beside MP_FAIL may be too old.
 */
export function judgeLoss(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { damage, sendQueue } = meta;
  if (damage === null || damage.loss !== "open" || subflow.leaving) return;
  const { una, nxt, tail } = sendQueue;
  const { board } = subflow.sender;
  if (una > damage.lackedFrom || Math.min(nxt, tail) <= damage.lackedFrom) {
    damage.decide("kept");
    meta.dirty();
  } else if (una === damage.lackedFrom && board.una === board.nxt) {
    if (damage.asked > 0 && subflow.trust.answered) repeatAll(meta, subflow, now);
    else if (damage.asked === 0) askLoss(meta, subflow, now);
  }
}

function askLoss(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const damage = meta.damaged();
  damage.ask();
  subflow.trust.ask(true);
  subflow.probe(now);
  const due = now + subflow.sender.rtt.base * 2 ** Math.min(8, damage.asked);
  if (due < meta.deadlines.at(TIMER_FAIL)) meta.deadlines.set(TIMER_FAIL, due);
}

/** The peer has dropped what failed, and all behind it: that goes again, under an infinite mapping. */
function repeatAll(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const damage = meta.damaged();
  damage.decide("lacking");
  meta.sendQueue.rewind();
  for (const each of meta.subflows) each.partA?.cut(0, Infinity);
  const shift = meta.sendQueue.una - subflow.sender.board.nxt;
  enterInfinite(meta, subflow, shift, damage.found < 0 ? 0 : null, now);
}

/**
 * A join is established beside the damaged subflow, on which the peer can go on neither with MPTCP nor without: where it has not said so yet, it will.
 *
 * RFC 8684 §3.7: "the receiver MUST close the subflow with a RST with MP_FAIL".
 */
export function damageOutlived(meta: MetaSocket, now: Micros): void {
  const { damage, subflows } = meta;
  if (damage === null || meta.fallback) return;
  const first = subflows.find(({ join, ended }) => !join && ended === null);
  if (first !== undefined) {
    meta.giveUp(first, RST_MIDDLEBOX, "checksum-failed", now, Math.max(0, damage.found));
  }
  meta.undamaged();
}

/** New data follow on a subflow whose damage the peer has taken as it came: plain TCP begins with them. The other direction first, where that waits. */
export function leaveDamage(meta: MetaSocket, now: Micros): void {
  const { damage, fallback } = meta;
  const [subflow] = meta.subflows;
  if (damage === null || fallback || subflow === undefined || subflow.leaving) return;
  if (damage.loss !== "kept" || damage.found >= 0 || meta.sendQueue.unsent === 0) return;
  enterInfinite(meta, subflow, 0, 0, now);
}

/** RFC 8684 §3.7, "The sender will receive this information and, if all unacknowledged data in flight is contiguous, will signal an infinite mapping." */
function enterInfinite(
  meta: MetaSocket,
  subflow: Subflow,
  ours: number,
  theirs: number | null,
  now: Micros,
): void {
  startFallback(meta, subflow, now, { kind: "infinite", tx: ours, rx: theirs });
  meta.oweInfinite();
}

/** The infinite mapping in `rx`: false when the segment must not be looked at further. */
export function takeInfinite(
  meta: MetaSocket,
  subflow: Subflow,
  dsn: number,
  now: Micros,
): boolean {
  // On an ACK it maps nothing (RFC 8684 §3.3.1: "some or all of the subflow sequence space in the TCP segment that carries the option").
  if (rx.length === 0) {
    meta.host.count("DSSNotMatching");
    return true;
  }
  const { damage, mode } = meta;
  meta.host.count("InfiniteMapRx");
  const ssn = fromWire(rx.ssn, 0, subflow.receiver.nxt);
  // Either as everything before it, or anew from where something failed.
  const shift = dsn - ssn;
  const ours = mode.kind === "infinite" ? mode.tx : 0;
  if (!mayFallBack(meta, subflow) || (shift !== 0 && dsn > meta.receiveQueue.next)) {
    meta.host.count("DSSNotMatching");
    spoilt(meta, subflow, "options-removed", now);
    return false;
  }
  const owes = damage !== null && mode.kind !== "infinite";
  damage?.settle();
  meta.deadlines.set(TIMER_FAIL, Infinity);
  const whole = shift === 0 ? 1 : ssn;
  if (!meta.fallback) meta.host.count("DssFallback");
  startFallback(meta, subflow, now, { kind: "infinite", tx: ours, rx: shift }, whole);
  if (owes) meta.oweInfinite();
  return subflow.ended === null;
}

/** Something was awaited for too long. */
export function failTimeout(meta: MetaSocket, now: Micros): void {
  const { damage, sendQueue } = meta;
  const [subflow] = meta.subflows;
  if (damage === null || subflow === undefined || meta.over) return;
  if (damage.found >= 0) {
    const { sender, receiver } = subflow;
    damage.look(sender.lastHeard, receiver.nxt);
    if (damage.missed(now)) {
      meta.giveUp(subflow, RST_MIDDLEBOX, "checksum-failed", now, damage.found);
      return;
    }
    if (damage.answered) {
      subflow.probe(now);
      const wait = damage.urge(now, receiver.nxt, sender.rtt.estimate);
      meta.deadlines.set(TIMER_FAIL, now + Math.min(MAX_RTO, wait));
    } else tellFailure(meta, subflow, now);
  }
  const { board } = subflow.sender;
  if (damage.loss !== "open") return;
  if (sendQueue.una === damage.lackedFrom && board.una === board.nxt) askLoss(meta, subflow, now);
  else judgeLoss(meta, subflow, now);
}
