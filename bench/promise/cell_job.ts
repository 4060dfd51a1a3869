/** What a worker does of `deno task bench:promise`: one cell, by TCP over each path and by MPTCP with each scheduler. */

import "../../mod.ts";
import { BUILT_INS } from "../../cli/policies.ts";
import { defaultPolicies } from "../../core/net/policies.ts";
import { loadPlugin } from "../../core/net/load_plugin.ts";
import type { Policies } from "../../core/guard/policies.ts";
import type { Micros } from "../../core/plugin.ts";
import { median } from "../kernel/tools.ts";
import { type Cell, parseCell } from "./cells.ts";
import { exchange } from "./exchange.ts";

/** The scheduler of a host that is told of none. */
export const DEFAULT = "default";

/** A cell, and what it is run with. */
export interface CellJob {
  /** Its name. */
  readonly cell: string;
  /** {@linkcode DEFAULT}, or NAME|FILE|URL as on command lines. */
  readonly schedulers: readonly string[];
  /** The same of the congestion control of all runs, TCP's too. */
  readonly congestion: string;
  /** Seeds of a cell that loses packets. */
  readonly seeds: number;
  /** Medians by TCP over each path, where an earlier run has them. */
  readonly tcp: readonly [Micros, Micros] | null;
}

/** A cell by MPTCP with one scheduler. */
export interface CellRun {
  /** Median of the seeds. */
  readonly time: Micros;
  /** The same over that of TCP on the better path. */
  readonly ratio: number;
  /** Bytes sent on another path too, as a part of those asked for: mean of the seeds. */
  readonly repeated: number;
  /** Bytes that subflows sent again, likewise. */
  readonly retransmitted: number;
  /** What the scheduler did wrong. */
  readonly faults: readonly string[];
}

/** What came of a cell. */
export interface CellResult {
  /** Its name. */
  readonly cell: string;
  /** By TCP over each path: medians of the seeds. */
  readonly tcp: readonly [Micros, Micros];
  /** By MPTCP, by scheduler as it was given. */
  readonly runs: Readonly<Record<string, CellRun>>;
}

/** Seeds after which a path is left that was always slower than the other one ever was. */
const SURE = 5;

const loaded = new Map<string, Promise<Policies>>();

/** The plugins of a job; each file is imported once. */
function policiesOf(scheduler: string, congestion: string): Promise<Policies> {
  const key = `${scheduler}\n${congestion}`;
  let policies = loaded.get(key);
  if (policies === undefined) {
    policies = load(scheduler, congestion);
    loaded.set(key, policies);
  }
  return policies;
}

async function load(scheduler: string, congestion: string): Promise<Policies> {
  const defaults = defaultPolicies();
  return {
    ...defaults,
    ...(scheduler !== DEFAULT && {
      scheduler: await loadPlugin("scheduler", scheduler, { builtIns: BUILT_INS.scheduler }),
    }),
    ...(congestion !== DEFAULT && {
      congestionControl: await loadPlugin("congestion-control", congestion, {
        builtIns: BUILT_INS["congestion-control"],
      }),
    }),
  };
}

/** Medians by TCP over each path. */
function tcpTimes(cell: Cell, policies: Policies, seeds: number): [Micros, Micros] {
  const times: [Micros[], Micros[]] = [[], []];
  const worse = (one: Micros[], other: Micros[]): boolean =>
    one.length >= SURE && Math.min(...one) > Math.max(...other);
  for (let seed = 1; seed <= seeds; seed++) {
    const left = [worse(times[0], times[1]), worse(times[1], times[0])];
    for (const from of [1, 2] as const) {
      if (left[from - 1]) continue;
      times[from - 1]!.push(exchange(cell, { mptcp: false, from, policies, seed }).time);
    }
  }
  return [median(times[0]), median(times[1])];
}

/** Runs one cell. */
export async function run(job: CellJob): Promise<CellResult> {
  const cell = parseCell(job.cell);
  if (cell === null) throw new RangeError(`Cannot run "${job.cell}" as it is no name of a cell`);
  const seeds = cell.loss.path === 0 ? 1 : job.seeds;
  const tcp = job.tcp ?? tcpTimes(cell, await policiesOf(DEFAULT, job.congestion), seeds);
  const from = tcp[0] <= tcp[1] ? 1 : 2;
  const best = Math.min(...tcp);
  const runs: Record<string, CellRun> = {};
  for (const scheduler of job.schedulers) {
    const policies = await policiesOf(scheduler, job.congestion);
    const all = Array.from(
      { length: seeds },
      (_, i) => exchange(cell, { mptcp: true, from, policies, seed: i + 1 }),
    );
    const mean = (of: (one: typeof all[number]) => number): number =>
      all.reduce((sum, each) => sum + of(each), 0) / all.length;
    const time = median(all.map((each) => each.time));
    runs[scheduler] = {
      time,
      ratio: time / best,
      repeated: mean((each) => each.repeated),
      retransmitted: mean((each) => each.retransmitted),
      faults: [...new Set(all.flatMap(({ faults }) => faults))],
    };
  }
  return { cell: job.cell, tcp, runs };
}
