/** What plugins are compared on: networks and what goes over them, one difficulty each. */

import type { PluginKind } from "../../mod.ts";
import type { Scenario, ScenarioLink, Traffic } from "../../sim/mod.ts";

/** One difficulty. */
export interface Discipline {
  /** In files: "lossy". */
  readonly id: string;
  /** Above a column. */
  readonly title: string;
  /** The network, and what goes over it. */
  readonly about: string;
  /** What is run. */
  readonly scenario: Scenario;
  /** Name of the traffic whose figure counts. */
  readonly traffic: string;
  /** Which figure of it. */
  readonly figure: "goodput" | "mean" | "p99";
  /** Bytes of an answer, where sizes are compared. */
  readonly size?: number;
  /** Kinds of plugins that it says something about. @default all */
  readonly kinds?: readonly PluginKind[];
}

type Path = Omit<ScenarioLink, "between">;

const ENDS = { client: "client", server: "server" } as const;

function network(one: Path, two: Path): Pick<Scenario, "hosts" | "routers" | "links"> {
  return {
    hosts: { client: {}, server: {} },
    routers: ["internet"],
    links: {
      one: { ...one, between: ["client", "internet"] },
      two: { ...two, between: ["client", "internet"] },
      server: { between: ["internet", "server"] },
    },
  };
}

const WIFI: Path = { rate: "20 Mbit/s", delay: "15 ms" };
const LTE: Path = { rate: "12 Mbit/s", delay: "40 ms" };

/** Where the second path is slow and far. */
const NEAR: Path = { rate: "20 Mbit/s", delay: "10 ms" };
const FAR: Path = { rate: "4 Mbit/s", delay: "100 ms" };

const said = ({ rate, delay }: Path): string => `${rate}, ${delay}`;

/** Answers of each size, and how many. */
const FLOWS = [
  [2e3, 40, "2 kB"],
  [2e4, 30, "20 kB"],
  [2e5, 20, "200 kB"],
  [2e6, 4, "2 MB"],
] as const;

/** The disciplines; `quick`: shortened ones. */
export function disciplines(quick: boolean): Discipline[] {
  const bytes = quick ? 1e6 : 8e6;
  const few = (count: number): number => quick ? Math.max(2, Math.round(count / 10)) : count;
  const bulk: Traffic = { ...ENDS, kind: "bulk", bytes };
  const transfer = (
    id: string,
    title: string,
    about: string,
    [one, two]: readonly [Path, Path],
    more: Partial<Scenario> = {},
  ): Discipline => ({
    id,
    title,
    about: `${bytes / 1e6} MB over ${about}`,
    scenario: { name: id, ...network(one, two), traffic: { file: bulk }, ...more },
    traffic: "file",
    figure: "goodput",
  });
  return [
    transfer("homogeneous", "like paths", "two paths of 20 Mbit/s, 20 ms", [
      { rate: "20 Mbit/s", delay: "20 ms" },
      { rate: "20 Mbit/s", delay: "20 ms" },
    ]),
    transfer("rtt", "unlike RTT", "20 Mbit/s with 10 ms and 20 Mbit/s with 100 ms", [
      { rate: "20 Mbit/s", delay: "10 ms" },
      { rate: "20 Mbit/s", delay: "100 ms" },
    ]),
    transfer("rate", "unlike rate", "40 Mbit/s and 4 Mbit/s with 20 ms", [
      { rate: "40 Mbit/s", delay: "20 ms" },
      { rate: "4 Mbit/s", delay: "20 ms" },
    ]),
    transfer("lossy", "lossy path", "two paths of 20 Mbit/s, 20 ms, one of which loses 1 %", [
      { rate: "20 Mbit/s", delay: "20 ms" },
      { rate: "20 Mbit/s", delay: "20 ms", loss: 0.01 },
    ]),
    transfer(
      "flap",
      "path flap",
      `${said(WIFI)}, which is gone for a while twice, and ${said(LTE)}`,
      [WIFI, LTE],
      {
        events: (quick ? [200, 300, 500, 600] : [500, 1500, 2500, 3000]).map((at, i) => ({
          at: `${at} ms`,
          do: i % 2 === 0 ? "cut" : "restore",
          link: "one",
        })),
      },
    ),
    ...FLOWS.map(([size, count, text]): Discipline => ({
      id: `flow-${size}`,
      title: text,
      about: `Mean time of ${
        few(count)
      } answers of ${text}, one after the other on one connection, over ${said(NEAR)} and ${
        said(FAR)
      }`,
      scenario: {
        name: `flow-${size}`,
        ...network(NEAR, FAR),
        traffic: {
          answers: {
            ...ENDS,
            kind: "requests",
            bytes: size,
            count: few(count),
            think: "100 ms",
          },
        },
      },
      traffic: "answers",
      figure: "mean",
      size,
    })),
    {
      id: "streaming",
      title: "streaming",
      about: `99th percentile of how long frames take: 20 kB every 40 ms over ${
        said(WIFI)
      }, 0.1 % loss and ${said(LTE)}`,
      scenario: {
        name: "streaming",
        ...network({ ...WIFI, loss: 0.001 }, LTE),
        traffic: {
          frames: {
            ...ENDS,
            kind: "stream",
            bytes: "20 kB",
            every: "40 ms",
            count: quick ? 25 : 250,
            deadline: "150 ms",
          },
        },
      },
      traffic: "frames",
      figure: "p99",
    },
    {
      id: "neighbour",
      title: "neighbour",
      about:
        "What plain TCP with reno gets beside both paths of a connection on a bottleneck of 10 Mbit/s, 20 ms",
      kinds: ["congestion-control"],
      scenario: {
        name: "neighbour",
        hosts: {
          client: {},
          server: {},
          rival: { mptcp: false, congestionControl: "reno" },
          other: { mptcp: false, congestionControl: "reno" },
        },
        routers: ["near", "far"],
        links: {
          one: { between: ["client", "near"], delay: "1 ms" },
          two: { between: ["client", "near"], delay: "1 ms" },
          rival: { between: ["rival", "near"], delay: "1 ms" },
          shared: { between: ["near", "far"], rate: "10 Mbit/s", delay: "20 ms", queue: 40 },
          server: { between: ["far", "server"] },
          other: { between: ["far", "other"] },
        },
        duration: quick ? "3 s" : "40 s",
        traffic: {
          ours: { ...ENDS, kind: "bulk" },
          theirs: { client: "rival", server: "other", kind: "bulk" },
        },
      },
      traffic: "theirs",
      figure: "goodput",
    },
  ];
}
