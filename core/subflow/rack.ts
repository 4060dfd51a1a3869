/** Loss detection by time: what was sent before a segment that was delivered, and longer ago than reordering explains, is lost (RFC 8985). */

import type { Micros } from "../plugin.ts";
import type { Recovery } from "./recovery.ts";
import type { Rtt } from "./rtt.ts";
import type { Heard } from "./heard.ts";
import type { Scoreboard } from "./scoreboard.ts";

/** Duplicate acknowledgements, or segments SACKed, that stand for a loss (RFC 5681 §3.2, RFC 8985 §6.2). */
export const DUP_THRESH = 3;

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
  /** Counting begins anew: a recovery has ended, or a timeout has passed. */
  restart(): void;
}

/** RACK of one subflow. */
export class Rack implements LossDetection {
  readonly #board: Scoreboard;
  readonly #rtt: Readonly<Rtt>;
  #time: Micros = -1;
  #end = 0;
  #roundTrip: Micros = 0;
  #reorderings = 0;
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

  /** How often reordering was seen (RFC 8985 §6.2 step 2). */
  get reorderings(): number {
    return this.#reorderings;
  }

  onAck(
    heard: Heard,
    _progress: Progress,
    recovery: Recovery,
    mss: number,
    now: Micros,
  ): number {
    this.#reorderings += heard.reordered;
    // RFC 8985 §6.2 step 1: the segment sent last among those delivered.
    if (
      heard.sentTime > this.#time || (heard.sentTime === this.#time && heard.sentEnd > this.#end)
    ) {
      this.#time = heard.sentTime;
      this.#end = heard.sentEnd;
      this.#roundTrip = heard.sentRtt;
    }
    const { sacked, repeated } = this.#board;
    return sacked > 0 || repeated > 0 ? this.#detect(recovery, mss, now) : 0;
  }

  onTimer(recovery: Recovery, mss: number, now: Micros): number {
    this.#timer = null;
    return this.#detect(recovery, mss, now);
  }

  restart(): void {}

  /** RFC 8985 §6.2 steps 3 to 5. */
  #detect(recovery: Recovery, mss: number, now: Micros): number {
    const { minRtt, srtt } = this.#rtt;
    const settled = recovery.kind !== "open" || this.#board.sacked >= DUP_THRESH * mss;
    const window = this.#reorderings === 0 && settled ? 0 : Math.min(minRtt / 4, srtt);
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
