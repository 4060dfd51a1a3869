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

/** Resolves at the first of them; the next one has its usual effect. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    const listening = onInterrupt(() => {
      listening[Symbol.dispose]();
      resolve();
    });
  });
}
