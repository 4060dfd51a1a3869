/** Asking once whether a path still works that its peer says is gone (RFC 8684 §3.4.2): a keepalive (RFC 9293 §3.8.4), repeated when nothing comes. */

import type { Micros } from "../plugin.ts";

/** Keepalives without an answer that show that a path is gone. */
const MOST_PROBES = 3;

/** One question. */
export class Inquiry {
  #probes = 0;
  #answerFrom: Micros = Infinity;

  /** Whether what was last heard, at `heard`, answers it. */
  answered(heard: Micros): boolean {
    return heard >= this.#answerFrom;
  }

  /** It was asked as often as it shall be. */
  get exhausted(): boolean {
    return this.#probes >= MOST_PROBES;
  }

  /** A keepalive has left; `minRtt`: the shortest round trip. What comes sooner than half of that was on its way before, and may be the last. */
  asked(minRtt: Micros, now: Micros): void {
    if (this.#probes === 0) this.#answerFrom = now + minRtt / 2;
    this.#probes++;
  }

  /** How long to wait for an answer, if `timeout` is the path's. */
  wait(timeout: Micros): Micros {
    return timeout * 2 ** Math.max(0, this.#probes - 1);
  }
}
