/** The timestamps option of one subflow: what we send, and what tells old segments of the peer from new ones (RFC 7323 §3 to §5). */

import type { Micros } from "../plugin.ts";
import { rx } from "../wire/segment.ts";
import { distance32 } from "../wire/seq.ts";

/** No round trip is longer: what seems to be is an echo of something else. */
const LONGEST_ROUND_TRIP: Micros = 60e6;

/** How long a timestamp of the peer tells old from new (RFC 7323 §5.5). */
const TIMESTAMP_LIFE: Micros = 24 * 24 * 3600e6;

/** What a repeat may have overtaken is told from what is old by what came a second or two ago: no sequence number comes again so soon below 8 Gbit/s. */
const OVERTAKEN: Micros = 1e6;

/** Longest tick of our clock (RFC 7323 §5.4). */
const LONGEST_TICK: Micros = 1e6;

/** Our clock was held: what that has sent, and is sent of it again, tells by its tick no time. */
class Hold {
  /** Its first tick; one that was not released goes on in another when it is over. */
  first: Micros = 0;
  /** Its last one. */
  from: Micros = 0;
  until: Micros = 0;
}

/** What was held of our clock. */
class Holds {
  /** The last time, and the one before that, of which echoes may come still. */
  last: Hold = new Hold();
  before: Hold | null = null;
  /** It was not released since. */
  on = false;
}

/** What PAWS judges data by while holes are filled: TS.Recent without what has filled them of late. */
class Floor {
  value: number;
  /** What that becomes when it has stood for long, and since when it stands. */
  next: number;
  since: Micros;

  /** Where none has been filled it is TS.Recent. */
  constructor(recent: number, since: Micros) {
    this.value = this.next = recent;
    this.since = since;
  }
}

/** What most subflows do not meet. */
class Rarities {
  /** Made for the first hole; null: PAWS judges data by TS.Recent. */
  floor: Floor | null = null;
  /** Made when our clock is first held. */
  holds: Holds | null = null;
}

/** TS.Recent and our own clock. */
export class Timestamps {
  readonly #offset: number;
  #on: boolean;
  #recent = 0;
  /** Null before the first. Boxed once, as `now` (CONTRIBUTING.md, Garbage). */
  #recentTime: Micros | null = null;
  /** The youngest that has come: TS.Recent stands still while something is missing (RFC 7323 §4.3). */
  #youngest = 0;
  /** Made for the first hole, or when our clock is first held. */
  #rare: Rarities | null = null;

  /** @param offset Shifts our clock by a secret (RFC 7323 §5.4). */
  constructor(offset: number, offered = true) {
    this.#offset = offset;
    this.#on = offered;
  }

  private rarities(): Rarities {
    return this.#rare ??= new Rarities();
  }

  /** Both sides send the option. */
  get on(): boolean {
    return this.#on;
  }

  /** The option is not offered. */
  leaveOut(): void {
    this.#on = false;
  }

  /** TS.Recent: what is echoed. */
  get recent(): number {
    return this.#recent;
  }

  /** What our segments carry: milliseconds (RFC 7323 §5.4: 1 ms to 1 s a tick), or the one in which the clock was held. */
  value(now: Micros): number {
    const holds = this.#rare === null ? null : this.#rare.holds;
    return this.clock(holds !== null && now < holds.last.until ? holds.last.from : now);
  }

  /** What our clock shows by itself. */
  clock(now: Micros): number {
    return timestampAt(now, this.#offset);
  }

  /** One tick begins now that lasts until {@linkcode Timestamps.release}, for a second at most. False where one does already. */
  hold(now: Micros): boolean {
    const holds = this.#rare === null ? null : this.#rare.holds;
    if (holds !== null && now < holds.last.until) return false;
    const next = holds ?? new Holds();
    if (holds === null) next.last.first = now;
    else if (!holds.on) {
      const { last } = holds;
      holds.last = holds.before ?? new Hold();
      holds.before = last;
      holds.last.first = now;
    }
    next.last.from = now;
    next.last.until = now + LONGEST_TICK;
    next.on = true;
    this.rarities().holds = next;
    return true;
  }

  /** The clock ticks by itself again. */
  release(now: Micros): void {
    const holds = this.#rare === null ? null : this.#rare.holds;
    if (holds === null) return;
    holds.on = false;
    holds.last.until = Math.min(holds.last.until, now);
  }

  /** The echo in `rx`, which has timestamps, is that of a tick that was held: it does not tell when that was sent. */
  echoesHeld(now: Micros): boolean {
    return this.echoed(now) !== null;
  }

  /** The hold whose tick the echo in `rx` is; null: it is that of a time. */
  private echoed(now: Micros): Hold | null {
    const holds = this.#rare === null ? null : this.#rare.holds;
    if (holds === null) return null;
    const { last, before } = holds;
    if (this.echoesTickOf(last, now)) return last;
    return before !== null && this.echoesTickOf(before, now) ? before : null;
  }

  private echoesTickOf({ first, from, until }: Hold, now: Micros): boolean {
    return first < until && now - until <= LONGEST_ROUND_TRIP &&
      distance32(rx.tsecr, this.clock(first)) >= 0 && distance32(this.clock(from), rx.tsecr) >= 0;
  }

  /** Round trip that the echo in `rx`, an ACK of something new, tells, in whole milliseconds; -1 when it tells none (RFC 7323 §4.1). */
  roundTrip(now: Micros): Micros {
    if (!this.#on || !rx.hasTimestamps || rx.tsecr === 0 || this.echoed(now) !== null) return -1;
    const elapsed = 1000 * distance32(this.clock(now), rx.tsecr);
    return elapsed <= LONGEST_ROUND_TRIP ? elapsed : -1;
  }

  /** Before when that was sent which the ACK in `rx` answers: the end of a tick. Infinity where no timestamp tells. */
  answeredBefore(now: Micros): Micros {
    const held = this.#on && rx.hasTimestamps ? this.echoed(now) : null;
    if (held !== null) return Math.max(Math.min(now, held.until), endOfTick(held.from));
    const roundTrip = this.roundTrip(now);
    return roundTrip < 0 ? Infinity : endOfTick(now) - roundTrip;
  }

  /** Whether the echo in `rx` is that of a segment sent at `sentAt`. */
  echoes(sentAt: Micros): boolean {
    return this.#on && rx.hasTimestamps && rx.tsecr === this.clock(sentAt);
  }

  /** Agrees on the option by the SYN in `rx`, and takes its timestamp. */
  agree(now: Micros): void {
    this.#on &&= rx.hasTimestamps;
    if (!this.#on) return;
    this.#recent = this.#youngest = rx.tsval;
    this.take(false, now);
  }

  /**
   * Whether the timestamp in `rx` is older than one that came before: PAWS (RFC 7323 §5.3). A RST is not judged by it. A repeat that fills a hole is younger than
   * all that was sent before it: `data` that it has overtaken, on a path that reorders, would each have to be repeated, and their repeats overtake others.
   */
  old(data: boolean, now: Micros): boolean {
    const floor = data && this.#rare !== null ? this.#rare.floor : null;
    const least = floor === null ? this.#recent : floor.value;
    if (!this.#on || !rx.hasTimestamps || distance32(rx.tsval, least) >= 0) return false;
    // RFC 7323 §5.5: after so long the peer's clock may have gone half round.
    return now - (this.#recentTime ?? 0) <= TIMESTAMP_LIFE;
  }

  /** By how many ticks of the peer's clock the timestamp in `rx` is older than TS.Recent. */
  get lag(): number {
    return distance32(this.#recent, rx.tsval);
  }

  /**
   * Whether the segment in `rx`, which counts as come by that, was sent after all before, as far as timestamps tell: those of one tick may have overtaken each
   * other. `untold`: where none does.
   */
  newer(untold: boolean): boolean {
    if (!this.#on || !rx.hasTimestamps) return untold;
    if (distance32(rx.tsval, this.#youngest) <= 0) return false;
    this.#youngest = rx.tsval;
    return true;
  }

  /** Takes the timestamp in `rx`, which is not old, as TS.Recent, unless that is younger; `fills`: there are data above a hole. */
  take(fills: boolean, now: Micros): void {
    const { tsval } = rx;
    if (fills) this.rarities().floor ??= new Floor(this.#recent, this.#recentTime ?? 0);
    const floor = this.#rare === null ? null : this.#rare.floor;
    if (floor !== null) this.raise(floor, fills, now);
    if (distance32(tsval, this.#recent) < 0) {
      if (now - (this.#recentTime ?? 0) <= TIMESTAMP_LIFE) return;
      this.#youngest = tsval;
    }
    this.#recent = tsval;
    this.#recentTime = now;
  }

  /** The timestamp in `rx` is taken. */
  private raise(floor: Floor, fills: boolean, now: Micros): void {
    const long = now - floor.since > OVERTAKEN;
    if (!fills) floor.value = floor.next = rx.tsval;
    else if (long) {
      floor.value = floor.next;
      floor.next = this.#recent;
    }
    if (!fills || long) floor.since = now;
  }
}

/** A clock of milliseconds, shifted, in 32 bits. */
export function timestampAt(now: Micros, offset: number): number {
  return (Math.floor(now / 1000) + offset) | 0;
}

function endOfTick(time: Micros): Micros {
  return 1000 * Math.floor(time / 1000) + 1000;
}
