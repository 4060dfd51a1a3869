/** 16 MiB over two paths at once, in either direction, as Linux's own test has it. */

import { linux } from "../../sched/mod.ts";
import type { Scenario } from "../../sim/scenario.ts";
import { measureOwn, type PaperRow, type Values } from "./row.ts";

/** Mbit/s and milliseconds of each way, of both paths. */
interface Paths {
  readonly rates: readonly [number, number];
  readonly delays: readonly [number, number];
}

const PATHS: readonly Paths[] = [
  { rates: [10, 10], delays: [0, 0] },
  { rates: [10, 10], delays: [1, 25] },
  { rates: [15, 5], delays: [0, 0] },
  { rates: [15, 5], delays: [1, 25] },
  { rates: [15, 5], delays: [25, 1] },
];
const DIRECTIONS = ["up", "down", "both"] as const;
const BYTES = 16 * 2 ** 20;
/** The script waits so long for its own programs, in milliseconds, which are no part of the transfer. */
const SLEEPS = 400;
/** A ninth more than the rates take, and 450 ms: what the script allows, without its sleeps. */
const bound = ([one, other]: readonly [number, number]): number =>
  BYTES * 8 * (10 / 9) / ((one + other) * 1000) + 450 - SLEEPS;

function nameOf({ rates, delays }: Paths, direction: string): string {
  return `${rates.join("/")} Mbit/s ${delays.join("/")} ms ${direction}`;
}

function scenario({ rates, delays }: Paths, direction: (typeof DIRECTIONS)[number]): Scenario {
  const link = (i: 0 | 1) => ({
    between: ["client", "core"] as const,
    rate: `${rates[i]} Mbit/s` as const,
    delay: `${delays[i]} ms` as const,
    queue: 1000,
  });
  return {
    name: "simult_flows",
    hosts: { client: {}, server: {} },
    routers: ["core"],
    links: { one: link(0), other: link(1), server: { between: ["core", "server"] } },
    traffic: {
      transfer: { kind: "bulk", client: "client", server: "server", bytes: BYTES, direction },
    },
  };
}

function completion(paths: Paths, direction: (typeof DIRECTIONS)[number], seed: number): Values {
  const { done, time } = measureOwn(scenario(paths, direction), { scheduler: linux() }, { seed });
  return { [nameOf(paths, direction)]: done ? time / 1000 : Infinity };
}

const RUNS = PATHS.flatMap((paths) => DIRECTIONS.map((direction) => ({ paths, direction })));

/** The row. */
export const SIMULT_FLOWS: PaperRow = {
  name: "simult_flows",
  title: "16 MiB over two paths at once (Linux, tools/testing/selftests/net/mptcp)",
  scenario:
    "two paths of a rate and a delay at both ends, 1000 packets; 16 MiB up, and 16 MiB down; scheduler linux",
  metric: "time until both sides have all and have closed, ms",
  axis: "ms of virtual time",
  source: "simult_flows.sh: bytes · 8 · 10/9 / (sum of rates) + 450 ms, of which 400 are sleeps",
  evidence: ["source code"],
  cases: Object.fromEntries(
    RUNS.map(({ paths, direction }) => [
      nameOf(paths, direction),
      (seed) => completion(paths, direction, seed),
    ]),
  ),
  quickCases: PATHS.map((paths) => nameOf(paths, "up")),
  // The script's ten runs; both directions at once are an experiment.
  figures: RUNS.filter(({ direction }) => direction !== "both").map(({ paths, direction }) => ({
    of: nameOf(paths, direction),
    published: `≤ ${Math.floor(bound(paths.rates))}`,
    most: bound(paths.rates),
    tolerance: "hard bound, each run",
    each: true,
    quick: direction === "up",
  })),
  orderings: [],
  digits: 0,
  findings: [
    "The script sends the 16 MiB one way and then the other. In both directions at once, which it does not try, the same takes 7.6 to 12.2 s.",
  ],
};
