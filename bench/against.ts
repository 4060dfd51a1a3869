/**
 * `deno run -A bench/against.ts OTHER_CHECKOUT`: this checkout against another one. Each measurement runs in a process of its own; a pair is one of
 * each checkout, in random order, so that both meet the same machine, and its ratio is what counts. A third process of each round, of the other
 * checkout again, tells how far such ratios are from 1 when nothing differs.
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "@std/cli/parse-args";
import { Table } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";

const USAGE = `deno run -A bench/against.ts OTHER_CHECKOUT [OPTIONS]

  --pairs NUMBER  How often both are measured (default 15)
  --only NAME     This case alone; may be given several times
  --kernel        Transfers with the kernel over TUN, too (root)
  --json          Prints every figure as JSON
  --help          This help`;

/** What is measured. */
interface Case {
  /** As against_load.ts knows it. */
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly kernel?: boolean;
}

const SECONDS = "CPU s/GB";
const EACH = "CPU ms each";
const CASES: readonly Case[] = [
  { name: "tcp", what: "TCP in one process", unit: SECONDS },
  { name: "mptcp-1", what: "MPTCP in one process, 1 subflow", unit: SECONDS },
  { name: "mptcp-2", what: "MPTCP in one process, 2 subflows", unit: SECONDS },
  { name: "far", what: "1 Gbit/s 100 ms and 200 Mbit/s 200 ms", unit: "packets/s" },
  { name: "open", what: "2 subflows opened and closed, both ends", unit: EACH },
  { name: "from-kernel-1", what: "from the kernel, 1 subflow", unit: SECONDS, kernel: true },
  { name: "to-kernel-1", what: "to the kernel, 1 subflow", unit: SECONDS, kernel: true },
  { name: "from-kernel-2", what: "from the kernel, 2 subflows", unit: SECONDS, kernel: true },
  { name: "to-kernel-2", what: "to the kernel, 2 subflows", unit: SECONDS, kernel: true },
  { name: "drain-1", what: "from it by drain(), 1 subflow", unit: SECONDS, kernel: true },
  { name: "fill-1", what: "to it by fill(), 1 subflow", unit: SECONDS, kernel: true },
  { name: "drain-2", what: "from it by drain(), 2 subflows", unit: SECONDS, kernel: true },
  { name: "fill-2", what: "to it by fill(), 2 subflows", unit: SECONDS, kernel: true },
  { name: "connect", what: "connect, close, with the kernel", unit: EACH, kernel: true },
  { name: "join", what: "connect, join, close, with it", unit: EACH, kernel: true },
  { name: "cold", what: "connect, close, in a new process", unit: EACH, kernel: true },
];

const HERE = fileURLToPath(new URL("..", import.meta.url));
const LOAD = fileURLToPath(new URL("./against_load.ts", import.meta.url));

/** The figures of a case, one of each round. */
interface Figures {
  readonly here: number[];
  readonly other: number[];
  /** Of the other checkout again. */
  readonly again: number[];
}

/** Median and quartiles. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

/** Median and quartiles of `values`, interpolated between neighbours. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? NaN;
    const above = sorted[Math.ceil(place)] ?? NaN;
    return below + (above - below) * (place - Math.floor(place));
  };
  return { median: quantile(0.5), lower: quantile(0.25), upper: quantile(0.75) };
}

/** Median and quartiles of the ratios of what was measured in the same round. */
export function ratios(values: readonly number[], reference: readonly number[]): Spread {
  return spread(values.map((value, round) => value / (reference[round] ?? NaN)));
}

/** Puts the values into random order. */
function shuffled<T>(values: readonly T[]): T[] {
  return values.map((value) => ({ value, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value);
}

async function measure(checkout: string, name: string): Promise<number> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", LOAD, checkout, name],
  }).output();
  const decoder = new TextDecoder();
  const figure = success ? Number(decoder.decode(stdout)) : NaN;
  if (Number.isFinite(figure)) return figure;
  throw new Error(`Cannot measure ${name} of ${checkout}: ${decoder.decode(stderr)}`);
}

/** Measures all cases in all rounds. */
async function compete(
  other: string,
  cases: readonly Case[],
  pairs: number,
): Promise<Map<Case, Figures>> {
  const results = new Map(
    cases.map((one): [Case, Figures] => [one, { here: [], other: [], again: [] }]),
  );
  for (let pair = 1; pair <= pairs; pair++) {
    for (const [one, figures] of results) {
      const runs = [
        { checkout: HERE, into: figures.here },
        { checkout: other, into: figures.other },
        { checkout: other, into: figures.again },
      ];
      for (const { checkout, into } of shuffled(runs)) {
        into.push(await measure(checkout, one.name));
      }
      const ratio = figures.here.at(-1)! / figures.other.at(-1)!;
      report(`pair ${pair} of ${pairs}  ${one.what}: ${ratio.toFixed(3)}`);
    }
  }
  return results;
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(3);
}

function spreadText({ median, lower, upper }: Spread): string {
  return `${median.toFixed(3)} (${lower.toFixed(3)} to ${upper.toFixed(3)})`;
}

function table(results: ReadonlyMap<Case, Figures>): string {
  const rows = new Table({
    head: ["", "", "other", "here", "here / other", "other / other"],
    colAligns: ["left", "left", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const [{ what, unit }, { here, other, again }] of results) {
    rows.push([
      what,
      unit,
      figure(spread(other).median),
      figure(spread(here).median),
      spreadText(ratios(here, other)),
      spreadText(ratios(again, other)),
    ]);
  }
  return rows.toString();
}

/** Wrong use of the command. */
class UsageError extends Error {}

function readCases(only: readonly string[], kernel: boolean): readonly Case[] {
  for (const name of only) {
    if (CASES.some((one) => one.name === name)) continue;
    const names = CASES.map((one) => one.name).join(", ");
    throw new UsageError(`Cannot measure ${name} as it must be one of ${names}`);
  }
  return CASES.filter((one) =>
    only.length > 0 ? only.includes(one.name) : kernel || one.kernel !== true
  );
}

async function main(args: readonly string[]): Promise<void> {
  const given = parseArgs(args, {
    boolean: ["kernel", "json", "help"],
    string: ["pairs", "only", "_"],
    collect: ["only"],
    default: { pairs: "15" },
    unknown: (arg, key) => {
      if (key !== undefined) throw new UsageError(`Unknown argument ${arg}\n${USAGE}`);
    },
  });
  if (given.help) {
    print(USAGE);
    return;
  }
  const [folder, ...more] = given._.map(String);
  if (folder === undefined || more.length > 0) throw new UsageError(USAGE);
  const pairs = Number(given.pairs);
  if (!Number.isInteger(pairs) || pairs < 1) {
    throw new UsageError(
      `Cannot run ${given.pairs} pairs as it must be a number from 1, such as --pairs 15`,
    );
  }
  const cases = readCases(given.only, given.kernel);
  const other = await Deno.realPath(folder);
  const results = await compete(other, cases, pairs);
  if (given.json) {
    print(JSON.stringify([...results].map(([{ name, unit }, figures]) => ({
      name,
      unit,
      ...figures,
      ratio: ratios(figures.here, figures.other),
      same: ratios(figures.again, figures.other),
    }))));
    return;
  }
  print(table(results));
  print(
    `Medians of ${pairs} pairs, with quartiles, of ratios of one pair; "other" is ${other}.`,
  );
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    report(error.message);
    Deno.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
