/**
 * Plugins that a command line names. One of a file or a URL is loaded by a worker first: code that never returns is named, and ends nothing but that; in the
 * thread of the command nothing could end it.
 */

import { runJobs } from "../bench/pool.ts";
import type { Policies } from "../mod.ts";
import { PluginWatch, watchMemory } from "../sim/watch_plugins.ts";
import { type Given, UsageError } from "./arguments.ts";
import type { NameAnswer, NameJob } from "./plugin_name_job.ts";
import { isBuiltIn, loadNamed, type PluginOf, type PluginOption } from "./policies.ts";
import { sayStuck } from "./sim_pool.ts";

/** Texts by option, or names in the same order. */
export type ByOption = Readonly<Record<PluginOption, readonly string[]>>;

/** @throws {UsageError} One is not as it should be, or does not come to an end. */
async function nameAll(
  given: readonly Omit<NameJob, "watch">[],
): Promise<string[]> {
  const jobs = given.map((job): NameJob => ({ ...job, watch: watchMemory() }));
  const watches = new Map(jobs.map((job) => [job, new PluginWatch(job.watch)]));
  const outcomes = await runJobs<NameJob, NameAnswer>(jobs, {
    module: new URL("./plugin_name_job.ts", import.meta.url),
    nameOf: ({ option, text }) => `--${option} ${text}`,
    workers: 1,
    watch: (job) => sayStuck(watches.get(job)!),
  });
  return outcomes.map((outcome) => {
    if (!outcome.ok) throw new UsageError(outcome.error);
    if ("wrong" in outcome.value) throw new UsageError(outcome.value.wrong);
    return outcome.value.name;
  });
}

/**
 * The names of the plugins that `texts` say.
 *
 * @throws {UsageError} One is not as it should be, or does not come to an end.
 */
export async function namesOf(texts: ByOption): Promise<ByOption> {
  const options = Object.keys(texts) as PluginOption[];
  const jobs = options.flatMap((option) => texts[option].map((text) => ({ option, text })));
  const found = await nameAll(jobs);
  const names: Record<PluginOption, string[]> = { scheduler: [], cc: [], pm: [] };
  for (const [i, { option }] of jobs.entries()) names[option].push(found[i]!);
  return names;
}

/**
 * The plugin that an option names, once it is known that loading it comes to an end.
 *
 * @throws {UsageError} There is none, it is not as it should be, or it does not come to an end.
 */
export async function loadWatched<O extends PluginOption>(
  option: O,
  text: string,
): Promise<PluginOf<O>> {
  if (!isBuiltIn(option, text)) await nameAll([{ option, text }]);
  return await loadNamed(option, text);
}

/**
 * Loads the plugins that were named; the defaults stand for the others.
 *
 * @throws {UsageError} As {@linkcode loadWatched}.
 */
export async function readPolicies(given: Given): Promise<Policies> {
  const load = async <O extends PluginOption>(option: O) => {
    const text = given.value(option);
    return text === undefined ? undefined : await loadWatched(option, text);
  };
  const [scheduler, congestionControl, pathManager] = await Promise.all([
    load("scheduler"),
    load("cc"),
    load("pm"),
  ]);
  return { scheduler, congestionControl, pathManager };
}
