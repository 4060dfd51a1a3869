/** Asking a peer that has nothing to say whether it is still there (RFC 9293 §3.8.4, RFC 1122 §4.2.3.6). */

import type { Micros } from "../plugin.ts";
import type { KeepAlive } from "./settings.ts";

/** The probes of one subflow. */
export class Keepalive {
  readonly #choice: KeepAlive;
  #since: Micros;
  #probedAt: Micros = -1;
  #unanswered = 0;

  /** From now on. */
  constructor(choice: KeepAlive, now: Micros) {
    this.#choice = choice;
    this.#since = now;
  }

  /** When a probe is due, if the peer was last heard at `heard`. */
  due(heard: Micros): Micros {
    if (heard < this.#probedAt) return this.#probedAt + this.#choice.interval;
    this.#unanswered = 0;
    return Math.max(this.#since, heard) + this.#choice.idle;
  }

  /** As many probes as there shall be went unanswered, and the last has had its time. */
  get exhausted(): boolean {
    return this.#unanswered >= this.#choice.count;
  }

  /** Probes that nothing has answered, if the peer was last heard at `heard`. */
  unanswered(heard: Micros): number {
    return heard < this.#probedAt ? this.#unanswered : 0;
  }

  /** Data are out, whose own timeout tells: the silence begins anew. */
  outstanding(now: Micros): Micros {
    this.#since = now;
    return now + this.#choice.idle;
  }

  /** One was sent. */
  probed(now: Micros): void {
    this.#probedAt = now;
    this.#unanswered++;
  }

  /** When to look again after one that was sent, or that the link refused: it may be answered, and a new silence be over before the interval is. */
  next(now: Micros): Micros {
    return now + Math.min(this.#choice.idle, this.#choice.interval);
  }
}
