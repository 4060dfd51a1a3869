/**
 * What is counted: a bulk transfer between two stacks, run in a process of its own by count.ts, which sets the flags of V8 or the import map.
 *
 * `load.ts garbage LOAD` prints bytes of garbage per packet, and `load.ts crossings LOAD` calls into WebAssembly per packet by function; both as JSON.
 * `load.ts scavenges LOAD` prints to the standard error, as V8 has the other one,
 * the milliseconds since the process began before and after packets were on the paths, and how many.
 */

import { memoryUsage } from "node:process";
import { print, report } from "../../cli/output.ts";
import { carry } from "../../bench/load.ts";
import { Rig, type RigOptions } from "../../bench/rig.ts";
import { delay } from "../../core/link/sim/elements/delay.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { loss } from "../../core/link/sim/elements/loss.ts";
import { rate } from "../../core/link/sim/elements/rate.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { nDiffPorts } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";

/** Bytes moved before anything is counted, and bytes over which calls are. */
const WINDOW = { warmUp: 20e6, bytes: 100e6 };
/**
 * Bytes moved before garbage is counted, and bytes over which it is: as much as they leave behind must have room in the young generation; the median of so many.
 * Code that V8 has not compiled yet leaves more behind: megabytes in each process, and how many hangs on when which connection begins.
 */
const GARBAGE = { warmUp: 40e6, warmUps: 15, bytes: 20e6, windows: 5 };

/** Packets over which collections are counted. */
const SCAVENGED = 500_000;

/** Garbage that the load "control" makes for each packet, to see that it is counted. */
let control: unknown = null;

/** Packets put on the paths so far, both ways. */
let packets = 0;

/** Counts packets, before any is lost. */
const counted: ElementFactory = {
  name: "counted",
  create: (_, output) => ({
    push(packet) {
      packets++;
      output(packet);
    },
  }),
};

/** The same, and leaves an array of eight places behind. */
const littering: ElementFactory = {
  name: "littering",
  create: (_, output) => ({
    push(packet) {
      packets++;
      control = [packets, 1, 2, 3, 4, 5, 6, 7];
      output(packet);
    },
  }),
};

/** Buffers that grow would bring more into flight while it is counted, and their records are no garbage. */
const FIXED = { experiments: { receiveBuffer: 8388608, sendBuffer: 8388608 } };

const two = (share: number): RigOptions => ({
  ...FIXED,
  paths: {
    a: [counted, loss(share), rate("100 Mbit/s"), delay("5 ms")],
    b: [counted, loss(share), rate("50 Mbit/s"), delay("20 ms")],
  },
});

const one = (element: ElementFactory): RigOptions => ({
  ...FIXED,
  paths: { link: [element] },
  policies: { pathManager: nDiffPorts({ subflows: 1 }) },
});

/** Asks for all that there is to ask for, is told all that there is to tell, and answers all that may be answered. */
const curious: SchedulerPlugin = {
  kind: "scheduler",
  name: "curious",
  create: (connection) => {
    const { pick } = minRtt().create(connection);
    const answer = { path: 1, bytes: 65535 };
    let seen = 0;
    const look = (): void => {
      const { subflows } = connection;
      for (let i = 0; i < subflows.length; i++) {
        const { lost, timeouts, localId, remoteId, delayOut, delayIn } = subflows[i]!;
        seen = (seen + lost + timeouts + localId + remoteId + delayOut + delayIn) & 0xffff;
      }
      const { mostWindow, receiveBuffer, receiveWindow, readable, tag } = connection;
      seen = (seen + mostWindow + receiveBuffer + receiveWindow + readable + tag) & 0xffff;
    };
    return {
      pick(ready, chunk) {
        const choice = pick(ready, chunk);
        if (choice === null || !("path" in choice)) return null;
        look();
        seen = (seen + chunk.hint) & 0xffff;
        answer.path = choice.path;
        return answer;
      },
      repeat: () => false,
      onAck: look,
      onLoss: look,
      onTimeout: look,
      onBlocked: look,
    };
  },
};

const LOADS: Readonly<Record<string, RigOptions>> = {
  bulk: one(counted),
  control: one(littering),
  two_paths: two(0),
  two_paths_curious: { ...two(0), policies: { scheduler: curious } },
  two_paths_loss: two(0.01),
};

/** Collects what is left behind. */
function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Cannot count garbage without --v8-flags=--expose-gc");
  gc();
}

/** Bytes left behind per packet while `bytes` are moved. */
function garbage(move: (bytes: number) => void, bytes: number): number {
  collect();
  const [before, first] = [memoryUsage().heapUsed, packets];
  move(bytes);
  return (memoryUsage().heapUsed - before) / (packets - first);
}

/** The same when V8 has nothing left to compile: collecting makes it compile anew, so that it is part of the warm-up. */
function steadyGarbage(move: (bytes: number) => void): number {
  for (let i = 0; i < GARBAGE.warmUps; i++) {
    collect();
    move(GARBAGE.warmUp);
  }
  const windows = Array.from({ length: GARBAGE.windows }, () => garbage(move, GARBAGE.bytes));
  return windows.sort((a, b) => a - b)[GARBAGE.windows >> 1] ?? NaN;
}

/** When packets were on the paths, and how many: V8 writes when it collects, not in order with what we write. */
function scavenges(move: (bytes: number) => void): string {
  for (let i = 0; i < GARBAGE.warmUps; i++) move(GARBAGE.warmUp);
  const first = packets;
  const start = performance.now();
  while (packets - first < SCAVENGED) move(WINDOW.warmUp);
  return `from ${start} to ${performance.now()} packets ${packets - first}`;
}

/** Calls per packet, by function; the module in place of wasm/core.ts counts them. */
function crossings(move: (bytes: number) => void): Record<string, number> {
  const { wasmCalls: calls } = globalThis as { wasmCalls?: Record<string, number> };
  if (calls === undefined) throw new Error("Cannot count calls without the module that does");
  const [before, first] = [{ ...calls }, packets];
  move(WINDOW.bytes);
  return Object.fromEntries(
    Object.entries(calls)
      .map(([name, count]) => [name, (count - (before[name] ?? 0)) / (packets - first)] as const)
      .filter(([, count]) => count > 0),
  );
}

const [what, name = ""] = Deno.args;
const load = LOADS[name];
if (load === undefined) throw new RangeError(`Cannot run the load "${name}" as there is none`);
const move = carry(new Rig(load));
move(WINDOW.warmUp);
if (what === "scavenges") report(scavenges(move));
else print(JSON.stringify(what === "garbage" ? steadyGarbage(move) : crossings(move)));
if (control === undefined) throw new Error("Unreachable: keeps the garbage from being left out");
