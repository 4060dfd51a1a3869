/** `mptcp sim`: runs scenarios, with several plugins, values and seeds, on all cores. */

import { type Duration, parseDuration } from "../core/link/units.ts";
import { SCENARIOS, VERSION } from "../sim/mod.ts";
import { watchMemory } from "../sim/watch_plugins.ts";
import { type Command, type Given, isGiven, readInteger, UsageError } from "./arguments.ts";
import { checkWritable, print, report, terminalColumns } from "./output.ts";
import { PLUGIN_OPTIONS } from "./policies.ts";
import type { CheckedText } from "./checked_text.ts";
import { folderOf, readScenarioText, toScenario, withValues } from "./scenario_file.ts";
import { type DrawnRun, toHtml } from "./sim_html.ts";
import type { SimJob } from "./sim_job.ts";
import { runSimJobs } from "./sim_pool.ts";
import {
  commonPlugins,
  mergeReports,
  saySeeds,
  type SimReport,
  type SimRun,
  toCsv,
  toJson,
  toTable,
  variantName,
} from "./sim_report.ts";

/** `path=value` of an option. */
function assignment(option: string, text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--${option} must be PATH=VALUE: it is "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** All combinations of one value from each list. */
function combinations<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>(
    (all, list) => all.flatMap((one) => list.map((value) => [...one, value])),
    [[]],
  );
}

/** A number that follows from a text (FNV-1a), in hexadecimal. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function readInterval(args: Given): Duration {
  const text = (args.value("interval") ?? "100 ms") as Duration;
  try {
    if (parseDuration(text, "interval") >= 1) return text;
  } catch (error) {
    throw new UsageError(`--interval: ${(error as Error).message}`);
  }
  throw new UsageError(`--interval must be at least 1 us: it is "${text}"`);
}

/** A run, and its scenario's text with the values that it has. */
interface PlannedRun {
  readonly job: SimJob;
  readonly run: Omit<SimRun, "result">;
  readonly text: CheckedText;
}

/** What is to be run, and how each is called. */
interface Plan {
  readonly jobs: readonly PlannedRun[];
  readonly plan: string;
  readonly scenario: string;
}

/** Points of all charts of a report, as far as the least that each series has allows it: what a browser draws with ease. */
const REPORT_POINTS = 1_000_000;
/** About so many long series has a run. */
const LONG_SERIES = 8;
const LEAST_POINTS = 500;

const KINDS = [["scheduler", "scheduler"], ["cc", "congestionControl"], [
  "pm",
  "pathManager",
]] as const;

async function planRuns(args: Given, source: string): Promise<Plan> {
  const text = await readScenarioText(source);
  const set = args.values("set").map((one) => assignment("set", one));
  const sweeps = args.values("sweep").map((one) => {
    const [path, values] = assignment("sweep", one);
    return values.split(",").map((value) => [path, value.trim()] as const);
  });
  const plugins = combinations(KINDS.map(([option, kind]) => {
    const named = args.values(option);
    return named.length === 0 ? [null] : named.map((name) => [kind, name] as const);
  }));
  const seeds = readInteger(args, "runs", 1, [1, 100_000]);
  const folder = args.value("output") ?? null;
  const files = {
    series: args.has("series"),
    events: args.has("events"),
    packets: args.has("packets"),
  };
  if (folder === null && Object.values(files).some((wanted) => wanted)) {
    throw new UsageError(
      "--series, --events and --packets need a folder to write to: --output DIR",
    );
  }
  const interval = readInterval(args);
  if (isGiven(args, "interval") && !files.series && args.value("html") === undefined) {
    throw new UsageError("--interval is for --series and --html: give one of them");
  }
  const base = folderOf(text);
  const jobs: PlannedRun[] = [];
  let scenarioName = source;
  for (const values of combinations(sweeps)) {
    const swept = values.map(([path, value]) => [path, value, "sweep"] as const);
    const changed = await withValues(text, [...set, ...swept]);
    const scenario = await toScenario(changed);
    scenarioName = scenario.name ?? source;
    const first = readInteger(args, "seed", scenario.seed ?? 1, [0, 2 ** 31 - 1]);
    for (const chosen of plugins) {
      const policies = Object.fromEntries(chosen.filter((one) => one !== null));
      for (let seed = first; seed < first + seeds; seed++) {
        const index = jobs.length;
        const run = {
          index,
          set: Object.fromEntries([...set, ...values]),
          plugins: policies,
          seed,
        };
        const name = `${scenarioName}, ${variantName(run)}, seed ${seed}`;
        jobs.push({
          run,
          text: changed,
          job: {
            name,
            scenario,
            policies,
            seed,
            folder: folder === null ? null : `${folder}/run-${String(index).padStart(4, "0")}`,
            files,
            interval,
            base,
            points: 0,
            twice: args.has("twice"),
            watch: watchMemory(),
          },
        });
      }
    }
  }
  const plan = digest(
    JSON.stringify(jobs.map(({ job: { scenario, policies, seed } }) => [scenario, policies, seed])),
  );
  return { jobs, plan, scenario: scenarioName };
}

/** Which of all runs are this process's: `i/n`. */
function readShard(args: Given): readonly [number, number] {
  const text = args.value("shard");
  if (text === undefined) return [1, 1];
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [shard, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || !(shard >= 1 && shard <= of)) {
    throw new UsageError(`--shard must be I/N with I from 1 to N: it is "${text}"`);
  }
  return [shard, of];
}

/** What came of a plan, and what a report draws of each run. */
interface Ran {
  readonly report: SimReport;
  readonly drawn: readonly DrawnRun[];
}

async function runPlan(args: Given, { jobs, plan, scenario }: Plan): Promise<Ran> {
  const [shard, of] = readShard(args);
  const mine = jobs.filter((_, i) => i % of === shard - 1);
  const workers = readInteger(args, "workers", navigator.hardwareConcurrency, [1, 1024]);
  const patience = readInteger(args, "patience", 3600, [1, 2_000_000]);
  const points = args.value("html") === undefined
    ? 0
    : Math.max(LEAST_POINTS, Math.floor(REPORT_POINTS / LONG_SERIES / Math.max(1, mine.length)));
  const work = mine.map(({ job }): SimJob => ({ ...job, points }));
  const outcomes = await runSimJobs(work, {
    workers,
    patience: patience * 1000,
    // All will be refused for it: the others are not waited for.
    onWrong: ({ path, message }, job) => {
      const { text } = mine[work.indexOf(job)]!;
      // A plugin of the command line is of no line of the scenario.
      const [option] = KINDS.find(([, kind]) => path.length === 1 && path[0] === kind) ?? [];
      throw new UsageError(
        option === undefined
          ? `${text.where(path)}: ${message}`
          : `--${option}: ${message.replace(/^\w+: /, "")}`,
      );
    },
  });
  const drawn: DrawnRun[] = [];
  const runs = outcomes.map((outcome, i): SimRun => {
    const { run, job } = mine[i]!;
    if (!outcome.ok) return { ...run, result: null, error: outcome.error };
    const answer = outcome.value;
    if ("wrong" in answer) throw new Error(answer.wrong.message);
    if (points > 0) {
      drawn.push({ index: run.index, scenario: job.scenario, series: answer.series });
    }
    return { ...run, result: answer.result };
  });
  const report: SimReport = {
    format: "mptcp-sim/1",
    version: VERSION,
    scenario,
    total: jobs.length,
    plan,
    runs,
  };
  return { report, drawn };
}

async function readReports(files: readonly string[]): Promise<SimReport> {
  const reports = await Promise.all(files.map(async (file): Promise<SimReport> => {
    try {
      return JSON.parse(await Deno.readTextFile(file));
    } catch (error) {
      if (error instanceof SyntaxError) throw new UsageError(`${file}: ${error.message}`);
      throw error;
    }
  }));
  try {
    return mergeReports(reports);
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

async function run(args: Given): Promise<number> {
  const { positional } = args;
  const merging = args.has("merge");
  if (!merging && positional.length > 1) {
    throw new UsageError(
      `mptcp sim takes one scenario: there are ${positional.length}, ${positional.join(" and ")}. ${
        args.has("csv") || args.has("json")
          ? "--csv and --json print: send them to a file with > FILE"
          : "Run one after the other, or --sweep what differs"
      }`,
    );
  }
  if (!merging && positional.length === 0) {
    const names = Object.entries(SCENARIOS).map(([name, { about }]) =>
      `  ${name.padEnd(10)} ${about}`
    );
    throw new UsageError(
      `mptcp sim needs one scenario: a file, or one of these\n${names.join("\n")}`,
    );
  }
  if (args.has("json") && args.has("csv")) {
    throw new UsageError("--json and --csv exclude each other");
  }
  const html = args.value("html");
  if (html !== undefined && merging) {
    throw new UsageError(
      "--html and --merge exclude each other, as the JSON of parts has no time series to draw: give --html to each part",
    );
  }
  const stray = merging ? RUNNING.find((name) => isGiven(args, name)) : undefined;
  if (stray !== undefined) {
    throw new UsageError(
      `--${stray} is for runs, and --merge runs nothing: it goes with --json, --csv and --output`,
    );
  }
  const folder = args.value("output");
  const plan = merging ? null : await planRuns(args, positional[0]!);
  // Before the runs, which may take hours.
  if (folder !== undefined) await Deno.mkdir(folder, { recursive: true });
  if (html !== undefined) await checkWritable(html);
  const { report: whole, drawn } = plan === null
    ? { report: await readReports(positional), drawn: [] }
    : await runPlan(args, plan);
  if (folder !== undefined) {
    await Deno.writeTextFile(`${folder}/summary.json`, toJson(whole));
    await Deno.writeTextFile(`${folder}/summary.csv`, toCsv(whole));
  }
  if (html !== undefined) {
    const command = ["mptcp", ...Deno.args].map(quoted).join(" ");
    await Deno.writeTextFile(html, await toHtml(whole, drawn, command));
  }
  if (args.has("json")) print(toJson(whole).trimEnd());
  else if (args.has("csv")) print(toCsv(whole).trimEnd());
  else {
    const seeds = new Set(whole.runs.map(({ seed }) => seed));
    const common = commonPlugins(whole);
    const note = saySeeds(whole);
    print(
      [
        `${whole.scenario}: ${whole.runs.length} of ${whole.total} runs, seeds ${
          [...seeds].join(", ")
        }, virtual time${common === "" ? "" : `\n${common}`}`,
        toTable(whole, terminalColumns()),
        ...note === "" ? [] : [note],
      ].join("\n\n"),
    );
  }
  let failed = false;
  const faults = new Set<string>();
  for (const { result, error } of whole.runs) {
    if (error !== undefined) report(error);
    for (const line of result?.faults ?? []) faults.add(line);
    failed ||= result === null;
  }
  if (faults.size > 0) {
    report(
      `These are not figures of the plugins alone: the default decided where they were at fault.\n  ${
        [...faults].join("\n  ")
      }`,
    );
  }
  return failed || faults.size > 0 ? 1 : 0;
}

const PLUGINS = Object.fromEntries(
  Object.entries(PLUGIN_OPTIONS).map(([name, option]) => [name, { ...option, several: true }]),
);

/** Options without which nothing is run: whoever merges has given them to the parts. */
const RUNNING = [
  ...["seed", "runs", "set", "sweep", "series", "interval", "events", "packets", "twice", "shard"],
  ...["workers", "patience", ...Object.keys(PLUGINS)],
] as const;

/** The command. */
export const SIM: Command = {
  name: "sim",
  positional: "FILE|NAME",
  summary: "runs scenarios in virtual time with several plugins, values and seeds",
  text:
    `Runs a scenario: hosts, links, events and traffic, from a YAML or JSON file (docs/emulator.md), or
one that has a name: ${Object.keys(SCENARIOS).join(", ")}.
Plugins that are named several times stand side by side; several values of --sweep and several
seeds make more runs, which all cores share. The same command gives the same figures everywhere.`,
  examples: [
    ["mptcp sim requests", "with the default plugins"],
    [
      "mptcp sim requests --set links.wifi.loss=0.01 --runs 5 \\\n" +
      "      --scheduler min_rtt --scheduler ./mine.ts",
      "yours beside another one where packets are lost, five seeds",
    ],
    [
      "mptcp sim bulk --sweep links.lte.delay='20 ms,80 ms,160 ms' --csv",
      "figures as a table for a spreadsheet",
    ],
    [
      "mptcp sim net.yaml --set links.wifi.loss=0.01 -o out --series --packets",
      "with files to look into",
    ],
    ["mptcp sim requests --scheduler min_rtt --scheduler ecf --html out.html", "charts to look at"],
    ["mptcp sim net.yaml --runs 100 --shard 3/10 --json > 3.json", "the third tenth of the runs"],
    ["mptcp sim --merge *.json", "all tenths together"],
  ],
  options: {
    seed: { value: "NUMBER", help: "First seed. Default: the scenario's, or 1" },
    runs: { value: "NUMBER", help: "Seeds, one after the other. Default: 1" },
    set: {
      value: "PATH=VALUE",
      several: true,
      help: "Sets a value of the scenario, as links.wifi.loss=0.01",
    },
    sweep: { value: "PATH=A,B,…", several: true, help: "Runs with each of these values" },
    ...PLUGINS,
    json: { help: "Print all figures as JSON" },
    csv: { help: "Print all figures as CSV: a line each" },
    output: {
      value: "DIR",
      alias: "o",
      help: "Write summary.json, summary.csv and a folder for each run",
    },
    series: { help: "… with series.csv: windows, round trips, queues, buffers" },
    interval: {
      value: "TIME",
      help: "Time from one value of series and charts to the next. Default: '100 ms'",
    },
    html: {
      value: "FILE",
      help: "Write a report with charts, for a browser: one file, which needs no network",
    },
    events: {
      help: "… with events-HOST.qlog: what happens in a host's stack",
    },
    packets: { help: "… with packets.pcapng: each packet once, as its host sends it" },
    twice: { help: "Run each twice, and fail if figures differ" },
    shard: { value: "I/N", help: "Run the I-th of N parts; --merge puts their JSON together" },
    merge: { help: "Read JSON of all parts instead of running" },
    workers: { value: "NUMBER", help: "Runs at a time. Default: as many as there are cores" },
    patience: { value: "SECONDS", help: "Real time that a run may take. Default: 3600" },
  },
  run,
};
