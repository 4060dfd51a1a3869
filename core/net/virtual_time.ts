/**
 * Lets application code with promises run on the virtual time of an emulated network.
 *
 * Virtual time passes exactly while the application waits for the network. The first wait schedules a turn of the event loop, so that whatever the
 * program can still do without the network is done first; a turn lets events happen until one of them ends a wait; then the program goes on and,
 * if anything still waits, the next turn follows.
 *
 * accept() is different: a server waits there for ever, so it lets time pass only while a handshake with it is under way. A client's connect() ends
 * half a round trip before the server's part is done; were accept() to stand still then, `await Promise.all([connect(), accept()])` would hang.
 */

import type { SimHost } from "../link/sim/host.ts";
import type { Network } from "../link/sim/network.ts";
import { type Duration, parseDuration } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import type { DrivenStack } from "../host/link.ts";
import type { Runtime } from "./runtime.ts";

/** Events after which the event loop gets its turn although no wait has ended, so that signals and real timers work. */
const EVENTS_PER_TURN = 4096;
/** Virtual time without the end of a wait after which there will be none: a peer that never reads is probed for ever (RFC 9293 §3.8.6.1). */
const PATIENCE: Micros = 365 * 24 * 3600 * 1e6;

/** Runs `callback` in a turn of its own, after all promises that can go on have done so. */
function makeScheduler(callback: () => void): () => void {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  if (setImmediate !== undefined) return () => void setImmediate(callback);
  // Browsers: setTimeout would cost milliseconds a turn.
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = callback;
  return () => port2.postMessage(null);
}

interface Wait {
  readonly what: string;
  readonly counts: boolean | (() => boolean);
  readonly fail: (error: Error) => void;
}

/** The clock of an emulated network as the application's promises see it. */
export class VirtualTime {
  readonly #network: Network;
  readonly #schedule: () => void;
  readonly #waits = new Set<Wait>();
  /** Waits that let time pass. */
  #counting = 0;
  /** Works that hold the clock. */
  #held = 0;
  /** Waits that have ended so far: a turn ends when one more has. */
  #ended = 0;
  /** Until when it is known that a wait will end. */
  #horizon: Micros = 0;
  #scheduled = false;
  #closed = false;

  /** Takes over the clock of `network`: nobody else may step it from now on. */
  constructor(network: Network) {
    this.#network = network;
    this.#schedule = makeScheduler(() => this.#turn());
  }

  /** The time now. */
  get now(): Micros {
    return this.#network.now;
  }

  /** The runtime of a host; `expecting` tells whether a handshake is under way that its accept() will give. */
  runtime(host: SimHost, expecting: () => boolean): Runtime {
    const network = this.#network;
    return {
      now: () => network.now,
      wake: () => host.wake(),
      wait: (what, counts, fail) =>
        this.wait(`${what} on "${host.name}"`, counts || expecting, fail),
      at: (time, callback) => network.clock.at(time, callback),
      hold: () => {}, // a turn that is scheduled keeps the program running
      start: (stack: DrivenStack) => host.start(stack),
      close: () => {
        host.stop();
        return Promise.resolve();
      },
    };
  }

  /** An application call starts to wait; see {@linkcode Runtime.wait}. Time passes also while the function that may stand for `counts` gives true. */
  wait(
    what: string,
    counts: boolean | (() => boolean),
    fail: (error: Error) => void,
  ): () => void {
    const wait: Wait = { what, counts, fail };
    this.#waits.add(wait);
    if (counts === true) this.#counting++;
    this.#resume();
    return () => this.#end(wait);
  }

  /** Resolves when `time` has passed. */
  sleep(time: Duration): Promise<void> {
    const at = this.now + parseDuration(time);
    if (this.#closed) {
      return Promise.reject(new Error(`Cannot sleep as the emulated network has been closed`));
    }
    this.#horizon = Math.max(this.#horizon, at);
    return new Promise((resolve, reject) => {
      const end = this.wait(`sleep "${time}"`, true, (error) => {
        end();
        reject(error);
      });
      this.#network.clock.at(at, () => {
        end();
        resolve();
      });
    });
  }

  /** A signal that aborts with a TimeoutError when `time` has passed. It does not let time pass by itself. */
  timeout(time: Duration): AbortSignal {
    const at = this.now + parseDuration(time);
    this.#horizon = Math.max(this.#horizon, at);
    const controller = new AbortController();
    this.#network.clock.at(at, () => {
      this.#ended++; // the program may act on it before anything else happens
      controller.abort(new DOMException(`Signal timed out after ${time}`, "TimeoutError"));
    });
    return controller.signal;
  }

  /** Holds the clock until `work`, which is not of this network, is done. */
  outside<T>(work: Promise<T>): Promise<T> {
    this.#held++;
    return Promise.resolve(work).finally(() => {
      this.#held--;
      this.#resume();
    });
  }

  /** Fails what still waits; from now on time stands still. */
  close(): void {
    this.#closed = true;
    this.#fail(() => true, "the emulated network has been closed");
  }

  /** Whether time is to pass. */
  #passes(): boolean {
    if (this.#held > 0 || this.#closed) return false;
    if (this.#counting > 0) return true;
    for (const { counts } of this.#waits) {
      if (counts !== false && counts !== true && counts()) return true;
    }
    return false;
  }

  #resume(): void {
    if (this.#scheduled || !this.#passes()) return;
    this.#scheduled = true;
    this.#schedule();
  }

  #end(wait: Wait): void {
    if (!this.#waits.delete(wait)) return;
    if (wait.counts === true) this.#counting--;
    this.#ended++;
    this.#horizon = Math.max(this.#horizon, this.now);
  }

  #turn(): void {
    this.#scheduled = false;
    const ended = this.#ended;
    const network = this.#network;
    try {
      for (let events = 0; events < EVENTS_PER_TURN && this.#ended === ended; events++) {
        if (!this.#passes()) return;
        const next = network.clock.next;
        if (next === Infinity) {
          if (this.#counting === 0) return;
          const reason = "nothing is left to happen in the emulated network: check that the " +
            "other side writes, reads or closes";
          this.#fail((wait) => wait.counts === true, reason);
        } else if (next > this.#horizon + PATIENCE && this.#counting > 0) {
          const reason =
            "nothing came of it in a year of virtual time: check that the other side " +
            "reads what it is sent";
          this.#fail((wait) => wait.counts === true, reason);
        } else {
          network.step();
        }
      }
    } catch (error) {
      // A hook of the program threw in the middle of an event: whoever waits is told, or it would be lost.
      const cause = error instanceof Error ? error : new Error(String(error));
      this.#fail(() => true, `an event of the emulated network threw: ${cause.message}`, cause);
    }
    this.#resume();
  }

  #fail(which: (wait: Wait) => boolean, reason: string, cause?: Error): void {
    for (const wait of [...this.#waits]) {
      if (this.#waits.has(wait) && which(wait)) {
        const options = cause === undefined ? {} : { cause };
        wait.fail(new Error(`Cannot ${wait.what} as ${reason}`, options));
        this.#end(wait);
      }
    }
  }
}
