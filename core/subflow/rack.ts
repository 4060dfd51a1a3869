/** Loss detection by time: what was sent before a segment that was delivered, and longer ago than reordering explains, is lost (RFC 8985). */

import type { Micros } from "../plugin.ts";
import type { Recovery } from "./recovery.ts";
import type { Rtt } from "./rtt.ts";
import type { Heard } from "./heard.ts";
import type { Scoreboard } from "./scoreboard.ts";

/** Duplicate acknowledgements, or segments SACKed, that stand for a loss (RFC 5681 §3.2, RFC 8985 §6.2). */
export const DUP_THRESH = 3;
/** Recoveries without a D-SACK after which the reordering window is that of the beginning (RFC 8985 §6.2 step 4). */
const PERSIST = 16;

/** What an ACK did to SND.UNA: moved it, repeated it as RFC 5681 §2 says, or told something else. */
export type Progress = "advanced" | "duplicate" | "none";

/** Finds out what is lost. */
export interface LossDetection {
  /** When `onTimer` is due; Infinity: not at all. */
  readonly timer: Micros;
  /** An acknowledgement told `heard` during `recovery`. Returns the bytes taken for lost. */
  onAck(
    heard: Heard,
    progress: Progress,
    recovery: Recovery,
    mss: number,
    now: Micros,
  ): number;
  /** The timer has passed. Returns the bytes taken for lost. */
  onTimer(recovery: Recovery, mss: number, now: Micros): number;
  /** Counting begins anew: a timeout has passed, or what was taken for a loss was none. */
  restart(): void;
  /** A recovery has ended, and counting begins anew. */
  ended(): void;
}

/** What a path has that was seen to reorder. */
class Reordering {
  times = 0;
  /** RACK.reo_wnd_mult: quarters of the least round trip that make up the reordering window. */
  quarters = 1;
  /** RACK.reo_wnd_persist: recoveries until there is one again. */
  persist = 0;
  /** RACK.dsack_round: SND.NXT when the window grew last; it grows once a round trip. */
  round = 0;
}

/** RACK of one subflow. */
export class Rack implements LossDetection {
  readonly #board: Scoreboard;
  readonly #rtt: Readonly<Rtt>;
  #time: Micros = -1;
  #end = 0;
  #roundTrip: Micros = 0;
  /** Made for the first. */
  #reordering: Reordering | null = null;
  /** Null: off. Boxed once (CONTRIBUTING.md, Garbage). */
  #timer: Micros | null = null;

  /** Of what `board` holds, by the round trips of `rtt`. */
  constructor(board: Scoreboard, rtt: Readonly<Rtt>) {
    this.#board = board;
    this.#rtt = rtt;
  }

  get timer(): Micros {
    return this.#timer ?? Infinity;
  }

  private reordered(): Reordering {
    return this.#reordering ??= new Reordering();
  }

  /** How often reordering was seen (RFC 8985 §6.2 step 3). */
  get reorderings(): number {
    return this.#reordering === null ? 0 : this.#reordering.times;
  }

  onAck(
    heard: Heard,
    _progress: Progress,
    recovery: Recovery,
    mss: number,
    now: Micros,
  ): number {
    this.advance(heard, recovery);
    const { sacked, repeated } = this.#board;
    // What was sent before a repeat that has come may lie above it (RFC 8985 §9.1).
    return this.watch(sacked > 0 || repeated > 0 || heard.repeated, recovery, mss, now);
  }

  /** As {@linkcode Rack.onAck} without SACK: that a repeat has come tells nothing of what lies above it, only of repeats before it. */
  onRepeats(heard: Heard, recovery: Recovery, mss: number, now: Micros): number {
    this.advance(heard, recovery);
    return this.watch(this.#board.repeated > 0, recovery, mss, now);
  }

  private watch(something: boolean, recovery: Recovery, mss: number, now: Micros): number {
    if (something) return this.detect(recovery, mss, now);
    this.#timer = null;
    return 0;
  }

  private advance(heard: Heard, recovery: Recovery): void {
    if (heard.reordered > 0) this.reordered().times += heard.reordered;
    if (heard.duplicate > 0) this.sentNeedlessly(recovery);
    // RFC 8985 §6.2 step 1: the segment sent last among those delivered.
    if (
      heard.sentTime > this.#time || (heard.sentTime === this.#time && heard.sentEnd > this.#end)
    ) {
      this.#time = heard.sentTime;
      this.#end = heard.sentEnd;
      this.#roundTrip = heard.sentRtt;
    }
  }

  onTimer(recovery: Recovery, mss: number, now: Micros): number {
    this.#timer = null;
    return this.detect(recovery, mss, now);
  }

  restart(): void {}

  ended(): void {
    const reordering = this.#reordering;
    if (reordering !== null && --reordering.persist <= 0) reordering.quarters = 1;
  }

  /**
   * RFC 8985 §6.2 step 4: what was sent again had come, or was to come, so that the window is too small. And that is reordering: an original that comes
   * when it was sent again already would never be seen to have been overtaken. After a timeout it tells of the timeout alone.
   */
  private sentNeedlessly(recovery: Recovery): void {
    if (recovery.kind === "loss") return;
    const { una, nxt } = this.#board;
    const reordering = this.reordered();
    reordering.times++;
    reordering.persist = PERSIST;
    if (una < reordering.round) return;
    reordering.round = nxt;
    reordering.quarters++;
  }

  /** What was sent last and came is not known: a repeat was taken for that whose original came. */
  forget(): void {
    this.#time = -1;
    this.#end = 0;
  }

  /** RFC 8985 §6.2 steps 3 to 5. */
  private detect(recovery: Recovery, mss: number, now: Micros): number {
    const { minRtt, srtt } = this.#rtt;
    const settled = recovery.kind !== "open" || this.#board.sacked >= DUP_THRESH * mss;
    const reordering = this.#reordering;
    const quarters = reordering === null ? 1 : reordering.quarters;
    const window = reordering === null && settled ? 0 : Math.min(quarters * minRtt / 4, srtt);
    const lost = this.#board.loseSentBefore(
      this.#time,
      this.#end,
      this.#roundTrip,
      window,
      now,
    );
    this.#timer = this.#board.nextDue;
    return lost;
  }
}
