/** Loss detection by counting acknowledgements, for peers without SACK (RFC 6582 §3.2), and limited transmit (RFC 3042). */

import type { Micros } from "../plugin.ts";
import type { Recovery } from "./recovery.ts";
import { DUP_THRESH, type LossDetection, type Progress, type Rack } from "./rack.ts";
import type { Heard } from "./heard.ts";
import type { Scoreboard } from "./scoreboard.ts";

/** NewReno of one subflow. */
export class NewReno implements LossDetection {
  readonly #board: Scoreboard;
  readonly #rack: Rack | null;
  #duplicates = 0;
  #inflation = 0;

  /** Of what `board` holds. Repeats that are lost again are found by their time, which needs no SACK, where `rack` watches them; else by timeouts alone. */
  constructor(board: Scoreboard, rack: Rack | null) {
    this.#board = board;
    this.#rack = rack;
  }

  get timer(): Micros {
    return this.#rack?.timer ?? Infinity;
  }

  /**
   * Bytes that may be in flight beyond the window: of the segments that, as duplicates tell, have left the network without being acknowledged. Below 0
   * where a partial acknowledgement took more away than the window has grown (RFC 3042 §2, RFC 5681 §3.2 steps 1, 3 and 4, RFC 6582 §3.2 step 3).
   */
  get inflation(): number {
    return this.#inflation;
  }

  onAck(
    heard: Heard,
    progress: Progress,
    recovery: Recovery,
    mss: number,
    now: Micros,
  ): number {
    const lost = this.#rack?.onRepeats(heard, recovery, mss, now) ?? 0;
    return lost + this.#count(heard.delivered, progress, recovery, mss);
  }

  onTimer(recovery: Recovery, mss: number, now: Micros): number {
    return this.#rack?.onTimer(recovery, mss, now) ?? 0;
  }

  restart(): void {
    this.#duplicates = this.#inflation = 0;
  }

  ended(): void {
    this.restart();
    this.#rack?.ended();
  }

  #count(acked: number, progress: Progress, recovery: Recovery, mss: number): number {
    if (progress === "advanced") {
      this.#duplicates = 0;
      // A partial acknowledgement in fast recovery: the next hole.
      if (recovery.kind === "fast" && this.#board.una < recovery.until) {
        this.#inflation += (acked >= mss ? mss : 0) - acked;
        return this.#board.loseHead(mss);
      }
      this.#inflation = 0;
      return 0;
    }
    if (progress === "none" || recovery.kind === "loss") return 0;
    this.#inflation += mss;
    const third = ++this.#duplicates === DUP_THRESH && recovery.kind === "open";
    return third ? this.#board.loseHead(mss) : 0;
  }
}
