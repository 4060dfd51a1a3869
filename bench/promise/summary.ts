/** What the cells of `deno task bench:promise` come to: by class, and held against what is promised. */

import { type Cell, longAndShort, parseCell, sizeName } from "./cells.ts";
import type { CellResult, CellRun } from "./cell_job.ts";

/** One cell with what came of it. */
export interface Measured {
  readonly name: string;
  readonly cell: Cell;
  readonly run: CellRun;
  /** What two paths that do not wait for each other would take, over the better one alone. */
  readonly floor: number;
}

/** What is promised, as ratios to TCP on the better path; and of extra bytes, as a part of those asked for. */
export const PROMISE = {
  /** Of all cells. */
  median: 0.95,
  p95: 1.03,
  /** Of any cell: where packets are lost, of the median of its seeds. */
  worst: 1.1,
  /** Median of any class: size, buffer, ratio of the rates. */
  classMedian: 1.0,
  /** The same of sizes within the initial window. */
  smallMedian: 1.02,
  /** Of extra bytes. */
  repeated: 0.08,
} as const;

/** Bytes of the initial window (RFC 6928 §2): what is no larger takes one round trip by any path. */
const INITIAL_WINDOW = 14600;

/** Of numbers in any order, interpolated. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? NaN;
  const above = sorted[Math.ceil(place)] ?? NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** Distribution of the ratios of some cells. */
export interface Spread {
  readonly cells: number;
  readonly median: number;
  readonly p95: number;
  readonly worst: number;
  /** How many are above {@linkcode PROMISE}.worst. */
  readonly over: number;
  /** Mean of extra bytes. */
  readonly repeated: number;
  /** Median of what two paths that do not wait for each other would give. */
  readonly floor: number;
}

/** The distribution of some cells. */
export function spreadOf(measured: readonly Measured[]): Spread {
  const ratios = measured.map(({ run }) => run.ratio);
  return {
    cells: ratios.length,
    median: quantile(ratios, 0.5),
    p95: quantile(ratios, 0.95),
    worst: Math.max(...ratios),
    over: ratios.filter((ratio) => ratio > PROMISE.worst).length,
    repeated: measured.reduce((sum, { run }) => sum + run.repeated, 0) / ratios.length,
    floor: quantile(measured.map(({ floor }) => floor), 0.5),
  };
}

/** Ratios of rates, by their upper ends. */
const RATE_BINS: readonly (readonly [most: number, name: string])[] = [
  [1 / 20, "≤ 1/25"],
  [1 / 8, "1/15–1/10"],
  [1 / 3.5, "1/6–1/4"],
  [1 / 1.5, "1/3–1/2"],
  [1.5, "1"],
  [3.5, "2–3"],
  [8, "4–6"],
  [20, "10–15"],
  [Infinity, "≥ 25"],
];

/** Classes of the rate of the path with the longer round trip over that of the other, in order. */
export const RATE_RATIOS: readonly string[] = RATE_BINS.map(([, name]) => name);

/** Which of {@linkcode RATE_RATIOS} a cell is in. */
export function rateRatio(cell: Cell): string {
  const { long, short } = longAndShort(cell);
  return RATE_BINS.find(([most]) => long.mbit / short.mbit <= most)![1];
}

/** The longer round trip over the shorter one. */
export function rttRatio(cell: Cell): number {
  const { long, short } = longAndShort(cell);
  return +(long.rtt / short.rtt).toFixed(2);
}

/** What two TCPs would give together, by upper ends. */
const GAINS: readonly (readonly [most: number, name: string])[] = [
  [0.7, "≤ 0.7"],
  [0.9, "0.7–0.9"],
  [0.99, "0.9–0.99"],
  [Infinity, "> 0.99"],
];

/** How cells are told apart. */
export interface Dimension {
  readonly name: string;
  /** Key of a cell, and where it comes among the others. */
  readonly of: (measured: Measured) => readonly [key: string, order: number];
  /** Its classes have the medians of {@linkcode PROMISE}. */
  readonly promised: boolean;
}

/** All of them. */
export const DIMENSIONS: readonly Dimension[] = [
  { name: "size", of: ({ cell: { size } }) => [sizeName(size), size], promised: true },
  {
    name: "buffer",
    of: ({ cell: { buffer } }) =>
      buffer === "auto" ? ["auto", Infinity] : [`${buffer} × slow BDP`, buffer],
    promised: true,
  },
  {
    name: "rate, long RTT / short",
    of: ({ cell }) => [rateRatio(cell), RATE_RATIOS.indexOf(rateRatio(cell))],
    promised: true,
  },
  {
    name: "RTT, long / short",
    of: ({ cell }) => [`${rttRatio(cell)}`, rttRatio(cell)],
    promised: false,
  },
  {
    name: "loss",
    of: ({ cell }) => {
      const { share, path } = cell.loss;
      if (path === 0) return ["none", 0];
      const where = cell.paths[path - 1] === longAndShort(cell).short ? "short" : "long";
      return [
        `${+(share * 100).toFixed(4)} % on the ${where}`,
        share * 2 + (where === "long" ? 1e-4 : 0),
      ];
    },
    promised: false,
  },
  {
    name: "connection",
    of: ({ cell: { connection } }) => [connection, connection === "fresh" ? 0 : 1],
    promised: false,
  },
  { name: "queue", of: ({ cell: { queue } }) => [`${queue} BDP`, queue], promised: false },
  {
    name: "two TCPs",
    of: ({ floor }) => {
      const place = GAINS.findIndex(([most]) => floor <= most);
      return [GAINS[place]![1], place];
    },
    promised: false,
  },
];

/** A class of cells. */
export interface Class {
  readonly dimension: Dimension;
  readonly key: string;
  readonly measured: readonly Measured[];
}

/** The cells with what came of them by one scheduler. */
export function measuredBy(results: readonly CellResult[], scheduler: string): Measured[] {
  return results.map(({ cell, tcp, runs }) => ({
    name: cell,
    cell: parseCell(cell)!,
    run: runs[scheduler]!,
    floor: tcp.floor,
  }));
}

/** All classes, in order. */
export function classesOf(measured: readonly Measured[]): Class[] {
  return DIMENSIONS.flatMap((dimension) => {
    const classes = new Map<string, { order: number; measured: Measured[] }>();
    for (const each of measured) {
      const [key, order] = dimension.of(each);
      const known = classes.get(key) ?? { order, measured: [] };
      known.measured.push(each);
      classes.set(key, known);
    }
    return [...classes].sort(([, a], [, b]) => a.order - b.order)
      .map(([key, { measured }]) => ({ dimension, key, measured }));
  });
}

/** A figure and its bound. */
export interface Verdict {
  readonly what: string;
  readonly figure: number;
  readonly bound: number;
  readonly kept: boolean;
}

/** Everything that is promised, and what it is. */
export function verdictsOf(measured: readonly Measured[]): Verdict[] {
  const verdict = (what: string, figure: number, bound: number): Verdict => ({
    what,
    figure,
    bound,
    // To three digits, as it is printed.
    kept: Math.round(1000 * figure) <= 1000 * bound,
  });
  const all = spreadOf(measured);
  const lossless = measured.filter(({ cell }) => cell.loss.path === 0);
  const lossy = measured.filter(({ cell }) => cell.loss.path !== 0);
  const equal = lossless.filter(({ cell: { paths: [one, other] } }) =>
    one.mbit === other.mbit && one.rtt === other.rtt
  );
  const worst = (some: readonly Measured[]): number => spreadOf(some).worst;
  const extra = (some: readonly Measured[]): number =>
    Math.max(...some.map(({ run }) => run.repeated));
  return [
    verdict("median", all.median, PROMISE.median),
    verdict("95th percentile", all.p95, PROMISE.p95),
    ...(lossless.length > 0 ? [verdict("worst without loss", worst(lossless), PROMISE.worst)] : []),
    ...(lossy.length > 0 ? [verdict("worst with loss", worst(lossy), PROMISE.worst)] : []),
    ...classesOf(measured).filter(({ dimension }) => dimension.promised)
      .map(({ dimension, key, measured }) => {
        const small = dimension.name === "size" && measured[0]!.cell.size <= INITIAL_WINDOW;
        const bound = small ? PROMISE.smallMedian : PROMISE.classMedian;
        return verdict(`median, ${dimension.name} ${key}`, spreadOf(measured).median, bound);
      }),
    verdict("extra bytes, mean", all.repeated, PROMISE.repeated),
    ...(equal.length > 0
      ? [verdict("extra bytes, equal paths without loss, most", extra(equal), 0)]
      : []),
  ];
}
