/** What `mptcp demo` runs: networks, what goes over them, and with which plugins. */

import { parseDuration, parseRate, type Rate } from "../core/link/units.ts";
import type { Micros } from "../mod.ts";
import { type HostPolicies, type Scenario, SCENARIOS, type Traffic } from "../sim/mod.ts";
import type { PathShape } from "./network_options.ts";

/** Paths that have a rate. */
export type RatedPaths = Readonly<Record<string, PathShape & { readonly rate: Rate }>>;

/** Plugins, as they were named. */
export interface Choice {
  /** What they are called in tables. */
  readonly label: string;
  /** The plugins by text; the defaults for those not named. */
  readonly policies: HostPolicies;
}

/** What goes over a network of the demonstration. */
export type Workload = "bulk" | "requests";

/** One row of a table. */
export interface Row {
  /** What it is called. */
  readonly label: string;
  /** What is run. */
  readonly scenario: Scenario;
  /** With which plugins. */
  readonly policies: HostPolicies;
  /** When the first path is cut and restored. */
  readonly cut: { readonly path: string; readonly from: Micros; readonly to: Micros } | null;
}

/** A network, and what goes over it. */
export interface Section {
  /** What goes over it. */
  readonly workload: Workload;
  /** Its paths. */
  readonly paths: RatedPaths;
  /** What is compared. */
  readonly rows: readonly Row[];
}

/** Name of the traffic. */
export const TRAFFIC = "download";

/** How long the better path is cut in a transfer of 32 MB. */
const CUT: Micros = 5e6;
const CUT_SIZE = 32e6;
/** Answers, and bytes of each. */
export const REQUESTS = { count: 20, bytes: 100e3 } as const;
/** Bytes of a full packet. */
const PACKET = 1500;

/** The paths of a scenario that has a name, of which the phone's links are. */
function pathsOf(name: "bulk" | "requests"): RatedPaths {
  return Object.fromEntries(
    Object.entries(SCENARIOS[name]!.links!)
      .filter(([, { between }]) => between[0] === "phone")
      .map(([link, { rate, delay, loss }]) => [
        link,
        { rate: rate!, ...(delay && { delay }), ...(loss && { loss }) },
      ]),
  );
}

/** The two paths of a telephone, and the same where the second one is slow and far: what is used when no network is named. */
export const USUAL: Readonly<Record<Workload, RatedPaths>> = {
  bulk: pathsOf("bulk"),
  requests: pathsOf("requests"),
};

/** The path that plain TCP takes: the one with the highest rate, of several the first. */
export function bestPath(paths: RatedPaths): string {
  const rate = (name: string): number => parseRate(paths[name]!.rate);
  return Object.keys(paths).reduce((best, name) => rate(name) > rate(best) ? name : best);
}

/** Payload in bytes per second that the paths carry together in full packets with `segment` bytes of payload each. */
export function payloadRate(paths: RatedPaths, segment: number): number {
  return segment / PACKET *
    Object.values(paths).reduce((sum, { rate }) => sum + parseRate(rate), 0);
}

function scenarioOf(
  workload: Workload,
  paths: RatedPaths,
  size: number,
  mptcp: boolean,
  cut: Row["cut"],
): Scenario {
  const ends = { client: "client", server: "server" } as const;
  const traffic: Traffic = workload === "bulk"
    ? { ...ends, kind: "bulk", bytes: size }
    : { ...ends, kind: "requests", ...REQUESTS, think: "100 ms" };
  return {
    name: `demo ${workload}`,
    hosts: { client: { mptcp }, server: { mptcp } },
    routers: ["internet"],
    links: {
      ...Object.fromEntries(
        Object.entries(paths).map(([name, shape]) => [
          name,
          { ...shape, between: ["client", "internet"] as const },
        ]),
      ),
      server: { between: ["internet", "server"] },
    },
    ...(cut && {
      events: [
        { at: `${cut.from} us`, do: "cut", link: cut.path },
        { at: `${cut.to} us`, do: "restore", link: cut.path },
      ],
    }),
    traffic: { [TRAFFIC]: traffic },
  };
}

/** When half of the data has gone at most, as no transfer is faster than its paths. */
function cutOf(paths: RatedPaths, size: number): NonNullable<Row["cut"]> {
  const path = bestPath(paths);
  const delay = parseDuration(paths[path]!.delay ?? "0 ms");
  const from = Math.round(size / 2 / payloadRate(paths, PACKET) * 1e6 + 2 * delay);
  return { path, from, to: from + Math.round(CUT * Math.min(1, size / CUT_SIZE)) };
}

/** Plain TCP over one of the paths, and what was chosen over all of them; a cut too, where there is another path. */
export function planSection(
  workload: Workload,
  paths: RatedPaths,
  choices: readonly Choice[],
  size: number,
  congestionControl: string | undefined,
): Section {
  const best = bestPath(paths);
  const one = { [best]: paths[best]! };
  const run = (label: string, cut: Row["cut"], { policies }: Choice): Row => ({
    label,
    scenario: scenarioOf(workload, paths, size, true, cut),
    policies,
    cut,
  });
  const several = Object.keys(paths).length > 1;
  const cut = workload === "bulk" && several ? cutOf(paths, size) : null;
  return {
    workload,
    paths,
    rows: [
      {
        label: `TCP over ${best}`,
        scenario: scenarioOf(workload, one, size, false, null),
        policies: congestionControl === undefined ? {} : { congestionControl },
        cut: null,
      },
      ...choices.map((choice) => run(choice.label, null, choice)),
      ...cut === null
        ? []
        : choices.map((choice) =>
          run(`${choice.label.replace(" (default)", "")}, ${cut.path} cut`, cut, choice)
        ),
    ],
  };
}

/** From one look at what paths carry to the next: about a hundredth of a run. */
export function intervalOf({ paths, workload }: Section, size: number): Micros {
  const bytes = workload === "bulk" ? size : REQUESTS.count * REQUESTS.bytes;
  const time = bytes / payloadRate(paths, PACKET) * 1e6;
  return Math.max(1000, Math.round(time / 80 / 1000) * 1000);
}
