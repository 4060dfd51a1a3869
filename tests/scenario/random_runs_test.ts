/**
 * Random runs: whatever the paths, the boxes on them, what goes wrong meanwhile and what applications do, each reader gets what was written, in order and to
 * its end, or an error; in time; and nothing is left over. `SOAK_RUNS` tells how many seeds are run, a third of them of the widest kind, `SOAK_RUN` one seed
 * alone, of the kind that `SOAK_PLUGINS` names.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  boundOf,
  CONTROLS,
  describeRun,
  MANAGERS,
  perform,
  type RunKind,
  runOf,
  SCHEDULERS,
} from "./random_runs.ts";

const ONE = Deno.env.get("SOAK_RUN");
const KIND = (Deno.env.get("SOAK_PLUGINS") ?? "first") as RunKind;
const RUNS = Number(Deno.env.get("SOAK_RUNS") ?? 1000);
const WIDE_RUNS = Math.round(RUNS / 3);
/** Runs of a test: progress shows, and what fails is told before all are done. */
const BATCH = 50;

/** Seeds that failed once, and what was wrong then: always run. */
const KEPT: ReadonlyMap<number, string> = new Map([
  [
    12583,
    "a FIN that left a path was the end of the data to a peer that falls back before it comes",
  ],
  [18737, "as 12583"],
  [33047, "as 12583, with a join on its way that never came to be"],
  [12, "a path manager that opens several paths of one address heard not of its return"],
  [1591, "as 12, while the paths before are still being closed"],
  [1193, "a FIN that left a path was the end of the data to a peer that had fallen back"],
  [1328, "so was one behind bytes without a mapping, although it had options"],
  [3073, "as 1193, where options of data are stripped on every path"],
  [3359, "as 1193, both ways"],
  [3603, "as 1193, data down"],
  [4183, "the answer to our FIN, stripped of its options, was the end of the peer's data"],
  [5179, "as 1193"],
  [5811, "as 1328, with joins on their way"],
  [
    5733,
    "an outage had bytes repeated at the data level to a peer that fell back: they came twice",
  ],
  [8986, "as 5733, with a close() while it lasts"],
  [10695, "bytes were repeated to a peer that fell back, as its join had never come to be"],
  [11186, "as 10695, with two joins over one path"],
  [7905, "as 10695, with all stripped both ways"],
  [
    139,
    "a packet size that was to be tried waited for a larger burst than the pacer ever lets out",
  ],
  ...[4289, 6120, 6290, 8014, 9327].map((seed) =>
    [
      seed,
      "on plain TCP a peer that lacks what a proxy has acknowledged was alive for ever by its old ACKs",
    ] as const
  ),
  ...[3202, 3862, 5553, 7911, 9563, 10487].map((seed) =>
    [
      seed,
      "behind a proxy that acknowledges and drops, what was sent lay beyond what the peer takes above the hole",
    ] as const
  ),
]);

/** The same of those that draw all plugins. */
const KEPT_OF_ALL: ReadonlyMap<number, string> = new Map([
  [7003501, "on plain TCP the end of the data overtook what a scheduler before had bound"],
  [7005777, "as 7003501, after a fallback"],
  [7064239, "as 7003501, before a peer fell back that had got no mapping"],
  [
    7068438,
    "what was taken back waited behind what the only subflow carried, and new data passed it",
  ],
  [7027205, "as 7068438"],
  [
    7049923,
    "what was taken back waited while the only subflow still held some of it, and new data passed it",
  ],
  [7078, "what was lost waited behind what was bound and never sent"],
  [10472, "as 7078, on an only path"],
  [
    8016419,
    "ACKs that were overtaken within a millisecond contradicted the peer: its bytes went again to who had fallen back",
  ],
  [8017212, "a closed window was asked about for ever where no answer has options any more"],
  [
    7025654,
    "on plain TCP a proxy that acknowledges now and then kept a peer alive that lacks bytes for ever",
  ],
  [9003547, "as 7025654, the other way"],
  [
    7062448,
    "damage of a subflow that the peer had reset kept mappings of the join from being learned",
  ],
  [9208972, "of these runs: what had come, and nobody had read yet, was taken for lost"],
  [9204881, "a join whose option was lost ended what waited for its network to be back"],
  [9216894, "as 9204881, where the answer lost it"],
  [9217199, "of these runs: three changes of one mapping cancelled out in its checksum"],
]);

/** The same of the widest kind: settings, networks and events that the others do not have. */
const KEPT_WIDE: ReadonlyMap<number, string> = new Map([
  [829, "a DATA_FIN that was lost behind FINs never came again"],
  [876, "as 829, of another connection"],
  [2832, "of these runs: a server whose path manager refuses joins cannot be come back to"],
  [70508247, "of these runs: an outage left a further connection two SYNs, and loss took both"],
  [
    908203,
    "an only path that swallowed large segments was opened anew as soon as the smallest were tried, and these began large again",
  ],
  [
    102007,
    "what the only peer had acknowledged and dropped, as it was short of memory, never went again",
  ],
  [
    301101,
    "ACKs that were overtaken while data were missing contradicted the peer: its bytes went again to who had fallen back",
  ],
  [
    304001158,
    "where half of a host's memory was in use, the next of the data had no place beside what was staged of mappings with checksums",
  ],
  [
    520000788,
    "a DATA_FIN whose option is stripped on every path went again for ever where joins keep the connection from plain TCP, and keepalives are answered",
  ],
  [
    540002794,
    "of these runs: where FINs go at once, nobody says a DATA_ACK again that was lost with the last ACK",
  ],
  [530000201, "as 520000788, by questions of its own, where no join ever came to be"],
]);

const KEPT_OF_KIND = new Map<RunKind, ReadonlyMap<number, string>>([
  ["first", KEPT],
  ["all", KEPT_OF_ALL],
  ["wide", KEPT_WIDE],
]);

if (!KEPT_OF_KIND.has(KIND)) {
  throw new RangeError(`SOAK_PLUGINS must be first, all or wide: current value is ${KIND}`);
}

/** Runs seeds; what was wrong with those that failed, with what repeats them. */
function failuresOf(seeds: readonly number[], kind: RunKind): string[] {
  return seeds.flatMap((seed) => {
    const run = runOf(seed, kind);
    const { wrong } = perform(run);
    if (wrong === null) return [];
    return [
      `seed ${seed}: ${wrong}\n  again: SOAK_RUN=${seed} SOAK_PLUGINS=${kind} deno test -A tests/scenario/random_runs_test.ts\n  ${
        describeRun(run)
      }`,
    ];
  });
}

function holds(seeds: readonly number[], kind: RunKind): void {
  const failures = failuresOf(seeds, kind);
  assert(failures.length === 0, `${failures.length} of ${seeds.length}\n${failures.join("\n")}`);
}

describe("a random run: nothing lost, nothing twice, nobody starved", () => {
  if (ONE !== undefined) {
    it(`seed ${ONE}`, () => holds([Number(ONE)], KIND));
    return;
  }
  for (const [kind, kept] of KEPT_OF_KIND) {
    for (const [seed, was] of kept) {
      it(`seed ${seed} (${kind}), which failed once: ${was}`, () => holds([seed], kind));
    }
  }

  for (const [kind, runs] of [["all", RUNS], ["wide", WIDE_RUNS]] as const) {
    const of = kind === "all" ? "" : `, ${kind}`;
    for (let first = 1; first <= runs; first += BATCH) {
      const last = Math.min(runs, first + BATCH - 1);
      const seeds = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      it(`seeds ${first} to ${last}${of}`, () => holds(seeds, kind));
    }
  }

  it("draws all plugins that there are", () => {
    const names = (folder: string): string[] =>
      [...Deno.readDirSync(new URL(`../../${folder}`, import.meta.url))]
        .filter(({ name }) => {
          if (!name.endsWith(".ts") || name === "mod.ts") return false;
          const text = Deno.readTextFileSync(new URL(`../../${folder}/${name}`, import.meta.url));
          return text.includes("export default function");
        })
        .map(({ name }) => name.slice(0, -3).replace(/_(.)/g, (_, letter) => letter.toUpperCase()))
        .sort();
    const has = (plugins: object): string[] => Object.keys(plugins).sort();
    assertEquals(has(SCHEDULERS), names("sched"));
    assertEquals(has(CONTROLS), names("cc"));
    assertEquals(has(MANAGERS), names("pm"));
  });

  it("a seed stands for one run, whose bound follows from it", () => {
    assertEquals(describeRun(runOf(1)), describeRun(runOf(1)));
    assert(boundOf(runOf(1), true) > boundOf(runOf(1), false));
  });
});
