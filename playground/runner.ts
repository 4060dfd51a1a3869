/** Has both networks run, each in a worker, and ends one whose plugin does not return. */

import type { Answer, Fault, Order, Shown, Side } from "./run.ts";
import type { Work } from "./work.ts";

/** Milliseconds without a word after which a run is ended; and without the first, while all is still loaded. */
const PATIENCE = 4000;
const FIRST_PATIENCE = 30_000;

/** What is told of a run. */
export interface Watcher {
  /** It is over, and can be shown. */
  done(side: Side, shown: Shown, faults: readonly Fault[]): void;
  /** It cannot be shown. */
  wrong(side: Side, fault: Fault): void;
}

/** One worker, which is made again where it had to be ended. */
class Hand {
  readonly #code: string;
  #worker: Worker | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(code: string) {
    this.#code = code;
    this.#make();
  }

  /** Does it, in place of what it does; `late` is called where nothing is heard of it. */
  give(order: Order, hear: (answer: Answer) => void, late: () => void): void {
    // What runs cannot be told to stop.
    if (this.#timer !== undefined) this.end();
    const worker = this.#worker ?? this.#make();
    let begun = false;
    const watch = (wait: number): void => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.end();
        late();
      }, wait);
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.is === "done" || data.is === "wrong") {
        clearTimeout(this.#timer);
        this.#timer = undefined;
      } else if (!order.naming || !begun) watch(PATIENCE);
      begun = true;
      hear(data);
    };
    watch(FIRST_PATIENCE);
    worker.postMessage(order);
  }

  /** Ends it, whatever it does. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#worker?.terminate();
    this.#worker = null;
  }

  #make(): Worker {
    // From a file:// page no other file could be loaded: the worker's code is part of the page.
    const url = URL.createObjectURL(new Blob([this.#code], { type: "text/javascript" }));
    const worker = this.#worker = new Worker(url);
    URL.revokeObjectURL(url);
    return worker;
  }
}

/** Runs work. */
export class Runner {
  readonly #hands: Readonly<Record<Side, Hand>>;
  readonly #watcher: Watcher;
  #order = 0;

  /** @param code The worker's. @param watcher Is told. */
  constructor(code: string, watcher: Watcher) {
    this.#hands = { yours: new Hand(code), default: new Hand(code) };
    this.#watcher = watcher;
  }

  /** Runs it on both sides; what was running is left. */
  start(work: Work): void {
    const order = ++this.#order;
    for (const side of ["yours", "default"] as const) {
      this.#give({ order, work, side, naming: false });
    }
  }

  #give(order: Order): void {
    const { side } = order;
    this.#hands[side].give(order, (answer) => {
      if (answer.order !== this.#order) return;
      if (answer.is === "done") this.#watcher.done(side, answer.shown, answer.faults);
      if (answer.is === "wrong") this.#watcher.wrong(side, answer.fault);
    }, () => {
      if (order.order === this.#order) this.#name(order);
    });
  }

  /** It did not return: runs it again up to there, to learn what it was that did not. */
  #name(order: Order): void {
    let last: string | null = null;
    this.#hands[order.side].give({ ...order, naming: true }, (answer) => {
      if (answer.is === "calling") last = answer.callback;
      // It came to an end this time: it was only slow.
      if (answer.order !== this.#order) return;
      if (answer.is === "done") this.#watcher.done(order.side, answer.shown, answer.faults);
      if (answer.is === "wrong") this.#watcher.wrong(order.side, answer.fault);
    }, () => {
      if (order.order !== this.#order) return;
      const what = last ?? "the file";
      const text = `${what} did not return: it was stopped. Is there a loop without an end?`;
      this.#watcher.wrong(order.side, { text, line: null });
    });
  }
}
