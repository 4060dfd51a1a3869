/** Ctrl-C, and how else a command is asked to end. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls `stop` at each SIGINT, SIGTERM and SIGHUP, which then have no effect of their own, until it is disposed of. */
export function onInterrupt(stop: () => void): Disposable {
  for (const signal of SIGNALS) Deno.addSignalListener(signal, stop);
  return {
    [Symbol.dispose](): void {
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, stop);
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
