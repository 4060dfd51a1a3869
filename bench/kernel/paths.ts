/**
 * `deno task bench:kernel-paths`: this stack and a kernel over a path with one impairment, beside two kernels over the same path, in turns. Plain TCP with
 * `cubic` at both ends, the same random numbers for each. Needs root.
 *
 * What counts is the ratio of the medians of the times; it has a bound.
 */

import { type Given, type Option, readInteger, UsageError } from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { print, report } from "../../cli/output.ts";
import { type Path, type Transfer, transfer, type Way, WAYS } from "./impaired.ts";
import { machine } from "./machine.ts";
import { median, runBench } from "./tools.ts";

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 5)" },
  only: {
    value: "NAME",
    help: "The cells whose name has it; may be given several times",
    several: true,
  },
  seed: {
    value: "NUMBER",
    help: "Of the first round; each following one has the next (default 1)",
  },
  cubic: {
    help: "Three networks on which windows decide: each ratio within 10 % of 1, either way",
  },
  quick: { help: "Transfers of about a second" },
  json: { help: "Prints every figure as JSON, with what both ends counted" },
  help: { alias: "h", help: "This help" },
};

/** Ratios of times that pass, from least to most. */
export type Bounds = readonly [least: number, most: number];

/** Slower by more than this does not pass. */
const BOUND: Bounds = [0, 1.15];
/** A control that is the same one takes as long, and no less. */
const SAME: Bounds = [1 / 1.1, 1.1];

/** One row of the result. */
export interface Cell {
  readonly name: string;
  readonly path: Path;
  /** Megabytes of a transfer: such that two kernels take 3 to 20 s. */
  readonly megabytes: number;
  /** As many that they take about 1 s. */
  readonly quick: number;
}

const PLAIN: Path = { mbit: 100, rtt: 20, mtu: 1500, family: 4 };

function cell(name: string, change: Partial<Path>, megabytes = 40, quick = 10): Cell {
  return { name, path: { ...PLAIN, ...change }, megabytes, quick };
}

/** All rows: one impairment at a time around 100 Mbit/s and 20 ms; and slower paths, on which windows decide rather than the machine. */
export const CELLS: readonly Cell[] = [
  cell("no impairment", {}),
  cell("loss 0.1 %", { loss: 0.001 }, 30, 5),
  cell("loss 1 %", { loss: 0.01 }, 7, 1),
  cell("loss 5 %", { loss: 0.05 }, 2.5, 0.4),
  cell("reordering 5 %", { reordered: 0.05 }),
  cell("duplication 1 %", { duplicated: 0.01 }),
  cell("corruption 0.1 %", { corrupted: 0.001 }, 30, 5),
  cell("RTT 1 ms", { rtt: 1 }),
  cell("RTT 100 ms", { rtt: 100 }, 60, 5),
  cell("RTT 300 ms", { rtt: 300 }, 50, 2),
  cell("10 Mbit/s RTT 40 ms", { mbit: 10, rtt: 40 }, 6, 1),
  cell("20 Mbit/s RTT 100 ms", { mbit: 20, rtt: 100 }, 10, 2),
  cell("20 Mbit/s RTT 30 ms loss 0.5 %", { mbit: 20, rtt: 30, loss: 0.005 }, 5, 1),
  cell("MTU 576, IPv4", { mtu: 576 }, 30),
  cell("MTU 1280, IPv4", { mtu: 1280 }),
  cell("MTU 9000, IPv4", { mtu: 9000 }),
  cell("MTU 1280, IPv6", { mtu: 1280, family: 6 }),
  cell("MTU 1500, IPv6", { family: 6 }),
  cell("MTU 9000, IPv6", { mtu: 9000, family: 6 }),
];

/**
 * Where cubic decides, and neither rate nor machine: losses keep windows below what the path holds, near Reno's in the first two, and well above it in the
 * last (RFC 9438 §4.3, §4.4). As long as several of its cycles.
 */
export const CUBIC_CELLS: readonly Cell[] = [
  cell("20 Mbit/s RTT 30 ms loss 0.5 %", { mbit: 20, rtt: 30, loss: 0.005 }, 15, 1),
  cell("50 Mbit/s RTT 60 ms loss 0.05 %", { mbit: 50, rtt: 60, loss: 0.0005 }, 25, 2),
  cell("50 Mbit/s RTT 150 ms loss 0.02 %", { mbit: 50, rtt: 150, loss: 0.0002 }, 40, 2),
];

/** What was measured of a cell: by way, then by round. */
interface Figures {
  readonly cell: Cell;
  readonly bytes: number;
  readonly runs: Readonly<Record<Way, Transfer[]>>;
}

function secondsOf({ runs }: Figures, way: Way): number {
  return median(runs[way].map(({ seconds }) => seconds));
}

function ratioOf(figures: Figures, way: Way): number {
  return secondsOf(figures, way) / secondsOf(figures, WAYS[0]!);
}

/** Whether a ratio of times, as it is printed, is within `bounds`. */
export function within(ratio: number, [least, most]: Bounds): boolean {
  const printed = Number(ratio.toFixed(2));
  return printed >= Number(least.toFixed(2)) && printed <= most;
}

function passes(figures: Figures, bounds: Bounds): boolean {
  return WAYS.slice(1).every((way) => within(ratioOf(figures, way), bounds));
}

/** Measures everything `rounds` times, in turns. */
async function measure(
  cells: readonly Cell[],
  rounds: number,
  first: number,
  quick: boolean,
): Promise<Figures[]> {
  const all = cells.map((cell): Figures => ({
    cell,
    bytes: Math.round((quick ? cell.quick : cell.megabytes) * 1e6),
    runs: { "kernel to kernel": [], "to the kernel": [], "from the kernel": [] },
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { cell: { name, path }, bytes, runs } of all) {
      for (const way of WAYS) {
        const result = await transfer(way, path, bytes, first + round);
        runs[way].push(result);
        report(
          `round ${round + 1} of ${rounds}  ${name}  ${way}: ${result.seconds.toFixed(2)} s`,
        );
      }
    }
  }
  return all;
}

function table(all: readonly Figures[], bounds: Bounds): string {
  const rows = new Table({
    head: ["", "MB", "kernel to kernel", "to the kernel", "ratio", "from the kernel", "ratio", ""],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const figures of all) {
    rows.push([
      figures.cell.name,
      String(figures.bytes / 1e6),
      ...WAYS.flatMap((way, i) => [
        `${secondsOf(figures, way).toFixed(2)} s`,
        ...(i > 0 ? [ratioOf(figures, way).toFixed(2)] : []),
      ]),
      passes(figures, bounds) ? "pass" : "miss",
    ]);
  }
  return rows.toString();
}

function readCells(all: readonly Cell[], only: readonly string[]): readonly Cell[] {
  const cells = only.length === 0
    ? all
    : all.filter(({ name }) => only.some((text) => name.includes(text)));
  if (cells.length > 0) return cells;
  throw new UsageError(
    `--only ${only.join(", ")} is in no name: there are ${all.map(({ name }) => name).join("; ")}`,
  );
}

async function main(given: Given): Promise<number> {
  const rounds = readInteger(given, "rounds", 5, [1, 1000]);
  const seed = readInteger(given, "seed", 1, [0, 2 ** 31]);
  const cubic = given.has("cubic");
  const cells = readCells(cubic ? CUBIC_CELLS : CELLS, given.values("only"));
  const bounds = cubic ? SAME : BOUND;
  const [least, most] = bounds.map((bound) => bound.toFixed(2));
  const head =
    `${machine()}. Plain TCP, cubic at both ends; medians of ${rounds} rounds, seeds ${seed} to ${
      seed + rounds - 1
    }; ratios: ${cubic ? `${least} to ${most}` : `up to ${most}`}.`;
  report(`${head} Load: ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}.`);
  const all = await measure(cells, rounds, seed, given.has("quick"));
  if (given.has("json")) {
    print(
      JSON.stringify({ head, cells: all.map((one) => ({ ...one, pass: passes(one, bounds) })) }),
    );
  } else {
    print(`${head}\n${table(all, bounds)}`);
  }
  return all.every((one) => passes(one, bounds)) ? 0 : 1;
}

if (import.meta.main) await runBench("bench:kernel-paths", OPTIONS, main);
