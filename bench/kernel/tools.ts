/** What the benchmarks with kernels have in common. */

import { createHash } from "node:crypto";
import {
  type Given,
  helpOfOptions,
  type Option,
  readArguments,
  UsageError,
} from "../../cli/arguments.ts";
import { print, report } from "../../cli/output.ts";
import type { MptcpConn } from "../../mod.ts";
import type { PeerEnd } from "../../tests/interop/support/peer.ts";

/** Bytes of one write or read. */
const BLOCK = 1 << 20;

/** The one in the middle, or between the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Sends `bytes` and the end; their sum. */
export async function send(conn: MptcpConn, bytes: number): Promise<string> {
  const block = new Uint8Array(BLOCK).map((_, i) => i * 31 >> 3);
  const hash = createHash("sha256");
  for (let sent = 0; sent < bytes;) {
    const piece = block.subarray(0, Math.min(BLOCK, bytes - sent));
    piece[0] = sent >> 20;
    await conn.write(piece);
    hash.update(piece);
    sent += piece.length;
  }
  await conn.closeWrite();
  return hash.digest("hex");
}

/** Reads to the end, in so many seconds; the sum of what came. */
export async function receive(
  conn: MptcpConn,
): Promise<{ received: number; sum: string; seconds: number }> {
  const start = performance.now();
  const block = new Uint8Array(BLOCK);
  const hash = createHash("sha256");
  let received = 0;
  for (let count = await conn.read(block); count !== null; count = await conn.read(block)) {
    hash.update(block.subarray(0, count));
    received += count;
  }
  return { received, sum: hash.digest("hex"), seconds: (performance.now() - start) / 1000 };
}

/** @throws {Error} what was received is not what was sent. */
export function checkSum(
  what: string,
  sent: readonly unknown[],
  received: readonly unknown[],
): void {
  if (sent.join() !== received.join()) {
    throw new Error(`${what}: ${received.join(" ")} was received where ${sent.join(" ")} was sent`);
  }
}

/** @throws {Error} the kernel's end failed. */
export function checkEnd(what: string, end: PeerEnd): PeerEnd {
  if (end.error !== null) throw new Error(`${what}: the kernel's end failed with ${end.error}`);
  return end;
}

/** Runs `deno task TASK`: `main` gets what stands behind it, and answers the exit code. */
export async function runTask(
  task: string,
  main: (args: readonly string[]) => Promise<number>,
): Promise<void> {
  const { args } = Deno;
  let code: number;
  try {
    // Who comes from npm writes `--` before what is for the program.
    code = await main(args[0] === "--" ? args.slice(1) : args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const usage = error instanceof UsageError ? `\ndeno task ${task} --help tells more` : "";
    const foreseen = usage !== "" || error instanceof Deno.errors.NotSupported;
    report(foreseen ? `${error.message}${usage}` : error.stack ?? error.message);
    code = error instanceof UsageError ? 2 : 1;
  }
  // At once: a plugin that never returns would hold the process from ending, though its worker was told to.
  Deno.exit(code);
}

/** Runs `deno task TASK` where it has options alone: `main` gets them. `--help` is answered here. */
export function runBench(
  task: string,
  options: Readonly<Record<string, Option>>,
  main: (given: Given) => Promise<number>,
): Promise<void> {
  return runTask(task, async (args) => {
    const given = readArguments(args, options);
    const [stray] = [...given.positional, ...given.rest];
    if (stray !== undefined) throw new UsageError(`Unknown argument ${stray}`);
    if (!given.has("help")) return await main(given);
    print([`deno task ${task} [OPTIONS]`, "", ...helpOfOptions(options)].join("\n"));
    return 0;
  });
}
