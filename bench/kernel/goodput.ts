/**
 * `deno task bench:goodput`: MPTCP over two impaired paths, from a kernel to a kernel, from this stack to a kernel and from a kernel to this stack, in turns.
 * The same elements with the same random numbers for each, `cubic` at both ends, the second path by an announced address. Needs root.
 *
 * Goodput is compared with the sum of the two rates, and with that of two kernels.
 */

import { type Given, type Option, readInteger } from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { print, report } from "../../cli/output.ts";
import { type Way, WAYS } from "./impaired.ts";
import { machine } from "./machine.ts";
import { median, runBench } from "./tools.ts";
import { transferOverTwo, type TwoPaths } from "./two_paths.ts";

/** One row. */
export interface Cell extends TwoPaths {
  readonly name: string;
  readonly megabytes: number;
}

/** All rows. */
export const CELLS: readonly Cell[] = [
  {
    name: "50 + 50 Mbit/s, 10 ms",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 50, ms: 10 }],
    megabytes: 70,
  },
  {
    name: "50 Mbit/s 10 ms + 10 Mbit/s 25 ms",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 10, ms: 25 }],
    megabytes: 42,
  },
  {
    name: "100 Mbit/s 5 ms + 10 Mbit/s 50 ms",
    paths: [{ mbit: 100, ms: 5 }, { mbit: 10, ms: 50 }],
    megabytes: 77,
  },
  {
    name: "50 + 50 Mbit/s, 10 ms, 1 % lost on one",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 50, ms: 10, lost: 0.01 }],
    megabytes: 42,
  },
  {
    name: "50 + 50 Mbit/s, 10 ms, one cut for 2 s",
    paths: [{ mbit: 50, ms: 10 }, { mbit: 50, ms: 10 }],
    megabytes: 70,
    cut: [1.5, 2],
  },
];

/** Rows in which so much of the sum is to be reached by this stack as sender. */
const OF_THE_SUM = 0.92;
/** What two kernels reach, at least so much of it as receiver. */
const OF_THE_KERNEL = 0.97;

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 3)" },
  seed: {
    value: "NUMBER",
    help: "Of the first round; each following one has the next (default 1)",
  },
  json: { help: "Prints every figure as JSON" },
  help: { alias: "h", help: "This help" },
};

/** Goodput of a cell in Mbit/s, by way: medians. */
interface Figures {
  readonly cell: Cell;
  readonly runs: Readonly<Record<Way, number[]>>;
}

function sumOf({ paths }: Cell): number {
  return paths[0].mbit + paths[1].mbit;
}

function missed({ cell, runs }: Figures, row: number): string[] {
  const [kernels, to, from] = WAYS.map((way) => median(runs[way])) as [number, number, number];
  return [
    ...(row < 3 && to < OF_THE_SUM * sumOf(cell)
      ? [`to the kernel below ${OF_THE_SUM} of the sum`]
      : []),
    ...(to < kernels ? ["to the kernel below two kernels"] : []),
    ...(from < OF_THE_KERNEL * kernels
      ? [`from the kernel below ${OF_THE_KERNEL} of two kernels`]
      : []),
  ];
}

async function main(given: Given): Promise<number> {
  const rounds = readInteger(given, "rounds", 3, [1, 1000]);
  const first = readInteger(given, "seed", 1, [0, 2 ** 31]);
  const head =
    `${machine()}. MPTCP, two subflows, cubic and the default scheduler at both ends; Mbit/s, medians of ${rounds} rounds, seeds ${first} to ${
      first + rounds - 1
    }.`;
  report(`${head} Load: ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}.`);
  const all = CELLS.map((cell): Figures => ({
    cell,
    runs: { "kernel to kernel": [], "to the kernel": [], "from the kernel": [] },
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { cell, runs } of all) {
      for (const way of WAYS) {
        const bytes = cell.megabytes * 1e6;
        const goodput = bytes * 8 / 1e6 / await transferOverTwo(way, cell, bytes, first + round);
        runs[way].push(goodput);
        report(
          `round ${round + 1} of ${rounds}  ${cell.name}  ${way}: ${goodput.toFixed(1)} Mbit/s`,
        );
      }
    }
  }
  const misses = all.map(missed);
  if (given.has("json")) {
    print(JSON.stringify({ head, cells: all.map((one, i) => ({ ...one, missed: misses[i] })) }));
  } else {
    const rows = new Table({
      head: [
        "",
        "kernel to kernel",
        "to the kernel",
        "of the sum",
        "of kernels",
        "from the kernel",
        "of kernels",
        "",
      ],
      colAligns: ["left", "right", "right", "right", "right", "right", "right", "left"],
      style: { head: [], border: [] },
    });
    all.forEach(({ cell, runs }, i) => {
      const [kernels, to, from] = WAYS.map((way) => median(runs[way])) as [number, number, number];
      rows.push([
        cell.name,
        kernels.toFixed(1),
        to.toFixed(1),
        (to / sumOf(cell)).toFixed(2),
        (to / kernels).toFixed(2),
        from.toFixed(1),
        (from / kernels).toFixed(2),
        misses[i]!.length === 0 ? "pass" : `miss: ${misses[i]!.join("; ")}`,
      ]);
    });
    print(`${head}\n${rows.toString()}`);
  }
  return misses.every((each) => each.length === 0) ? 0 : 1;
}

if (import.meta.main) await runBench("bench:goodput", OPTIONS, main);
