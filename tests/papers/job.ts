/** What a worker does: one case of a row, with one seed. */

import type { Length, Values } from "./row.ts";
import { rowOf } from "./rows.ts";

/** One run. */
export interface PaperJob {
  readonly row: string;
  readonly case: string;
  readonly seed: number;
  readonly length: Length;
}

/** Runs it. */
export function run({ row, case: name, seed, length }: PaperJob): Values {
  return rowOf(row).cases[name]!(seed, length);
}
