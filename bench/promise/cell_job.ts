/** What a worker does of `deno task bench:promise`: one cell, by TCP over each path and by MPTCP with each scheduler. */

import type { Policies } from "../../core/guard/policies.ts";
import type { Micros } from "../../core/plugin.ts";
import { median } from "../kernel/tools.ts";
import { parseCell } from "./cells.ts";
import { DEFAULT, policiesOf } from "./policies.ts";
import { atBest, type Dialogue, dialogueOf, type Exchange, exchange } from "./exchange.ts";

/** A cell by TCP. */
export interface TcpTimes {
  /** Over each path: medians of the seeds. */
  readonly times: readonly [Micros, Micros];
  /** What two paths that do not wait for each other would take, over the better one alone. */
  readonly floor: number;
}

/** A cell, and what it is run with. */
export interface CellJob {
  /** Its name. */
  readonly cell: string;
  /** As policies.ts takes them. */
  readonly schedulers: readonly string[];
  /** The same of the congestion control of all runs, TCP's too. */
  readonly congestion: string;
  /** Seeds of a cell that loses packets. */
  readonly seeds: number;
  /** How it does by TCP, where an earlier run tells. */
  readonly tcp: TcpTimes | null;
  /** Connections by MPTCP begin on the path that is the slower one by TCP. */
  readonly slower?: boolean;
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
  readonly tcp: TcpTimes;
  /** By MPTCP, by scheduler as it was given. */
  readonly runs: Readonly<Record<string, CellRun>>;
}

/** Seeds after which a path is left that was always slower than the other one ever was. */
const SURE = 5;

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}

/** How a cell does by TCP over each path. */
function byTcp(dialogue: Dialogue, policies: Policies, seeds: number): TcpTimes {
  const runs: [Exchange[], Exchange[]] = [[], []];
  const timesOf = (path: 0 | 1): Micros[] => runs[path].map(({ times }) => mean(times));
  const worse = (one: Micros[], other: Micros[]): boolean =>
    one.length >= SURE && Math.min(...one) > Math.max(...other);
  for (let seed = 1; seed <= seeds; seed++) {
    const [one, other] = [timesOf(0), timesOf(1)];
    const left = [worse(one, other), worse(other, one)];
    for (const path of [0, 1] as const) {
      if (left[path]) continue;
      runs[path].push(exchange(dialogue, { mptcp: false, from: path + 1, policies, seed }));
    }
  }
  const times = [median(timesOf(0)), median(timesOf(1))] as const;
  const [first, second] = times[0] <= times[1] ? [0, 1] as const : [1, 0] as const;
  // On a new connection the second path is joined once the first one has answered.
  const later = dialogue.kept > 0 ? 0 : dialogue.paths[first]!.rtt * 1e3;
  const both = Math.min(...runs.map((each) => each.length));
  const floors = Array.from({ length: both }, (_, i) => {
    const [one, other] = [runs[first][i]!, runs[second][i]!];
    return mean(
      one.arrivals.map((each, k) => atBest(dialogue.size, each, other.arrivals[k]!, later)),
    ) / mean(one.times);
  });
  return { times, floor: median(floors) };
}

/** Runs one cell. */
export async function run(job: CellJob): Promise<CellResult> {
  const cell = parseCell(job.cell);
  if (cell === null) throw new RangeError(`Cannot run "${job.cell}" as it is no name of a cell`);
  const seeds = cell.loss.path === 0 ? 1 : job.seeds;
  const dialogue = dialogueOf(cell);
  const tcp = job.tcp ?? byTcp(dialogue, await policiesOf(DEFAULT, job.congestion), seeds);
  const best = Math.min(...tcp.times);
  const better = tcp.times.indexOf(best) + 1;
  const from = job.slower === true ? 3 - better : better;
  const runs: Record<string, CellRun> = {};
  for (const scheduler of job.schedulers) {
    const policies = await policiesOf(scheduler, job.congestion);
    const all = Array.from(
      { length: seeds },
      (_, i) => exchange(dialogue, { mptcp: true, from, policies, seed: i + 1 }),
    );
    const time = median(all.map(({ times }) => mean(times)));
    runs[scheduler] = {
      time,
      ratio: time / best,
      repeated: mean(all.map((each) => each.repeated)),
      retransmitted: mean(all.map((each) => each.retransmitted)),
      faults: [...new Set(all.flatMap(({ faults }) => faults))],
    };
  }
  return { cell: job.cell, tcp, runs };
}
