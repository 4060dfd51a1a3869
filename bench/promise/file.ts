/** The figures of the grid as a file: JSON, a line for each cell. */

import type { CellResult, CellRun } from "./cell_job.ts";
import type { GridFigures } from "./grid.ts";
import type { Verdict } from "./summary.ts";

/** What stands in front of the columns of each scheduler. */
const COLUMNS: readonly string[] = [
  "cell",
  "TCP over path 1, us",
  "TCP over path 2, us",
  "two TCPs / the better one",
];
/** The columns of each. */
const OF_A_SCHEDULER: readonly string[] = ["us", "extra bytes", "sent again"];

function columnsOf(schedulers: readonly string[]): string[] {
  return [
    ...COLUMNS,
    ...schedulers.flatMap((name) => OF_A_SCHEDULER.map((column) => `${name}: ${column}`)),
  ];
}

/** Four digits behind the point. */
function short(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

/** The text of a file. `verdicts` are for who reads it. */
export function toFile(
  figures: GridFigures,
  verdicts: Readonly<Record<string, readonly Verdict[]>>,
): string {
  const { cells, schedulers, ...head } = figures;
  const lines = cells.map(({ cell, tcp, runs }) =>
    JSON.stringify([
      cell,
      ...tcp.times.map(Math.round),
      short(tcp.floor),
      ...schedulers.flatMap((name) => {
        const { time, repeated, retransmitted } = runs[name]!;
        return [Math.round(time), short(repeated), short(retransmitted)];
      }),
    ])
  );
  const promised = Object.entries(verdicts).map(([name, all]) =>
    `    ${JSON.stringify(name)}: [\n${
      all.map(({ figure, ...rest }) =>
        `      ${JSON.stringify({ ...rest, figure: short(figure) })}`
      ).join(",\n")
    }\n    ]`
  );
  const rows = Object.entries({ ...head, schedulers, columns: columnsOf(schedulers) })
    .map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},\n`).join("");
  return `{\n${rows}  "promised": {\n${promised.join(",\n")}\n  },\n  "cells": [\n${
    lines.map((line) => `    ${line}`).join(",\n")
  }\n  ]\n}\n`;
}

/**
 * Reads it back; what plugins did wrong is not in it.
 *
 * @throws {TypeError} it is no such file.
 */
export function fromFile(text: string): GridFigures {
  const { columns, cells, schedulers, congestion, seeds } = JSON.parse(text);
  if (
    !Array.isArray(schedulers) || !Array.isArray(cells) ||
    JSON.stringify(columns) !== JSON.stringify(columnsOf(schedulers))
  ) throw new TypeError("it is not what --json writes");
  return {
    congestion,
    seeds,
    schedulers,
    cells: cells.map(([cell, one, other, floor, ...rest]: [string, ...number[]]): CellResult => {
      const best = Math.min(one!, other!);
      const runs = schedulers.map((name: string, i: number): [string, CellRun] => {
        const [time, repeated, retransmitted] = rest.slice(3 * i) as [number, number, number];
        return [name, { time, ratio: time / best, repeated, retransmitted, faults: [] }];
      });
      return {
        cell,
        tcp: { times: [one!, other!], floor: floor! },
        runs: Object.fromEntries(runs),
      };
    }),
  };
}
