/**
 * `deno task bench:objects`: short transfers by MPTCP over two unlike paths, from this stack to a kernel, beside those from a kernel to a kernel, in turns.
 * The same elements for each, `cubic` at both ends, the second path by an announced address. Needs root.
 */

import { type Given, type Option, readInteger } from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { formatBytes, print, report } from "../../cli/output.ts";
import type { Way } from "./impaired.ts";
import { machine } from "./machine.ts";
import { median, runBench } from "./tools.ts";
import { type Path, transferOverTwo } from "./two_paths.ts";

/** One row. */
export interface Cell {
  readonly paths: readonly [Path, Path];
  readonly bytes: number;
}

const PAIRS: readonly (readonly [Path, Path])[] = [
  [{ mbit: 20, ms: 10 }, { mbit: 8, ms: 40 }],
  [{ mbit: 100, ms: 10 }, { mbit: 20, ms: 100 }],
];
const SIZES: readonly number[] = [100e3, 1e6, 4e6];

/** All rows. */
export const CELLS: readonly Cell[] = PAIRS.flatMap((paths) =>
  SIZES.map((bytes) => ({ paths, bytes }))
);

/** This stack takes at most so much of what two kernels take. */
const OF_THE_KERNEL = 1.03;

const KERNELS: Way = "kernel to kernel";
const OURS: Way = "to the kernel";

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 9)" },
  json: { help: "Prints every figure as JSON" },
  help: { alias: "h", help: "This help" },
};

/** Milliseconds of each round. */
interface Figures {
  readonly cell: Cell;
  readonly kernels: number[];
  readonly ours: number[];
}

function nameOf({ paths, bytes }: Cell): string {
  return `${formatBytes(bytes)} over ${
    paths.map(({ mbit, ms }) => `${mbit} Mbit/s ${ms} ms`).join(" + ")
  }`;
}

function ratioOf({ kernels, ours }: Figures): number {
  return median(ours) / median(kernels);
}

async function main(given: Given): Promise<number> {
  const rounds = readInteger(given, "rounds", 9, [1, 1000]);
  const head =
    `${machine()}. MPTCP over two paths, ms one way, cubic and the default scheduler: milliseconds from when the receiver knows of the connection to the end of the data, medians of ${rounds} rounds.`;
  report(`${head} Load: ${Deno.loadavg().map((load) => load.toFixed(1)).join(" ")}.`);
  const all = CELLS.map((cell): Figures => ({ cell, kernels: [], ours: [] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { cell, kernels, ours } of all) {
      for (const [way, into] of [[KERNELS, kernels], [OURS, ours]] as const) {
        into.push(1e3 * await transferOverTwo(way, cell, cell.bytes, round));
      }
      report(
        `round ${round} of ${rounds}  ${nameOf(cell)}: two kernels ${
          kernels.at(-1)!.toFixed(0)
        } ms, this stack to a kernel ${ours.at(-1)!.toFixed(0)} ms`,
      );
    }
  }
  if (given.has("json")) {
    print(JSON.stringify({ head, cells: all.map((one) => ({ ...one, ratio: ratioOf(one) })) }));
  } else {
    const rows = new Table({
      head: ["", "two kernels, ms", "this stack to a kernel, ms", "ratio", ""],
      colAligns: ["left", "right", "right", "right", "left"],
      style: { head: [], border: [] },
    });
    for (const one of all) {
      rows.push([
        nameOf(one.cell),
        median(one.kernels).toFixed(0),
        median(one.ours).toFixed(0),
        ratioOf(one).toFixed(3),
        ratioOf(one) <= OF_THE_KERNEL ? "pass" : `miss: above ${OF_THE_KERNEL}`,
      ]);
    }
    print(`${head}\n${rows.toString()}`);
  }
  return all.every((one) => ratioOf(one) <= OF_THE_KERNEL) ? 0 : 1;
}

if (import.meta.main) await runBench("bench:objects", OPTIONS, main);
