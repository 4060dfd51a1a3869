/** Runs of scenarios on all cores, with progress, and a plugin that does not come to an end found out. */

import { type Outcome, runJobs } from "../bench/pool.ts";
import { PoolProgress } from "../bench/pool_progress.ts";
import { PluginWatch } from "../sim/watch_plugins.ts";
import type { SimAnswer, SimJob, Wrong } from "./sim_job.ts";

/** Looks, a second apart, at which the same call of a plugin runs before it counts as endless. */
const STUCK_LOOKS = 5;

/** Why a job that has been watched is to be ended; null: it is not. Asked each second. */
export function sayStuck(watch: PluginWatch): string | null {
  const stuck = watch.stuck(STUCK_LOOKS);
  if (stuck === null) return null;
  return watch.waited > 0
    ? `${stuck} has not come within ${watch.waited} s: either its server is slow, or its top level awaits what does not come`
    : `${stuck} does not come to an end: it has run for more than ${STUCK_LOOKS} s`;
}

/** How runs are shared. */
export interface SimPoolOptions {
  /** Runs at a time. @default as many as there are cores */
  readonly workers?: number;
  /** Milliseconds of real time that one may take. @default an hour */
  readonly patience?: number;
  /** Told of what is wrong with a scenario or a plugin, at once: what it throws ends all. */
  readonly onWrong?: (wrong: Wrong, job: SimJob) => void;
}

/** Runs jobs; the outcomes stand in their order. */
export async function runSimJobs(
  jobs: readonly SimJob[],
  { workers = navigator.hardwareConcurrency, patience = 3_600_000, onWrong }: SimPoolOptions = {},
): Promise<Outcome<SimAnswer>[]> {
  const watches = new Map(jobs.map((job) => [job, new PluginWatch(job.watch)]));
  using progress = new PoolProgress(jobs.length, "runs");
  const running = new Map<SimJob, number>();
  let over = 0;
  const show = (): void => {
    const begun = [...running.values()].reduce((sum, share) => sum + share, 0);
    progress.update(Math.floor(100 * (over + begun)) / 100);
  };
  return await runJobs<SimJob, SimAnswer>(jobs, {
    module: new URL("./sim_job.ts", import.meta.url),
    nameOf: ({ name }) => name,
    workers,
    patience,
    watch: (job) => {
      const watch = watches.get(job)!;
      running.set(job, watch.share);
      show();
      return sayStuck(watch);
    },
    onDone: (outcome, job) => {
      running.delete(job);
      // What could not begin is no run.
      if (outcome.ok && "wrong" in outcome.value) return onWrong?.(outcome.value.wrong, job);
      over++;
      show();
    },
  });
}
