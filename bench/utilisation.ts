/**
 * `deno run -A bench/utilisation.ts`: how much of a bottleneck one flow uses, and how large its window is where packets are lost at random, on the
 * emulated network in virtual time. Each figure has its bound.
 */

import { parseArgs } from "@std/cli/parse-args";
import { Table } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { cubic, reno } from "../cc/mod.ts";
import type { CongestionControlPlugin } from "../core/plugin.ts";
import { pickNamed, refuseUnknown, runProgram } from "./flags.ts";
import { type Bottleneck, padhye, useOf, windowOf } from "./one_flow.ts";

const USAGE = `deno run -A bench/utilisation.ts [OPTIONS]

  --only TEXT   The cells whose name has it
  --json        Prints every figure as JSON
  --help        This help`;

/** One cell of the table. */
export interface Cell {
  readonly name: string;
  readonly cc: "cubic" | "reno";
  readonly path: Omit<Bottleneck, "congestionControl">;
  /** At least this. */
  readonly least: number;
}

const MAKE: Readonly<Record<Cell["cc"], () => CongestionControlPlugin>> = { cubic, reno };

/** Seconds of virtual time that are measured, slow start left out. */
const FROM = 5;
const TO = 60;

/** Utilisation; rates in Mbit/s, round trips in ms, queues in parts of what fills the path. */
export const CELLS: readonly Cell[] = [
  { name: "100 Mbit/s 20 ms, queue 1", cc: "cubic", path: at(100, 20, 1), least: 0.97 },
  { name: "100 Mbit/s 20 ms, queue 1", cc: "reno", path: at(100, 20, 1), least: 0.99 },
  { name: "100 Mbit/s 20 ms, queue 0.2", cc: "cubic", path: at(100, 20, 0.2), least: 0.92 },
  { name: "10 Mbit/s 300 ms, queue 0.2", cc: "cubic", path: at(10, 300, 0.2), least: 0.9 },
  { name: "1 Mbit/s 20 ms, queue 1", cc: "cubic", path: at(1, 20, 1), least: 0.95 },
  {
    name: "100 Mbit/s 20 ms, queue 1, both ways",
    cc: "cubic",
    path: { ...at(100, 20, 1), both: true },
    least: 0.93,
  },
  {
    name: "100 Mbit/s 20 ms, queue 1, both ways",
    cc: "reno",
    path: { ...at(100, 20, 1), both: true },
    least: 0.93,
  },
  {
    name: "1 Gbit/s 100 ms, queue 1",
    cc: "cubic",
    path: { ...at(1000, 100, 1), buffer: 64 << 20 },
    least: 0.92,
  },
];

/** Random loss: the mean window of reno in segments is 1.27/√p with SACK (Mathis et al. 1997), within 15 in a hundred. */
export const LOSSES: readonly number[] = [0.0001, 0.001, 0.01];
const NEAR = 0.15;
/** Losses in a measurement, about. */
const EVENTS = 400;

/**
 * Round trips around that of a cell whose both directions are full. Flows whose windows are halved in one moment keep both directions busy. Of flows that
 * are halved in turns the smaller one's ACKs wait in the queue of the larger one, and its direction runs dry, however long the queues (Zhang, Shenker and
 * Clark 1991). Without chance they keep the phase that the round trip has given them, so that one tells of one phase.
 */
const PHASES: readonly number[] = [0.99, 0.995, 1, 1.005, 1.01];

function at(mbit: number, rtt: number, queue: number): Cell["path"] {
  return { mbit, rtt, queue };
}

/** A figure with what it is held against. */
export interface Figure {
  readonly name: string;
  readonly cc: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  /** The lowest where `value` is the median over round trips. */
  readonly lowest?: number;
  /** What Padhye's formula says (RFC 5348 §3.1). */
  readonly padhye?: number;
}

/** Measures one cell; of both directions the lower counts, and of those the median of {@link PHASES}. */
export function measure({ name, cc, path, least }: Cell, to: number = TO): Figure {
  const use = (part: number) =>
    useOf({ ...path, rtt: path.rtt * part, congestionControl: MAKE[cc]() }, FROM, to);
  if (!path.both) return { name, cc, value: use(1).share, least, most: Infinity };
  const values = PHASES.map(use).map(({ share, back }) => Math.min(share, back)).sort((a, b) =>
    a - b
  );
  const value = values[values.length >> 1]!;
  return { name, cc, value, least, most: Infinity, lowest: values[0]! };
}

/** Measures the mean window at a loss of `p`. */
export function measureLoss(p: number): Figure {
  const model = 1.27 / Math.sqrt(p);
  // As many packets as bring the losses, in windows of 20 ms.
  const seconds = Math.round(EVENTS / p / model * 0.02);
  return {
    name: `random loss of ${p * 100} %: mean window`,
    cc: "reno",
    value: windowOf(p, reno(), seconds),
    least: model * (1 - NEAR),
    most: model * (1 + NEAR),
    padhye: padhye(p),
  };
}

function passes({ value, least, most }: Figure): boolean {
  return value >= least && value <= most;
}

function text(value: number): string {
  return value < 2 ? value.toFixed(3) : value.toFixed(1);
}

function main(): void {
  const { only = "", json, help } = parseArgs(Deno.args, {
    string: ["only"],
    boolean: ["json", "help"],
    unknown: refuseUnknown(USAGE),
  });
  if (help) {
    print(USAGE);
    Deno.exit();
  }
  const work = [
    ...CELLS.map((cell) => ({ name: `${cell.name}, ${cell.cc}`, run: () => measure(cell) })),
    ...LOSSES.map((p) => ({ name: `random loss of ${p * 100} %`, run: () => measureLoss(p) })),
  ];
  const figures: Figure[] = [];
  for (const { name, run } of pickNamed(work, only)) {
    report(name);
    figures.push(run());
  }
  if (json) print(JSON.stringify(figures, null, 2));
  else {
    const table = new Table({
      head: ["", "", "figure", "bound", "", "lowest", "Padhye"],
      style: { head: [], border: [] },
    });
    for (const figure of figures) {
      const { name, cc, value, least, most } = figure;
      const bound = most === Infinity ? `≥ ${text(least)}` : `${text(least)} … ${text(most)}`;
      const others = [figure.lowest, figure.padhye].map((it) => it === undefined ? "" : text(it));
      table.push([name, cc, text(value), bound, passes(figure) ? "pass" : "miss", ...others]);
    }
    print(table.toString());
  }
  if (!figures.every(passes)) Deno.exitCode = 1;
}

if (import.meta.main) await runProgram(main);
