/** What `mptcp demo` runs: networks, what goes over them, and with which plugins. */

import { parseDuration, parseRate, type Rate } from "../core/link/units.ts";
import type { Micros } from "../mod.ts";
import {
  type HostPolicies,
  type Measurement,
  type Scenario,
  SCENARIOS,
  type Traffic,
} from "../sim/mod.ts";
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
  /** Plain TCP over one path: of several such rows the one whose data are there first is shown. */
  readonly plain: boolean;
  /** When the widest path is cut and restored. */
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

/** How long the widest path is cut in a transfer of 32 MB. */
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

/** The path with the highest rate, of several the first. */
function widestPath(paths: RatedPaths): string {
  const rate = (name: string): number => parseRate(paths[name]!.rate);
  return Object.keys(paths).reduce((best, name) => rate(name) > rate(best) ? name : best);
}

/** Whether `one` is as good as `other` in everything, so that TCP need not be tried over the other. */
function covers(one: RatedPaths[string], other: RatedPaths[string]): boolean {
  const delay = (shape: PathShape): Micros => parseDuration(shape.delay ?? "0 ms");
  return parseRate(one.rate) >= parseRate(other.rate) && delay(one) <= delay(other) &&
    (one.loss ?? 0) <= (other.loss ?? 0) && one.queue === other.queue;
}

/** The paths that may be the best one for plain TCP: which it is depends on what goes over it, and is measured. The widest one is first. */
function candidates(paths: RatedPaths): string[] {
  const names = Object.keys(paths).sort((a, b) =>
    parseRate(paths[b]!.rate) - parseRate(paths[a]!.rate)
  );
  const good: string[] = [];
  for (const name of names) {
    if (!good.some((other) => covers(paths[other]!, paths[name]!))) good.push(name);
  }
  return good;
}

/** Of what came of rows those that are shown: of plain TCP over one path or another, the one whose data were there first. */
export function withBestPlain<
  T extends { readonly row: Row; readonly result: Measurement },
>(results: readonly T[]): T[] {
  const end = ({ result: { done, traffic } }: T): Micros => done ? traffic[TRAFFIC]!.end : Infinity;
  const plain = results.filter(({ row }) => row.plain);
  const best = plain.reduce<T | null>(
    (first, one) => first === null || end(one) < end(first) ? one : first,
    null,
  );
  return results.filter((one) => !one.row.plain || one === best);
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
  const path = widestPath(paths);
  const delay = parseDuration(paths[path]!.delay ?? "0 ms");
  const from = Math.round(size / 2 / payloadRate(paths, PACKET) * 1e6 + 2 * delay);
  return { path, from, to: from + Math.round(CUT * Math.min(1, size / CUT_SIZE)) };
}

/** Plain TCP over each path that may be its best, and what was chosen over all of them; a cut too, where there is another path. */
export function planSection(
  workload: Workload,
  paths: RatedPaths,
  choices: readonly Choice[],
  size: number,
  congestionControl: string | undefined,
): Section {
  const run = (label: string, cut: Row["cut"], { policies }: Choice): Row => ({
    label,
    scenario: scenarioOf(workload, paths, size, true, cut),
    policies,
    plain: false,
    cut,
  });
  const several = Object.keys(paths).length > 1;
  const cut = workload === "bulk" && several ? cutOf(paths, size) : null;
  return {
    workload,
    paths,
    rows: [
      ...candidates(paths).map((name): Row => ({
        label: `TCP over ${name}`,
        scenario: scenarioOf(workload, { [name]: paths[name]! }, size, false, null),
        policies: congestionControl === undefined ? {} : { congestionControl },
        plain: true,
        cut: null,
      })),
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
