/** One run of `mptcp sim`, in a worker. */

import {
  type HostPolicies,
  loadPolicies,
  loadScenario,
  measure,
  type Measurement,
  type Sample,
  type Scenario,
} from "../sim/mod.ts";
import type { Duration, Micros, Probe } from "../mod.ts";
import { parseDuration } from "../core/link/units.ts";
import { EventLog } from "../sim/event_log.ts";
import { PcapWriter } from "../sim/pcapng.ts";
import { csvLine } from "../sim/rows.ts";
import { ScenarioError } from "../sim/scenario.ts";
import { noteShare, watchRun } from "../sim/watch_plugins.ts";
import { ChunkedFile } from "./chunked_file.ts";
import { BUILT_INS } from "./policies.ts";
import { watchedLoad } from "./plugin_name_job.ts";
import { type Series, SeriesCollector } from "./sim_series.ts";

/** What is run. Plugins are texts. */
export interface SimJob {
  /** What it is called. */
  readonly name: string;
  /** What is run. */
  readonly scenario: Scenario;
  /** With what. */
  readonly policies: HostPolicies;
  /** What files that the scenario names are relative to. @default the current directory */
  readonly base?: string;
  /** With which seed. */
  readonly seed: number;
  /** Folder that files of this run go to; null: there are none. */
  readonly folder: string | null;
  /** Which files there are besides its figures. */
  readonly files: { readonly series: boolean; readonly events: boolean; readonly packets: boolean };
  /** From one value of the series to the next. */
  readonly interval: Duration;
  /** Most points of each series that it gives for a report; 0: it gives none. */
  readonly points: number;
  /** Compare what is read with what was sent. @default {false} */
  readonly verify?: boolean;
  /** Run it twice, and compare. */
  readonly twice: boolean;
  /** Where it is told which plugin runs. */
  readonly watch: SharedArrayBuffer;
}

/** What is wrong with the scenario, or a plugin that it names. */
export interface Wrong {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What came of it: figures, or what is wrong. */
export type SimAnswer =
  | { readonly result: Measurement; readonly series: readonly Series[] }
  | { readonly wrong: Wrong };

/** Files that are closed together. DisposableStack is not in Node 20. */
class OpenFiles implements Disposable {
  readonly #files: ChunkedFile[] = [];

  open(path: string): ChunkedFile {
    const file = new ChunkedFile(path);
    this.#files.push(file);
    return file;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}

/** Runs it once; files are written where `folder` is given, and `collector` is told what a report draws. */
async function once(
  job: SimJob,
  folder: string | null,
  collector: SeriesCollector | null,
): Promise<Measurement> {
  const options = { builtIns: BUILT_INS, load: watchedLoad(job.watch) };
  const { scenario, policies } = watchRun({
    scenario: await loadScenario(job.scenario, {
      ...options,
      ...(job.base !== undefined && { base: new URL(job.base) }),
    }),
    policies: await loadPolicies(job.policies, options),
  }, job.watch);
  using files = new OpenFiles();
  const { seed } = job;
  const onProgress = (_now: Micros, _end: Micros, share: number): void =>
    noteShare(job.watch, share);
  const common = {
    seed,
    onProgress,
    interval: job.interval,
    verify: job.verify ?? false,
    ...(collector && { onData: collector.onData }),
  };
  if (folder === null) {
    return measure(scenario, policies, {
      ...common,
      ...(collector && { onSample: collector.onSample }),
    });
  }
  Deno.mkdirSync(folder, { recursive: true });
  const open = (name: string): ChunkedFile => files.open(`${folder}/${name}`);
  const series = job.files.series ? open("series.csv") : null;
  series?.write(csvLine(["time_us", "of", "name", "metric", "value"]));
  const packets = job.files.packets ? capture(open("packets.pcapng")) : null;
  // Those of dumbbells and fat trees, too, which the scenario does not name.
  const hosts = new Set<string>();
  const result = measure(scenario, policies, {
    ...common,
    ...((series || collector) && {
      onSample: (sample: Sample) => {
        const { at, of, name, metric, value } = sample;
        series?.write(csvLine([at, of, name, metric, value]));
        collector?.onSample(sample);
      },
    }),
    probe: (host): Probe | undefined => {
      hosts.add(host);
      if (!job.files.events) return undefined;
      const file = open(`events-${host.replaceAll(/[^\w.-]/g, "_")}.qlog`);
      return new EventLog(host, job.name, (text) => file.write(text)).probe;
    },
    // Each packet once: where a host puts it on its link.
    ...(packets && {
      trace: ({ event, from, link, at, bytes }) => {
        if (event === "send" && hosts.has(from)) {
          packets.add(`${from}:${link}`, at, bytes);
        }
      },
    }),
  });
  Deno.writeTextFileSync(`${folder}/result.json`, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

function capture(file: ChunkedFile): PcapWriter {
  return new PcapWriter((block) => file.write(block));
}

/** Runs a job. */
export async function run(job: SimJob): Promise<SimAnswer> {
  try {
    const collector = job.points === 0
      ? null
      : new SeriesCollector(parseDuration(job.interval, "interval"), job.points);
    const result = await once(job, job.folder, collector);
    if (job.twice) {
      const again = await once(job, null, null);
      if (JSON.stringify(again) !== JSON.stringify(result)) {
        throw new Error(
          "a second run with the same seed gave other figures: a plugin or element uses a clock, or chance of its own",
        );
      }
    }
    return { result, series: collector?.end(result.time) ?? [] };
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    return { wrong: { path: error.path, message: error.message } };
  }
}
