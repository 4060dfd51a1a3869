/**
 * Pull scheduling (draft §3.5.2, §3.5.3.2): whenever a subflow may send, the scheduler is asked over all of them; a mapping is made at that moment. One with
 * `lookAhead` is asked earlier, and what it binds waits on the subflow (look_ahead.ts).
 */

import type { Chunk, Micros } from "../plugin.ts";
import type { GuardedScheduler } from "../guard/scheduler.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { TIMER_DATA, TIMER_RELIEF, TIMER_WAKE } from "./data_timer.ts";
import { capacity, chunkLimit, mappingLimit, reallocate, serve, serveAll } from "./look_ahead.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { leaveDamage } from "./mp_fail.ts";
import { watchProgress } from "./progress.ts";
import { overdueAt, relievedBy, standstill } from "./relief.ts";
import type { Sent } from "./send_queue.ts";
import { worksBetter } from "./stale.ts";
import { armDataTimer, armWaits } from "./waits.ts";

/** Most bytes one answer binds where the scheduler names none (draft SCH-4: how much one subflow gets at once). */
const DEFAULT_QUANTUM = 65535;
/** So much waits that neither a segment, nor one by which a larger size is tried, nor what has to follow that needs more. */
const CROWD = 2 ** 18;
/** More than any segment. Not Infinity, beside which every number of bytes would be boxed (CONTRIBUTING.md, Garbage). */
const UNBOUNDED = 2 ** 30;

/** Pieces of what goes again that are looked at, at most, before one that somebody with room has not had. */
const MOST_LOOKS = 64;

/** Above the offset of all that is bound. */
const UNBOUND = 2 ** 53;

/** Small packets in flight for each segment of the window, at most: one of 100 bytes takes an eighth of a segment on a link, with its headers. */
const SMALL_PACKETS = 8;

/** What the scheduler is asked about; one object for all connections, read within the call. */
const chunk: { -readonly [K in keyof Chunk]: Chunk[K] } = {
  offset: 0,
  length: 0,
  sentOn: [],
  sentAt: 0,
  hint: 0,
  written: 0,
};
const nobody: readonly Subflow[] = [];
const carriers: Subflow[] = [];
const ready: Subflow[] = [];
/** Those that are not ready, and may be bound something all the same; empty by pull. */
const beyond: Subflow[] = [];
const candidates: Subflow[] = [];
const copies: Subflow[] = [];

/** Shortens an array and keeps its room: setting its length gives the room back, and the next pass would take it anew. */
function shorten(array: unknown[], length: number): void {
  while (array.length > length) array.pop();
}

/** One send pass: retransmissions, repeats, reinjections, new data, DATA_FIN, FINs, acknowledgements. */
export function push(meta: MetaSocket, now: Micros): void {
  const { attempts, subflows, sendQueue } = meta;
  const unsent = sendQueue.unsent > 0;
  const starts = unsent && !meta.over;
  if (meta.established && (starts || !sendQueue.again.empty)) meta.beginSending();
  const waiting = unsent || mayRepeat(meta);
  ahead = meta.looksAhead();
  const { pacing } = meta.tcp;
  for (let i = 0; i < attempts.length; i++) {
    attempts[i]!.sender.begins(starts, waiting, pacing, now);
  }
  if (meta.deadlines.passed(TIMER_WAKE, now)) meta.deadlines.set(TIMER_WAKE, Infinity);
  if (meta.takePathsDue()) meta.paths.start(meta.confirmed);
  meta.paths.flush();
  if (!meta.over) {
    repeatOnOthers(meta, now);
    waits = false;
    if (ahead > 0 || starts || !sendQueue.again.empty) schedule(meta, now);
    relieve(meta, now);
    meta.heedRate(now);
    if (meta.scheduler?.hearsBlocks === true) tellBlocked(meta, meta.scheduler);
    meta.holding.passed();
    watchProgress(meta, waits, now);
    const starved = sendQueue.unbound === 0;
    const left = sendQueue.unsent > 0;
    const shut = left && sendQueue.window <= 0;
    const short = !left && meta.writerWaits;
    for (let i = 0; i < subflows.length; i++) {
      const subflow = subflows[i]!;
      subflow.sender.passed(starved && subflow.queued === 0);
      subflow.sender.spends(shut, short, now);
    }
    finishSending(meta, now);
    meta.passed();
  }
  for (let i = attempts.length - 1; i >= 0; i--) attempts[i]!.settle(now);
  meta.receiveQueue.window.told();
  armWaits(meta, now);
  for (let i = 0; i < attempts.length; i++) {
    const { outlet, sender } = attempts[i]!;
    if (sender.paced) sender.holdBack(sendQueue.unsent > 0 || mayRepeat(meta));
    if (outlet.blocked) outlet.wait(meta);
  }
}

/** Whether a subflow with room might be given something that another one was given. */
function mayRepeat({ sendQueue, scheduler }: MetaSocket): boolean {
  return !sendQueue.again.empty || scheduler?.repeats === true;
}

/**
 * Collects the subflows that may take `bytes`: with room for them, or for a segment of them, not stale, backup ones only when no other works. Less than a
 * segment must wait where many small packets are in flight already: thousands would overrun any queue, and later they go as one. `offset`: of what goes again.
 */
function collectReady(meta: MetaSocket, bytes: number, offset: number = UNBOUND): void {
  const { subflows } = meta;
  let count = 0;
  let more = 0;
  let regular = false;
  let working = false;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (subflow.doubted || !subflow.usable) continue;
    working = true;
    regular ||= !subflow.backup;
  }
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    // RFC 8684 §3.3.8: "SHOULD NOT be used to send data unless there are no usable subflows where B=0"
    // RFC 8684 §3.3.8: "the data sender SHOULD adhere to these requests"
    if (!subflow.usable || (working && subflow.doubted) || (regular && subflow.backup)) continue;
    const { sender, mss } = subflow;
    const { room, board } = sender;
    if (ahead > 0) {
      // With something bound to it already it is not ready: that goes first.
      const least = Math.min(mss, bytes);
      const able = room >= least || (room > 0 && board.inFlight === 0);
      if (able && subflow.queued === 0) ready[count++] = subflow;
      else if (capacity(subflow, ahead, offset) >= least) beyond[more++] = subflow;
      continue;
    }
    const searching = bytes > mss && subflow.mtu.searches;
    const probe = searching ? sender.probe(meta.sendQueue.unsent, meta.now) : 0;
    if (probe > 0) {
      // A size is tried by one segment of it, for which the window may have to gather (RFC 4821 §7.4).
      if (sender.probeRoom >= probe) ready[count++] = subflow;
      continue;
    }
    // What is SACKed and, behind a proxy, never acknowledged is no packet in flight.
    const small = bytes < mss && board.inFlight > 0;
    if (small && board.pieces * mss >= SMALL_PACKETS * sender.cwnd) continue;
    if (room >= Math.min(mss, bytes) || (room > 0 && board.inFlight === 0)) {
      ready[count++] = subflow;
    }
  }
  shorten(ready, count);
  shorten(beyond, more);
}

/** Bytes that the scheduler binds beyond room; 0: it pulls. */
let ahead = 0;
/** Bytes that could be sent from the offset of `chunk` on, did the scheduler not want less at once. */
let available = 0;
/** They end the data, or a range that goes again: a part of a segment is no waste. */
let last = false;
/** Less than a segment is not to leave: it waits for more to be written, or for room in the peer's window. */
let held = false;
/** Some have room for what goes again, whether or not they have had it. */
let room = false;
/** End of what they have had of it. */
let had = 0;
/** The scheduler has chosen to wait in this pass. */
let waits = false;

/** Has the scheduler say which way what waits takes. With `lookAhead` what is bound leaves first, as there is room, and the scheduler is asked for what is not. */
function schedule(meta: MetaSocket, now: Micros): void {
  if (meta.damage !== null) leaveDamage(meta, now);
  // What the peer has made of damaged data is not known yet: what follows may begin with it.
  if (!meta.established || meta.damage?.loss === "open") return;
  if (ahead > 0) serveAll(meta, now);
  askAll(meta, now);
  if (ahead > 0 && reallocate(meta)) askAll(meta, now);
}

/** Asks until nothing is left, nobody has room, or may be bound more, or the answer is to wait. */
function askAll(meta: MetaSocket, now: Micros): void {
  while (true) {
    const again = nextReinjection(meta);
    // Where only those that carry it already have room, or it is to wait for a better one, new data need not wait for that.
    if (again !== null && ready.length + beyond.length > 0 && ask(meta, again, now)) continue;
    if (again !== null && comesFirst(meta, again)) return;
    const behind = again === null ? null : nextBehind(meta);
    if (behind !== null && ask(meta, behind, now)) continue;
    if (behind !== null && comesFirst(meta, behind)) return;
    const taken = again === null ? null : nextTakenBack(meta);
    if (taken !== null && ready.length + beyond.length > 0 && ask(meta, taken, now)) continue;
    if (taken !== null && comesFirst(meta, taken)) return;
    if (ahead > 0 ? !nextAhead(meta) : !nextNew(meta)) {
      if (ahead === 0 && meta.sendQueue.unbound >= CROWD) meta.crowd();
      return;
    }
    if (!ask(meta, null, now)) return;
    // Who is to repeat it does so before it takes new data, and where none follow.
    repeatOnOthers(meta, now);
  }
}

/**
 * Whether nothing may overtake the bytes of `chunk`, a part of `again`, which were bound and never sent. Without mappings bytes come in the order in which they
 * leave; and a peer to which no mapping has come takes those of the only subflow so.
 */
function comesFirst(meta: MetaSocket, again: Sent): boolean {
  const { fallback, sendQueue, subflows } = meta;
  return fallback || (subflows.length === 1 && !sendQueue.has(subflows[0]!, again, chunk.offset));
}

/** Where the peer's window keeps new data from leaving that others have room for, the scheduler is told. */
function tellBlocked(meta: MetaSocket, scheduler: GuardedScheduler<Subflow>): void {
  const { sendQueue } = meta;
  const { unbound } = sendQueue;
  const allowed = sendQueue.windowEnd - sendQueue.nxt;
  let kept = 0;
  if (allowed < unbound) {
    collectReady(meta, unbound);
    for (let i = 0; i < ready.length; i++) {
      const subflow = ready[i]!;
      if (allowed < Math.min(unbound, subflow.mss)) ready[kept++] = subflow;
    }
  }
  shorten(ready, kept);
  scheduler.onBlocked(ready);
}

/** What writes have said of the bytes of `chunk`. */
function setHint(meta: MetaSocket): void {
  const { hints } = meta.sendQueue;
  chunk.hint = hints === null ? 0 : hints.at(chunk.offset);
  chunk.written = hints === null ? 0 : hints.written(chunk.offset);
}

/** Sets `chunk`, `ready` and `beyond` for data that are bound to nobody, whatever the window is; false when there are none, or nobody may be bound more. */
function nextAhead(meta: MetaSocket): boolean {
  const { sendQueue, holding, subflows } = meta;
  const { unbound } = sendQueue;
  if (unbound === 0) return false;
  if (sendQueue.ours.kind === "open") {
    let mss = 0;
    for (let i = 0; i < subflows.length; i++) mss = Math.max(mss, subflows[i]!.mss);
    // Less than a segment waits for more while something else does: each write would end in a small one.
    const waiting = sendQueue.unsent > unbound || holding.tail(sendQueue.una);
    if (unbound < mss && waiting) return false;
  }
  collectReady(meta, unbound);
  if (ready.length + beyond.length === 0) return false;
  chunk.offset = sendQueue.nxt;
  available = unbound;
  if (sendQueue.hints !== null) {
    available = Math.min(available, sendQueue.hints.end(sendQueue.nxt) - sendQueue.nxt);
  }
  chunk.length = Math.min(available, meta.wishes.quantum ?? DEFAULT_QUANTUM);
  chunk.sentOn = nobody;
  chunk.sentAt = 0;
  setHint(meta);
  return true;
}

/** Binds `chunk` to each of `copies`; what there is room for leaves. False when nothing could be bound. */
function bindAhead(meta: MetaSocket, again: Sent | null, now: Micros): boolean {
  const { sendQueue } = meta;
  const { mss } = copies[0]!;
  let length = Math.min(Math.max(chunk.length, mss), available);
  for (let i = 0; i < copies.length; i++) {
    length = Math.min(length, capacity(copies[i]!, ahead, chunk.offset));
  }
  const { offset } = chunk;
  if (length >= mss) length -= length % mss + besideKeys(meta, copies[0]!, offset);
  else if (length < available && copies[0]!.inFlight > 0) return false;
  if (length <= 0) return false;
  if (again === null) sendQueue.bind(length, now);
  else sendQueue.again.cut(offset, offset + length);
  for (let i = 0; i < copies.length; i++) {
    copies[i]!.bind(offset, offset + length);
    serve(meta, copies[i]!, now);
  }
  return true;
}

/** Bytes that a segment with the data at `offset` has less than others on `subflow`, as the keys ride on it. */
function besideKeys(
  meta: MetaSocket,
  { sender, join, mss }: Subflow,
  offset: number,
): number {
  const rides = offset === 1 && sender.board.nxt === 1 && !join && meta.keysOwed !== null;
  return rides ? mss - sender.payloadBeside(false) : 0;
}

/** Sets `chunk` and `ready` for what must go again, or was taken back; null when nothing must. */
function nextReinjection(meta: MetaSocket): Sent | null {
  const { sendQueue } = meta;
  const { again } = sendQueue;
  if (again.empty) return null;
  again.cut(0, sendQueue.una);
  while (!again.empty) {
    const { first } = again;
    const sent = sendQueue.find(first);
    if (sent === null) {
      again.cut(first, again.firstEnd);
      continue;
    }
    return offer(meta, sent, first, again.firstEnd);
  }
  return null;
}

/**
 * The same for what lies behind that, where all with room have had it: each such piece would cost a round trip until a DATA_ACK tells of the one before. Null:
 * there is nothing that one of them has not had, or it has been asked about.
 */
function nextBehind(meta: MetaSocket): Sent | null {
  const { sendQueue } = meta;
  for (let looks = 0; room && ready.length + beyond.length === 0 && looks < MOST_LOOKS; looks++) {
    const first = sendQueue.again.firstFrom(had);
    const sent = first === Infinity ? null : sendQueue.find(first);
    if (sent === null || offer(meta, sent, first, sendQueue.again.endOf(first)) === null) {
      return null;
    }
    if (ready.length + beyond.length > 0) return sent;
  }
  return null;
}

/**
 * The same for what was taken back and nobody has sent, behind what {@linkcode nextReinjection} gave: that is for others than those with room, if any come, and
 * this does not wait for them.
 */
function nextTakenBack(meta: MetaSocket): Sent | null {
  const { sendQueue } = meta;
  const taken = sendQueue.firstTakenBack;
  if (taken === Infinity || taken <= chunk.offset) return null;
  const sent = sendQueue.find(taken);
  return sent === null ? null : offer(meta, sent, taken, sendQueue.again.endOf(taken));
}

/**
 * Offers the bytes [from, to) of `sent` to those that do not carry them: a second copy on the same subflow would be of no use. Null: they were bound by a
 * scheduler before this one, nobody has sent them, and the peer does not allow them yet.
 */
function offer(meta: MetaSocket, sent: Sent, from: number, to: number): Sent | null {
  const { windowEnd, mostWindow, unacked } = meta.sendQueue;
  const whole = sent.alikeTo(from, Math.min(to, sent.end));
  const end = ahead === 0 ? Math.min(whole, windowEnd) : whole;
  if (end <= from) return null;
  chunk.offset = from;
  chunk.length = available = end - from;
  last = end === whole;
  held = !last && meta.holding.cut(available, mostWindow, unacked);
  chunk.sentOn = carriersOf(sent, from);
  chunk.sentAt = sent.sentAt;
  setHint(meta);
  collectReady(meta, held ? UNBOUNDED : available, from);
  if (held) keepWhole(available);
  room = ready.length + beyond.length > 0;
  had = from + available;
  withoutCarriers(meta, ready, sent, from);
  withoutCarriers(meta, beyond, sent, from);
  return sent;
}

/** Takes out of `subflows` those that carry the byte at `from`; what all of them have with it ends at `had`. */
function withoutCarriers(meta: MetaSocket, subflows: Subflow[], sent: Sent, from: number): void {
  let kept = 0;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (meta.sendQueue.has(subflow, sent, from)) {
      had = Math.min(had, sent.givenEnd(subflow, from));
    } else subflows[kept++] = subflow;
  }
  shorten(subflows, kept);
}

/** To whom the byte at `offset` of `sent` was given, each once. */
function carriersOf(sent: Sent, offset: number): readonly Subflow[] {
  let count = 0;
  for (let i = 0; i < sent.copies; i++) {
    if (!sent.carries(i, offset, offset + 1)) continue;
    const subflow = sent.copy(i);
    let known = false;
    for (let j = 0; j < count; j++) known ||= carriers[j] === subflow;
    if (!known) carriers[count++] = subflow;
  }
  shorten(carriers, count);
  return carriers;
}

/** Sets `chunk` and `ready` for new data; false when there are none that the window allows, or nobody has room. */
function nextNew(meta: MetaSocket): boolean {
  const { sendQueue, holding } = meta;
  const { unbound } = sendQueue;
  let allowed = Math.min(unbound, sendQueue.windowEnd - sendQueue.nxt);
  if (allowed <= 0) return false;
  const { hints } = sendQueue;
  const hinted = hints === null ? Infinity : hints.end(sendQueue.nxt) - sendQueue.nxt;
  if (hinted < allowed) allowed = hinted;
  last = allowed === unbound || allowed === hinted;
  if (allowed === hinted) held = false;
  else {held = last
      ? sendQueue.ours.kind === "open" && holding.tail(sendQueue.una)
      : holding.cut(allowed, sendQueue.mostWindow, sendQueue.unacked);}
  collectReady(meta, held ? UNBOUNDED : allowed);
  // What is written behind bytes that end with a hint, or the data, cannot join them.
  if (holding.gathers && last && allowed < hinted && sendQueue.ours.kind === "open") {
    keepFull(allowed);
  } else if (held) keepWhole(allowed);
  if (ready.length === 0) return false;
  chunk.offset = sendQueue.nxt;
  available = allowed;
  chunk.length = Math.min(allowed, meta.wishes.quantum ?? DEFAULT_QUANTUM);
  chunk.sentOn = nobody;
  chunk.sentAt = 0;
  setHint(meta);
  return true;
}

/** Takes out of `ready` those for which `bytes` are less than a segment. */
function keepWhole(bytes: number): void {
  let kept = 0;
  for (let i = 0; i < ready.length; i++) {
    const subflow = ready[i]!;
    if (subflow.mss <= bytes) ready[kept++] = subflow;
  }
  shorten(ready, kept);
}

/**
 * Empties `ready` where `bytes` would leave by one of them in less than may leave at once. By none of the others then either: a slow one, for which they are
 * enough, would be given what the best one only waits to fill.
 */
function keepFull(bytes: number): void {
  for (let i = 0; i < ready.length; i++) {
    if (chunkLimit(ready[i]!) > bytes) return shorten(ready, 0);
  }
}

/** Asks once and does as told; `again` holds the bytes when they are no new ones. False when the answer is to wait. */
function ask(meta: MetaSocket, again: Sent | null, now: Micros): boolean {
  // The guard answers with elements of `ready`, none of them twice.
  const scheduler = meta.scheduler!;
  const choice = scheduler.pick(ready, chunk, beyond);
  if (choice === null) {
    waits = true;
    return false;
  }
  if (scheduler.bytes < chunk.length) chunk.length = scheduler.bytes;
  shorten(copies, 0);
  if ("path" in choice) copies.push(choice);
  else for (let i = 0; i < choice.length; i++) copies.push(choice[i]!);
  return ahead > 0 ? bindAhead(meta, again, now) : bind(meta, again, now);
}

/** Bytes of `chunk` that fit `subflow` now: whole segments, but for the end of the data. */
function fitting(subflow: Subflow): number {
  const { mss, room } = subflow;
  const most = Math.min(room, chunkLimit(subflow));
  if (last && !held && chunk.length <= most && chunk.length === available) return available;
  const length = Math.min(Math.max(chunk.length, mss), available, most);
  if (length >= mss) return length - length % mss;
  if (length === available) return held ? 0 : length;
  // Of a segment that the congestion window cuts off a part leaves only when nothing else would bring an answer.
  return subflow.inFlight === 0 ? length : 0;
}

/** Sends `chunk` on the first of `copies`, and copies of new data on the others. */
function bind(meta: MetaSocket, again: Sent | null, now: Micros): boolean {
  const { sendQueue } = meta;
  const subflow = copies[0]!;
  let length = Infinity;
  for (let i = 0; i < copies.length; i++) length = Math.min(length, fitting(copies[i]!));
  if (length <= 0) return false;
  const { offset } = chunk;
  const infinite = meta.infiniteOwed;
  const probe = infinite ? 0 : probeLength(meta, subflow, again, now);
  if (probe > 0) length = probe;
  const ssn = subflow.sender.board.nxt;
  // The keys stand for a mapping whose SSN is 1 (RFC 8684 §3.1): what is sent again has one of its own.
  const first = offset === 1 && ssn === 1 && !subflow.join && meta.keysOwed !== null;
  // They ride on one segment: what follows it has a DSS of its own.
  const alone = first || infinite;
  const whole = alone ? subflow.sender.payloadBeside(infinite) : subflow.mss;
  if (alone) length = Math.min(length, whole);
  // A link that is full leaves its subflows without room: the others are asked for.
  if (!subflow.chunk(offset, length, first, now, probe > 0, infinite)) return true;
  if (subflow.sender.overreached && !meta.fallback) meta.host.count("SndWndShared");
  if (infinite) {
    meta.oweInfinite(false);
    meta.host.count("InfiniteMapTx");
  }
  meta.figures.sent(length, now);
  if (again !== null) {
    const repeated = sendQueue.left(again, offset, length, subflow, ssn);
    sendQueue.again.cut(offset, offset + length);
    // What a scheduler before this one has bound, and nobody sent, is new.
    if (repeated > 0) meta.countRepeat(repeated);
  } else {
    const sent = sendQueue.bound(length, subflow, ssn, now);
    if (probe === 0 && length % whole !== 0 && !meta.holding.noDelay) {
      meta.holding.small(offset + length);
    }
    for (let i = 1; i < copies.length; i++) repeat(meta, sent, copies[i]!, now);
  }
  if (!meta.deadlines.has(TIMER_DATA)) armDataTimer(meta, now);
  return true;
}

/** Bytes of a segment by which `subflow` tries a larger size with the new data of `chunk`; 0: it tries none. */
function probeLength(meta: MetaSocket, subflow: Subflow, again: Sent | null, now: Micros): number {
  if (again !== null || !subflow.mtu.searches) return 0;
  if (copies.length > 1 || available <= subflow.mss) return 0;
  const probe = subflow.sender.probe(meta.sendQueue.unsent, now);
  return probe <= available && probe <= subflow.sender.probeRoom ? probe : 0;
}

/** Gives `sent`, or a part of it, to one more subflow; false when its link is full. */
function repeat(
  meta: MetaSocket,
  sent: Sent,
  subflow: Subflow,
  now: Micros,
  offset: number = sent.offset,
  length: number = sent.end - offset,
): boolean {
  const { sender, mss } = subflow;
  // What was bound ahead may be more than one mapping tells of.
  const limit = mappingLimit(subflow);
  const end = offset + length;
  for (let at = offset, to = at; at < end; at = to) {
    to = end - at <= limit ? end : at + (limit - limit % mss || mss);
    const ssn = sender.board.nxt;
    if (!subflow.chunk(at, to - at, false, now)) return false;
    // Some of it may be bound, and never sent.
    const repeated = meta.sendQueue.left(sent, at, to - at, subflow, ssn);
    if (repeated > 0) meta.countRepeat(repeated);
  }
  return true;
}

/** Asks `repeat` for each subflow with room, from the oldest bytes on that it was not given. */
function repeatOnOthers(meta: MetaSocket, now: Micros): void {
  const { scheduler, sendQueue } = meta;
  if (scheduler === null || !scheduler.repeats || meta.fallback || meta.subflows.length < 2) return;
  // How much it is differs from one to the other.
  collectReady(meta, 1);
  for (let i = 0; i < ready.length; i++) candidates[i] = ready[i]!;
  shorten(candidates, ready.length);
  for (let i = 0; i < candidates.length; i++) {
    const subflow = candidates[i]!;
    // Below it nothing is asked about once more: it was answered "skip" to.
    let past = 0;
    let sent = sendQueue.firstNotOn(subflow);
    while (sent !== null) {
      const { room, mss } = subflow;
      const offset = sent.lackedFrom(subflow, past);
      if (offset === sent.end) {
        sent = past === 0 ? sendQueue.firstNotOn(subflow) : sendQueue.nextNotOn(subflow, sent);
        continue;
      }
      const end = sent.alikeTo(offset, sent.lackedEnd(subflow, offset));
      chunk.sentOn = carriersOf(sent, offset);
      // It is bound, and was never sent, or goes again: `pick` is asked about that.
      if (chunk.sentOn.length === 0) {
        past = end;
        continue;
      }
      if (room < Math.min(mss, end - offset)) break;
      chunk.offset = offset;
      chunk.length = end - offset;
      chunk.sentAt = sent.sentAt;
      setHint(meta);
      const answer = scheduler.repeat(subflow, chunk);
      if (answer === false) break;
      if (answer === "skip") {
        past = end;
        continue;
      }
      // What was bound to a fast path may be more than a slow one ever takes at once.
      const length = end - offset <= room ? end - offset : room - room % mss;
      if (!repeat(meta, sent, subflow, now, offset, length)) break;
    }
  }
}

/** Where nothing new can leave, those with room repeat what others would bring later. */
function relieve(meta: MetaSocket, now: Micros): void {
  const why = standstill(meta, now);
  const { deadlines } = meta;
  if (why !== "tail" && deadlines.has(TIMER_RELIEF)) deadlines.set(TIMER_RELIEF, Infinity);
  if (why === null) return;
  const { mptcp, relief } = meta;
  const relieves = meta.wishes.relief;
  collectReady(meta, 1);
  for (let i = 0; i < ready.length; i++) candidates[i] = ready[i]!;
  shorten(candidates, ready.length);
  for (let i = 0; i < candidates.length; i++) {
    const subflow = candidates[i]!;
    if (why === "window") {
      if (mptcp.penalty ?? relieves) relief.penalise(meta, subflow, now);
      if (!(mptcp.opportunisticRetransmission ?? relieves)) continue;
    }
    for (
      let part = relievedBy(meta, subflow, why, now);
      part !== null &&
      repeat(meta, part.sent, subflow, now, part.from, part.to - part.from);
      part = relievedBy(meta, subflow, why, now)
    ) relief.spend(part.to - part.from);
  }
  if (why === "tail") deadlines.set(TIMER_RELIEF, overdueAt(meta, now));
}

/** When everything has been sent, DATA_FIN follows; on plain TCP the FIN itself. */
function finishSending(meta: MetaSocket, now: Micros): void {
  const { sendQueue, subflows } = meta;
  if (!sendQueue.finDue || !meta.established || meta.damage?.loss === "open") return;
  if (meta.fallback) {
    for (let i = 0; i < subflows.length; i++) {
      subflows[i]!.finish(now);
      sendQueue.finSent();
    }
  } else {
    if (!sendDataFin(meta, now)) return;
    meta.waits().finSent(now);
    sendQueue.finSent();
  }
  if (!sendQueue.finDue) meta.host.probe?.dataFin(now, meta.id, "us", sendQueue.tail);
  if (meta.fallback) return;
  armDataTimer(meta, now);
  // RFC 8684 §3.3.3: "a host MUST NOT close all functioning subflows unless it is safe to do so": unless this is asked for, to be compared.
  // Draft TRM-4: DATA_FIN has come to the bottom of the queue, and FINs follow on all subflows, whatever is in flight.
  if (meta.mptcp.dataFin === "fast") {
    for (let i = 0; i < subflows.length; i++) subflows[i]!.finish(now);
  }
}

/** Sends DATA_FIN on the best working subflow; false when there is none. */
function sendDataFin(meta: MetaSocket, now: Micros): boolean {
  const { ours } = meta.sendQueue;
  let best: Subflow | null = null;
  for (let i = 0; i < meta.subflows.length; i++) {
    const subflow = meta.subflows[i]!;
    // Before the third ACK there is no DATA_ACK of it.
    if (!subflow.usable || subflow.early || subflow.outlet.blocked) continue;
    if (worksBetter(subflow, best)) best = subflow;
  }
  return best !== null && ours.kind !== "open" && best.dataFin(ours.fin, now);
}
