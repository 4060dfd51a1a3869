/** How long the data level waits before it repeats, or asks about a window (RFC 8684 §3.3.6; RFC 9293 §3.8.6.1). */

import type { Micros } from "../plugin.ts";
import type { Deadlines } from "../subflow/deadlines.ts";
import { MAX_RTO } from "../subflow/rtt.ts";
import type { Subflow } from "../subflow/subflow.ts";

/** Before a subflow has told a timeout. */
const NO_TIMEOUT: Micros = 1e6;

/** Least time that a peer has for the DATA_ACK of what its subflows have acknowledged, before it is asked. */
const ASK_LEAST: Micros = 1e3;
/** How often it is asked before the repeat of the data asks. */
const MOST_ASKS = 8;

/** Back-off of the waits of one connection. */
export class DataTimer {
  #finSentAt: Micros = 0;
  #timeouts = 0;
  #probes = 0;
  #unheard = 0;
  #repeats = 0;
  #asks = 0;

  /** How often it was repeated since a DATA_ACK came, or a silence ended. */
  get timeouts(): number {
    return this.#timeouts;
  }

  /** The same since a DATA_ACK came, whatever else was heard. */
  get repeats(): number {
    return this.#repeats;
  }

  /** How often a closed window was asked about, since it was open. */
  get probes(): number {
    return this.#probes;
  }

  /** What is not DATA_ACKed goes again after the longest timeout among `subflows`: less would only outrun TCP. */
  awaitDataAck(
    deadlines: Deadlines<ConnectionTimer>,
    subflows: readonly Subflow[],
    now: Micros,
  ): void {
    arm(deadlines, TIMER_DATA, subflows, this.#timeouts, now);
  }

  /** Our DATA_FIN leaves. */
  finSent(now: Micros): void {
    this.#finSentAt = now;
  }

  /**
   * A DATA_FIN that alone is not DATA_ACKed (RFC 8684 §3.3.3): nothing below repeats it, so that the wait is the longest timeout of what works among
   * `subflows`, from when it left. What was DATA_ACKed since does not begin it anew: it was sent before, and repaired meanwhile. But a round trip follows
   * that, as the DATA_ACK of the DATA_FIN may be right behind.
   */
  awaitFinAck(
    deadlines: Deadlines<ConnectionTimer>,
    subflows: readonly Subflow[],
    now: Micros,
  ): void {
    const working = subflows.filter(({ usable, stale }) => usable && !stale);
    let timeout = 0;
    let roundTrip = 0;
    for (const { sender: { rtt } } of working.length > 0 ? working : subflows) {
      // One that has carried nothing yet says nothing of those that have.
      if (!rtt.known) continue;
      timeout = Math.max(timeout, rtt.estimate);
      roundTrip = Math.max(roundTrip, rtt.srtt);
    }
    const wait = Math.min(MAX_RTO, (timeout === 0 ? NO_TIMEOUT : timeout) * 2 ** this.#timeouts);
    deadlines.set(TIMER_DATA, Math.max(this.#finSentAt + wait, now + roundTrip));
  }

  /** The window has room for a DATA_FIN that it had none for: it goes again at once, and what was repeated until now, which could not be heeded, backs off nothing. */
  finHasRoom(deadlines: Deadlines<ConnectionTimer>, now: Micros): void {
    this.#timeouts = 0;
    deadlines.set(TIMER_DATA, now);
  }

  /** A closed window is asked about after as long (draft DA-4). */
  awaitWindow(
    deadlines: Deadlines<ConnectionTimer>,
    subflows: readonly Subflow[],
    now: Micros,
  ): void {
    arm(deadlines, TIMER_PERSIST, subflows, this.#probes, now);
  }

  /** How often the peer was asked for a DATA_ACK since one came. */
  get asks(): number {
    return this.#asks;
  }

  /** The subflows have nothing out, and the data that they have brought are not DATA_ACKed: the peer is asked after twice the longest round trip among `subflows`. */
  awaitAnswer(
    deadlines: Deadlines<ConnectionTimer>,
    subflows: readonly Subflow[],
    now: Micros,
  ): void {
    if (this.#asks === MOST_ASKS) return;
    let longest = ASK_LEAST / 2;
    for (let i = 0; i < subflows.length; i++) {
      const { rtt } = subflows[i]!.sender;
      if (rtt.known && rtt.srtt > longest) longest = rtt.srtt;
    }
    deadlines.set(TIMER_ASK, now + 2 * longest * 2 ** this.#asks);
  }

  /** It was asked for a DATA_ACK. */
  asked(): void {
    this.#asks++;
  }

  /** It was repeated. */
  repeated(): void {
    this.#timeouts++;
    this.#repeats++;
    this.#unheard++;
  }

  /** Something has come from the peer: true when that ends a silence, so that the back-off of before says little any more: what was repeated into it counts once. An answer that does not heed each repeat is none. */
  answered(): boolean {
    const silent = this.#unheard > 1;
    if (this.#unheard > 0) this.#unheard = 0;
    if (silent) this.#timeouts = 1;
    return silent;
  }

  /** It was asked about. */
  probed(): void {
    this.#probes++;
  }

  /** A DATA_ACK has come. */
  acknowledged(): void {
    if (this.#timeouts > 0) this.#timeouts = 0;
    if (this.#repeats > 0) this.#repeats = 0;
    if (this.#asks > 0) this.#asks = 0;
  }

  /** The window has moved. */
  opened(): void {
    if (this.#probes > 0) this.#probes = 0;
  }
}

/** Sets a deadline that is backed off by `times`. All in one function, as each DATA_ACK calls it: a wait handed from one to another would be boxed. */
function arm(
  deadlines: Deadlines<ConnectionTimer>,
  timer: ConnectionTimer,
  subflows: readonly Subflow[],
  times: number,
  now: Micros,
): void {
  let longest = 0;
  for (let i = 0; i < subflows.length; i++) {
    longest = Math.max(longest, subflows[i]!.sender.rtt.base);
  }
  const wait = Math.min(MAX_RTO, (longest === 0 ? NO_TIMEOUT : longest) * 2 ** times);
  deadlines.set(timer, now + wait);
}

/** The deadlines of a connection; of those due at once the first by name is handled first. */
export type ConnectionTimer = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11;
/** A connection without subflows, or one that only the peer can end, has waited long enough. */
export const TIMER_CLOSE = 0;
/** The scheduler asked to be asked again. */
export const TIMER_WAKE = 1;
/** Bytes without a mapping have waited for one. */
export const TIMER_UNMAPPED = 2;
/** The peer is to be asked about its window. */
export const TIMER_PERSIST = 3;
/** What is not DATA_ACKed goes again. */
export const TIMER_DATA = 4;
/** The scheduler has waited long enough. */
export const TIMER_PROGRESS = 5;
/** The user timeout: the peer has answered nothing for too long. */
export const TIMER_USER = 6;
/** Less than a segment was held back long enough. */
export const TIMER_HOLD = 7;
/** What was damaged has waited long enough for the peer's answer. */
export const TIMER_FAIL = 8;
/** The first SYN is not answered in its time: another source address tries, too. */
export const TIMER_RACE = 9;
/** What a subflow carries at the end of the data should have been acknowledged: another one may repeat it. */
export const TIMER_RELIEF = 10;
/** Nothing is out, what waits needs a DATA_ACK, and none has come: the peer is asked. */
export const TIMER_ASK = 11;
/** How many there are. */
export const CONNECTION_TIMERS = 12;
