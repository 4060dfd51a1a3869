/** What comes of the runs of `mptcp sim`: JSON, CSV, and a table that puts plugins side by side. */

import { csvLine, rowsOf } from "../sim/rows.ts";
import { meanOf, type Measurement, type TrafficFigures } from "../sim/mod.ts";
import { formatBytes, formatRate, formatTime } from "./output.ts";
import { plainTable } from "./table.ts";

/** One run: what was measured, and what came of it. */
export interface SimRun {
  /** Place among all runs, from 0 on. */
  readonly index: number;
  /** Values that were set or swept, by path. */
  readonly set: Readonly<Record<string, string>>;
  /** Plugins as they were named; what was not named is not there. */
  readonly plugins: Readonly<Record<string, string>>;
  /** Its seed. */
  readonly seed: number;
  /** Its figures; null: it failed. */
  readonly result: Measurement | null;
  /** Why it failed. */
  readonly error?: string;
}

/** Kinds of plugins, as `plugins` and `policies` have them, and in words. */
const PLUGIN_KINDS = [
  ["scheduler", "scheduler"],
  ["congestionControl", "congestion control"],
  ["pathManager", "path manager"],
] as const;

/**
 * What the plugins of each run are called, in the order of the runs: by their own names, with the options that they were given, so that the same one twice
 * is told apart; where that is the same for two texts, by these.
 */
export function labelledPlugins(runs: readonly SimRun[]): Readonly<Record<string, string>>[] {
  const labels = new Map<string, Map<string, string>>();
  for (const [kind] of PLUGIN_KINDS) {
    const texts = new Map<string, Set<string>>();
    for (const { plugins, result } of runs) {
      const text = plugins[kind];
      if (text === undefined || result === null) continue;
      const label = result.policies[kind] + (/,.*/s.exec(text)?.[0] ?? "");
      texts.set(label, (texts.get(label) ?? new Set()).add(text));
    }
    labels.set(
      kind,
      new Map(
        [...texts].flatMap(([label, of]) =>
          [...of].map((text) => [text, of.size === 1 ? label : text] as const)
        ),
      ),
    );
  }
  return runs.map(({ plugins }) =>
    Object.fromEntries(
      Object.entries(plugins).map(([kind, text]) => [kind, labels.get(kind)?.get(text) ?? text]),
    )
  );
}

/** What `--json` writes. */
export interface SimReport {
  /** Names this form. */
  readonly format: "mptcp-sim/1";
  /** Version of the program. */
  readonly version: string;
  /** Name of the scenario. */
  readonly scenario: string;
  /** How many runs there are in all, of all shards. */
  readonly total: number;
  /** A number that all shards of one command have in common. */
  readonly plan: string;
  /** The runs, in their order. */
  readonly runs: readonly SimRun[];
}

/** Text of the JSON: the same runs give the same bytes. */
export function toJson(report: SimReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

const HEAD = [
  "scenario",
  "version",
  "run",
  "seed",
  "scheduler",
  "congestion_control",
  "path_manager",
  "set",
  "of",
  "metric",
  "value",
];

/** Text of the CSV: a line for each figure of each run. */
export function toCsv({ scenario, version, runs }: SimReport): string {
  const lines = [csvLine(HEAD)];
  const labelled = labelledPlugins(runs);
  for (const [i, { index, set, seed, result }] of runs.entries()) {
    if (result === null) continue;
    const { scheduler, congestionControl, pathManager } = { ...result.policies, ...labelled[i] };
    const values = Object.entries(set).map(([path, value]) => `${path}=${value}`).join(" ");
    const common = [
      scenario,
      version,
      index,
      seed,
      scheduler,
      congestionControl,
      pathManager,
      values,
    ];
    for (const { of, metric, value } of rowsOf(result)) {
      lines.push(csvLine([...common, of, metric, value]));
    }
  }
  return lines.join("");
}

/** What a variant is called: what differs between the runs. */
export function variantName({ plugins, set }: Pick<SimRun, "plugins" | "set">): string {
  const parts = [
    ...Object.values(plugins),
    ...Object.entries(set).map(([path, value]) => `${path}=${value}`),
  ];
  return parts.length === 0 ? "default" : parts.join(" ");
}

/** A figure of a table: how it is found, and how it is written. */
interface Column {
  readonly name: string;
  readonly of: (result: Measurement, traffic: string) => number | undefined;
  readonly show: (value: number) => string;
  /** Shown only where it is not 0. */
  readonly rare?: boolean;
}

/** Connections that failed. */
function failures(figures: TrafficFigures | undefined): number | undefined {
  return figures && Object.values(figures.failed).reduce((sum, one) => sum + one, 0);
}

const share = (value: number): string => value.toFixed(2);
const count = (value: number): string => value.toFixed(value % 1 === 0 ? 0 : 1);

const FIGURES: readonly Column[] = [
  { name: "goodput", of: ({ traffic }, name) => traffic[name]?.goodput, show: formatRate },
  { name: "failed", of: ({ traffic }, name) => failures(traffic[name]), show: count, rare: true },
  { name: "delay p50", of: ({ traffic }, name) => traffic[name]?.delays?.p50, show: formatTime },
  { name: "delay p99", of: ({ traffic }, name) => traffic[name]?.delays?.p99, show: formatTime },
  { name: "late", of: ({ traffic }, name) => traffic[name]?.late, show: count },
  { name: "bitrate", of: ({ traffic }, name) => traffic[name]?.video?.bitrate, show: formatRate },
  { name: "stalled", of: ({ traffic }, name) => traffic[name]?.video?.stalled, show: formatTime },
  {
    name: "bytes p99",
    of: ({ traffic }, name) => {
      const delivery = traffic[name]?.delivery;
      return delivery === undefined || delivery.count === 0 ? undefined : delivery.p99;
    },
    show: formatTime,
  },
  {
    name: "repeated",
    of: ({ traffic }, name) => traffic[name]?.kind === "cbr" ? undefined : traffic[name]?.repeated,
    show: formatBytes,
  },
  { name: "lost", of: ({ traffic }, name) => traffic[name]?.lost, show: count },
];

/** Mean, and the range where there are several seeds. */
function cell(values: readonly number[], show: (value: number) => string): string {
  if (values.length === 0) return "-";
  const mean = show(meanOf(values));
  const range = [show(Math.min(...values)), show(Math.max(...values))];
  const [least = "", most = ""] = range;
  if (least === most) return mean;
  // The unit once, where it is the same.
  const unit = mean.replace(/^\S+/, "");
  const short = range.every((text) => text.replace(/^\S+/, "") === unit)
    ? range.map((text) => text.slice(0, text.length - unit.length))
    : range;
  return `${mean} (${short.join("…")})`;
}

/** Runs of one variant, with different seeds. */
interface Variant {
  readonly name: string;
  readonly results: readonly Measurement[];
}

/** What differs between runs; what was set for all of them does not. */
function differing(runs: readonly SimRun[]): (run: SimRun) => SimRun {
  const values = new Map<string, Set<string>>();
  for (const { set } of runs) {
    for (const [path, value] of Object.entries(set)) {
      values.set(path, (values.get(path) ?? new Set()).add(value));
    }
  }
  return (run) => ({
    ...run,
    set: Object.fromEntries(
      Object.entries(run.set).filter(([path]) => values.get(path)!.size > 1),
    ),
  });
}

function variantsOf(runs: readonly SimRun[]): Variant[] {
  const variants = new Map<string, Measurement[]>();
  const names = variantNames(runs);
  for (const [i, run] of runs.entries()) {
    const name = names[i]!;
    const results = variants.get(name) ?? [];
    variants.set(name, results);
    if (run.result !== null) results.push(run.result);
  }
  return [...variants].map(([name, results]) => ({ name, results }));
}

/** Figures of one piece of traffic. */
export interface SummaryTable {
  /** Name of the traffic. */
  readonly traffic: string;
  /** What the columns behind the variant are: figures, then the shares of paths. */
  readonly columns: readonly string[];
  /** A row for each variant. */
  readonly rows: readonly { readonly variant: string; readonly cells: readonly string[] }[];
}

/** A table for each piece of traffic. */
export function summaryTables({ runs }: SimReport): SummaryTable[] {
  const variants = variantsOf(runs);
  const first = runs.find(({ result }) => result !== null)?.result;
  if (first === undefined || first === null) return [];
  return Object.keys(first.traffic).map((traffic) => {
    const columns = FIGURES.filter(({ of, rare = false }) =>
      variants.some(({ results }) =>
        results.some((result) => {
          const value = of(result, traffic);
          return value !== undefined && !(rare && value === 0);
        })
      )
    );
    const all = new Set(
      variants.flatMap(({ results }) =>
        results.flatMap((result) => result.traffic[traffic]!.paths.map(({ name }) => name))
      ),
    );
    const paths = all.size > 1 ? [...all] : [];
    return {
      traffic,
      columns: [...columns.map(({ name }) => name), ...paths],
      rows: variants.map(({ name, results }) => ({
        variant: name,
        cells: [
          ...columns.map(({ of, show }) => {
            const values = results.map((result) => of(result, traffic)).filter((value) =>
              value !== undefined
            );
            return cell(values, show);
          }),
          ...paths.map((path) =>
            cell(results.map((result) => shareOf(result, traffic, path)), share)
          ),
        ],
      })),
    };
  });
}

/** What the figures of several seeds are; empty where there is one. */
export function saySeeds(report: SimReport): string {
  const variants = variantsOf(report.runs).map(({ results }) => results);
  if (variants.every((results) => results.length < 2)) return "";
  const figures = ({ time, traffic }: Measurement): string => JSON.stringify([time, traffic]);
  return variants.every((results) => new Set(results.map(figures)).size < 2)
    ? "All seeds gave the same: chance made no difference here, as losses would (--set links.NAME.loss=0.01)."
    : "Means of the seeds; in brackets the least and the most.";
}

/** The part of all payload that a path carried. */
function shareOf(result: Measurement, traffic: string, path: string): number {
  const { paths } = result.traffic[traffic]!;
  const sum = paths.reduce((total, { bytes }) => total + bytes, 0);
  return sum === 0 ? 0 : (paths.find(({ name }) => name === path)?.bytes ?? 0) / sum;
}

function widthOf(text: string): number {
  return Math.max(...text.split("\n").map((line) => line.length));
}

/** The tables as text: a row for each variant; where that is wider than so many `columns`, a row for each figure if it is narrower. */
export function toTable(report: SimReport, columns = 80): string {
  return summaryTables(report).map(({ traffic, columns: figures, rows }) => {
    const wide = plainTable(
      [traffic, ...figures],
      rows.map(({ variant, cells }) => [variant, ...cells]),
    );
    if (widthOf(wide) <= columns) return wide;
    const high = plainTable(
      [traffic, ...rows.map(({ variant }) => variant)],
      figures.map((figure, i) => [figure, ...rows.map(({ cells }) => cells[i]!)]),
    );
    return widthOf(high) < widthOf(wide) ? high : wide;
  }).join("\n\n");
}

/** What the variant of each run is called, in their order. */
export function variantNames(runs: readonly SimRun[]): string[] {
  const reduce = differing(runs);
  const labelled = labelledPlugins(runs);
  return runs.map((run, i) => variantName({ ...reduce(run), plugins: labelled[i]! }));
}

/** The plugins that all runs have in common, in words. */
export function commonPlugins({ runs }: SimReport): string {
  const labelled = labelledPlugins(runs);
  return PLUGIN_KINDS.flatMap(([kind, words]) => {
    const names = new Set(
      runs.flatMap(({ result }, i) =>
        result === null ? [] : [labelled[i]![kind] ?? result.policies[kind]]
      ),
    );
    return names.size === 1 ? [`${words} ${[...names][0]}`] : [];
  }).join(", ");
}

/**
 * Puts the reports of all shards of one command together.
 *
 * @throws {TypeError} They do not belong together, or some are missing.
 */
export function mergeReports(reports: readonly SimReport[]): SimReport {
  const [first] = reports;
  if (first === undefined) {
    throw new TypeError("Cannot merge nothing: give the files of all shards");
  }
  const runs = new Map<number, SimRun>();
  for (const report of reports) {
    if (report?.format !== "mptcp-sim/1") {
      throw new TypeError("Cannot merge what is no report of mptcp sim --json");
    }
    if (report.plan !== first.plan || report.version !== first.version) {
      throw new TypeError(
        `Cannot merge reports of different commands or versions: ${first.scenario} ${first.plan} (${first.version}) and ${report.scenario} ${report.plan} (${report.version})`,
      );
    }
    for (const run of report.runs) runs.set(run.index, run);
  }
  const missing = Array.from({ length: first.total }, (_, i) => i).filter((i) => !runs.has(i));
  if (missing.length > 0) {
    throw new TypeError(
      `Cannot merge as ${missing.length} of ${first.total} runs are missing, the first is number ${
        missing[0]
      }: give the files of all shards`,
    );
  }
  return { ...first, runs: [...runs.values()].sort((a, b) => a.index - b.index) };
}
