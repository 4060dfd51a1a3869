/** Runs rows on all cores, and judges what came of them. */

import { type Outcome, runJobs } from "../../bench/pool.ts";
import { spreadOf } from "../../sim/stats.ts";
import type { PaperJob } from "./job.ts";
import type { Figure, Length, PaperRow, Values } from "./row.ts";

/** What came of all runs of a row. */
export interface Measured {
  readonly length: Length;
  readonly seeds: readonly number[];
  /** By name: a value for each seed. */
  readonly values: Readonly<Record<string, readonly number[]>>;
}

/** Choices of a measurement. */
export interface RunOptions {
  readonly seeds: readonly number[];
  readonly length: Length;
  readonly workers?: number;
  /** Told how many of all runs are done. */
  readonly onDone?: (done: number) => void;
}

/** Names of the cases that are run. */
function casesOf({ cases, quickCases }: PaperRow, length: Length): readonly string[] {
  return length === "quick" && quickCases !== undefined ? quickCases : Object.keys(cases);
}

/** The runs of some rows. */
export function jobsOf(
  rows: readonly PaperRow[],
  { seeds, length }: Pick<RunOptions, "seeds" | "length">,
): PaperJob[] {
  return rows.flatMap((row) =>
    casesOf(row, length).flatMap((name) =>
      seeds.map((seed) => ({ row: row.name, case: name, seed, length }))
    )
  );
}

/** Half an hour of real time: the longest runs take minutes, on a busy machine more. */
const PATIENCE = 1_800_000;

/**
 * Measures rows; those with a run that failed are told in `failed`, by why, and are not in `measured`.
 */
export async function measureRows(
  rows: readonly PaperRow[],
  options: RunOptions,
): Promise<{
  readonly measured: Readonly<Record<string, Measured>>;
  readonly failed: readonly string[];
}> {
  const { seeds, length, workers, onDone } = options;
  const jobs = jobsOf(rows, options);
  const outcomes = await runJobs<PaperJob, Values>(jobs, {
    module: new URL("./job.ts", import.meta.url),
    nameOf: ({ row, case: name, seed }) => `${row}, ${name}, seed ${seed}`,
    patience: PATIENCE,
    ...(workers === undefined ? {} : { workers }),
    onDone: (_outcome, _job, done) => onDone?.(done),
  });
  const failed = outcomes.flatMap((outcome) => outcome.ok ? [] : [outcome.error]);
  const measured = rows.flatMap(({ name }) => {
    const own = outcomes.filter((_, i) => jobs[i]!.row === name);
    const values = collect(own);
    return values === null ? [] : [[name, { length, seeds, values }] as const];
  });
  return { measured: Object.fromEntries(measured), failed };
}

/** By name a value for each seed; null: a run failed. */
function collect(outcomes: readonly Outcome<Values>[]): Record<string, number[]> | null {
  const values: Record<string, number[]> = {};
  for (const outcome of outcomes) {
    if (!outcome.ok) return null;
    for (const [name, value] of Object.entries(outcome.value)) (values[name] ??= []).push(value);
  }
  return values;
}

/** One line of the table. */
export interface Verdict {
  readonly what: string;
  /** Mean of all seeds, and their least and most where they differ. */
  readonly measured: string;
  readonly published: string;
  readonly tolerance: string;
  readonly holds: boolean;
}

/** The values of a name. */
function valuesOf({ values }: Measured, name: string): readonly number[] {
  const found = values[name];
  if (found !== undefined) return found;
  throw new RangeError(
    `There is no value "${name}": the values are ${Object.keys(values).join(", ")}`,
  );
}

/** As it is printed, which is what is judged. */
function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** The mean, with least and most where they differ. */
export function spreadText(values: readonly number[], digits: number): string {
  const { mean, min, max } = spreadOf(values);
  const [text, from, to] = [mean, min, max].map((value) => value.toFixed(digits));
  return from === to ? text! : `${text} (${from} to ${to})`;
}

function judgeFigure(row: PaperRow, measured: Measured, figure: Figure): Verdict {
  const { of, published, tolerance, least = -Infinity, most = Infinity, each } = figure;
  const values = valuesOf(measured, of);
  const judged = each === true ? values : [spreadOf(values).mean];
  return {
    what: of,
    measured: spreadText(values, row.digits),
    published,
    tolerance,
    holds: judged.every((value) => {
      const printed = rounded(value, row.digits);
      // The bounds are sums of decimal fractions.
      return printed >= least - 1e-9 && printed <= most + 1e-9;
    }),
  };
}

/** The figures and the orderings of means; of short runs those that such runs can tell. */
export function judge(row: PaperRow, measured: Measured): Verdict[] {
  const { length } = measured;
  const figures = row.figures.filter(({ quick = false }) => length === "full" || quick)
    .map((figure) => judgeFigure(row, measured, figure));
  const orderings = row.orderings.filter(({ quick = true }) => length === "full" || quick);
  return [
    ...figures,
    ...orderings.map(({ ascending }) => {
      const means = ascending.map((name) => spreadOf(valuesOf(measured, name)).mean);
      return {
        what: ascending.join(" ≤ "),
        measured: means.map((mean) => mean.toFixed(row.digits)).join(", "),
        published: "in this order",
        tolerance: "order",
        holds: means.every((mean, i) => i === 0 || mean >= means[i - 1]!),
      };
    }),
  ];
}
