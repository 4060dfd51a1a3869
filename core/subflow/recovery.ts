/** Acknowledgements and losses: SACK (RFC 2018, RFC 6675), RACK (RFC 8985), timeouts (RFC 6298, RFC 5681). */

import { u32 } from "../../wasm/mod.ts";
import { OPTION_SACK, RX_OPTIONS, RX_SACK, RX_SACK_COUNT } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { fromWire } from "../wire/seq.ts";
import { finAcknowledged, leave } from "./close.ts";
import { armRetransmission, rearm } from "./deadlines.ts";
import { LOST, type Range, SACKED, SENT } from "./in_flight.ts";
import { retransmit } from "./send.ts";
import { LOSS, OPEN, RECOVERY, type Subflow } from "./subflow.ts";

/** Duplicate acknowledgements, or segments SACKed, that stand for a loss (RFC 5681 §3.2, RFC 8985 §6.2). */
const DUP_THRESH = 3;
/** Timeouts in a row after which a subflow is given up (RFC 9293 §3.8.3 R2; Linux tcp_retries2). */
const MAX_TIMEOUTS = 15;

/** What the ACK in hand has told so far; reused. */
const found = {
  delivered: 0,
  highest: 0,
  rtt: -1,
  priorDelivered: -1,
  priorTime: 0,
  appLimited: false,
};

/** Notes that `range` up to `end` was delivered: round-trip time, rate sample, RACK (RFC 8985 §6.2 steps 1 and 2). */
function noteDelivered(subflow: Subflow, range: Range, end: number, now: Micros): void {
  found.delivered += end - range.seq;
  // RFC 8985 §6.2 step 4: what was sent once and arrives after something above it has been reordered.
  if (range.sends === 1 && end <= found.highest) {
    subflow.reordering = true;
    subflow.reordSeen++;
  }
  if (end > subflow.fack) subflow.fack = end;
  const rtt = now - range.time;
  // Karn: a range that was sent again tells no time (RFC 6298 §3).
  if (range.sends === 1) found.rtt = rtt;
  if (range.priorDelivered >= found.priorDelivered) {
    found.priorDelivered = range.priorDelivered;
    found.priorTime = range.priorTime;
    found.appLimited = range.appLimited;
  }
  // The acknowledgement of a copy sent a moment ago belongs to the original.
  if (range.sends > 1 && rtt < subflow.rtt.minRtt) return;
  if (range.time > subflow.rackTime || (range.time === subflow.rackTime && end > subflow.rackEnd)) {
    subflow.rackTime = range.time;
    subflow.rackEnd = end;
    subflow.rackRtt = rtt;
  }
}

/** Takes the blocks of RX_SACK into the list (RFC 6675 §4 Update). */
function applySack(subflow: Subflow, now: Micros): void {
  const list = subflow.inFlightList;
  const count = u32[RX_SACK_COUNT]!;
  for (let i = 0; i < count; i++) {
    const left = fromWire(u32[RX_SACK + 2 * i]!, subflow.iss, subflow.sndUna);
    const right = fromWire(u32[RX_SACK + 2 * i + 1]!, subflow.iss, subflow.sndUna);
    // Below SND.UNA it is a D-SACK (RFC 2883 §4) or old; beyond SND.NXT it is wrong.
    if (left < subflow.sndUna || right <= left || right > subflow.sndNxt) continue;
    for (let range = list.head; range !== null && range.seq < right; range = range.next) {
      if (range.end <= left || range.state === SACKED) continue;
      let hit = range;
      if ((hit.seq < left || hit.end > right) && list.full) continue;
      if (hit.seq < left) hit = list.split(hit, left);
      if (hit.end > right) list.split(hit, right);
      noteDelivered(subflow, hit, hit.end, now);
      range = list.sack(hit);
    }
  }
}

/** An acceptable ACK at offset `ack` (SND.UNA ≤ ack ≤ SND.NXT); `duplicate` as RFC 5681 §2 defines it. */
export function acknowledge(subflow: Subflow, ack: number, duplicate: boolean, now: Micros): void {
  const list = subflow.inFlightList;
  const before = subflow.inFlight;
  const priorUna = subflow.sndUna;
  found.delivered = 0;
  found.highest = subflow.fack;
  found.rtt = -1;
  found.priorDelivered = -1;
  subflow.lastAckReceived = now;
  let head = list.head;
  let repeated = false;
  while (head !== null && head.end <= ack) {
    repeated ||= head.sends > 1;
    if (head.state !== SACKED) noteDelivered(subflow, head, head.end, now);
    list.removeHead();
    head = list.head;
  }
  if (head !== null && head.seq < ack) {
    repeated ||= head.sends > 1;
    if (head.state !== SACKED) noteDelivered(subflow, head, ack, now);
    list.trimHead(ack);
  }
  // What lies behind a hole may have waited long for the retransmission that filled it.
  if (repeated) found.rtt = -1;
  subflow.sndUna = ack;
  if ((u32[RX_OPTIONS]! & OPTION_SACK) !== 0 && subflow.sackPermitted) applySack(subflow, now);
  const delivered = found.delivered;
  const advanced = ack > priorUna;
  if (!advanced && delivered === 0 && !duplicate) {
    // It may have opened the window, which on plain TCP nothing else tells.
    subflow.owner.acknowledged(subflow, 0, now);
    return;
  }
  if (advanced) {
    subflow.bytesAcked += ack - priorUna;
    subflow.timeouts = 0;
  }
  subflow.delivered += delivered;
  if (delivered > 0) subflow.deliveredTime = now;
  if (found.rtt >= 0) subflow.rtt.sample(found.rtt, now);

  let lost = list.sacked > 0 || list.repeated > 0 ? detectLosses(subflow, now) : 0;
  if (!subflow.sackPermitted) lost += countDuplicate(subflow, advanced, duplicate);
  if (subflow.recovery !== OPEN && ack >= subflow.recover) {
    subflow.recovery = OPEN;
    subflow.dupAcks = 0;
  }
  if (lost > 0 && subflow.recovery === OPEN) enterRecovery(subflow, before);
  tellController(subflow, before, delivered, lost, priorUna, now);
  if (subflow.recovery === RECOVERY) {
    const { ssthresh, mss, inFlight } = subflow;
    const partial = lost > 0 && !subflow.sackPermitted;
    subflow.prr.onAck(delivered, inFlight, ssthresh, mss, advanced && lost === 0, partial);
  }
  if (advanced) armRetransmission(subflow, now);
  else if (subflow.rackAt < subflow.deadline) rearm(subflow);
  subflow.owner.acknowledged(subflow, delivered, now);
  if (subflow.finSent && ack === subflow.sndNxt) finAcknowledged(subflow, now);
}

function tellController(
  subflow: Subflow,
  before: number,
  delivered: number,
  lost: number,
  priorUna: number,
  now: Micros,
): void {
  const { sample } = subflow;
  sample.acked = delivered;
  sample.lost = lost;
  sample.rtt = found.rtt;
  sample.inFlight = before;
  sample.cwndLimited = priorUna < subflow.limitedUntil;
  sample.delivered = subflow.delivered;
  sample.priorDelivered = Math.max(0, found.priorDelivered);
  sample.deliveryRate = 0;
  sample.appLimited = found.appLimited;
  if (found.priorDelivered >= 0) {
    const interval = now - found.priorTime;
    if (interval > 0) {
      sample.deliveryRate = (subflow.delivered - found.priorDelivered) * 1e6 / interval;
      // A sample of an idle sender may only raise the estimate.
      if (!found.appLimited || sample.deliveryRate > subflow.deliveryRate) {
        subflow.deliveryRate = sample.deliveryRate;
      }
    }
  }
  subflow.controller?.onAck(sample);
}

/** Without SACK: RFC 6582 §3.2. Returns the bytes taken for lost. */
function countDuplicate(subflow: Subflow, advanced: boolean, duplicate: boolean): number {
  if (advanced) {
    subflow.dupAcks = 0;
    // A partial acknowledgement in recovery: the next hole.
    if (subflow.recovery === RECOVERY && subflow.sndUna < subflow.recover) return loseHead(subflow);
  } else if (duplicate && ++subflow.dupAcks === DUP_THRESH && subflow.recovery === OPEN) {
    return loseHead(subflow);
  }
  return 0;
}

/** Takes the first segment in flight for lost. */
function loseHead(subflow: Subflow): number {
  const list = subflow.inFlightList;
  const head = list.head;
  if (head === null || head.state !== SENT) return 0;
  if (head.end - head.seq > subflow.mss) list.split(head, head.seq + subflow.mss);
  list.mark(head, LOST);
  return head.end - head.seq;
}

/** RFC 8985 §6.2 steps 3 to 5: what was sent before the last delivered segment, and longer ago than reordering explains, is lost. Returns the bytes. */
function detectLosses(subflow: Subflow, now: Micros): number {
  const list = subflow.inFlightList;
  const { minRtt, srtt } = subflow.rtt;
  const settled = subflow.recovery !== OPEN || list.sacked >= DUP_THRESH * subflow.mss;
  const window = !subflow.reordering && settled ? 0 : Math.min(minRtt / 4, srtt);
  let lost = 0;
  let wait = Infinity;
  for (let range = list.head; range !== null; range = range.next) {
    if (range.state !== SENT) continue;
    if (range.time > subflow.rackTime) continue;
    if (range.time === subflow.rackTime && range.end > subflow.rackEnd) continue;
    const due = range.time + subflow.rackRtt + window;
    if (due <= now) {
      list.mark(range, LOST);
      lost += range.end - range.seq;
    } else if (due < wait) {
      wait = due;
    }
  }
  subflow.rackAt = wait;
  return lost;
}

/** Fast recovery begins: one reduction for all losses of a flight (RFC 5681 §3.2, RFC 6675 §5). */
function enterRecovery(subflow: Subflow, flightSize: number): void {
  subflow.recovery = RECOVERY;
  subflow.recover = subflow.sndNxt;
  subflow.prr.enter(flightSize);
  subflow.owner.host.count(subflow.sackPermitted ? "TCPSackRecovery" : "TCPRenoRecovery");
  subflow.controller?.onCongestion("loss", flightSize);
}

/** The reordering window is over: what has not come is lost, as if an acknowledgement told (RFC 8985 §6.3). */
export function reorderingTimeout(subflow: Subflow, now: Micros): void {
  const before = subflow.inFlight;
  if (detectLosses(subflow, now) === 0) return;
  if (subflow.recovery === OPEN) enterRecovery(subflow, before);
  if (subflow.recovery === RECOVERY) {
    subflow.prr.onAck(0, subflow.inFlight, subflow.ssthresh, subflow.mss, false, false);
  }
  subflow.owner.dirty(subflow);
}

/** RFC 6298 §5.4 to 5.7 and RFC 5681 §3.1: everything in flight is taken for lost, the first segment leaves again. */
export function retransmissionTimeout(subflow: Subflow, now: Micros): void {
  const list = subflow.inFlightList;
  if (list.head === null) return;
  if (subflow.outlet.blocked && subflow.timeouts > 0) {
    // What was to go again has not left: nobody can have answered it.
    armRetransmission(subflow, now);
    return;
  }
  const flightSize = subflow.inFlight + list.lost;
  subflow.timeouts++;
  subflow.owner.host.count("TCPTimeouts");
  if (subflow.timeouts > MAX_TIMEOUTS) {
    leave(subflow, "timeout", now);
    return;
  }
  // The peer threw away what it had reported (RFC 2018 §8).
  const reneged = list.head.state === SACKED;
  for (let range: Range | null = list.head; range !== null; range = range.next) {
    if (range.state === SENT || (reneged && range.state === SACKED)) list.mark(range, LOST);
  }
  subflow.recovery = LOSS;
  subflow.recover = subflow.sndNxt;
  subflow.dupAcks = 0;
  if (subflow.timeouts === 1) subflow.controller?.onCongestion("timeout", flightSize);
  armRetransmission(subflow, now);
  subflow.owner.timedOut(subflow, subflow.timeouts);
  subflow.owner.dirty(subflow);
}

/** After a timeout's length without data the window of then says nothing of now (RFC 5681 §4.1). */
export function restartAfterIdle(subflow: Subflow, now: Micros): void {
  if (subflow.sndNxt > subflow.sndUna) return;
  const idle = now - Math.max(subflow.lastDataSent, subflow.restartedAt);
  if (subflow.lastDataSent === 0 || idle <= subflow.rtt.rto) return;
  subflow.restartedAt = now;
  subflow.controller?.onRestart?.(idle);
}

/** Sends what is lost again, oldest first, as far as the window allows. */
export function retransmitLost(subflow: Subflow, now: Micros): void {
  const list = subflow.inFlightList;
  for (let range = list.head; range !== null && list.lost > 0; range = range.next) {
    if (range.state !== LOST) continue;
    const length = range.end - range.seq;
    const room = subflow.sendLimit - subflow.inFlight;
    if (room < Math.min(length, subflow.mss) || subflow.outlet.blocked) return;
    if (retransmit(subflow, range, room, now) === 0) return;
  }
}
