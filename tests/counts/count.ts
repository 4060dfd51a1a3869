/** Counts what a packet costs besides time: garbage, and calls into WebAssembly. Each load runs in a process of its own (load.ts). */

import { fileURLToPath, pathToFileURL } from "node:url";

/** What is transferred. */
export type Load = "bulk" | "control" | "two_paths" | "two_paths_curious" | "two_paths_loss";

/** The module whose calls are counted, in the file that makes its instance. */
export const core = new URL("../../wasm/core.ts", import.meta.url);
const PROGRAM = fileURLToPath(new URL("./load.ts", import.meta.url));
const IDLE = fileURLToPath(new URL("./idle.ts", import.meta.url));
const ACKNOWLEDGEMENTS = fileURLToPath(new URL("./acknowledgements.ts", import.meta.url));

/**
 * Flags of V8 under which garbage is counted. So large a young generation, in MB, that nothing is collected meanwhile; one thread, or it would depend
 * on the load of the machine how soon compiled code, which leaves less behind, takes over.
 */
const V8_FLAGS = [
  "--expose-gc",
  "--single-threaded",
  "--min-semi-space-size=256",
  "--max-semi-space-size=256",
];

async function output(
  flags: readonly string[],
  program: string,
  ...args: readonly string[]
): Promise<{ readonly said: string; readonly reported: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", ...flags, program, ...args],
  }).output();
  const decoder = new TextDecoder();
  const reported = decoder.decode(stderr);
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${reported}`);
  return { said: decoder.decode(stdout), reported };
}

async function run(
  flags: readonly string[],
  program: string,
  ...args: readonly string[]
): Promise<unknown> {
  return JSON.parse((await output(flags, program, ...args)).said);
}

/** How often V8 collects the young generation, as large as Deno has it, for 100,000 packets of `load`, acknowledgements included. */
export async function countScavenges(load: Load): Promise<number> {
  const { said, reported } = await output(
    ["--v8-flags=--trace-gc"],
    PROGRAM,
    "scavenges",
    load,
  );
  const [start = NaN, end = NaN, packets = NaN] =
    /^from ([\d.]+) to ([\d.]+) packets (\d+)$/m.exec(reported)?.slice(1).map(Number) ?? [];
  const times = [...said.matchAll(/(\d+) ms: Scavenge/g)].map(([, at]) => Number(at));
  if (Number.isNaN(packets) || times.length === 0) {
    throw new Error(`Cannot count scavenges as V8 tells of none: ${reported}${said}`);
  }
  return times.filter((at) => at > start && at <= end).length / packets * 100_000;
}

/** Bytes of garbage per packet of `load`, acknowledgements included: in a process that has moved 600 MB before, when V8 has all of it compiled. */
export async function countGarbage(load: Load): Promise<number> {
  return Number(await run([`--v8-flags=${V8_FLAGS.join()}`], PROGRAM, "garbage", load));
}

/** Bytes of garbage that an acknowledgement leaves behind in each congestion control of this repository, by name; "control" is reno, and makes some. */
export async function countAcknowledgements(): Promise<ReadonlyMap<string, number>> {
  const figures = await run([`--v8-flags=${V8_FLAGS.join()}`], ACKNOWLEDGEMENTS);
  if (typeof figures !== "object" || figures === null) throw new TypeError("Not bytes by name");
  return new Map(Object.entries(figures).map(([name, bytes]) => [name, Number(bytes)] as const));
}

/** What an end of an idle connection with two subflows holds, in bytes. */
export interface IdleFigures {
  /** In JavaScript and in WebAssembly memory. */
  readonly held: number;
  /** Of that in WebAssembly memory, the flow table left out. */
  readonly heldWasm: number;
  /** What is left in JavaScript when it is closed, and TIME-WAIT is over. */
  readonly left: number;
}

/** What it holds that was only opened ("idle"), has carried data ("used"), or has an array of eight places beside ("control"). */
export async function countIdle(what: "idle" | "used" | "control"): Promise<IdleFigures> {
  return await run([`--v8-flags=${V8_FLAGS.join()}`], IDLE, what) as IdleFigures;
}

/** A module in place of core.ts, whose functions count their calls in `globalThis.wasmCalls`. */
export const COUNTING_MODULE = `
// The query keeps the import map from mapping this one, too.
import { core as counted } from ${JSON.stringify(`${core.href}?counted`)};
const calls = globalThis.wasmCalls = {};
export const core = { ...counted };
for (const [name, value] of Object.entries(counted)) {
  if (typeof value !== "function") continue;
  calls[name] = 0;
  core[name] = (...values) => { calls[name]++; return value(...values); };
}
`;

/** Calls into WebAssembly per packet of `load`, acknowledgements included: by function, the most frequent first. */
export async function countCrossings(load: Load): Promise<ReadonlyMap<string, number>> {
  const folder = await Deno.makeTempDir();
  try {
    const url = pathToFileURL(`${folder}/counting.js`).href;
    await Deno.writeTextFile(`${folder}/counting.js`, COUNTING_MODULE);
    const map = `${folder}/map.json`;
    await Deno.writeTextFile(map, JSON.stringify({ imports: { [core.href]: url } }));
    const calls = await run([`--import-map=${map}`], PROGRAM, "crossings", load);
    if (typeof calls !== "object" || calls === null) throw new TypeError("Not calls by function");
    return new Map(
      Object.entries(calls).map(([name, count]) => [name, Number(count)] as const)
        .sort((a, b) => b[1] - a[1]),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** All calls together. */
export function total(calls: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of calls.values()) sum += count;
  return sum;
}

/** A table of calls by function. */
export function table(calls: ReadonlyMap<string, number>): string {
  return [...calls].map(([name, count]) => `  ${name.padEnd(20)} ${count.toFixed(3)}`).join("\n");
}
