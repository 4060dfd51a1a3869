/** Requests over two unlike paths: the lowest round trip first, and in turns. */

import type { Duration } from "../../core/link/units.ts";
import { minRtt, roundRobin } from "../../sched/mod.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import type { Scenario } from "../../sim/scenario.ts";
import { atLeast, atMost, measureOwn, near, type PaperRow, type Values } from "./row.ts";

/** The first one waits for the handshake, too, which the tutorial's connection has behind it: a round trip of the first path. */
const HANDSHAKE = 40;
/** Milliseconds each way that would make up for what the testbed took longer, whatever it was. */
const MORE = 4;
const SLOWER = { more: `${MORE} ms` } as const;
const slower = (name: string): string => `${name}, ${MORE} ms more each way`;

/** How a case is unlike the row's own. */
interface Change {
  /** Bursts are spread. */
  readonly pacing?: boolean;
  /** What every packet takes besides, on both paths and each way. */
  readonly more?: Duration;
}

function scenario(count: number, { pacing = false, more }: Change): Scenario {
  const tcp = { pacing };
  return {
    name: "requests",
    hosts: { client: { tcp }, server: { tcp } },
    routers: ["core"],
    links: {
      fast: { between: ["client", "core"], rate: "100 Mbit/s", delay: "20 ms", queue: 400 },
      slow: { between: ["client", "core"], rate: "100 Mbit/s", delay: "40 ms", queue: 800 },
      server: { between: ["core", "server"], ...(more === undefined ? {} : { delay: more }) },
    },
    traffic: {
      requests: {
        kind: "requests",
        client: "client",
        server: "server",
        request: "10 kB",
        bytes: "10 kB",
        every: "250 ms",
        count,
      },
    },
  };
}

function delays(
  name: string,
  scheduler: SchedulerPlugin,
  seed: number,
  change: Change = {},
): Values {
  const delaysOf = (count: number) =>
    measureOwn(scenario(count, change), { scheduler }, { seed }).traffic.requests!.delays!;
  const all = delaysOf(20);
  const first = delaysOf(1).max / 1000 - HANDSHAKE - 2 * (change.more === undefined ? 0 : MORE);
  return {
    [`${name}: first`]: first,
    [`${name}: median less the first`]: all.p50 / 1000 - first,
    [`${name}: least`]: all.min / 1000,
    [`${name}: median`]: all.p50 / 1000,
    // The 19th of 20: the largest is the first.
    [`${name}: most of the others`]: all.p95 / 1000,
  };
}

/** The row. */
export const REQUESTS: PaperRow = {
  name: "requests",
  title: "Requests by the lowest round trip and in turns (SIGCOMM 2020 tutorial)",
  scenario:
    "100 Mbit/s, 20 ms one way, 400 packets + 100 Mbit/s, 40 ms, 800 packets; 20 requests and answers of 10 kB, one each 250 ms, on one connection",
  metric: "time until the answer is there, ms; the first without the handshake",
  axis: "ms",
  source: "SIGCOMM 2020 MPTCP tutorial, minitopo",
  evidence: ["source code"],
  cases: {
    "min_rtt": (seed) => delays("min_rtt", minRtt(), seed),
    "round_robin": (seed) => delays("round_robin", roundRobin(), seed),
    "min_rtt, paced": (seed) => delays("min_rtt, paced", minRtt(), seed, { pacing: true }),
    [slower("min_rtt")]: (seed) => delays(slower("min_rtt"), minRtt(), seed, SLOWER),
    [slower("round_robin")]: (seed) => delays(slower("round_robin"), roundRobin(), seed, SLOWER),
  },
  figures: [
    atLeast("min_rtt: least", 40, 5),
    atMost("min_rtt: first", 50, 5),
    atMost("min_rtt: most of the others", 50, 5),
    near("round_robin: first", 50, 5, " ms"),
    near("round_robin: median", 90, 5, " ms"),
    near("round_robin: median less the first", 40, 5, " ms"),
  ],
  orderings: [
    { ascending: ["min_rtt: median", "round_robin: median"] },
    { ascending: ["round_robin: first", "round_robin: median"] },
  ],
  digits: 1,
  findings: [
    "By turns a request and its answer take 81 ms where about 90 are published, and the first 42 where about 50 are: each time 8 ms less. What the second path costs is as published, 39 ms. The 81 ms are what the scenario says: 40 ms there, 40 ms back, and 10 kB each way at 100 Mbit/s. min_rtt's 40 to 50 ms have room for 8 ms more, and with 4 ms more each way on both paths all six figures hold.",
    'Where the testbed takes these 8 ms is not known. It may be its switches, of which each path has four, all of them software in one virtual machine; or rounding, as the tutorial says "about" and "around".',
    "With pacing, the default of this stack, min_rtt takes 81 ms: of 10 kB, seven segments, four leave at once, and while the others wait for their time the path has no room, so that they take the slower one. Linux's stacks of then paced neither reno nor lia.",
  ],
};
