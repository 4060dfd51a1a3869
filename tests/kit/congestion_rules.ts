/** What every congestion control does, seen on the toy bottlenecks, and what is asked of it by what it heeds (`basis`). */

import reno from "../../cc/reno.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { memberRule } from "./member_rules.ts";
import { watched } from "./random.ts";
import { type Rule, RuleError } from "./rule.ts";
import { runCongestion, type ToyBottleneck, type ToyCongestionResult } from "./toy_congestion.ts";
import { runShared, type SharedBottleneck, type SharedResult } from "./toy_shared.ts";
import { MSS } from "./toy_subflow.ts";

const MS = 1e3;
const SECOND = 1e6;

interface Scenario {
  readonly name: string;
  readonly paths: readonly ToyBottleneck[];
  readonly time: number;
}

/** 36 segments in flight fill it, as many again its buffer. */
const NEAR: ToyBottleneck = { rate: 1e6, rtt: 50 * MS, buffer: 5e4 };
const FAR: ToyBottleneck = { rate: 5e5, rtt: 200 * MS, buffer: 1e5 };
/** No window fills it. */
const WIDE: ToyBottleneck = { rate: 1e9, rtt: 50 * MS, buffer: 1e9 };

const ALONE: Scenario = { name: "one path", paths: [NEAR], time: 30 * SECOND };
const TOGETHER: Scenario = { name: "two unlike paths", paths: [NEAR, FAR], time: 60 * SECOND };
const LOSSES: Scenario = {
  name: "a loss each round trip",
  paths: [{ ...WIDE, every: ["loss"] }],
  time: 2 * SECOND,
};
const TIMEOUTS: Scenario = {
  name: "a timeout each round trip",
  paths: [{ ...WIDE, every: ["timeout"] }],
  time: 2 * SECOND,
};

const SCENARIOS: readonly Scenario[] = [
  ALONE,
  TOGETHER,
  LOSSES,
  TIMEOUTS,
  { name: "marks each round trip", paths: [{ ...WIDE, every: ["ecn"] }], time: 2 * SECOND },
  { name: "penalties each round trip", paths: [{ ...WIDE, every: ["penalty"] }], time: 2 * SECOND },
  {
    name: "one blow after another",
    paths: [{ ...WIDE, every: ["loss", "penalty", "penalty", "timeout", "penalty", "ecn"] }],
    time: 2 * SECOND,
  },
  { name: "an idle sender", paths: [{ ...NEAR, supply: 2 * MSS }, NEAR], time: 10 * SECOND },
  {
    name: "paths join and leave",
    paths: [NEAR, { ...FAR, from: 2 * SECOND, until: 9 * SECOND }, { ...NEAR, from: 5 * SECOND }],
    time: 15 * SECOND,
  },
  { name: "a round trip of 50 µs", paths: [{ rate: 1e8, rtt: 50, buffer: 1e5 }], time: SECOND / 2 },
  {
    name: "a round trip of 20 s",
    paths: [{ rate: 1e6, rtt: 20 * SECOND, buffer: 1e6 }, NEAR],
    time: 600 * SECOND,
  },
];

/** For what is measured beside others, and after something: which of the times count, warm-up left out. */
const FROM = 20 * SECOND;
const TO = 120 * SECOND;
/** Most that a flow takes of a bottleneck that it shares with one of reno: reno's queue is what a model takes for the path. */
const MOST_BESIDE_RENO = { loss: 0.62, delay: 0.62, model: 0.9 };
/** Least that two subflows get on paths that each is shared with a flow of reno, in times of what reno would get on the better. */
const LEAST_OF_BEST = 0.7;
/** A buffer eight times what fills the path: 400 ms. */
const DEEP: SharedBottleneck = { ...NEAR, buffer: 4e5 };
/** Most of them that packets wait where delay is heeded. */
const MOST_WAIT = 100 * MS;
/** Least share of a path that is used again. */
const LEAST_AFTER = 0.75;

/** Rules that every run watches over. */
const EVERYWHERE: readonly (readonly [name: string, says: string])[] = [
  ["never-throws", "No call throws."],
  [
    "sane-window",
    "After every call cwnd is a number of at least one segment, 2^30 at most, and ssthresh at least one segment; pacingRate, where there is one, is a finite number of at least a segment a minute.",
  ],
  [
    "grows-by-acks",
    "The window grows by acknowledged bytes that used it, and by nothing else (RFC 5681 §3.1, RFC 7661); that of a model by any that were acknowledged.",
  ],
  ["starts-at-cwnd", "A controller starts at the window that its subflow has."],
];

/** The rules for `plugin`. Their runs are shared and made when first needed. */
export function congestionRules(plugin: CongestionControlPlugin): Rule[] {
  const results = new Map<Scenario, ToyCongestionResult>();
  const run = (scenario: Scenario): ToyCongestionResult => {
    let result = results.get(scenario);
    if (result === undefined) {
      result = runCongestion(plugin, scenario.paths, scenario.time);
      results.set(scenario, result);
    }
    return result;
  };
  return [
    ...EVERYWHERE.map(([name, says]): Rule => ({
      name,
      says,
      check: () => {
        for (const scenario of SCENARIOS) run(scenario).breaches.raise(name, scenario.name);
      },
    })),
    {
      name: "falls",
      says: plugin.basis === "model"
        ? "Timeouts make the window smaller: to half or less when every round trip has one."
        : "Losses and timeouts make the window smaller: to half or less when every round trip has one (RFC 5681 §3.1).",
      check: () => {
        const heeded = plugin.basis === "model" ? [TIMEOUTS] : [LOSSES, TIMEOUTS];
        for (const scenario of heeded) checkFall(scenario, run(scenario));
      },
    },
    {
      name: "own-chance",
      says:
        "Chance comes from connection.random(), time from connection.now: the same seed gives the same windows.",
      check: () => checkChance(plugin, run),
    },
    {
      name: "uses-the-path",
      says:
        "A bulk transfer gets three quarters of what one path alone, and of what the better of two, can carry.",
      check: () => {
        for (const scenario of [ALONE, TOGETHER]) {
          const { paths, time } = scenario;
          // The toy of rounds sends a window at once, and keeps no pace.
          const delivered = plugin.basis === "model"
            ? runShared(paths, [{ plugin, paths: paths.map((_, i) => i) }], 0, time)[0]!.delivered
            : run(scenario).delivered;
          checkUse(scenario, delivered);
        }
      },
    },
    {
      name: "spares-the-path",
      says: plugin.basis === "model"
        ? "Alone on a path it loses one packet of a hundred at most."
        : "Alone on a path it overruns the buffer in one of fifteen round trips at most.",
      check: () => {
        if (plugin.basis !== "model") return checkLosses(ALONE, run(ALONE));
        const [mine] = runShared([NEAR], [{ plugin, paths: [0] }], FROM, TO);
        hold("spares-the-path", mine!.lost[0]! <= mine!.delivered[0]! / 100, () => {
          return `it loses ${percent(mine!.lost[0]! / mine!.delivered[0]!)}`;
        });
      },
    },
    ...behaviour(plugin),
    memberRule(plugin, (noted) => void runCongestion(noted, ALONE.paths, SECOND)),
  ];
}

/** What is seen of it among others, and when the path changes. */
function behaviour(plugin: CongestionControlPlugin): Rule[] {
  const { basis = "loss" } = plugin;
  const rules: Rule[] = [
    {
      name: "does-no-harm",
      says: `Beside a flow of reno one of its flows takes ${
        percent(MOST_BESIDE_RENO[basis])
      } of a bottleneck at most.`,
      check: () => {
        const users = [{ plugin, paths: [0] }, { plugin: reno(), paths: [0] }];
        const [mine = 0, other = 0] = runShared([NEAR], users, FROM, TO).map(sum);
        hold("does-no-harm", mine / (mine + other) <= MOST_BESIDE_RENO[basis], () => {
          return `it takes ${percent(mine / (mine + other))}, reno the rest`;
        });
      },
    },
    {
      name: "recovers",
      says: `A path that swallowed everything for 3 s is used to ${
        percent(LEAST_AFTER)
      } again 7 s later.`,
      check: () => {
        const path = { ...NEAR, dead: [10 * SECOND, 13 * SECOND] as const };
        checkAfter("recovers", plugin, path, NEAR.rate, 20 * SECOND, 30 * SECOND);
      },
    },
    {
      name: "follows-the-path",
      says: `A path that has become ten times slower is used to ${percent(LEAST_AFTER)} ` +
        "10 s later, and loses one packet of twenty at most.",
      check: () => {
        const rate = NEAR.rate / 10;
        const path = { ...NEAR, later: { at: 10 * SECOND, rate } };
        const { delivered, lost } = checkAfter(
          "follows-the-path",
          plugin,
          path,
          rate,
          20 * SECOND,
          40 * SECOND,
        );
        hold("follows-the-path", lost[0]! <= delivered[0]! / 20, () => {
          return `it loses ${percent(lost[0]! / delivered[0]!)}`;
        });
      },
    },
  ];
  // Who heeds delay gives way to others: it is to.
  if (basis !== "delay") {
    rules.push({
      name: "as-good-as-best",
      says:
        `Two subflows on unlike paths, each shared with a flow of reno, get ${LEAST_OF_BEST} times what reno would on the better (RFC 6356 §2, goal 1).`,
      check: () => {
        const users = [
          { plugin, paths: [0, 1] },
          { plugin: reno(), paths: [0] },
          { plugin: reno(), paths: [1] },
        ];
        const [mine = 0] = runShared([NEAR, FAR], users, FROM, TO).map(sum);
        const fair = NEAR.rate / 2 * (TO - FROM) / SECOND;
        hold("as-good-as-best", mine >= LEAST_OF_BEST * fair, () => {
          return `it gets ${(mine / fair).toFixed(2)} times that`;
        });
      },
    });
  }
  if (basis === "loss") return rules;
  rules.push({
    name: "heeds-delay",
    says: `In a buffer of 400 ms packets wait ${MOST_WAIT / MS} ms at most in the mean.`,
    check: () => {
      const [mine] = runShared([DEEP], [{ plugin, paths: [0] }], FROM, TO);
      hold("heeds-delay", mine!.waited[0]! <= MOST_WAIT, () => {
        return `they wait ${Math.round(mine!.waited[0]! / MS)} ms`;
      });
    },
  });
  return rules;
}

function sum({ delivered }: SharedResult): number {
  return delivered.reduce((all, bytes) => all + bytes, 0);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function hold(rule: string, kept: boolean, detail: () => string): void {
  if (!kept) throw new RuleError(rule, detail());
}

/** Runs it alone and holds what it delivers from `from` to `to` against `rate`. */
function checkAfter(
  rule: string,
  plugin: CongestionControlPlugin,
  path: SharedBottleneck,
  rate: number,
  from: number,
  to: number,
): SharedResult {
  const [result] = runShared([path], [{ plugin, paths: [0] }], from, to);
  const share = sum(result!) / rate / (to - from) * SECOND;
  hold(rule, share >= LEAST_AFTER, () => `it uses ${percent(share)}`);
  return result!;
}

/** Once in 36 is what one segment for each round trip comes to there (RFC 5681 §3.1). */
function checkLosses(scenario: Scenario, result: ToyCongestionResult): void {
  const { all, lossy } = result.rounds[0]!;
  if (lossy <= all / 15) return;
  throw new RuleError(
    "spares-the-path",
    `${lossy} of ${all} round trips have losses (${scenario.name})`,
  );
}

function checkFall(scenario: Scenario, result: ToyCongestionResult): void {
  const { first, last } = result.windows[0]!;
  if (last <= first / 2) return;
  throw new RuleError("falls", `cwnd went from ${first} to ${last} (${scenario.name})`);
}

function checkChance(
  plugin: CongestionControlPlugin,
  run: (scenario: Scenario) => ToyCongestionResult,
): void {
  for (const scenario of [ALONE, TOGETHER]) {
    let fingerprint = 0;
    const used = watched(() => {
      fingerprint = runCongestion(plugin, scenario.paths, scenario.time).fingerprint;
    });
    if (used !== null) throw new RuleError("own-chance", `it calls ${used} (${scenario.name})`);
    if (fingerprint === run(scenario).fingerprint) continue;
    throw new RuleError("own-chance", `two runs differ (${scenario.name})`);
  }
}

function checkUse(scenario: Scenario, delivered: readonly number[]): void {
  const best = Math.max(...scenario.paths.map(({ rate }) => rate));
  const share = delivered.reduce((a, b) => a + b) * SECOND / scenario.time / best;
  if (share >= 0.75) return;
  throw new RuleError(
    "uses-the-path",
    `${Math.round(share * 100)} % of the best path's rate (${scenario.name})`,
  );
}
