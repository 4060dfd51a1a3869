/** Measures a table on all cores, and words it. */

import { runJobs } from "../../pool.ts";
import { PoolProgress } from "../../pool_progress.ts";
import { plainTable } from "../grid.ts";
import type { RowJob } from "./job.ts";
import { TABLES } from "./mod.ts";
import { figureText, isKept, type Row } from "./table.ts";

/** A table by one pair of plugins. */
export interface Measured {
  readonly table: string;
  readonly scheduler: string;
  readonly congestion: string;
  readonly rows: Readonly<Record<string, Row>>;
}

/** Real milliseconds that a row may take: some need minutes of a quiet core. */
const PATIENCE = 3600e3;

/**
 * Measures `table` with each scheduler and each congestion control: the rows whose names have `only`. What failed is not among the figures; `failed` names
 * each such row and says why.
 */
export async function measureTable(
  table: string,
  schedulers: readonly string[],
  congestions: readonly string[],
  { only = "", workers }: { readonly only?: string; readonly workers?: number } = {},
): Promise<{ readonly measured: readonly Measured[]; readonly failed: readonly string[] }> {
  const rows = TABLES[table]!.rows.filter((row) => row.includes(only));
  const variants = schedulers.flatMap((scheduler) =>
    congestions.map((congestion) => ({ table, scheduler, congestion }))
  );
  const jobs = variants.flatMap((variant) => rows.map((row): RowJob => ({ ...variant, row })));
  using progress = new PoolProgress(jobs.length, "rows");
  const outcomes = await runJobs<RowJob, Row>(jobs, {
    module: new URL("./job.ts", import.meta.url),
    nameOf: ({ row, scheduler, congestion }) => `${row} (${scheduler}, ${congestion})`,
    ...(workers === undefined ? {} : { workers }),
    patience: PATIENCE,
    onDone: (_outcome, _job, done) => progress.update(done),
  });
  return {
    measured: variants.map((variant, i) => ({
      ...variant,
      rows: Object.fromEntries(rows.flatMap((row, j) => {
        const outcome = outcomes[i * rows.length + j]!;
        return outcome.ok ? [[row, outcome.value]] : [];
      })),
    })),
    failed: outcomes.flatMap((outcome) => outcome.ok ? [] : [outcome.error]),
  };
}

/** Whether all of it is as promised. */
export function allKept({ rows }: Measured): boolean {
  return Object.values(rows).every(({ figures }) => Object.values(figures).every(isKept));
}

/** Words it; figures that miss their bound say so. */
export function tableText({ rows }: Measured): string {
  const all = Object.entries(rows);
  const columns = [...new Set(all.flatMap(([, { figures }]) => Object.keys(figures)))];
  return plainTable(
    ["", ...columns],
    all.map(([row, { figures }]) => [
      row,
      ...columns.map((column) => {
        const figure = figures[column];
        if (figure === undefined) return "";
        const { value, least, most } = figure;
        const bound = least !== undefined
          ? ` ≥ ${figureText(least)}`
          : most !== undefined
          ? ` ≤ ${figureText(most)}`
          : "";
        return `${figureText(value)}${bound}${isKept(figure) ? "" : " MISSED"}`;
      }),
    ]),
  );
}
