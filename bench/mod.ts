/**
 * Compares schedulers: what a transfer becomes with each in virtual time, and what one decision costs in real time.
 *
 * A bench file of your own, `mine_bench.ts`, run by `deno bench --allow-import=localhost:8000 mine_bench.ts`:
 *
 * ```ts ignore
 * import { compare } from "http://localhost:8000/bench/mod.ts";
 * import mine from "./mine.ts";
 *
 * compare({ schedulers: [mine()] });
 * ```
 *
 * @module
 */

import { formatBytes, formatRate, formatShare, formatTime, print } from "../cli/output.ts";
import { checkPlugin } from "../core/net/load_plugin.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../core/plugin.ts";
import { minRtt } from "../sched/mod.ts";
import { decision } from "./decision.ts";
import { type Figures, runScenario, type Scenario, WIFI_LTE } from "./scenario.ts";

export { type Figures, type Scenario, type ScenarioPath, WIFI_LTE } from "./scenario.ts";
export type { Duration, Rate } from "../core/link/units.ts";
export type * from "../core/plugin.ts";

/** Options for {@linkcode compare}. */
export interface CompareOptions {
  /** What to compare; min_rtt is always the first, as what the others are measured by. */
  readonly schedulers: readonly SchedulerPlugin[];
  /**
   * The transfer.
   *
   * @default {WIFI_LTE}
   */
  readonly scenario?: Scenario;
  /**
   * The same for all.
   *
   * @default {lia()}
   */
  readonly congestionControl?: CongestionControlPlugin;
}

/** One row of a comparison. */
export interface Comparison extends Figures {
  /** The scheduler's name. */
  readonly name: string;
}

/** Subflows that a scheduler chooses among when the cost of a decision is measured. */
const SUBFLOWS = [2, 8];

function table(rows: readonly Comparison[]): string {
  const [base] = rows;
  if (base === undefined) return "";
  const ratio = (value: number, of: number): string => of === 0 ? "-" : (value / of).toFixed(2);
  const cells = [
    [
      "scheduler",
      "goodput",
      "x",
      "of sum",
      "p99 delay",
      "x",
      ...base.paths.map(({ name }) => name),
      "repeated",
    ],
    ...rows.map((row) => {
      const carried = row.paths.reduce((sum, { bytes }) => sum + bytes, 0);
      return [
        row.name,
        formatRate(row.goodput),
        ratio(row.goodput, base.goodput),
        row.share.toFixed(2),
        formatTime(row.delay99),
        ratio(row.delay99, base.delay99),
        ...row.paths.map(({ bytes }) => formatShare(bytes, carried)),
        formatBytes(row.repeated),
      ];
    }),
  ];
  const widths = cells[0]?.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  );
  return cells.map((row) =>
    row.map((text, column) => {
      const width = widths?.[column] ?? 0;
      return column === 0 ? text.padEnd(width) : text.padStart(width);
    }).join("  ")
  ).join("\n");
}

/**
 * Runs each scheduler through the scenario in virtual time, prints what came of it with ratios to min_rtt ("x"), and registers benches named
 * "cost of one decision". Goodput is of virtual time and so no bench, which would time the emulator.
 *
 * - goodput: bytes that reached the application, by time; "of sum": as a part of the payload that all paths carry together
 * - p99 delay: from when a byte was first sent until it could be read, 99th percentile
 * - one column a path: its share of the bytes carried; repeated: bytes sent more than once
 *
 * @returns the rows, min_rtt first.
 * @throws {TypeError} one of `schedulers` is none.
 */
export function compare(options: CompareOptions): Comparison[] {
  const { schedulers, scenario = WIFI_LTE, congestionControl } = options;
  for (const plugin of schedulers) checkPlugin("scheduler", plugin);
  const others = schedulers.filter(({ name }) => name !== "min_rtt");
  const plugins = [minRtt(), ...others];
  const rows = plugins.map((scheduler) => ({
    name: scheduler.name,
    ...runScenario(
      { scheduler, ...(congestionControl === undefined ? {} : { congestionControl }) },
      scenario,
    ),
  }));
  const paths = Object.entries(scenario.paths).map(([name, path]) =>
    `${name} ${path.rate} ${path.delay}${path.loss ? ` loss ${path.loss}` : ""}`
  );
  print(
    `${formatBytes(scenario.bytes)} over ${paths.join(" and ")}, ${
      congestionControl?.name ?? "lia"
    }, seed ${scenario.seed ?? 1}, virtual time\n${table(rows)}\n`,
  );
  for (const { name, faults } of rows) {
    if (faults.length > 0) print(`Not ${name} alone:\n  ${faults.join("\n  ")}\n`);
  }
  for (const paths of SUBFLOWS) {
    for (const [index, plugin] of plugins.entries()) {
      Deno.bench({
        group: `cost of one decision, ${paths} subflows`,
        name: `cost of one decision: ${plugin.name}, ${paths} subflows`,
        baseline: index === 0,
        fn: decision(plugin, paths),
      });
    }
  }
  return rows;
}
