/**
 * Who pays for the work of a stack (draft CPU-1, CPU-3): calls of the scheduler, and time, by what they came from. The stack knows nothing of it: its verbs
 * and the scheduler are watched from outside.
 */

import type { SchedulerPlugin } from "../core/plugin.ts";

/** What work comes from: a packet or a timer, which no program is charged with (the draft's interrupt context), or a program's read or write. */
export type Context = "packet" | "timer" | "read" | "write";

/** All of them. */
export const CONTEXTS: readonly Context[] = ["packet", "timer", "read", "write"];

/** Counts by context. */
export type ByContext = Readonly<Record<Context, number>>;

/** Notes what a stack is at work for. */
export class WorkMeter {
  readonly #calls: Record<Context, number> = { packet: 0, timer: 0, read: 0, write: 0 };
  readonly #time: Record<Context, number> = { packet: 0, timer: 0, read: 0, write: 0 };
  readonly #schedulerTime: Record<Context, number> = { packet: 0, timer: 0, read: 0, write: 0 };
  #context: Context = "write";
  #since = -1;

  /** Calls of the scheduler. */
  get calls(): ByContext {
    return this.#calls;
  }

  /** Milliseconds of real time in the stack, scheduler included. */
  get time(): ByContext {
    return this.#time;
  }

  /** Milliseconds of real time in the scheduler. */
  get schedulerTime(): ByContext {
    return this.#schedulerTime;
  }

  /** From now on work is for `context`; what a batch calls for at its end is for what began it last. */
  turn(context: Context): void {
    this.#context = context;
  }

  /** The stack is entered, or left. */
  enter(): void {
    this.#since = performance.now();
  }

  /** It is left. */
  leave(): void {
    if (this.#since < 0) return;
    this.#time[this.#context] += performance.now() - this.#since;
    this.#since = -1;
  }

  /** Within a call out of the stack: `work` is for `context`, and so is what follows in the batch. */
  within(context: Context, work: () => void): void {
    const inside = this.#since >= 0;
    this.leave();
    this.#context = context;
    this.enter();
    work();
    this.leave();
    if (inside) this.enter();
  }

  /** `plugin`, its decisions counted. */
  watch(plugin: SchedulerPlugin): SchedulerPlugin {
    return {
      ...plugin,
      create: (connection) => {
        const scheduler = plugin.create(connection);
        return {
          ...scheduler,
          pick: (ready, chunk) => {
            const since = performance.now();
            const choice = scheduler.pick(ready, chunk);
            this.#schedulerTime[this.#context] += performance.now() - since;
            this.#calls[this.#context]++;
            return choice;
          },
        };
      },
    };
  }
}
