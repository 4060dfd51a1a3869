/** What comes of events on subflows: outcomes are settled in one order, deadlines handled, and subflows that have ended buried, at the end of a batch. */

import {
  SEGMENT_ADVANCED,
  SEGMENT_BEYOND,
  SEGMENT_CHECKSUM,
  SEGMENT_DATA,
  SEGMENT_DATA_DUPLICATE,
  SEGMENT_LANDED,
  SEGMENT_MEMORY,
  SEGMENT_MERGED,
  SEGMENT_STAGED,
  SEGMENT_TAIL,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import {
  type LeaveReason,
  type Outcome,
  OUTCOME_CROSSED,
  OUTCOME_ENDED,
  OUTCOME_FIN,
  OUTCOME_HEARD,
  OUTCOME_JOINED,
  OUTCOME_JUDGE,
  OUTCOME_LATE,
  OUTCOME_MORE,
  OUTCOME_REFUSE,
  OUTCOME_SEGMENT,
  OUTCOME_SILENT,
  OUTCOME_TIMEOUT,
  type PathTrouble,
} from "../subflow/shared.ts";
import type { Subflow } from "../subflow/subflow.ts";
import {
  MP_FAIL,
  MP_TCPRST,
  readTcpRst,
  readTcpRstTransient,
  RST_MIDDLEBOX,
  RST_MPTCP,
} from "../wire/mptcp.ts";
import { rx } from "../wire/segment.ts";
import {
  type ConnectionTimer,
  TIMER_ASK,
  TIMER_CLOSE,
  TIMER_DATA,
  TIMER_FAIL,
  TIMER_HOLD,
  TIMER_PERSIST,
  TIMER_PROGRESS,
  TIMER_RACE,
  TIMER_RELIEF,
  TIMER_UNMAPPED,
  TIMER_USER,
  TIMER_WAKE,
} from "./data_timer.ts";
import { joinCrossed, judgeHandshake, subflowJoined } from "./establish.ts";
import {
  askForWindow,
  auditMappings,
  fallbackAcknowledged,
  finAddsUp,
  finUnseen,
  finWithoutOptions,
  interfered,
  mappingsMissed,
  mayRepair,
  mayRepeatFin,
  probeBesideFin,
} from "./fallback.ts";
import { fastOpenUnanswered } from "./fast_open.ts";
import type { ConnectionHost, EndReason, NetworkCode } from "./host.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { remember } from "./race.ts";
import { checksumFailed, failTimeout, judgeLoss } from "./mp_fail.ts";
import { closesFast, handleOptions } from "./options.ts";
import { takeAllBack } from "./look_ahead.ts";
import { progressMissed } from "./progress.ts";
import { goesOn, tryNext } from "./next_way.ts";
import { push } from "./pull.ts";
import { anotherWorks, answered, unheard, watchSilence } from "./stale.ts";
import { armClose, armDataTimer, armPersist, askForDataAck, givenUpAt, peerLeft } from "./waits.ts";

/** Of these only SEGMENT_ADVANCED is set where new data lie above a hole. */
const OUT_OF_ORDER_BITS = SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_STAGED | SEGMENT_DATA_DUPLICATE;

/** Those of a segment in order on its subflow. */
const PLAIN_BITS = SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_LANDED | SEGMENT_TAIL |
  SEGMENT_MERGED | SEGMENT_DATA_DUPLICATE;

const CODES: Record<LeaveReason, NetworkCode | null> = {
  closed: null,
  refused: "ConnectionRefused",
  reset: "ConnectionReset",
  timeout: "TimedOut",
  aborted: "ConnectionAborted",
  unreachable: "NetworkUnreachable",
};

/** Where they say more than the code. */
const REASONS: Partial<Record<LeaveReason, EndReason>> = {
  closed: "ended-early",
  reset: "path-reset",
  timeout: "unanswered",
};

/** Who has taken the payload of the segment before, and when; null: nobody, or something else has happened since. */
let followed: Subflow | null = null;
let followedAt: Micros = 0;
/** How it was placed: SEGMENT_* bits. */
let followedBits = 0;
/** What it said, but for its payload, is known to tell nothing if it is said again. */
let saidAll = false;

/** The segment in `rx` belongs to `subflow`. */
export function segmentArrived(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (rx.again && followed === subflow && followedAt === now && takeNext(meta, subflow, now)) {
    return;
  }
  followed = null;
  settle(meta, subflow, subflow.arrive(now), now);
}

/** Something else than a segment comes, or something is asked for: the next segment is to be looked at as a whole. */
export function followNothing(): void {
  followed = null;
}

/** Header prediction: takes a segment that says what the one before has said, where nothing in that is new but its payload; false where something may be. */
function takeNext(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if ((followedBits & ~PLAIN_BITS) !== 0) return false;
  saidAll ||= tellsNothing(meta, subflow);
  if (!saidAll || !subflow.follows()) return false;
  const bits = takePayload(meta, subflow, now);
  if (subflow.ended === null) subflow.placed(bits, now);
  followedBits = bits;
  meta.dirty();
  return true;
}

/** Whether what the segment in `rx` says, and the one before has said, tells nothing any more but its payload. */
function tellsNothing(meta: MetaSocket, subflow: Subflow): boolean {
  if ((rx.flags & ~TCP_PSH) !== TCP_ACK || rx.sacks > 0 || !subflow.saidAll) return false;
  if (meta.host.probe !== null || meta.damage !== null || meta.over) return false;
  if (meta.fallback) return !rx.hasMptcp;
  if (!rx.plainDss || (rx.hasMapping && !subflow.receiver.repeatsMapping)) return false;
  const { una } = meta.sendQueue;
  return !rx.hasDataAck || rx.dataAck(meta.localIdsn, una) === una;
}

/** A router tells that it did not forward the segment of `subflow` at `seq`, as on the wire. */
export function pathTroubled(
  meta: MetaSocket,
  subflow: Subflow,
  what: PathTrouble,
  seq: number,
  now: Micros,
): void {
  settle(meta, subflow, subflow.unreachable(what, seq, now), now);
}

/** A router tells that the packet of that segment, of `length` bytes, is larger than `mtu`. */
export function packetTooBig(
  meta: MetaSocket,
  subflow: Subflow,
  mtu: number,
  length: number,
  seq: number,
  now: Micros,
): void {
  settle(meta, subflow, subflow.tooBig(mtu, length, seq, now), now);
}

/** Carries out what an event on `subflow` led to. */
function settle(meta: MetaSocket, subflow: Subflow, outcome: Outcome, now: Micros): void {
  if (outcome & OUTCOME_CROSSED) {
    joinCrossed(meta, subflow, now);
    return meta.dirty();
  }
  if (outcome & OUTCOME_JUDGE) {
    if (!judgeHandshake(meta, subflow, now)) return;
    outcome = subflow.admit(now);
  }
  if (outcome & OUTCOME_JOINED) {
    subflowJoined(meta, subflow, now);
    // Who is silent may be given up now.
    watchSilence(meta, now);
  }
  if ((outcome & OUTCOME_MORE) && subflow.ended === null) {
    settle(meta, subflow, subflow.proceed(now), now);
    outcome &= ~OUTCOME_ENDED;
  }
  if (outcome & OUTCOME_HEARD) heard(meta, subflow, now);
  if (meta.scheduler?.hearsLosses === true) tellLosses(meta, subflow);
  // RFC 8684 §3: "standard TCP validity checks (such as ensuring that the sequence number and acknowledgment number are within the window) MUST be
  // undertaken before processing any MPTCP signals"
  // RFC 8684 §3.4.1: "the receiver MUST undertake standard TCP validity checks, e.g., per [RFC5961], before acting upon it"
  // RFC 8684 §3.4.2: "Typical TCP validity tests on the subflow … MUST also be undertaken"
  if (outcome & OUTCOME_SEGMENT) takeSegment(meta, subflow, now);
  if (outcome & OUTCOME_TIMEOUT) timedOut(meta, subflow, now);
  if (outcome & OUTCOME_LATE) late(meta, subflow, now);
  if (outcome & OUTCOME_SILENT) silent(meta, subflow, now);
  if (outcome & OUTCOME_REFUSE) meta.host.refuse(subflow.key);
  if (outcome & OUTCOME_ENDED) ended(meta, subflow, now);
  if (outcome !== 0) meta.dirty();
}

/** An acknowledgement told something, or room came otherwise. */
function heard(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (meta.fallback) fallbackAcknowledged(meta, subflow, now);
  // After a silence: what was sent into it goes again without its back-off.
  else if (meta.timer.answered()) armDataTimer(meta, now);
  const bytes = subflow.sender.heard;
  if (bytes === 0) return;
  meta.progress?.heard(subflow, now);
  meta.scheduler?.onAck(subflow, bytes);
  if (subflow.silent) answered(meta, subflow, now);
}

/** An acknowledgement, or time, has told of losses. */
function tellLosses(meta: MetaSocket, subflow: Subflow): void {
  const bytes = subflow.sender.takeLosses();
  if (bytes > 0) meta.scheduler?.onLoss(subflow, bytes);
}

/** MPTCP options, payload and FIN of an acceptable segment. */
function takeSegment(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (subflow.closingFast) {
    // Both have ended it at once (RFC 8684 §3.5): a RST answers.
    if (closesFast(meta)) meta.endAll(null, now);
    return;
  }
  if (!handleOptions(meta, subflow, now)) return;
  if (meta.damage !== null) judgeLoss(meta, subflow, now);
  if (subflow.text() > 0) {
    const bits = takePayload(meta, subflow, now);
    if (subflow.ended !== null) return;
    subflow.placed(bits, now);
    followed = subflow;
    followedAt = now;
    followedBits = bits;
    saidAll = false;
  }
  if ((rx.flags & TCP_FIN) === 0 && subflow.receiver.finSeq < 0) return;
  const outcome = subflow.arriveFin(now);
  if (outcome & OUTCOME_FIN) finArrived(meta, subflow, now);
  if (outcome & OUTCOME_ENDED) meta.subflowEnded();
}

/** Places the payload of a segment; returns SEGMENT_* bits. */
function takePayload(meta: MetaSocket, subflow: Subflow, now: Micros): number {
  const { host, receiveQueue } = meta;
  // RFC 8684 §3.3.1: "even if a mapping does not exist from the subflow space to the data-level space, the data SHOULD still be ACKed at the
  // subflow"
  const bits = subflow.place(receiveQueue.limit, now);
  if (bits & SEGMENT_MEMORY) return bits;
  meta.figures.received(now);
  receiveQueue.arrivals.came(meta.subflows, now);
  if (bits & SEGMENT_DATA_DUPLICATE) host.count("DuplicateData");
  if (bits & SEGMENT_CHECKSUM) {
    checksumFailed(meta, subflow, now);
    return bits;
  }
  // RFC 8684 §3.3.1: "If a mapping for that subflow-level sequence space does not arrive within a receive window of data, that subflow SHOULD be
  // treated as broken, closed with a RST"
  // RFC 8684 §3.7: "the subflow SHOULD be treated as broken and closed with a RST, since no data can be delivered to the application layer"
  if ((bits & SEGMENT_STAGED) !== 0 && subflow.receiver.staged > receiveQueue.staging) {
    // RFC 8684 §3.3.1: no mapping within a receive window of data.
    host.count("NoDSSInWindow");
    interfered(meta, subflow, now);
    return bits;
  }
  // In order on the subflow, above a hole in the data.
  if ((bits & OUT_OF_ORDER_BITS) === SEGMENT_ADVANCED) {
    countOutOfOrder(host, bits);
    host.lookElsewhere();
    if (receiveQueue.heldUp) meta.heldUp(now);
  }
  if (bits & SEGMENT_DATA) {
    if (subflow.restCame) host.lookElsewhere();
    meta.afterReceive(subflow, now);
  }
  if (subflow.receiver.nxt > subflow.trust.mapped && !meta.fallback && meta.damage === null) {
    auditMappings(meta, subflow, now);
  }
  return bits;
}

/** Data were placed above a hole, behind all that waits there, beside something that does, or apart; or were dropped, as they lie beyond the window. */
function countOutOfOrder(host: ConnectionHost, bits: number): void {
  if (bits & SEGMENT_BEYOND) host.count("NoDSSInWindow");
  else host.count("OFOQueue");
  if (bits & SEGMENT_TAIL) host.count("OFOQueueTail");
  if (bits & SEGMENT_MERGED) host.count("OFOMerge");
}

/** The peer's FIN on a subflow: the end of the data on plain TCP, the end of this subflow otherwise. */
function finArrived(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (meta.damage !== null && meta.damage.found >= 0) {
    meta.giveUp(subflow, RST_MIDDLEBOX, "checksum-failed", now, meta.damage.found);
    return;
  }
  if (!meta.fallback && !meta.over) {
    finWithoutOptions(meta, subflow, now);
    if (subflow.ended === "aborted") return;
  }
  if (meta.fallback) {
    if (finAddsUp(meta, subflow)) meta.peerEnded(now);
    else meta.giveUp(subflow, RST_MIDDLEBOX, "bytes-miscounted", now);
    return;
  }
  if (meta.over) subflow.finish(now);
  else meta.answerFins(now);
  if (peerLeft(meta)) armClose(meta, now);
}

/** A retransmission timeout: the subflow repeats on its own, the others repeat at once (draft SQ-5, row c). */
function timedOut(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  meta.scheduler?.onTimeout(subflow);
  // At a first timeout DATA_ACKs may move on all the same; and the last of them may end the connection at the peer.
  const stuck = meta.timer.timeouts > 0 || subflow.sender.rtt.timeouts > 1;
  if (!meta.fallback && subflow.outOfReach && stuck) return meta.replace(subflow, now);
  // The shared window is closed: no other subflow can do better.
  if (subflow.sender.shut) return;
  subflow.fallSilent(now);
  meta.paths.fellSilent(subflow);
  // RFC 8684 §3.3.6: "a host MUST still retransmit the original data on the original subflow"
  if (subflow.sender.rtt.timeouts === 1) meta.reinject(subflow);
  silent(meta, subflow, now);
}

/** A loss probe has put a timeout off, and is not answered either: others that work do not wait for that, though the subflow itself does. */
function late(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (!subflow.sender.shut && anotherWorks(meta, subflow, now)) meta.reinject(subflow);
}

/** A subflow has been silent for long. */
function silent(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  watchSilence(meta, now);
  // Beside one that works it is stale instead.
  if (unheard(subflow, now) && !anotherWorks(meta, subflow, now)) meta.paths.silent(subflow);
}

/** A subflow has ended by the segment in `rx`, or by time: what a RST says beside is judged now, the rest at the burial. */
function ended(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  meta.subflowEnded();
  const { ended } = subflow;
  if ((ended !== "reset" && ended !== "refused") || (rx.flags & TCP_RST) === 0) return;
  const why = rx.option(MP_TCPRST);
  if (why !== 0) {
    meta.host.count("MPRstRx");
    const reason = readTcpRst(why);
    const transient = readTcpRstTransient(why);
    subflow.tellReset("peer", reason, transient, now);
    meta.paths.resetTold(subflow, reason, transient);
  }
  // Who has no such connection any more says so (RFC 8684 §3.6, reason 1): it has ended there.
  const gone = ended === "refused" && subflow.join && why !== 0 && readTcpRst(why) === RST_MPTCP;
  if (gone && meta.established && !meta.over && !meta.onlyEndOpen && !meta.othersThan(subflow)) {
    meta.endAll("ConnectionReset", now, "path-reset");
  }
  // RFC 8684 §3.7: what failed was not DATA_ACKed, and goes elsewhere with the rest.
  const failed = rx.option(MP_FAIL) !== 0;
  if (failed) meta.host.count("MPFailRx");
  if (ended !== "reset" || meta.over) return;
  if (!meta.fallback && closesFast(meta, subflow.fastClosed)) {
    meta.endAll("ConnectionReset", now, "aborted-by-peer");
    return;
  }
  if (meta.othersThan(subflow)) return;
  // The only path is of no use: no join over it would be. A RST that lost its reason on the way is known by what was lost before.
  if (why === 0 && !failed) {
    if (!meta.fallback && subflow.trust.suspect) {
      meta.endAll("ConnectionReset", now, "options-removed");
    }
    return;
  }
  // RFC 8684 §3.6: "the remaining octet is used to express a reason code for this subflow termination, from which a receiver MAY infer information
  // about the usability of this path"
  if (why === 0 || (readTcpRst(why) === RST_MIDDLEBOX && !readTcpRstTransient(why))) {
    meta.endAll("ConnectionReset", now, failed ? "checksum-failed" : "interference-told");
  }
}

/** One pass of a connection: buries what has ended, sends what can be sent, files the nearest deadline. */
export function pass(meta: MetaSocket, now: Micros): void {
  meta.passing();
  bury(meta, now);
  if (meta.gone) return;
  push(meta, now);
  bury(meta, now);
  meta.arm();
}

/** The one place where subflows leave: what they carried goes again at once (draft SQ-5; RFC 8684 §3.3.6), the path manager hears of it. */
function bury(meta: MetaSocket, now: Micros): void {
  for (
    let subflow = meta.nextEnded();
    subflow !== null;
    subflow = meta.nextEnded()
  ) buryOne(meta, subflow, now);
}

function buryOne(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const reason = subflow.ended!;
  fastOpenUnanswered(meta, subflow, now);
  if (subflow.early) meta.host.proved(meta, reason === "reset");
  const established = meta.bury(subflow);
  if (!established && !meta.over && goesOn(meta, subflow, reason, now)) return;
  if (established && subflow.active && !meta.over) remember(meta, subflow, now);
  // What moved data is worth another try soon.
  if (reason === "reset" && subflow.moved) meta.paths.moved(subflow);
  meta.subflowChanged(subflow, "left", reason);
  if (meta.over) {
    meta.buried();
    return;
  }
  meta.dirty();
  const { sendQueue, host, blame } = meta;
  const byPeer = reason === "reset" || reason === "refused";
  // Of an address that the host has lost nobody can hear.
  const gone = !host.addresses.some(({ address }) => address === subflow.local.address);
  const lost = reason === "aborted" && gone;
  // Its path manager, or the application, wants no path any more.
  const left = subflow.leaving && !gone && !byPeer;
  const code = lost ? "NetworkUnreachable" : left ? CODES.aborted : CODES[reason];
  const silent = reason === "timeout" || reason === "unreachable" || reason === "refused";
  const told = left ? "path-left" : REASONS[reason];
  const why = silent ? subflow.trouble ?? told : told;
  const away = !byPeer && !left && reason !== "closed";
  if (established) meta.explain(code, why ?? null, away);
  if (meta.attempts.length > 0) return;
  // No join can be there, or come, before the third ACK.
  if (!meta.established || meta.fallback || subflow.early) {
    const trouble = silent ? subflow.trouble : null;
    const unanswered = meta.established && reason === "timeout" ? "unanswered" : null;
    meta.endAll(code, now, trouble ?? unanswered);
  } else if (blame !== null) {
    meta.endAll("ConnectionAborted", now, blame);
  } else if (byPeer && !established && meta.onlyEndOpen) {
    // A peer that refuses a join now has ended the connection: its DATA_ACK of our DATA_FIN has been lost.
    meta.endAll(null, now);
  } else if (
    meta.appClosed && (meta.finAcked || (sendQueue.unacked === 0 && sendQueue.unsent === 0))
  ) {
    meta.endAll(code, now, why);
  } else {
    meta.bare(established, away, now);
  }
}

/** The connection's timer: its subflows' deadlines first, then its own. */
export function deadlinesPassed(meta: MetaSocket, now: Micros): void {
  for (let i = 0; i < meta.attempts.length; i++) {
    const subflow = meta.attempts[i]!;
    if (subflow.deadline <= now) settle(meta, subflow, subflow.expire(now), now);
  }
  for (
    let due = meta.deadlines.due(now);
    due >= 0 && !meta.gone;
    due = meta.deadlines.due(now)
  ) expired(meta, due as ConnectionTimer, now);
  meta.dirty();
}

function expired(meta: MetaSocket, timer: ConnectionTimer, now: Micros): void {
  switch (timer) {
    case TIMER_CLOSE:
      return closeTimeout(meta, now);
    case TIMER_WAKE:
      // The pass asks the scheduler.
      return;
    case TIMER_RELIEF:
      // The pass repeats what is late.
      return;
    case TIMER_UNMAPPED:
      return mappingsMissed(meta, now);
    case TIMER_PERSIST:
      meta.waits().probed();
      meta.host.count("WinProbe");
      askForWindow(meta, now);
      return armPersist(meta, now);
    case TIMER_ASK:
      return askForDataAck(meta, now);
    case TIMER_DATA:
      return dataTimeout(meta, now);
    case TIMER_PROGRESS:
      return progressMissed(meta, now);
    case TIMER_USER:
      return userTimeout(meta, now);
    case TIMER_HOLD:
      return meta.holds().release();
    case TIMER_RACE:
      meta.deadlines.set(TIMER_RACE, Infinity);
      tryNext(meta, now);
      return;
    case TIMER_FAIL:
      return failTimeout(meta, now);
  }
}

/** Something has waited for the peer as long as the user timeout: the end, unless something has come from it meanwhile. */
function userTimeout(meta: MetaSocket, now: Micros): void {
  // What has not left nobody can have answered: the wait begins anew in the pass.
  if (meta.subflows.length > 0 && meta.subflows.every(({ outlet }) => outlet.blocked)) return;
  const until = givenUpAt(meta);
  if (now < until) meta.deadlines.set(TIMER_USER, until);
  else meta.abortWith("TimedOut", now, troubleOf(meta) ?? "unanswered");
}

/** What routers tell of its paths since anything came over them; null: nothing. */
function troubleOf(meta: MetaSocket): PathTrouble | null {
  for (const { trouble } of meta.attempts) if (trouble !== null) return trouble;
  return null;
}

/** A connection without subflows, or one that only the peer can end, has waited long enough. */
function closeTimeout(meta: MetaSocket, now: Micros): void {
  if (meta.over) return;
  if (meta.subflows.length === 0) meta.endBare(now);
  else if (meta.appClosed && meta.finAcked) meta.abortWith(null, now);
  else if (meta.appClosed) meta.abortWith("TimedOut", now, "not-taken");
  else if (peerLeft(meta)) meta.abortWith("ConnectionReset", now, "ended-early");
}

/** The oldest byte is not DATA_ACKed: unless a subflow still works on it, it goes again, with all that is missing like it. */
function dataTimeout(meta: MetaSocket, now: Micros): void {
  const { sendQueue, subflows } = meta;
  const { ours, oldest, una } = sendQueue;
  const tries = meta.timer.timeouts;
  if (sendQueue.finUnacked && finUnseen(meta)) {
    meta.abortWith("ConnectionAborted", now, "options-removed");
    return;
  }
  meta.waits().repeated();
  // Also where it may not be repeated: the next time is counted from this one.
  if (sendQueue.finUnacked) meta.waits().finSent(now);
  // What is damaged is not repaired by copies: they would end what lets the only subflow go on.
  if (meta.damage !== null) return armDataTimer(meta, now);
  if (sendQueue.finUnacked && ours.kind !== "open") {
    if (!mayRepeatFin(meta, tries, now)) return;
    // Nothing below the data level sends it again, so each time counts: on every subflow, as Linux does.
    for (const subflow of subflows) {
      // Beside a FIN of ours there is room for nothing else (draft TRM-4).
      const mute = !subflow.usable && (meta.mptcp.dataFin === "safe" || subflow.opening);
      if (mute || subflow.outlet.blocked) continue;
      subflow.repeatDataFin(ours.fin, now);
      probeBesideFin(meta, subflow, ours.fin, tries, now);
    }
  } else if (sendQueue.oldestAhead) {
    // It was never sent: who was to send it has not come to it in time (draft A.5).
    meta.figures.reallocate(takeAllBack(meta));
  } else if (oldest !== null && !oldest.workedOn(una)) {
    takeAllBack(meta);
    if (mayRepair(meta, oldest, una, now)) sendQueue.repair();
    if (meta.fallback || meta.over) return;
  }
  armDataTimer(meta, now);
}
