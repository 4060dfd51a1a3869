/** Earliest delivery first: the default scheduler. Its formulas are derived in docs/default_scheduler.md. */

import type {
  Chunk,
  ConnectionView,
  Micros,
  SchedulerPlugin,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** Segments that try a path of which nothing is known. */
const TRIAL = 4;
/** And those of an answer that known ones have room for: where that is slower after all, they have not delivered the rest before. */
const PART = 2;
/** The path of the first subflow. */
const FIRST = 1;

/** Round trips that have grown by more, or by a quarter, tell of a queue (RFC 9406 §4.3: MAX_RTT_THRESH). */
const MOST_GROWTH: Micros = 16e3;

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

/**
 * When `bytes` more would have arrived over `subflow` that leave now, in microseconds from now. One division, as it is asked for each packet and path. What a
 * full window adds to the round trip is the sender's own queue, and what is in flight tells how much of it is left; the rest is of others, or of the path.
 */
export function arrival(subflow: SubflowView, bytes: number, now: Micros = Infinity): Micros {
  const { srtt, minRtt, inFlight, rttVar, peakRate } = subflow;
  // Nothing has come back yet: that the path is what its handshake was is a guess.
  if (peakRate === 0) return srtt / 2 + rttVar;
  const growing = grows(subflow);
  const time = timeOf(subflow, growing);
  const queue = inFlight * time - served(subflow, now);
  const at = minRtt / 2 + bytes * time + (queue > 0 ? queue : 0);
  if (at >= srtt / 2) return at;
  const least = way(subflow, growing ? 0 : time);
  return at > least ? at : least;
}

/**
 * For how long the bottleneck may have let through what is in flight. A burst that left just now waits there, though it is no more than fills the path; where
 * the rate is known by the round trips of such bursts alone, that is in it.
 */
function served({ minRtt, oldestSent, peakRate, burstRate }: SubflowView, now: Micros): Micros {
  const age = now - oldestSent;
  return age < minRtt && burstRate > peakRate ? (age > 0 ? age : 0) : minRtt;
}

/** How long what leaves is on its way at least, where a byte takes `time` to come back, 0: that is not known. What a full window waits for is left out. */
function way({ srtt, minRtt, cwnd }: SubflowView, time: number): Micros {
  const own = cwnd * time - minRtt;
  return own > 0 ? (srtt - own) / 2 : srtt / 2;
}

/** The window of `subflow` has never been more than its path carries, as far as round trips show. */
function grows({ inSlowStart, srtt, minRtt }: SubflowView): boolean {
  return inSlowStart && srtt - minRtt <= Math.min(minRtt / 4, MOST_GROWTH);
}

/**
 * Microseconds in which a byte comes back. A path that was hardly used shows less than it carries: no less than a quarter of a window in a round trip. What comes
 * back in slow start was let out a round trip ago, by half of the window; what a burst behind a pause has shown is no such part.
 */
function timeOf(
  { srtt, rttVar, cwnd, peakRate, burstRate }: SubflowView,
  growing: boolean,
): number {
  const most = 4 * srtt + 8 * rttVar;
  const peak = peakRate * most < cwnd * 1e6 ? cwnd * 1e6 / most : peakRate;
  const rate = growing ? 2 * peak : peak;
  return 1e6 / (burstRate > rate ? burstRate : rate);
}

/** Bytes in a microsecond that the path of `subflow` carries; 0: not known. */
function knownRate(subflow: SubflowView): number {
  return subflow.peakRate === 0 || grows(subflow) ? 0 : 1 / timeOf(subflow, false);
}

/**
 * Bytes that `subflow` could still take from `now` on such that all of them have arrived `time` later; no more than about `enough` are counted. What is in
 * flight makes room as its acknowledgements come, over the round trip after that in which it was sent.
 */
export function supply(subflow: SubflowView, now: Micros, time: Micros, enough: number): number {
  const { srtt, minRtt, cwnd, ssthresh, inFlight } = subflow;
  const rate = knownRate(subflow);
  const least = way(subflow, rate === 0 ? 0 : 1 / rate);
  let left = time - (2 * least > minRtt ? least : minRtt / 2);
  if (left <= 0) return 0;
  // What a pacer holds back follows soon.
  let bytes = cwnd > inFlight ? cwnd - inFlight : 0;
  if (inFlight > 0) {
    const age = now - subflow.oldestSent;
    const wait = age < srtt ? srtt - age : 0;
    const part = left < srtt ? (left - wait) / (srtt - wait) : 1;
    if (part > 0) bytes += (cwnd < ssthresh ? 2 : 1) * inFlight * part;
  }
  let window = cwnd;
  for (left -= srtt; left > 0 && bytes < enough; left -= srtt) {
    if (window < ssthresh) window = window * 2 < ssthresh ? window * 2 : ssthresh;
    bytes += left < srtt ? window * left / srtt : window;
  }
  if (rate === 0) return bytes;
  const queue = inFlight - rate * served(subflow, now);
  const most = rate * (time - minRtt / 2) - (queue > 0 ? queue : 0);
  return most < bytes ? (most > 0 ? most : 0) : bytes;
}

/**
 * Gives each byte to the subflow on which it arrives first, and waits for a fast one that is full where it will have carried everything that is left before a
 * slow one with room could deliver a segment, or would fill the receive window meanwhile.
 *
 * @example Usage
 * ```ts
 * import { earliest } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(earliest().name, "earliest");
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function earliest(
  options: Readonly<Record<string, never>> = {},
): SchedulerPlugin {
  checkOptions("earliest", options, defaults);
  return {
    kind: "scheduler",
    name: "earliest",
    relief: true,
    create(connection) {
      const { subflows } = connection;
      return {
        // Where there is one subflow, nothing is asked of it.
        pick: (ready, chunk) =>
          ready.length === 1 && (subflows.length === 1 || isAlone(connection, ready[0]!))
            ? ready[0]!
            : pick(connection, ready, chunk),
      };
    },
  };
}

function pick(
  connection: ConnectionView,
  ready: readonly SubflowView[],
  { sentOn }: Chunk,
): SubflowView | null {
  const { length } = ready;
  const { subflows, left, now } = connection;
  const goesAgain = sentOn.length > 0;
  let best: SubflowView | null = null;
  let soonest = Infinity;
  let carries = true;
  for (let i = 0; i < length; i++) {
    const subflow = ready[i]!;
    if (isUntried(subflow) && !isTrying(connection, ready, subflow, sentOn)) continue;
    const at = arrival(subflow, part(subflow, left, goesAgain), now);
    const again = goesAgain && sentOn.includes(subflow);
    if (carries === again ? at >= soonest : again) continue;
    best = subflow;
    soonest = at;
    carries = again;
  }
  if (best === null || length === subflows.length) return best;
  return worthIt(connection, best, soonest, goesAgain) ? best : null;
}

/**
 * Bytes by which paths are compared: two segments, or what is left. What less than a segment takes, as a request does, is in the round trips of such: rates of
 * who sends little else tell nothing.
 */
function part({ mss }: SubflowView, left: number, again: boolean): number {
  if (again || left === 0 || left > 2 * mss) return 2 * mss;
  return left < mss ? 0 : left;
}

/** Whether nobody else may be waited for, whatever the paths are like: others are stale, backups of regular ones, or silent. */
function isAlone({ subflows, now }: ConnectionView, subflow: SubflowView): boolean {
  if (isUntried(subflow)) return false;
  for (let i = 0; i < subflows.length; i++) {
    const other = subflows[i]!;
    if (other !== subflow && isAwaited(other, subflow.backup, now)) return false;
  }
  return true;
}

/** Nothing has come back from a path yet. The first subflow has the connection's handshake behind it, and nobody else to wait for. */
function isUntried({ peakRate, path }: SubflowView): boolean {
  return peakRate === 0 && path !== FIRST;
}

/**
 * Whether `subflow` is to be tried. Not by more than a little: a whole initial window may be more than the queue of a slow path holds. Nor where the windows of
 * the others have room for all that is left, which their pacers let out soon; but where its answer would be back before one of the others could be, or had
 * delivered all of it. Their smoothed round trips tell of ACKs that the peer has delayed. What is no more than the trial, such as a request, goes that way as a
 * whole, and is to be surer of it; of more, two segments.
 */
function isTrying(
  { subflows, left, now }: ConnectionView,
  ready: readonly SubflowView[],
  subflow: SubflowView,
  sentOn: readonly SubflowView[],
): boolean {
  const { backup, inFlight, mss, srtt, rttVar } = subflow;
  const trial = TRIAL * mss - inFlight;
  if (trial <= 0) return false;
  const whole = left <= trial;
  const back = whole ? srtt + 2 * rttVar : srtt + rttVar;
  let sooner = sentOn.length === 0 && left > 0 && (whole || inFlight < PART * mss);
  let room = 0;
  for (let i = 0; i < subflows.length; i++) {
    const other = subflows[i]!;
    if (other === subflow || isUntried(other) || sentOn.includes(other)) continue;
    if (!ready.includes(other) && !isAwaited(other, backup, now)) continue;
    room += Math.max(0, other.cwnd - other.inFlight);
    sooner &&= back < Math.max(other.minRtt, arrival(other, left, now));
  }
  return sooner || room < wanted(left, mss, sentOn.length > 0);
}

/** Bytes that are to arrive soon: all that is left, or a segment of what goes `again`. What was bound ahead and taken back is neither, where nothing is left behind it. */
function wanted(left: number, mss: number, again: boolean): number {
  return again || left === 0 ? mss : left;
}

/**
 * Whether one may wait for a subflow: an acknowledgement is to come, and it works. A timeout leaves a segment of the window (RFC 5681 §3.1), and segments
 * may have become smaller since: nobody waits for who has fallen silent.
 */
function isAwaited(subflow: SubflowView, backups: boolean, now: Micros): boolean {
  const { stale, backup, inFlight, cwnd, mss } = subflow;
  return !stale && backup === backups && inFlight > 0 && cwnd >= 2 * mss &&
    !isUntried(subflow) && !isLate(subflow, now);
}

/** Nothing has come for a round trip since the answer to what is longest in flight was due. Of less than two segments the peer may delay it. */
function isLate(subflow: SubflowView, now: Micros): boolean {
  const { oldestSent, srtt, rttVar, lastAck, inFlight, mss } = subflow;
  const due = oldestSent + srtt;
  const silent = now - (lastAck > due ? lastAck : due);
  return silent > srtt && silent > 4 * rttVar && inFlight >= 2 * mss;
}

/** Whether `subflow`, over which a segment arrives in `time`, is to have it rather than those that have no room now. */
function worthIt(
  { subflows, left, window, unacked, now }: ConnectionView,
  subflow: SubflowView,
  time: number,
  again: boolean,
): boolean {
  const { backup, mss, srtt, inFlight } = subflow;
  const enough = wanted(left, mss, again);
  let before = 0;
  for (let i = 0; i < subflows.length; i++) {
    const other = subflows[i]!;
    if (other !== subflow && isAwaited(other, backup, now)) {
      before += supply(other, now, time, enough);
    }
  }
  if (before < mss) return true;
  if (before >= enough) return false;
  // Until its acknowledgement is back the peer's window does not move beyond the segment.
  const shared = window + unacked - mss - inFlight;
  const back = time + srtt / 2;
  let meanwhile = 0;
  for (let i = 0; i < subflows.length; i++) {
    const other = subflows[i]!;
    if (other !== subflow && isAwaited(other, backup, now)) {
      meanwhile += flow(other, now, back, shared);
    }
  }
  return meanwhile <= shared;
}

/**
 * Bytes that `subflow` sends in `time` at the pace of now: what windows and the receive buffer will have grown to by then keep step with each other. A window
 * that comes back to what it was before a pause or a loss finds a buffer that has grown already; then no more than about `enough` are counted.
 */
function flow(subflow: SubflowView, now: Micros, time: Micros, enough: number): number {
  const { cwnd, ssthresh, srtt, peakRate } = subflow;
  const returns = cwnd < ssthresh && ssthresh < Infinity;
  const bytes = returns ? supply(subflow, now, time + srtt / 2, enough) : cwnd * time / srtt;
  if (peakRate === 0 || (!returns && grows(subflow))) return bytes;
  const most = time / timeOf(subflow, false);
  return most < bytes ? most : bytes;
}
