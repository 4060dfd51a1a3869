/** `deno task leaderboard`: every plugin on every discipline, in virtual time, with its cost in real time; writes a page for a browser. */

import {
  helpOfOptions,
  type Option,
  readArguments,
  readInteger,
  UsageError,
} from "../../cli/arguments.ts";
import { bold, checkWritable, explain, print, report } from "../../cli/output.ts";
import { loadWatched, namesOf } from "../../cli/plugin_names.ts";
import { BUILT_INS, PLUGIN_OPTIONS, type PluginOption } from "../../cli/policies.ts";
import type { SimJob } from "../../cli/sim_job.ts";
import { runSimJobs } from "../../cli/sim_pool.ts";
import { defaultPolicies } from "../../core/net/policies.ts";
import type { CongestionControlPlugin, PluginKind, SchedulerPlugin } from "../../mod.ts";
import { watchMemory } from "../../sim/watch_plugins.ts";
import { type Board, type BoardRun, makeBoard, toText } from "./board.ts";
import { acknowledgementCosts, decisionCosts } from "./costs.ts";
import { disciplines } from "./disciplines.ts";
import { toPage } from "./page.ts";

const KINDS = [
  ["scheduler", "scheduler", "scheduler"],
  ["congestion-control", "cc", "congestionControl"],
  ["path-manager", "pm", "pathManager"],
] as const;

const several = (name: PluginOption): Option => ({ ...PLUGIN_OPTIONS[name]!, several: true });

const OPTIONS: Readonly<Record<string, Option>> = {
  output: {
    value: "FILE",
    alias: "o",
    help: "Where the page goes. Default: leaderboard.html; none: no page",
  },
  json: { help: "Print all figures as JSON" },
  seeds: { value: "NUMBER", help: "Seeds of each run, from 1 on. Default: 3" },
  quick: { help: "Shorter runs with one seed: to see that it works, not who is ahead" },
  kind: {
    value: "KIND",
    several: true,
    help: "Only scheduler, congestion-control or path-manager. Default: all",
  },
  workers: { value: "NUMBER", help: "Runs at a time. Default: as many as there are cores" },
  scheduler: several("scheduler"),
  cc: several("cc"),
  pm: several("pm"),
};

const HELP = [
  "deno task leaderboard [OPTIONS]",
  "",
  "Runs every plugin on like and unlike paths, a lossy one, one that comes and goes, small flows and",
  "streaming, in virtual time, and measures what it costs; prints ratios to the default of its kind,",
  "and writes them as a page. About 1,100 runs: one or two minutes. Plugins that are named stand",
  "beside.",
  "",
  "Options:",
  ...helpOfOptions(OPTIONS),
].join("\n");

/** What is to be compared. */
export interface BoardOptions {
  /** Kinds of plugins. */
  readonly kinds: readonly PluginKind[];
  /** Plugins besides those that are here, by text. */
  readonly own: Readonly<Record<PluginKind, readonly string[]>>;
  /** Only these of those that are here. @default all */
  readonly only?: readonly string[];
  /** Seeds of each run. */
  readonly seeds: readonly number[];
  /** Shorter runs. */
  readonly quick: boolean;
  /** Runs at a time. */
  readonly workers: number;
}

/** Runs everything. */
export async function runBoard(options: BoardOptions): Promise<Board> {
  const { kinds, own, seeds, quick, workers, only } = options;
  const usual = defaultPolicies();
  const all = disciplines(quick);
  const names: Partial<Record<PluginKind, string[]>> = {};
  const costs: Partial<Record<PluginKind, Map<string, number>>> = {};
  const jobs: { readonly run: Omit<BoardRun, "result">; readonly job: SimJob }[] = [];
  for (const [kind, option, member] of KINDS.filter(([kind]) => kinds.includes(kind))) {
    const first = usual[member].name;
    const listed = [...new Set([first, ...Object.keys(BUILT_INS[kind]), ...own[kind]])]
      .filter((name) => only === undefined || name === first || only.includes(name));
    const plugins = new Map<string, unknown>();
    /** What is run, by what it is called. */
    const texts = new Map<string, string>();
    for (const text of listed) {
      const plugin = await loadWatched(option, text);
      // By its own name, with the options that it was given, where no other has that.
      const label = plugin.name + (/,.*/s.exec(text)?.[0] ?? "");
      const name = plugins.has(label) || listed.includes(label) ? text : label;
      plugins.set(name, plugin);
      texts.set(name, text);
    }
    names[kind] = [...texts.keys()];
    if (kind === "scheduler") {
      costs[kind] = decisionCosts(plugins as Map<string, SchedulerPlugin>, quick ? 500 : undefined);
    } else if (kind === "congestion-control") {
      costs[kind] = acknowledgementCosts(
        plugins as Map<string, CongestionControlPlugin>,
        quick ? 500 : undefined,
      );
    }
    for (const [name, text] of texts) {
      for (const one of all) {
        if (one.kinds !== undefined && !one.kinds.includes(kind)) continue;
        for (const seed of seeds) {
          jobs.push({
            run: { kind, name, discipline: one.id },
            job: {
              name: `${name}, ${one.id}, seed ${seed}`,
              scenario: one.scenario,
              policies: { [member]: text },
              seed,
              folder: null,
              files: { series: false, events: false, packets: false },
              interval: "100 ms",
              points: 0,
              twice: false,
              watch: watchMemory(),
            },
          });
        }
      }
    }
  }
  const outcomes = await runSimJobs(jobs.map(({ job }) => job), { workers });
  const runs = outcomes.map((outcome, i): BoardRun => {
    const { run } = jobs[i]!;
    if (!outcome.ok) return { ...run, result: outcome.error };
    const answer = outcome.value;
    return { ...run, result: "result" in answer ? answer.result : answer.wrong.message };
  });
  return makeBoard(all, names, runs, costs, seeds, quick);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    print(HELP);
    return 0;
  }
  const given = readArguments(args[0] === "--" ? args.slice(1) : args, OPTIONS);
  const [stray] = [...given.positional, ...given.rest];
  if (stray !== undefined) throw new UsageError(`Unknown argument ${stray}`);
  const quick = given.has("quick");
  const json = given.has("json");
  const file = given.value("output") ?? (json ? "none" : "leaderboard.html");
  const kinds = given.values("kind") as PluginKind[];
  for (const kind of kinds) {
    if (!Object.hasOwn(BUILT_INS, kind)) {
      throw new UsageError(
        `--kind must be scheduler, congestion-control or path-manager: it is "${kind}"`,
      );
    }
  }
  const count = readInteger(given, "seeds", quick ? 1 : 3, [1, 1000]);
  const own = {
    scheduler: given.values("scheduler"),
    cc: given.values("cc"),
    pm: given.values("pm"),
  };
  // Whether one of them ever returns is found out where it can be ended.
  await namesOf(own);
  // Before the runs, which take minutes.
  if (file !== "none") await checkWritable(file);
  const board = await runBoard({
    kinds: kinds.length > 0 ? kinds : KINDS.map(([kind]) => kind),
    own: { "scheduler": own.scheduler, "congestion-control": own.cc, "path-manager": own.pm },
    seeds: Array.from({ length: count }, (_, i) => i + 1),
    quick,
    workers: readInteger(given, "workers", navigator.hardwareConcurrency, [1, 1024]),
  });
  print(json ? JSON.stringify(board, null, 2) : `${toText(board)}\n`);
  if (!json) {
    print("The default's own figures, then multiples of them; all: mean score, above 1 is better.");
  }
  if (file !== "none") {
    await Deno.writeTextFile(
      file,
      await toPage(board, ["deno task leaderboard", ...args].join(" ")),
    );
    if (!json) print(`For a browser: ${bold(file)}`);
  }
  const troubled = board.families.flatMap(({ rows }) => rows).filter(({ troubles }) =>
    troubles.length > 0
  );
  for (const { name, troubles } of troubled) {
    report(`Not ${name} alone:\n  ${troubles.join("\n  ")}`);
  }
  return troubled.length > 0 ? 1 : 0;
}

/** What comes of a name of a file that cannot be read or written. */
const OF_FILES = [
  Deno.errors.NotFound,
  Deno.errors.PermissionDenied,
  Deno.errors.IsADirectory,
  Deno.errors.NotADirectory,
] as const;

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    const told = error instanceof UsageError || OF_FILES.some((kind) => error instanceof kind);
    if (!told) throw error;
    report(`${explain(error as Error)}\nTry: deno task leaderboard --help`);
    Deno.exit(2);
  }
}
