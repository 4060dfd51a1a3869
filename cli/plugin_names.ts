/** What plugins of a command line are called, found out by a worker: code that never returns is named, and ends nothing but that. */

import { runJobs } from "../bench/pool.ts";
import { PluginWatch, watchMemory } from "../sim/watch_plugins.ts";
import { UsageError } from "./arguments.ts";
import type { NameAnswer, NameJob } from "./plugin_name_job.ts";
import type { PluginOption } from "./policies.ts";
import { sayStuck } from "./sim_pool.ts";

/** Texts by option, or names in the same order. */
export type ByOption = Readonly<Record<PluginOption, readonly string[]>>;

/**
 * The names of the plugins that `texts` say.
 *
 * @throws {UsageError} One is not as it should be, or does not come to an end.
 */
export async function namesOf(texts: ByOption): Promise<ByOption> {
  const options = Object.keys(texts) as PluginOption[];
  const jobs = options.flatMap((option) =>
    texts[option].map((text): NameJob => ({ option, text, watch: watchMemory() }))
  );
  const watches = new Map(jobs.map((job) => [job, new PluginWatch(job.watch)]));
  const outcomes = await runJobs<NameJob, NameAnswer>(jobs, {
    module: new URL("./plugin_name_job.ts", import.meta.url),
    nameOf: ({ option, text }) => `--${option} ${text}`,
    workers: 1,
    watch: (job) => sayStuck(watches.get(job)!),
  });
  const names: Record<PluginOption, string[]> = { scheduler: [], cc: [], pm: [] };
  for (const [i, outcome] of outcomes.entries()) {
    if (!outcome.ok) throw new UsageError(outcome.error);
    if ("wrong" in outcome.value) throw new UsageError(outcome.value.wrong);
    names[jobs[i]!.option].push(outcome.value.name);
  }
  return names;
}
