/** What `mptcp demo` prints: a table for each network, and lanes that show which path carried what when. */

import { parseRate } from "../core/link/units.ts";
import type { Measurement } from "../sim/mod.ts";
import { intervalOf, payloadRate, REQUESTS, type Row, type Section, TRAFFIC } from "./demo_plan.ts";
import { blocks, type Lane, lanesOf } from "./lanes.ts";
import { describeShape } from "./network_options.ts";
import { bold, formatBytes, formatRate, formatShare, formatTime } from "./output.ts";
import type { Series } from "./sim_series.ts";
import { plainTable } from "./table.ts";

/** What came of a row. */
export interface RowResult {
  /** What was run. */
  readonly row: Row;
  /** Its figures. */
  readonly result: Measurement;
  /** What it carried when. */
  readonly series: readonly Series[];
}

/** A section with what came of it. */
export interface SectionResult {
  /** What was run. */
  readonly section: Section;
  /** What came of each row that did not fail, of plain TCP that over the best path alone. */
  readonly results: readonly RowResult[];
}

/** Columns of a terminal. */
const COLUMNS = 80;

/** What goes over a network, in words. */
export function titleOf({ workload }: Section, size: number): string {
  return workload === "bulk"
    ? `${formatBytes(size)} in one piece`
    : `${REQUESTS.count} answers of ${formatBytes(REQUESTS.bytes)}, one after the other`;
}

/** The paths of a network, in words. */
export function pathsOf({ paths }: Section): string {
  const all = Object.entries(paths).map(([name, shape]) => `${name} (${describeShape(shape)})`);
  return `over ${all.join(" and ")}`;
}

/** The lanes of a run, one for each path of the section. */
export function lanesOfRun({ result, series }: RowResult, section: Section, size: number): Lane[] {
  return lanesOf(series, Object.keys(section.paths), intervalOf(section, size), result.time);
}

/** The figures of a section. */
export function tableOfSection({ section, results }: SectionResult): string {
  const names = Object.keys(section.paths);
  const cells = results.map(({ row, result }) => {
    const { goodput, segment, stall = 0, delays, paths, repeated, intact } = result.traffic[
      TRAFFIC
    ]!;
    const sum = paths.reduce((total, { bytes }) => total + bytes, 0);
    const shares = names.map((path) =>
      formatShare(paths.find(({ name }) => name === path)?.bytes ?? 0, sum)
    );
    const own = section.workload === "bulk"
      ? [
        formatRate(goodput),
        (goodput / payloadRate(section.paths, segment)).toFixed(2),
        ...shares,
        formatTime(stall),
      ]
      : [formatTime(delays!.p50), formatTime(delays!.p95), formatTime(delays!.max), ...shares];
    const equal = intact === true && result.done;
    return [row.label, ...own, formatBytes(repeated), equal ? "equal" : "WRONG"];
  });
  const figures = section.workload === "bulk"
    ? ["goodput", "of sum", ...names, "stall"]
    : ["median", "95 %", "longest", ...names];
  return plainTable(["", ...figures, "again", "data"], cells);
}

/** Which path carried what when, a line for each path of each run. */
export function lanesOfSection({ section, results }: SectionResult, size: number): string {
  const longest = Math.max(...results.map(({ result }) => result.time));
  const interval = intervalOf(section, size);
  const names = Object.keys(section.paths);
  const label = Math.max(...results.map(({ row }) => row.label.length));
  const width = Math.max(...names.map((name) => name.length));
  const room = Math.max(20, COLUMNS - label - width - 4);
  const step = Math.max(1, Math.ceil(longest / interval / room));
  const lines = results.flatMap((one) => {
    const paths = Object.keys(one.row.scenario.links!);
    const lanes = lanesOfRun(one, section, size).filter(({ path }) => paths.includes(path));
    return lanes.map(({ path, rates }, i) => {
      const head = (i === 0 ? one.row.label : "").padEnd(label);
      const full = parseRate(section.paths[path]!.rate);
      return `${head}  ${path.padEnd(width)}  ${blocks(rates, step, full)}`.trimEnd();
    });
  });
  const column = formatTime(step * interval).replace(/^(\d+\.\d)0 s$/, "$1 s");
  return [
    bold("Which path carried what when"),
    `a column is ${column}, a full block all that the path carries, 0 to ${formatTime(longest)}`,
    ...lines,
  ].join("\n");
}
