/** What every congestion control does, seen on the toy bottlenecks. */

import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { watched } from "./random.ts";
import { type Rule, RuleError } from "./rule.ts";
import { runCongestion, type ToyBottleneck, type ToyCongestionResult } from "./toy_congestion.ts";
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

/** Rules that every run watches over. */
const EVERYWHERE: readonly (readonly [name: string, says: string])[] = [
  ["never-throws", "No call throws."],
  [
    "sane-window",
    "After every call cwnd is a number of at least one segment, 2^30 at most, and ssthresh at least one segment; pacingRate, where there is one, is a finite number of at least a segment a minute.",
  ],
  [
    "grows-by-acks",
    "The window grows by acknowledged bytes that used it, and by nothing else (RFC 5681 §3.1, RFC 7661).",
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
      says:
        "Losses and timeouts make the window smaller: to half or less when every round trip has one (RFC 5681 §3.1).",
      check: () => {
        for (const scenario of [LOSSES, TIMEOUTS]) checkFall(scenario, run(scenario));
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
        checkUse(ALONE, run(ALONE));
        checkUse(TOGETHER, run(TOGETHER));
      },
    },
    {
      name: "spares-the-path",
      says: "Alone on a path it overruns the buffer in one of fifteen round trips at most.",
      check: () => checkLosses(ALONE, run(ALONE)),
    },
  ];
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

function checkUse(scenario: Scenario, result: ToyCongestionResult): void {
  const best = Math.max(...scenario.paths.map(({ rate }) => rate));
  const share = result.delivered.reduce((a, b) => a + b) * SECOND / scenario.time / best;
  if (share >= 0.75) return;
  throw new RuleError(
    "uses-the-path",
    `${Math.round(share * 100)} % of the best path's rate (${scenario.name})`,
  );
}
