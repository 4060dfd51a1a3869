/**
 * How large the buffers of a connection should be. Receive: dynamic right-sizing (Fisk and Feng 2001; draft RBF-1 to RBF-4), by what the application
 * reads in the longest round trip, and no more than comes on all subflows in one. Send: by what the windows of the subflows ask (draft SBF-1 to SBF-3), or by
 * how fast their sequence numbers move (draft SBF-4).
 */

import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";

/** A round trip counts as no shorter than this: a turn of either end's event loop lasts as long. */
const SHORTEST_ROUND_TRIP: Micros = 4e3;
/** What a first flight is, in bytes (RFC 6928 §2). */
const FIRST_FLIGHT = 14600;
/** What a buffer takes in whatever the memory in use: a page, which data in order find always. */
const LEAST_SHARE = 65536;

/**
 * What comes on each subflow in the longest round trip (draft RBF-3): twice the sum is what the buffer needs, 2·ΣBW·RTT_max. It bounds what is read in a
 * measure, as one may last longer than a round trip: who takes everything each two seconds reads what the window holds, not what the paths bring (RBF-4).
 */
export class Arrivals {
  #since: Micros = 0;
  #period: Micros = Infinity;
  #most = 0;

  /** Most bytes that came in one period since the measure began. */
  most(subflows: readonly Subflow[]): number {
    return Math.max(this.#most, sum(subflows));
  }

  /** Data have come: a period that is over makes room for the next. */
  came(subflows: readonly Subflow[], now: Micros): void {
    if (now - this.#since <= this.#period) return;
    const bytes = sum(subflows);
    if (bytes > this.#most) this.#most = bytes;
    this.restart(subflows, now);
  }

  /** The longest round trip of the subflows is known. */
  setPeriod(rtt: Micros): void {
    this.#period = Math.max(rtt, SHORTEST_ROUND_TRIP);
  }

  /** A measure begins. */
  begin(subflows: readonly Subflow[], now: Micros): void {
    this.#most = 0;
    this.restart(subflows, now);
  }

  private restart(subflows: readonly Subflow[], now: Micros): void {
    for (let i = 0; i < subflows.length; i++) subflows[i]!.receiver.counted();
    this.#since = now;
  }
}

function sum(subflows: readonly Subflow[]): number {
  let bytes = 0;
  for (let i = 0; i < subflows.length; i++) bytes += subflows[i]!.receiver.came;
  return bytes;
}

/** What the receive buffer of one connection should hold. */
export class RightSizing {
  /** Begin of the measure: -1 before the first. */
  #since: Micros = -1;
  #from = 1;
  #space = FIRST_FLIGHT;
  #wanted = 0;
  /** Round trip of the last measure that is over, and the best rate of any: bytes a microsecond. */
  #rtt: Micros = Infinity;
  #rate = 0;

  /** Most bytes that were read in one round trip (Linux rcv_space). */
  get space(): number {
    return this.#space;
  }

  /** Bytes that the buffer should hold: twice what was read in a round trip, and four times where that was twice as much as ever before. */
  get wanted(): number {
    return this.#wanted;
  }

  /**
   * The application has read everything below `read`; `rtt`: the longest round trip of the subflows, `came`: most bytes that came in one since the
   * measure began. True when a measure is over.
   *
   * While slow start doubles what comes in a round trip, a measure that brought `n` is followed by one of `2n`, at whose end the peer's window is `4n`.
   */
  measure(read: number, rtt: Micros, now: Micros, came: number = Infinity): boolean {
    if (this.#since < 0) {
      this.#since = now;
      this.#from = read;
      return false;
    }
    // A path has become slower, or a slower one has joined: the others go on while its data are on the way (draft RBF-1).
    if (rtt > this.#rtt) this.want(2 * this.#rate * rtt);
    // A quarter more than came: what waited behind a hole is read with what fills it.
    const copied = Math.min(read - this.#from, 1.25 * came);
    if (copied > this.#space) {
      this.want(2 * copied * Math.min(2, copied / this.#space));
    }
    const length = now - this.#since;
    if (length < Math.max(rtt, SHORTEST_ROUND_TRIP)) return false;
    if (copied > this.#space) this.#space = copied;
    this.#rtt = rtt;
    this.#rate = Math.max(this.#rate, copied / length);
    this.#since = now;
    this.#from = read;
    return true;
  }

  private want(bytes: number): void {
    if (bytes > this.#wanted) this.#wanted = Math.ceil(bytes);
  }
}

/** Most bytes that a buffer may take in where the host may still take `left`: half of that, so that others find some, and a page always. */
export function shareOf(left: number): number {
  return Math.max(LEAST_SHARE, Math.floor(left / 2));
}

/**
 * Twice what the subflows could have in flight in the longest of their round trips: data wait in the queue for the DATA_ACK of what the slowest carries
 * (draft SBF-3: sums of windows would not do). Of one subflow that is twice its window.
 */
export function windowsAsk(subflows: readonly Subflow[]): number {
  let rate = 0;
  let longest = 0;
  let regular = false;
  for (let i = 0; i < subflows.length; i++) regular ||= counts(subflows[i]!, false);
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (!counts(subflow, !regular)) continue;
    const { sender } = subflow;
    const { srtt } = sender.rtt;
    rate += sender.cwnd / srtt;
    if (srtt > longest) longest = srtt;
  }
  return Math.ceil(2 * rate * longest);
}

/** Least round trips below this are those of one machine, or of two in a room. */
const NEAR: Micros = 1e3;
/** What a queue may hold of near paths at least: more would not stay in a processor's cache between the writer and the device. */
const NEAR_LEAST = 2097152;
/** What is more than 4 Gbit/s, in bytes a microsecond, has its cost in the memory that it passes through. */
const NEAR_RATE = 500;

/**
 * Most bytes that the send queue should hold; Infinity where a path is not near. Nothing on a near path holds back a window that grows: what is in flight
 * waits in a queue of this machine, there or at the peer, so that twice of it asks for twice as much again, up to all memory. What the round trips in which
 * it waits take at {@linkcode NEAR_RATE} is enough for what is slower, however deep its queue, and is less than is in flight of what is faster.
 */
export function nearMost(subflows: readonly Subflow[]): number {
  let longest = 0;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (!subflow.usable || subflow.stale) continue;
    const { rtt } = subflow.sender;
    if (rtt.minRtt >= NEAR) return Infinity;
    if (rtt.srtt > longest) longest = rtt.srtt;
  }
  return longest === 0 ? Infinity : Math.max(NEAR_LEAST, Math.ceil(NEAR_RATE * longest));
}

/** Whether data are bound to it: backup subflows carry some only where no other works (RFC 8684 §3.3.8). */
function counts(subflow: Subflow, backups: boolean): boolean {
  return subflow.usable && !subflow.stale && (backups || !subflow.backup);
}

/** Less time than this tells no rate: a turn of an event loop may bring so much at once. */
const COARSE: Micros = 1e3;

/** How one subflow moves on. */
interface Advance {
  readonly subflow: Subflow;
  /** SND.UNA where the measure began, and where it is over. */
  from: number;
  until: number;
  since: Micros;
  /** Bytes a microsecond. */
  rate: number;
}

/**
 * The draft's other estimate of what a subflow carries (SBF-4): the time that SND.UNA takes to move on by a window, from time to time. Where that is too
 * short to tell, the measure goes on for twice as much. It needs no round trip, and lags behind a window that grows.
 */
export class ProgressEstimate {
  readonly #all: Advance[] = [];

  /** Something was acknowledged on `subflow`. */
  heard(subflow: Subflow, now: Micros): void {
    const { board, cwnd } = subflow.sender;
    const all = this.#all;
    let i = 0;
    while (i < all.length && all[i]!.subflow !== subflow) i++;
    if (i === all.length) {
      all.push({ subflow, from: board.una, until: board.una + cwnd, since: now, rate: 0 });
      return;
    }
    const each = all[i]!;
    if (board.una < each.until) return;
    const time = now - each.since;
    if (time < COARSE) {
      each.until = each.from + 2 * (each.until - each.from);
      return;
    }
    each.rate = (board.una - each.from) / time;
    each.from = board.una;
    each.until = board.una + cwnd;
    each.since = now;
  }

  /** Twice what all carry in the longest of their round trips. */
  ask(subflows: readonly Subflow[]): number {
    let rate = 0;
    let longest = 0;
    let regular = false;
    for (let i = 0; i < subflows.length; i++) regular ||= counts(subflows[i]!, false);
    for (let i = 0; i < this.#all.length; i++) {
      const { subflow, rate: own } = this.#all[i]!;
      if (!subflows.includes(subflow) || !counts(subflow, !regular)) continue;
      rate += own;
      longest = Math.max(longest, subflow.sender.rtt.srtt);
    }
    return Math.ceil(2 * rate * longest);
  }

  /** `subflow` has left. */
  forget(subflow: Subflow): void {
    const at = this.#all.findIndex((each) => each.subflow === subflow);
    if (at >= 0) this.#all.splice(at, 1);
  }
}
