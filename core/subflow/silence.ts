/** How long a subflow with something in flight has been told nothing of it, whether it is stale for that, and when it is to be asked (RFC 8684 §3.3.6, §3.3.8). */

import type { Micros } from "../plugin.ts";

/** A stale subflow is asked at least each second; timers may be late. */
const ASK_INTERVAL: Micros = 900e3;

/** Timeouts count as so long at least, whatever `tcp.minRto` makes of them: a peer may well pause for a few of five milliseconds. */
const LEAST_INTERVAL: Micros = 50e3;

type State =
  | { readonly kind: "answered" }
  /** The first interval, a retransmission timeout, was over at `since`; so long are those that follow. */
  | { readonly kind: "silent"; since: Micros; interval: Micros }
  | { readonly kind: "stale" };

const ANSWERED: State = { kind: "answered" };
const STALE: State = { kind: "stale" };

/** The silence of one subflow. */
export class Silence {
  #state: State = ANSWERED;

  /** The peer does not answer. */
  get on(): boolean {
    return this.#state !== ANSWERED;
  }

  /** Given up, until something is acknowledged again. */
  get stale(): boolean {
    return this.#state === STALE;
  }

  /** A retransmission timeout has passed, without back-off `interval` long. */
  timedOut(interval: Micros, now: Micros): void {
    if (this.#state !== ANSWERED) return;
    this.#state = { kind: "silent", since: now, interval: Math.max(interval, LEAST_INTERVAL) };
  }

  /** When `count` intervals will have been unanswered; Infinity where it is not silent, or stale already. */
  until(count: number): Micros {
    const state = this.#state;
    return state.kind === "silent" ? state.since + (count - 1) * state.interval : Infinity;
  }

  /** It is given up. */
  giveUp(): void {
    this.#state = STALE;
  }

  /** When one that is stale is to be asked, if something left last at `left`. */
  askAt(left: Micros): Micros {
    return left + ASK_INTERVAL;
  }

  /**
   * Something was acknowledged. While what the silence has lost is still `repaired`, the next one is looked out for at once, and no timeout need pass before:
   * what a path has told of its round trips while it came and went makes that long.
   */
  answered(repaired: boolean, interval: Micros, now: Micros): void {
    if (!repaired) {
      this.#state = ANSWERED;
      return;
    }
    const length = Math.max(LEAST_INTERVAL, Math.min(interval, ASK_INTERVAL));
    const state = this.#state;
    if (state.kind !== "silent") {
      this.#state = { kind: "silent", since: now + length, interval: length };
      return;
    }
    state.since = now + length;
    state.interval = length;
  }
}
