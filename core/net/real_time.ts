/** The runtime of a host on real links: the machine's clock, batches of what comes in, and a loop that waits for packets and deadlines. */

import type { HostDriver, Link } from "../host/link.ts";
import type { RandomSource } from "../host/random.ts";
import { Clock } from "../link/sim/clock.ts";
import type { Micros } from "../plugin.ts";
import type { DrivenStack, Runtime } from "./runtime.ts";

/** What waits for packets and deadlines, and then runs a batch. */
export interface Loop {
  /** The nearest deadline may have moved earlier. Not called in the middle of a batch that the loop runs. */
  wake(): void;
  /** Whether waiting keeps the program running. */
  hold(alive: boolean): void;
  /** Ends it; no batch is run once the promise has resolved. */
  close(): Promise<void>;
}

/** One host's batches, as its loop runs them: `begin`, then what came in, then `end`. */
export class RealTime implements Runtime {
  /** What links see of the host. */
  readonly driver: HostDriver;
  readonly #clock: Clock = new Clock();
  readonly #origin = performance.now();
  readonly #links: readonly Link[];
  #stack: DrivenStack | null = null;
  #loop: Loop | null = null;
  #stamp: Micros = 0;
  #inBatch = false;
  #closing: Promise<void> | null = null;

  /** Makes one for the links of a host, which it closes in the end. */
  constructor(links: readonly Link[], random: RandomSource) {
    this.#links = links;
    const stamp = (): Micros => this.#stamp;
    this.driver = {
      get now() {
        return stamp();
      },
      receive: (link, packet, length, gsoSize, verified) => {
        this.#touch();
        this.#stack?.handlePacket(this.#stamp, link, packet, length, gsoSize, verified);
      },
      writable: (link) => {
        this.#touch();
        this.#stack?.handleWritable(this.#stamp, link);
      },
      at: (time, callback) => this.at(time, callback),
      random: (name) => {
        const stream = random(name);
        return () => stream.float();
      },
    };
  }

  now(): Micros {
    return (performance.now() - this.#origin) * 1000;
  }

  wait(): () => void {
    return ignore;
  }

  at(time: Micros, callback: () => void): () => void {
    const cancel = this.#clock.at(time, callback);
    if (!this.#inBatch) this.#loop?.wake();
    return cancel;
  }

  wake(): void {
    if (!this.#inBatch) this.#loop?.wake();
  }

  hold(alive: boolean): void {
    this.#loop?.hold(alive);
  }

  start(stack: DrivenStack): void {
    this.#stack = stack;
    this.#loop = new TimerLoop(this);
    this.#loop.wake();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#loop?.close();
    this.#stack = null;
    this.#clock.clear();
    await Promise.all(this.#links.map((link) => link.close()));
  }

  /** The nearest deadline of the stack and of the links. */
  deadline(): Micros {
    return Math.min(this.#clock.next, this.#stack?.pollTimeout() ?? Infinity);
  }

  /** Stamps the time of a batch. */
  begin(): void {
    this.#stamp = this.now();
    this.#inBatch = true;
  }

  /** Fires what is due, then lets the stack send. */
  end(): void {
    const stamp = this.#stamp;
    while (this.#clock.next <= stamp) this.#clock.step();
    const stack = this.#stack;
    if (stack !== null) {
      if (stack.pollTimeout() <= stamp) stack.handleTimeout(stamp);
      stack.flush(stamp);
    }
    this.#inBatch = false;
  }

  /** A packet that comes outside the loop's batches begins one, which ends with the current job of the event loop. */
  #touch(): void {
    if (this.#inBatch) return;
    this.begin();
    queueMicrotask(() => {
      this.end();
      this.#loop?.wake();
    });
  }
}

function ignore(): void {}

/** Below this, timers of the event loop come too late (their floor is 2.2 ms): turns of it are counted off instead. */
const COARSE: Micros = 3000;

/** For links that hand over packets by themselves: only deadlines are waited for. */
class TimerLoop implements Loop {
  readonly #host: RealTime;
  #alive = false;
  #closed = false;
  #due: Micros = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #immediate: ReturnType<typeof setImmediate> | undefined;

  constructor(host: RealTime) {
    this.#host = host;
  }

  wake(): void {
    if (this.#closed) return;
    const due = this.#host.deadline();
    if (due >= this.#due && this.#due !== Infinity) return;
    this.#disarm();
    if (due === Infinity) return;
    this.#due = due;
    const delay = due - this.#host.now();
    if (delay < COARSE) {
      this.#immediate = setImmediate(() => this.#turn());
    } else {
      this.#timer = setTimeout(() => this.#turn(), Math.floor((delay - COARSE / 2) / 1000));
      if (!this.#alive) Deno.unrefTimer(this.#timer);
    }
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#due = Infinity;
  }

  #turn(): void {
    this.#disarm();
    if (this.#host.deadline() <= this.#host.now()) {
      this.#host.begin();
      this.#host.end();
    }
    this.wake();
  }

  hold(alive: boolean): void {
    this.#alive = alive;
    if (this.#timer === undefined) return;
    if (alive) Deno.refTimer(this.#timer);
    else Deno.unrefTimer(this.#timer);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    return Promise.resolve();
  }
}
