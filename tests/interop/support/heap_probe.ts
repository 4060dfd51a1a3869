/**
 * What lives in the heap of a command: what a process holds in the kernel's eyes says little, as a heap that has room grows into it before it is tidied up.
 * Loaded before the command by `deno run --preload`, this module prints it at each SIGUSR2.
 */

import { memoryUsage } from "node:process";
import { fileURLToPath } from "node:url";
import type { Running } from "./running.ts";
import { until } from "./wait.ts";

const MARK = "\nlive heap: ";

/** Words for `deno run`. */
export const PROBED: readonly string[] = [
  "--v8-flags=--expose-gc",
  "--preload",
  fileURLToPath(import.meta.url),
];

/** Bytes that live in the heap of a command that was started by {@linkcode PROBED}. */
export async function liveHeap(running: Running): Promise<number> {
  const before = running.said.lastIndexOf(MARK);
  Deno.kill(running.pid, "SIGUSR2");
  const line = (): RegExpExecArray | null => {
    const at = running.said.lastIndexOf(MARK);
    return at === before ? null : /^(\d+)\n/.exec(running.said.slice(at + MARK.length));
  };
  await until("the heap is told of", () => line() !== null, 60);
  return Number(line()![1]);
}

const { gc } = globalThis as { gc?: () => void };
if (gc !== undefined) {
  Deno.addSignalListener("SIGUSR2", async () => {
    // What is reached through what a first pass finalizes goes with the next.
    for (let i = 0; i < 3; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve));
    }
    Deno.stdout.writeSync(new TextEncoder().encode(`${MARK}${memoryUsage().heapUsed}\n`));
  });
}
