/** Watches what becomes of large segments: of the one that tries a size, and of all when a path seems to swallow what is large (RFC 4821 §7, RFC 8899 §4.3). */

import type { Micros } from "../plugin.ts";
import type { Heard } from "./heard.ts";
import type { Mtu } from "./mtu.ts";
import { DUP_THRESH } from "./rack.ts";
import type { Scoreboard } from "./scoreboard.ts";
import type { SubflowHost } from "./shared.ts";

/** Large segments lost in a row, while small ones came, that make a black hole. */
const LOSSES = 3;
/** Timeouts in a row, with nothing but large segments lost, that make one. */
const TIMEOUTS = 2;
/**
 * Those that make one for the base size, as most of them are pauses of the path; and for any where what comes first is more than the least that everybody
 * takes: it alone goes again, so that a small one behind it may have been lost once, for another reason, and stays so.
 */
const TIMEOUTS_AT_BASE = 5;
/** A probe that ended in a timeout is followed by a pause so many times as long (RFC 4821 §7.6.3). */
const TIMEOUT_PAUSE = 5;

// What holds of them, as bits: each place of its own would take eight bytes of every subflow that has sent.
/** Something small was delivered since something large was. */
const SMALL = 1;
/** The last timeout has made segments smaller. */
const SHRUNK = 2;

/** Of one subflow. */
export class SizeWatch {
  readonly #host: Pick<SubflowHost, "count">;
  readonly #board: Scoreboard;
  readonly #mtu: Mtu;
  /** Where the probe under way begins; -1: there is none. */
  #seq = -1;
  /** Bytes of large segments lost since one was delivered. */
  #lost = 0;
  #flags = 0;
  /** When that large one was heard of. */
  #passedAt: Micros = -1;

  /** Of what `board` holds, sent in the sizes of `mtu`. */
  constructor(host: Pick<SubflowHost, "count">, board: Scoreboard, mtu: Mtu) {
    this.#host = host;
    this.#board = board;
    this.#mtu = mtu;
  }

  /** A probe is under way. */
  get probing(): boolean {
    return this.#seq >= 0;
  }

  /**
   * Payload of a probe to be sent now; 0: none. Of `unsent` bytes, in a window of `limit`, enough must follow it that its loss is told by acknowledgements
   * (RFC 4821 §7.4). Whoever writes little never has so much: there what is larger than a segment, and has nothing before it, tries what was in use before, as
   * most silences are pauses of the path; a timeout tells of its loss.
   */
  due(limit: number, unsent: number, now: Micros): number {
    const mtu = this.#mtu;
    const bytes = this.#seq >= 0 ? 0 : mtu.probeDue(now);
    if (bytes === 0) return 0;
    const needed = bytes + DUP_THRESH * mtu.payload;
    if (unsent >= needed) return limit >= needed ? bytes : 0;
    const most = Math.min(bytes, unsent);
    return mtu.regains && this.#board.empty && most > mtu.payload && limit >= most ? most : 0;
  }

  /** A probe has left, as the mapping that begins at `seq`. */
  sent(seq: number): void {
    this.#seq = seq;
  }

  /** After losses were looked for, of which `lost` bytes were found: how many of them tell of congestion. `pause`: the wait after a probe that failed. */
  judge(lost: number, pause: Micros, now: Micros): number {
    if (this.#seq < 0) return lost;
    const bytes = this.#board.lostOf(this.#seq);
    if (bytes === 0) return lost;
    const mtu = this.#mtu;
    if (bytes < 0) {
      this.#seq = -1;
      this.#host.count("TCPMTUPSuccess");
      mtu.passed(now);
      return lost;
    }
    this.#board.loseOf(this.#seq);
    this.#seq = -1;
    const others = Math.max(0, lost - bytes);
    if (others > 0) mtu.inconclusive(0, now);
    else {
      this.#host.count("TCPMTUPFail");
      mtu.failed(pause, now);
    }
    return others;
  }

  /** An ACK told `heard`. */
  hear(heard: Heard, now: Micros): void {
    if (heard.largest > this.#mtu.refuge) {
      this.#lost = 0;
      this.#flags &= ~SMALL;
      this.#passedAt = now;
    } else if (heard.delivered > 0) this.#flags |= SMALL;
  }

  /**
   * `lost` bytes, which tell of congestion, were found lost: true when segments are smaller from now on instead. Those that left before a large one was heard
   * of are of its flight, and tell of a queue that is full: the small one at the end of the data had room there still.
   */
  swallows(lost: number, now: Micros): boolean {
    if ((this.#flags & SMALL) === 0 || lost === 0) return false;
    const { refuge, payload } = this.#mtu;
    if (refuge === 0) return false;
    this.#lost = this.#board.lostOnlyLarger(refuge, this.#passedAt) ? this.#lost + lost : 0;
    return this.#lost >= LOSSES * payload && this.shrink(now);
  }

  /**
   * The `timeouts`th in a row, all in flight is taken for lost: true when segments are smaller from now on. `blind`: there is no SACK to tell which of it the
   * peer has.
   */
  timedOut(timeouts: number, blind: boolean, pause: Micros, now: Micros): boolean {
    const mtu = this.#mtu;
    if (this.#seq >= 0) {
      // RFC 4821 §7.6.3: what was before it has been acknowledged.
      if (this.#seq === this.#board.una) {
        this.#host.count("TCPMTUPFail");
        mtu.failed(TIMEOUT_PAUSE * pause, now);
      } else mtu.inconclusive(pause, now);
      this.#seq = -1;
    }
    this.#flags &= ~SHRUNK;
    const { refuge } = mtu;
    if (refuge === 0) return false;
    let large = false;
    if (timeouts >= TIMEOUTS_AT_BASE) large = this.#board.lostFirstLarger(mtu.least);
    else if (timeouts === TIMEOUTS) {
      large = blind ? this.#board.lostFirstLarger(refuge) : this.#board.lostOnlyLarger(refuge, -1);
    }
    const shrunk = large && this.shrink(now);
    if (shrunk) this.#flags |= SHRUNK;
    return shrunk;
  }

  private shrink(now: Micros): boolean {
    this.#lost = 0;
    this.#seq = -1;
    return this.#mtu.blackHole(now);
  }

  /** Nothing was ever acknowledged, and that may be for the size of what comes first: timeouts are still to tell, also when smaller segments have just left. */
  get inDoubt(): boolean {
    const { refuge, least } = this.#mtu;
    if (this.#board.una > 1) return false;
    return (this.#flags & SHRUNK) !== 0 || (refuge !== 0 && this.#board.oldestLarger(least));
  }

  /** A router has said that the probe under way is too large: its bytes go again at once. */
  probeTooBig(): void {
    if (this.#seq >= 0) this.#board.loseOf(this.#seq);
    this.#seq = -1;
  }
}
