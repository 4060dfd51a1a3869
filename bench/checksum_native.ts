/**
 * `deno run -A bench/checksum_native.ts`: the Internet checksum in WebAssembly beside what a C compiler makes of it for the same width of vectors
 * (bench/checksum.c, SSE4.1), in turns. WebAssembly is called from JavaScript for each sum, as the stack does; C repeats within one call.
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "@std/cli/parse-args";
import { Table } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { packet_alloc, sum, u8 } from "../wasm/mod.ts";
import { readCount, refuseUnknown } from "./flags.ts";
import { machine } from "./kernel/machine.ts";
import { median } from "./kernel/tools.ts";

const USAGE = `deno run -A bench/checksum_native.ts [OPTIONS]

  --rounds NUMBER  How often each is measured (default 101)
  --compiler NAME  The C compiler (default cc)
  --json           Prints every figure as JSON
  --help           This help`;

const LENGTHS = [64, 1460, 65536] as const;
/** Bytes that one measurement sums, about: some milliseconds. */
const BYTES = 3e7;
const FLAGS = ["-O3", "-msse4.1", "-shared", "-fPIC"] as const;

/** What sums, once loaded. */
interface Native extends Disposable {
  /** Calls each of the usual loops; they give the sum of the sums. */
  readonly loops: readonly ((bytes: Uint8Array<ArrayBuffer>, times: number) => number)[];
}

async function run(compiler: string, args: readonly string[]): Promise<Deno.CommandOutput> {
  try {
    return await new Deno.Command(compiler, { args: [...args] }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `Cannot compare as there is no ${compiler}: install a C compiler, or name one by --compiler`,
    );
  }
}

/** Compiles bench/checksum.c and loads it. */
async function compile(compiler: string): Promise<Native> {
  const folder = await Deno.makeTempDir();
  try {
    const library = `${folder}/checksum.so`;
    const { success, stderr } = await run(compiler, [
      ...FLAGS,
      "-o",
      library,
      fileURLToPath(new URL("./checksum.c", import.meta.url)),
    ]);
    if (!success) {
      throw new Error(`Cannot compile checksum.c: ${new TextDecoder().decode(stderr)}`);
    }
    const parameters = ["buffer", "u32", "u32"] as const;
    const loaded = Deno.dlopen(library, {
      repeat16: { parameters, result: "u32" },
      repeat32: { parameters, result: "u32" },
    });
    return {
      loops: [loaded.symbols.repeat16, loaded.symbols.repeat32].map((repeat) => (bytes, times) =>
        repeat(bytes, bytes.length, times)
      ),
      [Symbol.dispose]: () => loaded.close(),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Nanoseconds of one of `times` that `repeat` does, which has to give `expected`. */
function time(repeat: () => number, times: number, expected: number): number {
  const start = performance.now();
  const sum = repeat();
  const nanoseconds = (performance.now() - start) * 1e6 / times;
  if (sum !== expected) throw new Error(`Sums differ: ${sum} in place of ${expected}`);
  return nanoseconds;
}

function swapped(word: number): number {
  return (word & 0xff) << 8 | word >> 8;
}

/** Nanoseconds of one sum of `length` bytes, by round. */
function measure(native: Native, length: number, rounds: number): Figures {
  const address = packet_alloc(length);
  const bytes = new Uint8Array(u8.buffer, address, length);
  crypto.getRandomValues(bytes);
  const times = Math.ceil(BYTES / (length + 200));
  const wasm = (): number => {
    let all = 0;
    for (let i = 0; i < times; i++) all += sum(address, length);
    return all;
  };
  const word = sum(address, length);
  const figures: Figures = { length, wasm: [], c: [] };
  // The first round warms up. C sums words as they lie in memory: the same with the bytes swapped.
  for (let round = 0; round <= rounds; round++) {
    const own = time(wasm, times, word * times);
    const theirs = native.loops.map((loop) =>
      time(() => loop(bytes, times), times, swapped(word) * times % 2 ** 32)
    );
    if (round === 0) continue;
    figures.wasm.push(own);
    figures.c.push(Math.min(...theirs));
  }
  return figures;
}

/** What was measured of one length. */
interface Figures {
  readonly length: number;
  readonly wasm: number[];
  /** The faster of the two loops. */
  readonly c: number[];
}

function speed(bytes: number, nanoseconds: readonly number[]): string {
  return `${(bytes / median(nanoseconds)).toFixed(1)} GB/s`;
}

async function main(args: readonly string[]): Promise<void> {
  const given = parseArgs(args, {
    boolean: ["json", "help"],
    string: ["rounds", "compiler", "_"],
    default: { rounds: "101", compiler: "cc" },
    unknown: refuseUnknown(USAGE),
  });
  if (given.help) return print(USAGE);
  const rounds = readCount("rounds", given.rounds);
  using native = await compile(given.compiler);
  const results = LENGTHS.map((length) => measure(native, length, rounds));
  const ratioOf = ({ wasm, c }: Figures): number => median(c.map((each, i) => each / wasm[i]!));
  if (given.json) {
    print(JSON.stringify({
      machine: machine(),
      flags: FLAGS,
      results: results.map((figures) => ({ ...figures, ratio: ratioOf(figures) })),
    }));
    return;
  }
  const table = new Table({
    head: ["checksum of", "WASM", "C", "WASM / C"],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const figures of results) {
    const { length, wasm, c } = figures;
    table.push([`${length} B`, speed(length, wasm), speed(length, c), ratioOf(figures).toFixed(2)]);
  }
  print(table.toString());
  print(`${machine()}; medians of ${rounds} rounds in turns; C: ${FLAGS.join(" ")}.`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    report(error.message);
    Deno.exitCode = 1;
  }
}
