/** Ctrl-C, and how else a command is asked to end. */

/** Signals that ask for it, with the exit code of a program that one of them keeps from being done: as shells have it, 128 and the signal's number. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** One of them. */
export type EndSignal = keyof typeof CODES;

const SIGNALS = Object.keys(CODES) as EndSignal[];

/** The exit code of a command that has an end of its own and was told to end before. */
export function exitCodeOf(signal: EndSignal): number {
  return CODES[signal];
}

/** A command was told to end before it was done. */
export class Interrupted extends Error {
  /** The exit code. */
  readonly code: number;

  /** By that signal. */
  constructor(signal: EndSignal) {
    super("Interrupted");
    this.name = "Interrupted";
    this.code = exitCodeOf(signal);
  }
}

/** Calls `stop` at each SIGINT, SIGTERM and SIGHUP, which then have no effect of their own, until it is disposed of. */
export function onInterrupt(stop: (signal: EndSignal) => void): Disposable {
  const handlers = SIGNALS.map((signal) => [signal, () => stop(signal)] as const);
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return {
    [Symbol.dispose](): void {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}

/** One of them that is waited for. */
export interface Interruption extends Disposable {
  /** Resolves at the first; the next one has its usual effect. */
  readonly come: Promise<void>;
}

/** Waits for one from now on: what begins then is ended in order, whatever has begun by the time that one comes. */
export function awaitInterrupt(): Interruption {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stack = new DisposableStack();
  stack.use(onInterrupt(() => {
    stack.dispose();
    resolve();
  }));
  return { come: promise, [Symbol.dispose]: () => stack.dispose() };
}
