/** Loss detection by counting acknowledgements, for peers without SACK (RFC 6582 §3.2). */

import type { Micros } from "../plugin.ts";
import type { Recovery } from "./recovery.ts";
import { DUP_THRESH, type LossDetection, type Progress, type Rack } from "./rack.ts";
import type { Heard } from "./heard.ts";
import type { Scoreboard } from "./scoreboard.ts";

/** NewReno of one subflow; repeats that are lost again are found by their time, which needs no SACK. */
export class NewReno implements LossDetection {
  readonly #board: Scoreboard;
  readonly #rack: Rack;
  #duplicates = 0;

  /** Of what `board` holds; `rack` watches the repeats. */
  constructor(board: Scoreboard, rack: Rack) {
    this.#board = board;
    this.#rack = rack;
  }

  get timer(): Micros {
    return this.#rack.timer;
  }

  onAck(
    heard: Heard,
    progress: Progress,
    recovery: Recovery,
    mss: number,
    now: Micros,
  ): number {
    const lost = this.#rack.onRepeats(heard, recovery, mss, now);
    return lost + this.#count(progress, recovery, mss);
  }

  onTimer(recovery: Recovery, mss: number, now: Micros): number {
    return this.#rack.onTimer(recovery, mss, now);
  }

  restart(): void {
    this.#duplicates = 0;
  }

  ended(): void {
    this.#duplicates = 0;
    this.#rack.ended();
  }

  #count(progress: Progress, recovery: Recovery, mss: number): number {
    if (progress === "advanced") {
      this.#duplicates = 0;
      // A partial acknowledgement in fast recovery: the next hole.
      const partial = recovery.kind === "fast" && this.#board.una < recovery.until;
      return partial ? this.#board.loseHead(mss) : 0;
    }
    if (progress === "none") return 0;
    const third = ++this.#duplicates === DUP_THRESH && recovery.kind === "open";
    return third ? this.#board.loseHead(mss) : 0;
  }
}
