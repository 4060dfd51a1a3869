/** Runs the cells of `deno task bench:promise`, and words what came of them. */

import { Table } from "../../cli/deps.ts";
import { runJobs } from "../pool.ts";
import { type Cell, cellName } from "./cells.ts";
import type { CellJob, CellResult } from "./cell_job.ts";
import { DEFAULT } from "./policies.ts";
import { RTT_RATIOS, squaresOf } from "./heat_map.ts";
import {
  classesOf,
  type Measured,
  measuredBy,
  PROMISE,
  RATE_RATIOS,
  spreadOf,
  type Verdict,
  verdictsOf,
} from "./summary.ts";

/** What the cells are run with. */
export interface GridOptions {
  /** Schedulers as on command lines; {@linkcode DEFAULT} is the first. */
  readonly schedulers: readonly string[];
  /** The congestion control of all runs. */
  readonly congestion: string;
  /** Seeds of a cell that loses packets. */
  readonly seeds: number;
  /** Connections begin on the slower path. */
  readonly slower?: boolean;
  readonly workers?: number;
  /** Figures of an earlier run, whose times by TCP are taken. */
  readonly earlier?: GridFigures | null;
  /** Told how many cells are done. */
  readonly onDone?: (done: number) => void;
}

/** What a run writes as JSON. */
export interface GridFigures {
  readonly congestion: string;
  readonly seeds: number;
  readonly schedulers: readonly string[];
  /** Connections began on the slower path. */
  readonly slower?: boolean;
  readonly cells: readonly CellResult[];
}

/** Runs them on all cores. What failed is not among the figures; `failed` names each such cell and says why. */
export async function runGrid(
  cells: readonly Cell[],
  options: GridOptions,
): Promise<{ readonly figures: GridFigures; readonly failed: readonly string[] }> {
  const { schedulers, congestion, seeds, slower = false, workers, earlier = null, onDone } =
    options;
  const known = new Map(earlier?.cells.map(({ cell, tcp }) => [cell, tcp]));
  const jobs = cells.map((cell): CellJob => ({
    cell: cellName(cell),
    schedulers,
    congestion,
    seeds,
    tcp: known.get(cellName(cell)) ?? null,
    slower,
  }));
  const outcomes = await runJobs<CellJob, CellResult>(jobs, {
    module: new URL("./cell_job.ts", import.meta.url),
    nameOf: ({ cell }) => cell,
    ...(workers === undefined ? {} : { workers }),
    onDone: (_outcome, _job, done) => onDone?.(done),
  });
  const results = outcomes.flatMap((outcome) => outcome.ok ? [outcome.value] : []);
  return {
    figures: { congestion, seeds, schedulers, ...(slower ? { slower } : {}), cells: results },
    failed: outcomes.flatMap((outcome) => outcome.ok ? [] : [outcome.error]),
  };
}

/** A table in characters; the first column is on the left. */
export function plainTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = new Table({
    head: [...head],
    colAligns: head.map((_, i) => i === 0 ? "left" : "right"),
    style: { head: [], border: [] },
    // No lines between rows: there are many.
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
  for (const row of rows) all.push([...row]);
  return all.toString();
}

const figure = (value: number): string => value.toFixed(3);

/** By class: median, 95th percentile, worst of each scheduler, and how many cells are over the bound. */
export function classTable(all: Readonly<Record<string, readonly Measured[]>>): string {
  const names = Object.keys(all);
  const classes = names.map((name) => [
    { title: "all", measured: all[name]! },
    ...classesOf(all[name]!).map(({ dimension, key, measured }) => ({
      title: `${dimension.name}: ${key}`,
      measured,
    })),
  ]);
  return plainTable(
    [
      "",
      "cells",
      "two TCPs",
      ...names.flatMap((
        name,
      ) => [`${name}: median`, "p95", "worst", `> ${PROMISE.worst}`, "extra"]),
    ],
    classes[0]!.map(({ title, measured }, i) => [
      title,
      `${measured.length}`,
      figure(spreadOf(measured).floor),
      ...classes.flatMap((each) => {
        const { median, p95, worst, over, repeated } = spreadOf(each[i]!.measured);
        return [
          figure(median),
          figure(p95),
          figure(worst),
          `${over}`,
          `${(100 * repeated).toFixed(1)} %`,
        ];
      }),
    ]),
  );
}

/** What is promised and what is, a line each. */
export function verdictTable(all: Readonly<Record<string, readonly Measured[]>>): string {
  const verdicts = Object.values(all).map(verdictsOf);
  return plainTable(
    ["promised", "at most", ...Object.keys(all).flatMap((name) => [name, ""])],
    verdicts[0]!.map(({ what, bound }, i) => [
      what,
      `${bound}`,
      ...verdicts.flatMap((each) => {
        const verdict: Verdict = each[i]!;
        return [figure(verdict.figure), verdict.kept ? "kept" : "MISSED"];
      }),
    ]),
  );
}

/** The heat map of all sizes in characters: median and worst of each square. */
export function heatTable(measured: readonly Measured[]): string {
  const squares = squaresOf(measured).filter(({ size }) => size === null);
  return plainTable(
    ["RTT, long / short", ...RATE_RATIOS],
    RTT_RATIOS.map((rtt) => [
      `${rtt}`,
      ...RATE_RATIOS.map((rate) => {
        const square = squares.find((each) => each.rtt === rtt && each.rate === rate);
        return square === undefined
          ? ""
          : `${square.median.toFixed(2)} (${square.worst.toFixed(2)})`;
      }),
    ]),
  );
}

/** Cells above the bound, the worst first: their names replay them. */
export function cellsOver(measured: readonly Measured[]): Measured[] {
  return measured.filter(({ run }) => run.ratio > PROMISE.worst)
    .sort((a, b) => b.run.ratio - a.run.ratio);
}

/** By scheduler. */
export function bySchedulers(figures: GridFigures): Record<string, Measured[]> {
  return Object.fromEntries(
    figures.schedulers.map((name) => [name, measuredBy(figures.cells, name)]),
  );
}

/** How a scheduler compares with the default, cell by cell. */
export function besideDefault(all: Readonly<Record<string, readonly Measured[]>>): string[] {
  const base = all[DEFAULT];
  if (base === undefined) return [];
  return Object.entries(all).filter(([name]) => name !== DEFAULT).map(([name, measured]) => {
    const ratios = measured.map(({ run }, i) => run.time / base[i]!.run.time);
    const [less, more] = [
      ratios.filter((ratio) => ratio < 0.99).length,
      ratios.filter((ratio) => ratio > 1.01).length,
    ];
    return `${name} takes less time than the default in ${less} cells and more in ${more}, by 1 % at least, of ${ratios.length}`;
  });
}
