/**
 * Relief of head-of-line blocking: what a slow subflow carries and others have to wait for goes again where it comes sooner, and who has blocked the receive
 * window gets a smaller one (NSDI 2012 §4.2, mechanisms 1 and 2). docs/default_scheduler.md says when.
 */

import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { MetaSocket } from "./meta_socket.ts";
import type { Sent } from "./send_queue.ts";

/** Extra bytes are one for so many that were sent for the first time, at most, */
const SHARE = 16;
/** and so many segments, so that there are some at the end of a short answer. */
const LEAST = 4;
/** Most pieces of one carrier that are looked at for one subflow, and most mappings, from the last one back. */
const MOST_STEPS = 64;

/** Round trips that have grown by more, or by a quarter, tell of a queue (RFC 9406 §4.3: MAX_RTT_THRESH). */
const MOST_GROWTH: Micros = 16e3;

/** What is to be repeated: [from, to) of `sent`. */
export interface Part {
  readonly sent: Sent;
  readonly from: number;
  readonly to: number;
}

/** One object for all connections, read before the next is asked for. */
const part = { sent: null as Sent | null, from: 0, to: 0 };

/** What keeps new data from leaving: there are none, or the peer's window has no room for them. */
export type Standstill = "tail" | "window";

/** What one connection has done about it. */
export class Relief {
  #bytes = 0;
  #penalised: Micros = -Infinity;

  /** Bytes that were sent again for relief. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that would still be few beside what was sent. */
  left(meta: MetaSocket, mss: number): number {
    return meta.figures.bytesSent / SHARE + LEAST * mss - this.#bytes;
  }

  /** They have left. */
  spend(length: number): void {
    this.#bytes += length;
  }

  /**
   * The subflow that carries the oldest byte, and is slower than `subflow`, which has room, is in the way of all others: its window is halved, once in a round
   * trip of `subflow`. Not where it is only fuller for the moment: between equal paths that is the one that carries most, for as long as the other repairs a loss.
   */
  penalise(meta: MetaSocket, subflow: Subflow, now: Micros): void {
    const { oldest } = meta.sendQueue;
    if (oldest === null || now - this.#penalised < subflow.srtt) return;
    const { offset } = oldest;
    for (let i = 0; i < oldest.copies; i++) {
      const slow = oldest.copy(i);
      if (slow === subflow || slow.srtt <= subflow.srtt) continue;
      if (!oldest.carries(i, offset, offset + 1)) continue;
      if (isSlower(slow, subflow, now) && slow.sender.penalise(now)) this.#penalised = now;
    }
  }
}

/** What stands still, where the settings ask for relief of it; null: nothing, or it is not to be relieved. */
export function standstill(meta: MetaSocket, now: Micros): Standstill | null {
  const { sendQueue, subflows, mptcp } = meta;
  if (subflows.length < 2 || meta.fallback || meta.damage !== null) return null;
  if (sendQueue.unacked === 0 || !sendQueue.again.empty) return null;
  const relieves = meta.wishes.relief;
  const { unsent, unacked, windowEnd, nxt, mostWindow } = sendQueue;
  if (unsent === 0) {
    return (mptcp.tailReinjection ?? relieves) && !isHeld(meta, now) ? "tail" : null;
  }
  const wanted = (mptcp.opportunisticRetransmission ?? relieves) || (mptcp.penalty ?? relieves);
  // Where little is out, it is the application of the peer that keeps the window shut: it does not read.
  if (!wanted || 2 * unacked < mostWindow) return null;
  let mss = 0;
  for (let i = 0; i < subflows.length; i++) mss = Math.max(mss, subflows[i]!.mss);
  // Last, as it looks at the packets in flight: this is asked in every pass.
  return windowEnd - nxt < Math.min(unsent, mss) && !isHeld(meta, now) ? "window" : null;
}

/**
 * Whether the peer has the oldest byte and does not take it: it is short of memory, and no path is late. A DATA_ACK comes with the acknowledgement of the
 * subflow; it was awaited for two round trips, or until a repeat. The last bytes, come before those that it waits for, would fill what it has left: Linux does
 * not give up what is out of order for what is not, and then waits for ever.
 */
function isHeld({ sendQueue: { oldest }, timer }: MetaSocket, now: Micros): boolean {
  if (oldest === null) return false;
  const { offset } = oldest;
  for (let i = 0; i < oldest.copies; i++) {
    // One that has brought another part of the piece tells nothing of it.
    if (!oldest.carries(i, offset, offset + 1)) continue;
    const { sender, srtt } = oldest.copy(i);
    if (timer.timeouts === 0 && oldest.sentAt + 2 * srtt > now) continue;
    // Its last byte is looked at first, or the subflow would be walked through with each ACK; it may have come, and one before it be lost.
    const { board } = sender;
    const end = oldest.ssn(i, oldest.end);
    if (board.undelivered(end - 1, end) !== -Infinity) continue;
    if (board.undelivered(oldest.ssn(i, offset), end) === -Infinity) return true;
  }
  return false;
}

/**
 * What `subflow`, which has room, should repeat; null: nothing would come sooner by it. At the end of the data the last bytes come last, and are looked at
 * first; where the window is shut, it is the oldest that opens it. Of a piece that is too large, the segments that matter most.
 */
export function relievedBy(
  meta: MetaSocket,
  subflow: Subflow,
  why: Standstill,
  now: Micros,
): Part | null {
  const { sendQueue, relief, subflows } = meta;
  const { room, mss } = subflow;
  const most = Math.min(room, relief.left(meta, mss));
  if (why === "window") {
    const { oldest, ackable } = sendQueue;
    if (oldest === null) return null;
    // What is bound, and was never sent, may lie beyond the peer's window.
    return first(oldest, oldest.offset, Math.min(oldest.end, ackable), subflow, most, now);
  }
  // Nothing is short enough: nobody looks through what there is, packet by packet.
  if (most < 1) return null;
  for (let i = 0; i < subflows.length; i++) {
    const carrier = subflows[i]!;
    if (carrier === subflow || !isSlower(carrier, subflow, now)) continue;
    const { board } = carrier.sender;
    // What is missing goes again there some time, after all that is missing before it.
    let steps = 0;
    for (
      let piece = board.nextLost();
      piece !== null && steps < MOST_STEPS;
      piece = board.lostBehind(piece), steps++
    ) {
      const from = Math.max(piece.data, sendQueue.una);
      const sent = sendQueue.find(from);
      if (sent === null) continue;
      // With the rest of its mapping, which waits for it, where that may be.
      const whole = sent.length <= most && sent.lackedEnd(subflow, sent.offset) === sent.end;
      const to = Math.min(sent.end, piece.data + piece.end - piece.seq);
      const found = whole
        ? first(sent, sent.offset, sent.end, subflow, most, now)
        : first(sent, from, to, subflow, most, now);
      if (found !== null) return found;
    }
    const oldest = Math.max(board.firstChunk, board.nextChunk - MOST_STEPS);
    for (let serial = board.nextChunk - 1; serial >= oldest; serial--) {
      const sent = sendQueue.find(Math.max(board.dataStart(serial), sendQueue.una));
      const found = sent === null ? null : last(sent, subflow, most, now);
      if (found !== null) return found;
    }
  }
  return null;
}

/** The first of [from, to) of `sent` that `subflow` was not given, `most` bytes at most: all of it, or whole segments. Null: none, or it is not late. */
function first(
  sent: Sent,
  from: number,
  to: number,
  subflow: Subflow,
  most: number,
  now: Micros,
): Part | null {
  // It may have been given in several steps.
  for (let end = sent.givenEnd(subflow, from); end > from; end = sent.givenEnd(subflow, from)) {
    from = end;
  }
  if (from >= to) return null;
  to = Math.min(to, sent.lackedEnd(subflow, from));
  if (to - from > most) to = from + most - most % subflow.mss;
  return late(sent, from, to, subflow, now);
}

/** The last of them. */
function last(sent: Sent, subflow: Subflow, most: number, now: Micros): Part | null {
  const to = sent.lackedTo(subflow);
  let from = sent.lackedBefore(subflow, to);
  // Cut where a segment ends, so that a small one is not sent twice.
  const { mss } = subflow;
  if (to - from > most) from += Math.ceil((to - from - most) / mss) * mss;
  return late(sent, from, to, subflow, now);
}

function late(sent: Sent, from: number, to: number, subflow: Subflow, now: Micros): Part | null {
  if (from >= to || !isLate(sent, from, to, subflow, now)) return null;
  part.sent = sent;
  part.from = from;
  part.to = to;
  return part as Part;
}

/** When the first of what is in flight at the end of the data is late; Infinity: nothing will be. */
export function overdueAt({ subflows }: MetaSocket, now: Micros): Micros {
  let at = Infinity;
  for (let i = 0; i < subflows.length; i++) {
    const { overdueAt } = subflows[i]!.sender;
    if (overdueAt > now && overdueAt < at) at = overdueAt;
  }
  return at;
}

/** Whether [from, to) of `sent` would come sooner over `subflow`, which was not given it, than over those that carry it. */
function isLate(sent: Sent, from: number, to: number, subflow: Subflow, now: Micros): boolean {
  let soonest = Infinity;
  let carried = false;
  for (let i = 0; i < sent.copies; i++) {
    if (!sent.carries(i, from, to)) continue;
    const carrier = sent.copy(i);
    if (carrier === subflow || !isSlower(carrier, subflow, now)) return false;
    carried = true;
    const at = comes(carrier, sent.ssn(i, from), sent.ssn(i, to), now);
    if (at < soonest) soonest = at;
  }
  if (!carried) return false;
  const { minRtt } = subflow;
  // What its last round trips have waited for is over where it has nothing in flight.
  const srtt = subflow.inFlight > 0 ? subflow.srtt : minRtt;
  // In less than half of the time, or estimates are not good enough: between equal paths nothing goes twice.
  return soonest - now > srtt + minRtt / 4 + 2 * taking(subflow, to - from);
}

/**
 * Whether the path of `carrier` is slower than that of `subflow`, and not only fuller for the moment: its round trip is a third longer, or it carries less than
 * a quarter; or it does not answer.
 */
function isSlower(carrier: Subflow, subflow: Subflow, now: Micros): boolean {
  if (carrier.silent) return true;
  // It is being tried: whether it is fast is not known before something comes back.
  if (subflow.peakRate === 0 && subflow.inFlight >= LEAST * subflow.mss) return false;
  if (4 * subflow.minRtt <= 3 * carrier.minRtt) return true;
  // Before anything has come back a round trip is that of the handshake, and a probe may only tell that data take longer.
  if (carrier.peakRate === 0) return false;
  const { sender } = carrier;
  if (sender.probing ? sender.lastHeard + 2 * carrier.srtt <= now : sender.overdueAt <= now) {
    return true;
  }
  return !grows(carrier) && subflow.peakRate > 4 * carrier.peakRate;
}

/** When [from, to) of the sequence space of `subflow` will have come to the peer, as far as can be told; -Infinity: it has. */
function comes(subflow: Subflow, from: number, to: number, now: Micros): Micros {
  const { sender, srtt, minRtt } = subflow;
  const { board, rtt } = sender;
  const sent = board.undelivered(from, to);
  if (sent === -Infinity) return -Infinity;
  const way = srtt - minRtt / 2;
  // A timeout has to pass first, or has passed.
  if (subflow.silent) return Math.max(now, sender.timeoutAt) + way;
  if (sent === Infinity) return now + way;
  // Somebody has asked about it: it is missing, or late.
  if (sender.probing && sent + rtt.srtt < now) return now + srtt + way;
  // It is asked about first, by a probe, or by the timeout where none is set.
  if (!sender.probing && sender.overdueAt <= now) {
    return Math.max(now, Math.min(sender.probeAt, sender.timeoutAt)) + way;
  }
  const due = sent + way;
  const queued = now + taking(subflow, to - board.una) - minRtt / 2;
  return Math.max(now, due, queued);
}

/** How long `subflow` takes for `bytes`; 0: not known. */
function taking(subflow: Subflow, bytes: number): Micros {
  const { peakRate } = subflow;
  if (peakRate === 0) return 0;
  // What comes back in slow start was let out a round trip ago, by half of the window.
  return bytes * 1e6 / (grows(subflow) ? 2 * peakRate : peakRate);
}

/** The window has never been more than the path carries, as far as round trips show. */
function grows({ inSlowStart, srtt, minRtt }: Subflow): boolean {
  return inSlowStart && srtt - minRtt <= Math.min(minRtt / 4, MOST_GROWTH);
}
