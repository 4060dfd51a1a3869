/** What `deno task bench:kernel` makes of what it measured. */

import { formatRate } from "../../cli/output.ts";
import type { Contestant, Direction } from "./ends.ts";
import { median } from "./tools.ts";

/** What is measured. */
export type Case =
  | { readonly kind: "transfer"; readonly direction: Direction; readonly subflows: number }
  | { readonly kind: "exchange" }
  | { readonly kind: "open"; readonly subflows: number };

/** Figures of one measurement, by name; none where a contestant cannot. */
export type Figures = Readonly<Record<string, number>>;

/** The figures of one row. */
export interface Row {
  /** What was measured. */
  readonly what: string;
  /** By contestant and round; an empty list: it cannot. */
  readonly values: readonly (readonly number[])[];
  /** As people read a value. */
  readonly format: (value: number) => string;
}

function fixed(digits: number, unit: string): (value: number) => string {
  return (value) => `${value.toFixed(digits)} ${unit}`;
}

/** How the figures of a case are called and read. */
const FIGURES: Readonly<
  Record<Case["kind"], Readonly<Record<string, readonly [string, Row["format"]]>>>
> = {
  transfer: {
    rate: ["", formatRate],
    near: ["  processor, this end", fixed(3, "s/GB")],
    both: ["  processor, both ends", fixed(3, "s/GB")],
  },
  exchange: { p50: [", 50 %", fixed(0, "µs")], p99: [", 99 %", fixed(0, "µs")] },
  open: {
    rate: ["", fixed(0, "/s")],
    cold: ["  the first of this process", fixed(0, "/s")],
    near: ["  processor, this end", fixed(3, "ms")],
  },
};

/** What a case is called. */
export function nameOf(one: Case): string {
  if (one.kind === "exchange") return "64 bytes and back";
  if (one.kind === "open") {
    return one.subflows > 1 ? "connect, join, close" : "connect, close";
  }
  const { direction, subflows } = one;
  const what = subflows === 0 ? "TCP" : `MPTCP, ${subflows} subflow${subflows > 1 ? "s" : ""}`;
  return `${direction === "send" ? "to the kernel" : "from the kernel"}: ${what}`;
}

/** The cases; names that hold one of `only`, or all. */
export function casesOf(tcp: boolean, only: readonly string[]): Case[] {
  const all: Case[] = [
    // First of all: what a process that has not done anything yet needs is a figure, too.
    { kind: "open", subflows: 1 },
    { kind: "open", subflows: 2 },
    { kind: "exchange" },
    ...(tcp ? [0, 1, 2] : [1, 2]).flatMap((subflows): Case[] => [
      { kind: "transfer", direction: "receive", subflows },
      { kind: "transfer", direction: "send", subflows },
    ]),
  ];
  if (only.length === 0) return all;
  return all.filter((one) => only.some((text) => nameOf(one).includes(text)));
}

/** Measures one case of one contestant; null: it cannot. */
export async function measure(
  contestant: Contestant,
  one: Case,
  seconds: number,
): Promise<Figures | null> {
  if (one.kind === "exchange") return { ...await contestant.exchange(seconds) };
  if (one.kind === "transfer") {
    return { ...await contestant.transfer(one.direction, one.subflows, seconds) };
  }
  const figures = await contestant.open(one.subflows, seconds);
  return figures === null ? null : { ...figures };
}

/** One case as rows: `results` by contestant and round, `cold` what the warm-up gave. */
export function rowsOf(
  one: Case,
  results: readonly (readonly Figures[])[],
  cold: readonly (Figures | null)[],
): Row[] {
  return Object.entries(FIGURES[one.kind]).map(([figure, [suffix, format]]) => ({
    what: suffix.startsWith(" ") ? suffix : `${nameOf(one)}${suffix}`,
    format,
    values: figure === "cold"
      ? cold.map((figures) => figures === null ? [] : [figures.rate ?? NaN])
      : results.map((rounds) => rounds.map((figures) => figures[figure] ?? NaN)),
  }));
}

/** The median of the ratios of what was measured in the same round; NaN where one cannot. */
export function ratio(values: readonly number[], reference: readonly number[]): number {
  const rounds = Math.min(values.length, reference.length);
  return median(values.slice(0, rounds).map((value, round) => value / reference[round]!));
}

/**
 * The cells of a row, one list a contestant: what it had, then, but for the first and for references, its ratio to the first and to its reference.
 * `references` names for each contestant that of which its figure is a share, -1 for none.
 */
export function cellsOf(row: Row, references: readonly number[]): string[] {
  const [first = []] = row.values;
  return row.values.flatMap((values, i) => {
    const text = values.length === 0 ? "-" : row.format(median(values));
    const reference = references[i]!;
    if (reference < 0) return [text];
    return [
      text,
      ...[first, row.values[reference]!].map((other) => {
        const value = ratio(values, other);
        return Number.isNaN(value) ? "-" : value.toFixed(2);
      }),
    ];
  });
}
