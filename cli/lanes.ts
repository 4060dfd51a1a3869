/** What paths carried by time, from the series of a run: for pictures and for terminals. */

import type { Micros } from "../mod.ts";
import { type Series, sums } from "./sim_series.ts";

/** What one path carried. */
export interface Lane {
  /** Its path. */
  readonly path: string;
  /** Bytes a second in each interval, from the beginning on. */
  readonly rates: readonly number[];
}

/** Values of a rate in every interval: between two equal ones that were noted there are as many of the same. */
function filled({ times, values }: Series, interval: Micros, count: number): number[] {
  const result = new Array<number>(count).fill(0);
  const [at, rates] = [sums(times), sums(values)];
  for (let i = 1; i < at.length; i++) {
    const bin = Math.round(at[i]! / interval) - 1;
    const before = Math.round(at[i - 1]! / interval) - 1;
    for (let k = Math.max(0, before + 1); k <= bin && k < count; k++) result[k] = rates[i]!;
  }
  return result;
}

/** The payload that each of `paths` carried, repeats included, until `time`. */
export function lanesOf(
  series: readonly Series[],
  paths: readonly string[],
  interval: Micros,
  time: Micros,
): Lane[] {
  const count = Math.max(1, Math.ceil(time / interval));
  return paths.map((path) => {
    const own = series.filter(({ chart, lane, side }) =>
      chart === "goodput" && lane === path && side === "server"
    ).map((one) => filled(one, interval, count));
    return {
      path,
      rates: Array.from(
        { length: count },
        (_, i) => own.reduce((sum, rates) => sum + rates[i]!, 0),
      ),
    };
  });
}

const BLOCKS = [..." ▁▂▃▄▅▆▇█"];

/** Rates as blocks, one for each column of `step` intervals; `most` is a full one. */
export function blocks(rates: readonly number[], step: number, most: number): string {
  const columns: string[] = [];
  for (let i = 0; i < rates.length; i += step) {
    const part = rates.slice(i, i + step);
    const mean = part.reduce((sum, rate) => sum + rate, 0) / part.length;
    const level = Math.min(BLOCKS.length - 1, Math.ceil(mean / most * (BLOCKS.length - 1) - 0.05));
    columns.push(BLOCKS[Math.max(0, level)]!);
  }
  return columns.join("");
}
