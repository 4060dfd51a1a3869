/** Virtual time for the toys. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Events by time; equal times in order of insertion. */
export class ToyEvents {
  /** The present, in microseconds. */
  now = 0;
  #events: Event[] = [];
  #order = 0;

  /** Runs `callback` at `time`, not before now; the result cancels. */
  at(time: number, callback: () => void): () => void {
    const event = { at: Math.max(time, this.now), order: this.#order++, run: callback };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.at <= event.at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  /** Runs events until none is left up to `until` or `done()`; the present is then that of the last, or `until`. */
  run(until: number, done: () => boolean = () => false): void {
    while (!done()) {
      const next = this.#events[0];
      if (next === undefined || next.at > until) {
        if (until < Infinity) this.now = until;
        return;
      }
      this.#events.shift();
      this.now = next.at;
      next.run();
    }
  }
}
