/** The leaderboard: every plugin of every kind on every discipline, beside the default of its kind. */

import { formatRate, formatTime } from "../../cli/output.ts";
import type { PluginKind } from "../../mod.ts";
import { meanOf, type Measurement, VERSION } from "../../sim/mod.ts";
import { ratioOf } from "../figures.ts";
import type { Discipline } from "./disciplines.ts";

/** What one plugin came to on one discipline. */
export interface Cell {
  /** Of each seed, in its order: bytes per second, or microseconds. */
  readonly values: readonly number[];
  /** Their mean. */
  readonly mean: number;
  /** The mean as a multiple of the default's. */
  readonly ratio: number | null;
  /** How good it is: above 1 better than the default, whichever way is better. */
  readonly score: number | null;
}

/** One plugin. */
export interface Row {
  /** As it was named. */
  readonly name: string;
  /** Nanoseconds of real time that a decision or an acknowledgement costs; null: not measured. */
  readonly cost: number | null;
  /** By discipline; null: it failed. */
  readonly cells: Readonly<Record<string, Cell | null>>;
  /** Geometric mean of its scores. */
  readonly score: number | null;
  /** What went wrong: faults, in which the default decided in its place, and runs that failed. */
  readonly troubles: readonly string[];
}

/** All plugins of a kind. */
export interface Family {
  /** The kind. */
  readonly kind: PluginKind;
  /** What is called the cost. */
  readonly cost: "decision" | "acknowledgement" | null;
  /** The default, which others are measured by. */
  readonly usual: string;
  /** Disciplines that say something about it. */
  readonly disciplines: readonly string[];
  /** The default first, then the best first. */
  readonly rows: readonly Row[];
}

/** What `--json` prints. */
export interface Board {
  /** Names this form. */
  readonly format: "mptcp-leaderboard/1";
  /** Of the program. */
  readonly version: string;
  /** Seeds of each run. */
  readonly seeds: readonly number[];
  /** Whether the disciplines were shortened. */
  readonly quick: boolean;
  /** The disciplines, in their order. */
  readonly disciplines: readonly Omit<Discipline, "scenario" | "kinds">[];
  /** The kinds. */
  readonly families: readonly Family[];
}

/** One run, and what came of it. */
export interface BoardRun {
  /** Of the plugin. */
  readonly kind: PluginKind;
  /** Its name. */
  readonly name: string;
  /** Of the discipline. */
  readonly discipline: string;
  /** Its figures, or why there are none. */
  readonly result: Measurement | string;
}

/** The figure that counts. */
export function figureOf({ traffic, figure }: Discipline, result: Measurement): number | null {
  const { goodput, delays } = result.traffic[traffic]!;
  return figure === "goodput" ? goodput : delays?.[figure] ?? null;
}

/** A figure as people read it. */
export function sayFigure({ figure }: Pick<Discipline, "figure">, value: number): string {
  return figure === "goodput" ? formatRate(value) : formatTime(value);
}

/** Puts runs together. `names` are the plugins of each kind, the default first; `costs` are by name. */
export function makeBoard(
  all: readonly Discipline[],
  names: Readonly<Partial<Record<PluginKind, readonly string[]>>>,
  runs: readonly BoardRun[],
  costs: Readonly<Partial<Record<PluginKind, ReadonlyMap<string, number>>>>,
  seeds: readonly number[],
  quick: boolean,
): Board {
  const families = Object.entries(names).map(([kind, plugins]): Family => {
    const own = all.filter(({ kinds }) => kinds === undefined || kinds.includes(kind as never));
    const values = (name: string, discipline: Discipline): number[] | null => {
      const results = runs.filter((run) =>
        run.kind === kind && run.name === name && run.discipline === discipline.id
      ).map(({ result }) => typeof result === "string" ? null : figureOf(discipline, result));
      return results.includes(null) ? null : results as number[];
    };
    const usual = plugins![0]!;
    const bases = new Map(own.map((one) => [one.id, meanOf(values(usual, one) ?? [])]));
    const rows = plugins!.map((name): Row => {
      const cells = Object.fromEntries(own.map((one): [string, Cell | null] => {
        const seen = values(name, one);
        if (seen === null) return [one.id, null];
        const mean = meanOf(seen);
        const ratio = ratioOf(mean, bases.get(one.id)!);
        const score = ratio === null || ratio === 0
          ? null
          : one.figure === "goodput"
          ? ratio
          : 1 / ratio;
        return [one.id, { values: seen, mean, ratio, score }];
      }));
      const scores = Object.values(cells).map((cell) => cell?.score ?? null);
      const troubles = runs.filter((run) => run.kind === kind && run.name === name).flatMap((
        { result },
      ) => typeof result === "string" ? [result] : result.faults);
      return {
        name,
        cost: costs[kind as PluginKind]?.get(name) ?? null,
        cells,
        score: scores.includes(null)
          ? null
          : Math.exp(meanOf(scores.map((score) => Math.log(score!)))),
        troubles: [...new Set(troubles)],
      };
    });
    const [first, ...others] = rows;
    others.sort((a, b) => (b.score ?? -1) - (a.score ?? -1));
    return {
      kind: kind as PluginKind,
      cost: kind === "scheduler"
        ? "decision"
        : kind === "congestion-control"
        ? "acknowledgement"
        : null,
      usual,
      disciplines: own.map(({ id }) => id),
      rows: [first!, ...others],
    };
  });
  return {
    format: "mptcp-leaderboard/1",
    version: VERSION,
    seeds,
    quick,
    disciplines: all.map(({ scenario: _s, kinds: _k, ...rest }) => rest),
    families,
  };
}

/** The headings of kinds. */
export const TITLES: Readonly<Record<PluginKind, string>> = {
  "scheduler": "Schedulers",
  "congestion-control": "Congestion controls",
  "path-manager": "Path managers",
};

/** Tables for a terminal: the default's figures, then ratios to it. */
export function toText({ families, disciplines }: Board): string {
  return families.map(({ kind, cost, usual, rows, disciplines: own }) => {
    const columns = own.map((id) => disciplines.find((one) => one.id === id)!);
    const lines = [
      [
        TITLES[kind],
        "all",
        ...columns.map(({ title }) => title),
        ...cost === null ? [] : [`ns per ${cost}`],
      ],
      ...rows.map((row) => [
        row.troubles.length > 0 ? `${row.name} (!)` : row.name,
        row.score?.toFixed(2) ?? "-",
        ...columns.map((one) => {
          const cell = row.cells[one.id];
          return cell === null || cell === undefined
            ? "failed"
            : row.name === usual
            ? sayFigure(one, cell.mean)
            : cell.ratio?.toFixed(2) ?? "-";
        }),
        ...cost === null ? [] : [row.cost?.toFixed(0) ?? "-"],
      ]),
    ];
    const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
    return lines.map((line) =>
      line.map((text, i) => i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))
        .join("  ")
    ).join("\n");
  }).join("\n\n");
}
