/** `mptcp demo`: what a second path is worth, and what a scheduler makes of it, on emulated networks. */

import { defaultPolicies } from "../core/net/policies.ts";
import { VERSION } from "../sim/mod.ts";
import { watchMemory } from "../sim/watch_plugins.ts";
import { type Command, type Given, readInteger, readSize, UsageError } from "./arguments.ts";
import {
  type Choice,
  intervalOf,
  planSection,
  type Row,
  type Section,
  USUAL,
  withBestPlain,
} from "./demo_plan.ts";
import { drawDemo } from "./demo_picture.ts";
import {
  lanesOfSection,
  pathsOf,
  type RowResult,
  type SectionResult,
  tableOfSection,
  titleOf,
} from "./demo_view.ts";
import { asksForPaths, NETWORK_OPTIONS, readRatedPaths } from "./network_options.ts";
import { bold, checkWritable, formatBytes, print, report } from "./output.ts";
import { namesOf } from "./plugin_names.ts";
import { PLUGIN_OPTIONS } from "./policies.ts";
import type { SimJob } from "./sim_job.ts";
import { runSimJobs } from "./sim_pool.ts";

/** Points of a series: more than there are intervals, however long it takes. */
const POINTS = 100_000;
/** What schedulers of the requests are seen beside, where they are not named. */
const REFERENCES = ["min_rtt", "round_robin"] as const;

/** Schedulers of a user's, with the other plugins that were named. */
interface Own {
  readonly choices: readonly Choice[];
  readonly names: ReadonlySet<string>;
}

/** Finds out what they are called, so that what is wrong is said before anything runs. */
async function readOwn(args: Given): Promise<Own> {
  const [cc, pm] = [args.value("cc"), args.value("pm")];
  const named = args.values("scheduler");
  const called = await namesOf({
    scheduler: named,
    cc: cc === undefined ? [] : [cc],
    pm: pm === undefined ? [] : [pm],
  });
  const others = [...called.cc, ...called.pm];
  const schedulers: readonly (string | undefined)[] = named.length > 0
    ? named
    : others.length > 0
    ? [undefined]
    : [];
  const choices: Choice[] = [];
  for (const [i, scheduler] of schedulers.entries()) {
    const name = called.scheduler[i];
    const same = choices.filter(({ label }) => label === name).length;
    choices.push({
      label: [name, ...others].filter((one) => one !== undefined).join(", ") +
        (same > 0 ? ` (${same + 1})` : ""),
      policies: {
        ...(scheduler !== undefined && { scheduler }),
        ...(cc !== undefined && { congestionControl: cc }),
        ...(pm !== undefined && { pathManager: pm }),
      },
    });
  }
  return { choices, names: new Set([...called.scheduler, ...others]) };
}

/** The default first, yours behind it; for requests others between them, as these are what schedulers differ on. */
function choicesFor(workload: Section["workload"], usual: string, { choices, names }: Own) {
  const all = choices.filter(({ policies: { congestionControl, pathManager, scheduler } }) =>
    scheduler !== usual || congestionControl !== undefined || pathManager !== undefined
  );
  const references = workload === "bulk" ? [] : REFERENCES.filter((name) => !names.has(name));
  return [
    { label: `${usual} (default)`, policies: {} },
    ...references.map((name): Choice => ({ label: name, policies: { scheduler: name } })),
    ...all,
  ];
}

function plan(args: Given, size: number, usual: string, own: Own): Section[] {
  const cc = args.value("cc");
  const paths = asksForPaths(args) ? readRatedPaths(args, USUAL.bulk) : null;
  return (["bulk", "requests"] as const).map((workload) =>
    planSection(workload, paths ?? USUAL[workload], choicesFor(workload, usual, own), size, cc)
  );
}

interface DemoJob {
  readonly section: number;
  readonly row: Row;
  readonly job: SimJob;
}

/** What came of all runs. */
interface Ran {
  /** By section, what is shown. */
  readonly results: readonly SectionResult[];
  /** Whatever has run, plain TCP over other paths, which is not shown, as well. */
  readonly rows: readonly RowResult[];
  /** Why others have not. */
  readonly errors: readonly string[];
}

async function runSections(
  sections: readonly Section[],
  size: number,
  seed: number,
): Promise<Ran> {
  const jobs = sections.flatMap((section, index) =>
    section.rows.map((row): DemoJob => ({
      section: index,
      row,
      job: {
        name: `${section.workload}, ${row.label}`,
        scenario: row.scenario,
        policies: row.policies,
        seed,
        folder: null,
        files: { series: false, events: false, packets: false },
        interval: `${intervalOf(section, size)} us`,
        points: POINTS,
        twice: false,
        verify: true,
        watch: watchMemory(),
      },
    }))
  );
  const outcomes = await runSimJobs(jobs.map(({ job }) => job), { patience: 2 ** 31 - 1 });
  const errors: string[] = [];
  const bySection = sections.map((_, index) =>
    outcomes.flatMap((outcome, i): RowResult[] => {
      const { row, section: place } = jobs[i]!;
      if (place !== index) return [];
      if (outcome.ok && "result" in outcome.value) return [{ row, ...outcome.value }];
      errors.push(
        outcome.ok && "wrong" in outcome.value
          ? outcome.value.wrong.message
          : outcome.ok
          ? ""
          : outcome.error,
      );
      return [];
    })
  );
  const results = sections.map((section, index): SectionResult => ({
    section,
    results: withBestPlain(bySection[index]!),
  }));
  return { results, rows: bySection.flat(), errors };
}

/** What went wrong, said; whether anything did. */
function complain({ results, rows, errors }: Ran): boolean {
  for (const error of new Set(errors)) report(error);
  const faults = new Set(rows.flatMap(({ result }) => result.faults));
  if (faults.size > 0) {
    const names = new Set(
      rows.filter(({ result }) => result.faults.length > 0).map(({ row }) =>
        row.label.replace(/, \S+ cut$/, "")
      ),
    );
    report(
      [
        ...faults,
        `These are no figures of ${
          [...names].join(" and ")
        }: the default decided where it was at fault, as said above.`,
      ].join("\n"),
    );
  }
  const intact = rows.every(({ result: { traffic } }) =>
    Object.values(traffic).every(({ intact }) => intact)
  );
  // Plain TCP may give up on a path that is not its best one.
  const done = results.every((one) => one.results.every(({ result }) => result.done));
  return errors.length > 0 || faults.size > 0 || !intact || !done;
}

function toJson(sections: readonly SectionResult[], seed: number): string {
  const networks = sections.map(({ section: { workload, paths }, results }) => ({
    workload,
    paths,
    runs: results.map(({ row, result }) => ({ label: row.label, cut: row.cut, result })),
  }));
  return JSON.stringify({ format: "mptcp-demo/1", version: VERSION, seed, networks }, null, 2);
}

async function run(args: Given): Promise<number> {
  if (args.positional.length > 0) {
    throw new UsageError(`mptcp demo takes no "${args.positional[0]}"`);
  }
  const size = readSize(args, "size", "32MB");
  const seed = readInteger(args, "seed", 1, [0, 2 ** 31 - 1]);
  const json = args.has("json");
  const picture = args.value("output") ?? (json ? "none" : "demo.svg");
  const own = await readOwn(args);
  const usual = defaultPolicies().scheduler.name;
  const sections = plan(args, size, usual, own);
  if (picture !== "none") await checkWritable(picture);
  if (!json) {
    const { scheduler, congestionControl, pathManager } = defaultPolicies();
    print(
      `Plugins, where no others are named: ${scheduler.name}, ${congestionControl.name}, ${pathManager.name}\n`,
    );
  }
  const start = performance.now();
  const ran = await runSections(sections, size, seed);
  const { results, rows } = ran;
  const seconds = (performance.now() - start) / 1000;
  if (json) print(toJson(results, seed));
  else {
    for (const one of results) {
      if (one.results.length === 0) continue;
      print(
        `${bold(titleOf(one.section, size))}\n${pathsOf(one.section)}\n\n${tableOfSection(one)}\n`,
      );
      if (one.section.workload === "bulk") print(`${lanesOfSection(one, size)}\n`);
    }
    const bytes = rows.reduce((sum, { result }) => sum + result.traffic.download!.down, 0);
    print(
      `of sum: 1.00 is all the payload that the paths can carry; again: bytes that left
more than once; data: whether what came is what was sent. Times are of the
emulated network: ${formatBytes(bytes)} went through complete stacks at both ends in
${seconds.toFixed(1)} s of real time; seed ${seed} gives the same again.`,
    );
  }
  if (picture !== "none" && results.every((one) => one.results.length > 0)) {
    await Deno.writeTextFile(picture, await drawDemo(results, size));
    print(`As a picture: ${bold(picture)}`);
  }
  return complain(ran) ? 1 : 0;
}

/** The command. */
export const DEMO: Command = {
  name: "demo",
  summary: "what a second path is worth, and a scheduler: runs on emulated networks",
  text:
    `Transfers 32 MB over an emulated Wi-Fi and LTE: by plain TCP over the better one of them, by MPTCP
over both, and by MPTCP with the Wi-Fi cut for 5 s. Then 20 answers of 100 kB where the second path
is slow and far, which is what schedulers differ on. Prints goodput, times, the share of
each path, what was sent again, and whether every byte is right; draws which path carried what when.
Plugins that are named stand beside the default. Needs --allow-read, and --allow-write for the
picture; no network, no root.`,
  examples: [
    ["mptcp demo", "with the default plugins"],
    ["mptcp demo --scheduler ./mine.ts,ratio=3", "your own beside the default, with an option"],
    ["mptcp demo --scheduler min_rtt --scheduler redundant", "two of them beside the default"],
    [
      "mptcp demo --path dsl='16 Mbit/s,20 ms' --path sat='50 Mbit/s,300 ms,loss=0.1%'",
      "on your network",
    ],
    ["mptcp demo --loss 1% --loss 0", "on the usual one, with losses on the first path"],
    ["mptcp demo --size 4MB --seed 7 -o none", "smaller, with other losses, without a picture"],
  ],
  options: {
    size: { value: "SIZE", help: "Bytes to transfer, as 32MB (default) or 500kB" },
    ...NETWORK_OPTIONS,
    seed: { value: "NUMBER", help: "Seed of all randomness. Default: 1" },
    output: {
      value: "FILE",
      alias: "o",
      help: "Where the picture goes. Default: demo.svg; none: no picture",
    },
    json: { help: "Print all figures as JSON, and draw no picture but that of -o" },
    ...PLUGIN_OPTIONS,
    scheduler: { ...PLUGIN_OPTIONS.scheduler!, several: true },
  },
  run,
};
