/** What the further tables of `deno task bench:promise` have in common: named rows, each a measurement of its own, with figures and their bounds. */

import type { Policies } from "../../../core/guard/policies.ts";

/** A figure, and what is promised of it. */
export interface Figure {
  readonly value: number;
  readonly least?: number;
  readonly most?: number;
}

/** What a row measures, by column. */
export interface Row {
  readonly figures: Readonly<Record<string, Figure>>;
  /** What plugins did wrong: the defaults decided in their place. */
  readonly faults: readonly string[];
}

/** A table. */
export interface TableKind {
  /** What it is about, with units. */
  readonly title: string;
  /** Names of its rows. */
  readonly rows: readonly string[];
  /** Measures a row: the same figures each time. */
  run(row: string, policies: Policies): Row | Promise<Row>;
}

/** Whether a figure is what is promised, to the digits that are printed. */
export function isKept({ value, least = -Infinity, most = Infinity }: Figure): boolean {
  const printed = Number(figureText(value));
  return printed >= least && printed <= most;
}

/** A figure as it is printed. */
export function figureText(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);
}

/** The row of a name. */
export function rowOf<T extends { readonly name: string }>(rows: readonly T[], name: string): T {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) throw new RangeError(`Cannot measure "${name}" as there is no such row`);
  return row;
}
