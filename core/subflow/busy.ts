/** How long a subflow had data out, and what held it back meanwhile: busy_time, rwnd_limited and sndbuf_limited of Linux's tcp_info. */

import type { Micros } from "../plugin.ts";

/** Nothing is out. */
export const BUSY_IDLE = 0;
/** Something is, and nothing but the path holds back more. */
export const BUSY_SENDING = 1;
/** The peer's window is shut to what waits. */
export const BUSY_WINDOW = 2;
/** Nothing waits, as the send queue had no room for what the program would write. */
export const BUSY_BUFFER = 3;

/** The times of one subflow. Only a change costs anything. */
export class Busy {
  #state = BUSY_IDLE;
  /** Null before the first. Boxed once, as `now` (CONTRIBUTING.md, Garbage). */
  #since: Micros | null = null;
  #sending: Micros = 0;
  #window: Micros = 0;
  #buffer: Micros = 0;

  /** It is in that state (BUSY_*) from now on. */
  enter(state: number, now: Micros): void {
    if (state === this.#state) return;
    this.add(now);
    this.#state = state;
  }

  private add(now: Micros): void {
    const time = now - (this.#since ?? 0);
    this.#since = now;
    if (this.#state === BUSY_SENDING) this.#sending += time;
    else if (this.#state === BUSY_WINDOW) this.#window += time;
    else if (this.#state === BUSY_BUFFER) this.#buffer += time;
  }

  /** All of it, up to now. */
  total(now: Micros): Micros {
    this.add(now);
    return this.#sending + this.#window + this.#buffer;
  }

  /** Of that, while the peer's window was shut. */
  get window(): Micros {
    return this.#window;
  }

  /** Of that, while the send queue was too small. */
  get buffer(): Micros {
    return this.#buffer;
  }
}
