/** What every scheduler does, seen on the toy connection. */

import type { SchedulerPlugin } from "../../core/plugin.ts";
import { memberRule } from "./member_rules.ts";
import { seeded, watched } from "./random.ts";
import { type Rule, RuleError } from "./rule.ts";
import { runToy } from "./toy_connection.ts";
import type { ToyPath, ToyResult, ToyScenario } from "./toy_subflow.ts";

const MS = 1e3;
const SECOND = 1e6;

/** One large write. */
function bulk(bytes: number): ToyScenario["writes"] {
  return [{ at: 0, bytes }];
}

/** `count` small writes that leave every path idle in between. */
function requests(count: number, bytes: number, every: number): ToyScenario["writes"] {
  return Array.from({ length: count }, (_, i) => ({ at: i * every, bytes }));
}

const LIKE: readonly ToyPath[] = [{ rate: 1e6, rtt: 20 * MS }, { rate: 1e6, rtt: 30 * MS }];
const UNLIKE: readonly ToyPath[] = [{ rate: 25e4, rtt: 200 * MS }, { rate: 1e6, rtt: 20 * MS }];
/** The same capacity, ten times the round trip. */
const NEAR_AND_FAR: readonly ToyPath[] = [
  { rate: 1e6, rtt: 20 * MS },
  { rate: 1e6, rtt: 200 * MS },
];

const TWO_LIKE: ToyScenario = { name: "bulk over two like paths", paths: LIKE, writes: bulk(3e6) };
const TWO_UNLIKE: ToyScenario = {
  name: "bulk over a slow and a fast path",
  paths: UNLIKE,
  writes: bulk(3e6),
};
const NEAR_FIRST: ToyScenario = {
  name: "requests, the near path first",
  paths: NEAR_AND_FAR,
  writes: requests(40, 8400, 500 * MS),
};
const FAR_FIRST: ToyScenario = {
  ...NEAR_FIRST,
  name: "requests, the far path first",
  paths: [...NEAR_AND_FAR].reverse(),
};

/** Two equal paths, of which one swallows everything from early on. */
const ONE_DIES: ToyScenario = {
  name: "one of two equal paths dies",
  paths: [{ ...LIKE[0]!, dead: [100 * MS, 60 * SECOND] }, LIKE[0]!],
  writes: bulk(1e6),
};
/** The near one of two paths is cut for good, and takes three timeouts more to be known as stale, as in the stack. */
const NEAR_IS_CUT: ToyScenario = {
  name: "the near path is cut",
  paths: [{ rate: 1e6, rtt: 20 * MS, dead: [300 * MS, 600 * SECOND] }, {
    rate: 5e5,
    rtt: 200 * MS,
  }],
  writes: bulk(1e6),
  staleLossCount: 4,
};
/** The same, the other way round, and with something to write again and again. */
const NEAR_IS_CUT_LATER: ToyScenario = {
  name: "the near path is cut between requests",
  paths: [...NEAR_IS_CUT.paths].reverse(),
  writes: [...requests(4, 100_000, 250 * MS)],
  staleLossCount: 4,
};
/** A path swallows everything for a while, and has worked again for seconds when the second write comes. */
const ONE_RETURNS: ToyScenario = {
  name: "bulk again after one of two like paths was away",
  paths: [LIKE[0]!, { ...LIKE[1]!, dead: [300 * MS, 1500 * MS] }],
  writes: [...bulk(2e6), { at: 8 * SECOND, bytes: 3e6 }],
};

const FIXED: readonly ToyScenario[] = [
  ONE_DIES,
  ONE_RETURNS,
  TWO_LIKE,
  TWO_UNLIKE,
  NEAR_FIRST,
  FAR_FIRST,
  { name: "one path", paths: [LIKE[0]!], writes: bulk(5e5) },
  {
    name: "a backup path with the lower round trip",
    paths: [{ rate: 1e6, rtt: 60 * MS }, { rate: 1e6, rtt: 20 * MS, backup: true }],
    writes: [...bulk(5e5), { at: 3 * SECOND, bytes: 5e5 }],
  },
  {
    name: "only backup paths",
    paths: LIKE.map((path) => ({ ...path, backup: true })),
    writes: bulk(5e5),
  },
  {
    name: "a backup path that must step in",
    paths: [
      { rate: 1e6, rtt: 40 * MS, dead: [300 * MS, 5 * SECOND] },
      { rate: 5e5, rtt: 30 * MS, backup: true },
    ],
    writes: [...bulk(1e6), { at: 8 * SECOND, bytes: 5e5 }],
  },
  {
    name: "a path leaves, another joins",
    paths: [
      { ...LIKE[0]!, until: 500 * MS },
      LIKE[1]!,
      { rate: 1e6, rtt: 25 * MS, from: 900 * MS },
    ],
    writes: [...bulk(2e6), { at: 6 * SECOND, bytes: 2e5 }],
  },
  {
    name: "the fast path swallows everything for 3 s",
    paths: [UNLIKE[0]!, { ...UNLIKE[1]!, dead: [500 * MS, 3500 * MS] }],
    writes: bulk(3e6),
  },
  {
    name: "both paths swallow everything for a while",
    paths: LIKE.map((path) => ({ ...path, dead: [300 * MS, 1200 * MS] })),
    writes: bulk(1e6),
  },
  { name: "a small window of the peer", paths: UNLIKE, writes: bulk(1e6), window: 40_000 },
  { name: "a live swap", paths: LIKE, writes: bulk(2e6), swapAt: 400 * MS },
  {
    name: "no path for a while",
    paths: [{ ...LIKE[0]!, until: 300 * MS }, { ...LIKE[1]!, from: 2 * SECOND }],
    writes: bulk(1e6),
  },
];

/** A scenario that follows from its seed. Path 1 stays, so that everything can arrive. */
function drawn(seed: number): ToyScenario {
  const random = seeded(seed);
  const between = (low: number, high: number): number => low * (high / low) ** random();
  const paths: ToyPath[] = [];
  const count = 1 + Math.floor(random() * 4);
  for (let i = 0; i < count; i++) {
    const from = i > 0 && random() < 0.3 ? random() * 2 * SECOND : 0;
    const start = random() * 3 * SECOND;
    paths.push({
      rate: between(1e5, 2e6),
      rtt: between(5 * MS, 400 * MS),
      from,
      ...(random() < 0.25 ? { backup: true } : {}),
      ...(i > 0 && random() < 0.3 ? { until: from + random() * 4 * SECOND } : {}),
      ...(random() < 0.3 ? { dead: [start, start + random() * 2 * SECOND] } : {}),
    });
  }
  const writes = requests(1 + Math.floor(random() * 10), between(1e3, 2e5), between(MS, SECOND));
  const window = between(20_000, 2e6);
  return { name: `drawn scenario ${seed}`, paths, writes, window, seed };
}

const DRAWN: readonly ToyScenario[] = Array.from({ length: 24 }, (_, i) => drawn(i + 1));

/** Rules that every run watches over. */
const EVERYWHERE: readonly (readonly [name: string, says: string])[] = [
  ["never-throws", "No call throws, whatever the state and however often it is called."],
  ["sane-answer", "An answer that says how many bytes it binds says one at least."],
  ["known-path", "pick names paths that are in use, each once; null means to wait."],
  [
    "waits-end",
    "It waits only while something is in flight, or a wake it asked for is due: nothing else would end the wait.",
  ],
  [
    "makes-progress",
    "It does not wait for two timeouts while there are data, window and a subflow with room.",
  ],
  ["wakes-ahead", "wake() names a time that is still to come."],
  ["backup-last", "A backup path carries nothing while another works (RFC 8684 §3.3.8)."],
  ["delivers", "Everything arrives, as long as one path lives."],
  ["sane-options", "quantum is 1 at least; lookAhead is 0 at least, or left out."],
];

/** The rules for `plugin`. Their runs are shared and made when first needed. */
export function schedulerRules(plugin: SchedulerPlugin): Rule[] {
  const results = new Map<ToyScenario, ToyResult>();
  const run = (scenario: ToyScenario): ToyResult => {
    let result = results.get(scenario);
    if (result === undefined) {
      result = runToy(plugin, scenario);
      results.set(scenario, result);
    }
    return result;
  };
  const everywhere = EVERYWHERE.map(([name, says]): Rule => ({
    name,
    says,
    check: () => {
      for (const scenario of [...FIXED, ...DRAWN]) {
        run(scenario).breaches.raise(name, scenario.name);
      }
    },
  }));
  return [
    ...everywhere,
    {
      name: "own-chance",
      says:
        "Chance comes from connection.random(), time from connection.now: the same seed gives the same decisions.",
      check: () => checkChance(plugin, run),
    },
    ...family(plugin, run),
    {
      name: "leaves-the-cut",
      says:
        "When a path is cut, what is left goes over the other after a timeout, at three quarters of its rate: nobody waits for the cut one until it is stale.",
      check: () => {
        for (const scenario of [NEAR_IS_CUT, NEAR_IS_CUT_LATER]) checkCut(scenario, run(scenario));
      },
    },
    {
      name: "near-path",
      says:
        "Where requests leave room on every path, the one with a tenth of the round trip carries a quarter of the bytes, in one order of the paths at least.",
      check: () => checkNear(run(NEAR_FIRST), run(FAR_FIRST)),
    },
    memberRule(plugin, (noted) => void runToy(noted, TWO_LIKE)),
  ];
}

/** What a plugin is held to by what it says that it is for. */
function family(
  { family: kind = "aggregate" }: SchedulerPlugin,
  run: (scenario: ToyScenario) => ToyResult,
): Rule[] {
  const one: Rule = {
    name: "as-fast-as-one",
    says: "A bulk transfer over several paths reaches three quarters of the best path's rate.",
    check: () => {
      for (const scenario of [TWO_LIKE, TWO_UNLIKE]) {
        checkGoodput("as-fast-as-one", scenario, run(scenario), 0.75);
      }
    },
  };
  const fills: Rule = {
    name: "fills-pipes",
    says: "A bulk transfer over two like paths reaches one and a half times the rate of one.",
    check: () => checkGoodput("fills-pipes", TWO_LIKE, run(TWO_LIKE), 1.5),
  };
  const recovers: Rule = {
    name: "recovers",
    says:
      "When a path that was away has worked again for a while, both are filled as they were before.",
    check: () => checkGoodput("recovers", ONE_RETURNS, run(ONE_RETURNS), 1.5),
  };
  const covers: Rule = {
    name: "covers-a-death",
    says: "What it sends over several paths comes no later for the death of one of them.",
    check: () => checkGoodput("covers-a-death", ONE_DIES, run(ONE_DIES), 0.75),
  };
  switch (kind) {
    case "aggregate":
      return [one, fills, recovers];
    case "redundant":
      return [one, covers];
    case "selective":
      return [];
    default:
      return [{
        name: "sane-options",
        says: "family is one of aggregate, redundant and selective.",
        check: () => {
          throw new RuleError("sane-options", `family is ${JSON.stringify(kind)}`);
        },
      }];
  }
}

function checkChance(plugin: SchedulerPlugin, run: (scenario: ToyScenario) => ToyResult): void {
  const scenarios = [TWO_LIKE, NEAR_FIRST, ...DRAWN.slice(0, 6)];
  for (const scenario of scenarios) {
    let fingerprint = 0;
    const used = watched(() => fingerprint = runToy(plugin, scenario).fingerprint);
    if (used !== null) throw new RuleError("own-chance", `it calls ${used} (${scenario.name})`);
    if (fingerprint === run(scenario).fingerprint) continue;
    throw new RuleError("own-chance", `two runs differ (${scenario.name})`);
  }
}

/** Of the best path's rate, from the last write on. */
function checkGoodput(
  rule: string,
  scenario: ToyScenario,
  result: ToyResult,
  least: number,
): void {
  const last = scenario.writes.at(-1)!;
  const best = Math.max(...scenario.paths.map(({ rate }) => rate));
  const share = last.bytes * SECOND / (result.done - last.at) / best;
  if (share >= least) return;
  throw new RuleError(
    rule,
    `${Math.round(share * 100)} % of the best path's rate (${scenario.name})`,
  );
}

/** All of it by the path that is left, from the cut on: more than can be left by then. */
function checkCut({ name, paths, writes }: ToyScenario, { done }: ToyResult): void {
  const cut = paths.find(({ dead }) => dead !== undefined)!;
  const other = paths.find(({ dead }) => dead === undefined)!;
  const bytes = writes.reduce((sum, write) => sum + write.bytes, 0);
  const timeout = 200 * MS;
  const most = cut.dead![0] + cut.rtt + timeout + bytes * SECOND / (0.75 * other.rate) + other.rtt;
  if (done <= most) return;
  throw new RuleError(
    "leaves-the-cut",
    `everything is there after ${Math.round(done / MS)} ms, ${
      Math.round(most / MS)
    } are enough (${name})`,
  );
}

function checkNear(first: ToyResult, second: ToyResult): void {
  const share = (result: ToyResult, near: number): number =>
    result.carried[near]! / (result.carried[0]! + result.carried[1]!);
  const most = Math.max(share(first, 0), share(second, 1));
  if (most >= 0.25) return;
  throw new RuleError("near-path", `it carries ${Math.round(most * 100)} %`);
}
