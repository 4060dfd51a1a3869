/**
 * Compares schedulers: what transfers become with each in virtual time, and what one decision costs in real time.
 *
 * A bench file of your own, `mine_bench.ts`, run by `deno bench mine_bench.ts`:
 *
 * ```ts ignore
 * import { compare } from "@mptcp/mptcp/bench";
 * import mine from "./mine.ts";
 *
 * compare({ schedulers: [mine()] });
 * ```
 *
 * @module
 */

import { formatBytes, formatShare, print } from "../cli/output.ts";
import { checkPlugin } from "../core/net/load_plugin.ts";
import { defaultPolicies } from "../core/net/policies.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../core/plugin.ts";
import { measure, type Measurement, type Scenario, SCENARIOS } from "../sim/mod.ts";
import { decision } from "./decision.ts";
import { figuresOf, ratioOf } from "./figures.ts";

export type { Measurement, Scenario } from "../sim/mod.ts";
export type * from "../core/plugin.ts";

/** Options for {@linkcode compare}. */
export interface CompareOptions {
  /** What to compare; the default is always the first, as what the others are measured by. */
  readonly schedulers: readonly SchedulerPlugin[];
  /**
   * What is run, all that {@linkcode measure} of `./sim` takes.
   *
   * @default a bulk transfer, and requests where the second path is slow and far: SCENARIOS.bulk and SCENARIOS.requests of `./sim`
   */
  readonly scenarios?: readonly Scenario[];
  /**
   * The same for all.
   *
   * @default {lia()}
   */
  readonly congestionControl?: CongestionControlPlugin;
}

/** What came of one scheduler. */
export interface Comparison {
  /** The scheduler's name. */
  readonly name: string;
  /** Its figures, one for each scenario. */
  readonly results: readonly Measurement[];
}

/** Subflows that a scheduler chooses among when the cost of a decision is measured. */
const SUBFLOWS = [2, 8];

/** Paths of a link in words. */
function linksOf({ links = {} }: Scenario): string {
  return Object.entries(links)
    .filter(([, { rate }]) => rate !== undefined)
    .map(([name, { rate, delay, loss }]) =>
      [name, rate, delay, ...loss ? [`loss ${loss}`] : []].join(" ")
    ).join(", ");
}

/** A row for each scheduler: figures with their ratios to the first, then shares of paths. */
function table(rows: readonly Comparison[], index: number, traffic: string): string {
  const [base] = rows;
  if (base === undefined) return "";
  const of = ({ results }: Comparison) => results[index]!;
  const bases = figuresOf(of(base), traffic);
  const paths = [
    ...new Set(rows.flatMap((row) => of(row).traffic[traffic]!.paths.map(({ name }) => name))),
  ];
  const cells = [
    [traffic, ...bases.flatMap(({ name }) => [name, "x"]), ...paths, "repeated"],
    ...rows.map((row) => {
      const { paths: carried, repeated } = of(row).traffic[traffic]!;
      const sum = carried.reduce((all, { bytes }) => all + bytes, 0);
      return [
        row.name,
        ...figuresOf(of(row), traffic).flatMap(({ text, value }, i) => [
          text,
          ratioOf(value, bases[i]!.value)?.toFixed(2) ?? "-",
        ]),
        ...paths.map((path) =>
          formatShare(carried.find(({ name }) => name === path)?.bytes ?? 0, sum)
        ),
        formatBytes(repeated),
      ];
    }),
  ];
  const widths = cells[0]!.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  );
  return cells.map((row) =>
    row.map((text, column) => {
      const width = widths[column]!;
      return column === 0 ? text.padEnd(width) : text.padStart(width);
    }).join("  ")
  ).join("\n");
}

/**
 * Runs each scheduler through the scenarios in virtual time, prints what came of it with ratios to the default ("x"), and registers benches named
 * "cost of one decision". Goodput is of virtual time and so no bench, which would time the emulator.
 *
 * - goodput: bytes that reached the application, by time; p99 delay: from when a byte was first sent until it could be read, 99th percentile
 * - of answers, messages and pages: mean and p99 of how long each took
 * - one column a path: its share of the bytes carried; repeated: bytes sent more than once
 *
 * @example A scheduler in place of the default, on a network of one's own; run by `deno bench`
 * ```ts
 * import { compare } from "@mptcp/mptcp/bench";
 * import { redundant } from "@mptcp/mptcp/sched";
 *
 * const [usual, mine] = compare({
 *   schedulers: [redundant()],
 *   scenarios: [{
 *     name: "short",
 *     hosts: { client: {}, server: {} },
 *     links: {
 *       one: { between: ["client", "server"], rate: "10 Mbit/s", delay: "10 ms" },
 *       two: { between: ["client", "server"], rate: "10 Mbit/s", delay: "20 ms" },
 *     },
 *     traffic: { file: { kind: "bulk", client: "client", server: "server", bytes: "500 kB" } },
 *   }],
 * });
 * const repeated = ({ results }: typeof usual & object) => results[0]!.traffic.file!.repeated;
 * console.assert(repeated(mine!) > repeated(usual!));
 * ```
 *
 * @returns a row for each scheduler, the default first.
 * @throws {TypeError} one of `schedulers` is none.
 * @throws {ScenarioError} something is wrong with a scenario.
 */
export function compare(options: CompareOptions): Comparison[] {
  const { schedulers, congestionControl } = options;
  const scenarios = options.scenarios ?? [SCENARIOS.bulk!, SCENARIOS.requests!];
  for (const plugin of schedulers) checkPlugin("scheduler", plugin);
  const usual = defaultPolicies();
  const plugins = [
    usual.scheduler,
    ...schedulers.filter(({ name }) => name !== usual.scheduler.name),
  ];
  const rows = plugins.map((scheduler): Comparison => ({
    name: scheduler.name,
    results: scenarios.map((scenario) =>
      measure(scenario, { scheduler, ...(congestionControl && { congestionControl }) })
    ),
  }));
  for (const [index, scenario] of scenarios.entries()) {
    const { policies, seed, traffic } = rows[0]!.results[index]!;
    const about = scenario.about === undefined ? "" : `: ${scenario.about}`;
    print(
      `${scenario.name ?? "unnamed"}${about}\n${
        linksOf(scenario)
      }; ${policies.congestionControl}, ${policies.pathManager}, seed ${seed}, virtual time\n`,
    );
    for (const name of Object.keys(traffic)) print(`${table(rows, index, name)}\n`);
  }
  for (const { name, results } of rows) {
    const faults = new Set(results.flatMap(({ faults }) => faults));
    if (faults.size > 0) print(`Not ${name} alone:\n  ${[...faults].join("\n  ")}\n`);
  }
  for (const paths of SUBFLOWS) {
    for (const [index, plugin] of plugins.entries()) {
      // Elsewhere than in `deno bench` there is nobody to run them.
      Deno.bench?.({
        group: `cost of one decision, ${paths} subflows`,
        name: `cost of one decision: ${plugin.name}, ${paths} subflows`,
        baseline: index === 0,
        fn: decision(plugin, paths),
      });
    }
  }
  return rows;
}
