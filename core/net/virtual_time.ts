/**
 * Lets application code with promises run on the virtual time of an emulated network.
 *
 * Virtual time passes while the application waits for the network and does nothing else. The first wait schedules a turn of the event loop, so that
 * whatever the program can still do without the network is done first; a turn lets events happen until one of them ends a wait; then the program goes
 * on and, if anything still waits, the next turn follows.
 *
 * A turn passes no time while the program has work of its own under way (own_work.ts): immediates, short timers, operations of the runtime. Whatever
 * real time that takes, it ends at the virtual time at which it was begun, and what follows is the same on a busy machine. Work that may last for ever
 * (a message of a worker, a connection to come, a loop of timers) is waited for in that way until the program has not called the network for `idle` of
 * real time; then its kind is background, which holds no clock any more. Before the network is silent for long, background work gets some real time to
 * come up with something.
 *
 * A dead end is declared by the same measure: nothing is left to happen, and for `idle` of real time the program has neither called the network nor
 * been called back. A program that a timer calls back for ever is given ten times as long.
 *
 * accept() is different: a server waits there for ever, so it lets time pass only while a handshake with it is under way. A client's connect() ends
 * half a round trip before the server's part is done; were accept() to stand still then, `await Promise.all([connect(), accept()])` would hang.
 */

import type { SimHost } from "../link/sim/host.ts";
import type { Network } from "../link/sim/network.ts";
import { type Duration, parseDuration } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import type { DrivenStack } from "../host/link.ts";
import { ours, OwnWork } from "./own_work.ts";
import type { Runtime } from "./runtime.ts";

/** Events after which the event loop gets its turn although no wait has ended, so that signals and real timers work. */
const EVENTS_PER_TURN = 4096;
/** Virtual time without the end of a wait after which there will be none: a peer that never reads is probed for ever (RFC 9293 §3.8.6.1). */
const PATIENCE: Micros = 365 * 24 * 3600 * 1e6;
/** Pieces that the idle time is measured in. While the program keeps the event loop busy, several that have passed count as one. */
const TICKS = 8;
/** How many times longer work is waited for that surely ends. */
const CERTAIN_TIMES = 60;
/** How many times longer a program that goes on and on by itself, but calls nothing, keeps a dead end from being declared. */
const VAIN_TIMES = 10;
/** Virtual time without an event before which background work is given a tick of real time. */
const SILENCE: Micros = 1e6;

/** Runs `callback` in a turn of its own, after all promises that can go on have done so. */
function makeScheduler(callback: () => void): () => void {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  if (setImmediate !== undefined) return () => void ours(() => setImmediate(callback));
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

  readonly #work = new OwnWork(() => {
    this.#quiet = 0;
    if (this.#standing()) this.#resume();
  });
  readonly #idle: Micros;
  #tick: ReturnType<typeof setTimeout> | undefined;
  /** Ticks since the program has done anything. */
  #quiet = 0;
  /** Ticks without work to wait for, since the last call to the network. */
  #vain = 0;
  /** Ticks with work that may last for ever, since the last call. */
  #busy = 0;
  /** Silences that have begun since the last call. */
  #silences = 0;

  /**
   * Takes over the clock of `network`: nobody else may step it from now on. A wait is a dead end when nothing is left to happen and the program has
   * been idle for `idle` in real time.
   */
  constructor(network: Network, idle: Micros = 1e6) {
    this.#network = network;
    this.#idle = idle;
    this.#schedule = makeScheduler(() => this.#turn());
  }

  /** The time now. */
  get now(): Micros {
    return this.#network.now;
  }

  /** The runtime of a host; `expecting` tells whether a handshake is under way that its accept() will give. */
  runtime(host: SimHost, expecting: () => boolean): Runtime {
    const network = this.#network;
    this.#work.start();
    return {
      now: () => network.now,
      wake: () => {
        host.wake();
        this.#called();
      },
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
    this.#called();
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
      this.#called();
      controller.abort(new DOMException(`Signal timed out after ${time}`, "TimeoutError"));
    });
    this.#called();
    return controller.signal;
  }

  /** Holds the clock until `work`, which is not of this network, is done. */
  outside<T>(work: Promise<T>): Promise<T> {
    this.#held++;
    return Promise.resolve(work).finally(() => {
      this.#held--;
      this.#called();
      this.#resume();
    });
  }

  /** Fails what still waits; from now on time stands still. */
  close(): void {
    this.#closed = true;
    this.#work.stop();
    this.#rest();
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
    this.#called();
  }

  /** The program has called the network, or is about to go on. */
  #called(): void {
    this.#quiet = 0;
    this.#vain = 0;
    this.#busy = 0;
    this.#silences = 0;
    if (!this.#standing()) return;
    this.#rest();
    this.#resume();
  }

  /** Whether time stands still although a call waits that would let it pass. */
  #standing(): boolean {
    return this.#tick !== undefined;
  }

  #rest(): void {
    clearTimeout(this.#tick);
    this.#tick = undefined;
  }

  /** Stands still until the program acts, or a tick has passed. */
  #stand(): void {
    this.#tick ??= ours(() => setTimeout(() => this.#pass(), this.#idle / TICKS / 1000));
  }

  #pass(): void {
    this.#tick = undefined;
    const state = this.#work.state;
    if (state === "none") {
      this.#quiet++;
      this.#vain++;
    } else {
      this.#quiet = 0;
      this.#busy += state === "certain" ? 1 / CERTAIN_TIMES : 1;
      if (this.#busy >= TICKS) {
        this.#work.giveUp();
        this.#busy = 0;
      }
    }
    // Not at once: what has become ready while the program kept the event loop busy comes first.
    this.#resume();
  }

  /** Whether nothing that happens can end a wait. */
  #isDeadEnd(next: Micros): boolean {
    return next === Infinity || next > this.#horizon + PATIENCE && this.#counting > 0;
  }

  #isIdle(): boolean {
    return this.#quiet >= TICKS || this.#vain >= TICKS * VAIN_TIMES;
  }

  #reason(next: Micros): string {
    const [state, hint] = next === Infinity
      ? [
        "nothing is left to happen in the emulated network",
        "check that the other side writes, reads or closes",
      ]
      : [
        "nothing came of it in a year of virtual time",
        "check that the other side reads what it is sent",
      ];
    return `${state} and the program has been idle for ${this.#idle / 1e6} s: ${hint}; ` +
      "a program that acts later by itself waits in sleep() or outside(), or needs a longer 'idle'";
  }

  /** Whether the network is about to be silent for long and work in the background has not had its real time yet: one tick for each silence. */
  #isSilence(next: Micros): boolean {
    if (next - this.now <= SILENCE || this.#silences >= TICKS) return false;
    if (!this.#work.inBackground) return false;
    if (this.#vain <= this.#silences) return true;
    this.#silences++;
    return false;
  }

  #turn(): void {
    this.#scheduled = false;
    if (!this.#passes()) return this.#rest();
    if (this.#work.state !== "none") {
      this.#quiet = 0;
      return this.#stand();
    }
    const ended = this.#ended;
    const { clock } = this.#network;
    try {
      for (let events = 0; events < EVENTS_PER_TURN && this.#ended === ended; events++) {
        if (!this.#passes()) return this.#rest();
        const { next } = clock;
        if (this.#isDeadEnd(next)) {
          if (this.#counting === 0) return this.#rest();
          if (!this.#isIdle()) return this.#stand();
          this.#fail((wait) => wait.counts === true, this.#reason(next));
        } else if (this.#isSilence(next)) {
          return this.#stand();
        } else {
          this.#network.step();
        }
      }
    } catch (error) {
      // A hook of the program threw in the middle of an event: whoever waits is told, or it would be lost.
      const cause = error instanceof Error ? error : new Error(String(error));
      this.#fail(() => true, `an event of the emulated network threw: ${cause.message}`, cause);
    }
    this.#rest();
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
