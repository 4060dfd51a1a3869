/** What the open connections and listeners of a host share: its stack, its clock, and the count of those that keep the program running. */

import type { Views } from "./lending.ts";
import type { Runtime } from "./runtime.ts";
import type { TransportStack } from "./transport.ts";

/** Something that ends. */
export interface Closable {
  /** Ends it, at once. */
  close(): void;
}

/** A listener, as its host sees it. */
export interface FailingListener extends Closable {
  /** Ends it with an error for who waits, or will wait, for its connections. */
  fail(error: Error): void;
}

/** Keeps a program running until it is let go. */
export interface Hold {
  /** The program waits for this again. */
  ref(): void;
  /** The program does not wait for this. */
  unref(): void;
  /** It is over. */
  release(): void;
}

/** What the parts of one host share. */
export class Registry<Open extends Closable = Closable> {
  /** The stack. */
  readonly stack: TransportStack;
  /** Its clock and loop. */
  readonly runtime: Runtime;
  /** What fill() and drain() lend. */
  readonly views: Views;
  /** Connections that are not over. */
  readonly open: Set<Open> = new Set();
  /** Open listeners. */
  readonly listeners: Set<FailingListener> = new Set();
  #holds = 0;

  /** Makes an empty one. */
  constructor(stack: TransportStack, runtime: Runtime, views: Views = "pages") {
    this.stack = stack;
    this.runtime = runtime;
    this.views = views;
  }

  #count(change: 1 | -1): void {
    const before = this.#holds > 0;
    this.#holds += change;
    if (this.#holds > 0 !== before) this.runtime.hold(!before);
  }

  /** Begins to keep the program running. */
  hold(): Hold {
    let wanted = true;
    let over = false;
    this.#count(1);
    const change = (to: boolean): void => {
      if (over || wanted === to) return;
      wanted = to;
      this.#count(to ? 1 : -1);
    };
    return {
      ref: () => change(true),
      unref: () => change(false),
      release: () => {
        change(false);
        over = true;
      },
    };
  }
}
