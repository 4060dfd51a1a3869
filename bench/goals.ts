/**
 * `deno run -A bench/goals.ts`: RFC 6356's goals on twenty networks, packet by packet on the toy of the plugin kit, where a minute of a network takes tens of
 * milliseconds: enough of them, and of seeds, to choose by. `deno task bench:promise --table goals` measures whole stacks, which takes an hour.
 */

import { parseArgs, Table } from "../cli/deps.ts";
import { print, report } from "../cli/output.ts";
import { loadWatched } from "../cli/plugin_names.ts";
import { reno } from "../cc/mod.ts";
import type { CongestionControlPlugin } from "../core/plugin.ts";
import { runShared, type SharedBottleneck } from "../tests/kit/toy_shared.ts";
import { pickNamed, readCount, refuseUnknown, runProgram } from "./flags.ts";

const USAGE = `deno run -A bench/goals.ts [OPTIONS]

  --cc NAME|FILE|URL[,key=value…]
                   A congestion control; may be given several times (default lia, olia, balia)
  --seeds NUMBER   Runs of each cell (default 8)
  --seconds NUMBER Of each run, after 20 that do not count (default 100)
  --only TEXT      The networks whose name has it
  --json           Prints every figure as JSON
  --help           This help`;

/** A network. */
export interface GoalNetwork {
  /** For tables. */
  readonly name: string;
  /** What is shared. */
  readonly bottlenecks: readonly SharedBottleneck[];
  /** Flows of reno that are there already, on each. */
  readonly tcps: readonly number[];
  /** The bottleneck of each subflow. */
  readonly ways: readonly number[];
  /** The bottleneck that is the more congested, where there is one. */
  readonly congested?: number;
}

/** Times before figures are taken: windows come out of slow start, and queues of several flows out of step. */
const WARM_UP = 20e6;

function bottleneck(mbit: number, rtt: number, queue = 1, loss = 0): SharedBottleneck {
  const pipe = mbit * 125 * rtt;
  // Less than ten packets could not hold what two flows send at once.
  return { rate: mbit * 125e3, rtt: rtt * 1e3, buffer: Math.max(15e3, queue * pipe), loss };
}

function over(subflows: number, mbit: number, rtt: number, tcps: number): GoalNetwork {
  return {
    name: `${subflows} subflows over ${mbit} Mbit/s ${rtt} ms, ${tcps} TCP`,
    bottlenecks: [bottleneck(mbit, rtt)],
    tcps: [tcps],
    ways: Array(subflows).fill(0),
  };
}

const pair = (
  name: string,
  bottlenecks: readonly SharedBottleneck[],
  tcps: readonly number[],
  congested?: number,
): GoalNetwork => ({
  name,
  bottlenecks,
  tcps,
  ways: bottlenecks.map((_, i) => i),
  ...(congested !== undefined && { congested }),
});

/** All of them: shared bottlenecks, equal and unequal paths, and paths that lose at random and are nobody else's. */
export const NETWORKS: readonly GoalNetwork[] = [
  over(2, 8, 50, 1),
  over(3, 8, 50, 1),
  over(4, 8, 50, 1),
  over(2, 20, 40, 3),
  over(3, 20, 40, 3),
  over(4, 20, 40, 3),
  pair("8 + 8 Mbit/s, 1 + 1 TCP", [bottleneck(8, 50), bottleneck(8, 50)], [1, 1]),
  pair("8 + 8 Mbit/s, 1 + 4 TCP", [bottleneck(8, 50), bottleneck(8, 50)], [1, 4], 1),
  pair("10 ms + 100 ms, 1 + 1 TCP", [bottleneck(8, 10, 2), bottleneck(8, 100)], [1, 1]),
  pair("20 ms + 120 ms, 2 + 1 TCP", [bottleneck(20, 20, 2), bottleneck(12, 120)], [2, 1]),
  pair("20 ms + 300 ms, 1 + 1 TCP", [bottleneck(8, 20, 2), bottleneck(8, 300)], [1, 1]),
  pair("2 + 8 Mbit/s, 1 + 1 TCP", [bottleneck(2, 50, 2), bottleneck(8, 25, 2)], [1, 1]),
  pair(
    "10 + 40 + 160 ms, 1 + 1 + 1 TCP",
    [bottleneck(8, 10, 3), bottleneck(8, 40), bottleneck(8, 160)],
    [1, 1, 1],
  ),
  {
    name: "2 + 2 subflows over 10 + 10 Mbit/s, 1 + 3 TCP",
    bottlenecks: [bottleneck(10, 40), bottleneck(10, 40)],
    tcps: [1, 3],
    ways: [0, 0, 1, 1],
    congested: 1,
  },
  pair(
    "0.2 % + 0.2 %, 50 ms",
    [bottleneck(200, 50, 1, 0.002), bottleneck(200, 50, 1, 0.002)],
    [0, 0],
  ),
  pair(
    "1 % 20 ms + 0.1 % 150 ms",
    [bottleneck(200, 20, 1, 0.01), bottleneck(200, 150, 1, 0.001)],
    [0, 0],
    0,
  ),
  pair(
    "0.5 % 20 ms + 0.5 % 200 ms",
    [bottleneck(200, 20, 1, 0.005), bottleneck(200, 200, 1, 0.005)],
    [0, 0],
  ),
  pair(
    "0.5 % + 2 %, 20 ms",
    [bottleneck(200, 20, 1, 0.005), bottleneck(200, 20, 1, 0.02)],
    [0, 0],
    1,
  ),
  pair(
    "0.1 % 40 ms + 1 % 100 ms",
    [bottleneck(200, 40, 1, 0.001), bottleneck(200, 100, 1, 0.01)],
    [0, 0],
    1,
  ),
  pair(
    "2 % 20 ms + 0.2 % 60 ms",
    [bottleneck(200, 20, 1, 0.02), bottleneck(200, 60, 1, 0.002)],
    [0, 0],
    0,
  ),
];

/** How the goals are met. */
export interface GoalFigures {
  /** What all subflows get, in times of what reno gets in their place on the best path: goal 1. */
  readonly improves: number;
  /** Most that they take of a bottleneck, in times of what one flow of reno takes there in their place: goal 2. */
  readonly harms: number;
  /** Share of what they carry that goes over the congested bottleneck, in times of that of flows of reno: goal 3. */
  readonly balances?: number;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

/** Measures one network: means of `seeds` runs of `seconds` each. */
export function measureGoals(
  network: GoalNetwork,
  plugins: readonly CongestionControlPlugin[],
  seeds: number,
  seconds: number,
): GoalFigures[] {
  const { bottlenecks, tcps, ways, congested } = network;
  const others = tcps.flatMap((count, path) =>
    Array.from({ length: count }, () => ({ plugin: reno(), paths: [path] }))
  );
  /** Bytes of each subflow. */
  const run = (plugin: CongestionControlPlugin, paths: readonly number[]): number[] => {
    const all = Array.from({ length: seeds }, (_, i) => {
      const users = [{ plugin, paths }, ...others];
      return runShared(bottlenecks, users, WARM_UP, WARM_UP + seconds * 1e6, i + 1)[0]!.delivered;
    });
    return paths.map((_, i) => sum(all.map((delivered) => delivered[i]!)) / seeds);
  };
  const alone = bottlenecks.map((_, path) => sum(run(reno(), [path])));
  return plugins.map((plugin) => {
    const got = run(plugin, ways);
    const each = bottlenecks.map((_, path) => sum(got.filter((_, i) => ways[i] === path)));
    return {
      improves: sum(got) / Math.max(...alone),
      harms: Math.max(...each.map((bytes, path) => bytes / alone[path]!)),
      ...(congested !== undefined && {
        balances: each[congested]! / sum(each) / (alone[congested]! / sum(alone)),
      }),
    };
  });
}

async function main(): Promise<void> {
  const { cc, seeds, seconds, only, json, help } = parseArgs(Deno.args, {
    string: ["cc", "seeds", "seconds", "only"],
    collect: ["cc"],
    boolean: ["json", "help"],
    default: { seeds: "8", seconds: "100", only: "" },
    unknown: refuseUnknown(USAGE),
  });
  if (help) {
    print(USAGE);
    Deno.exit();
  }
  const [runs, length] = [readCount("seeds", seeds), readCount("seconds", seconds)];
  const names = cc.length > 0 ? cc : ["lia", "olia", "balia"];
  const plugins = await Promise.all(
    names.map((text) => loadWatched("cc", String(text))),
  );
  const chosen = pickNamed(NETWORKS, only);
  const figures = chosen.map((network) => {
    report(network.name);
    return { name: network.name, figures: measureGoals(network, plugins, runs, length) };
  });
  if (json) {
    print(JSON.stringify({ controls: names, seeds: runs, seconds: length, figures }, null, 2));
  } else {
    print(
      `Goals 1 | 2 | 3 of RFC 6356: all / reno on the best path (more is better) | most of a bottleneck / one flow of reno there (1.1 at most) | share of the congested one / that of flows of reno (less is better). ${runs} seeds, ${length} s\n`,
    );
    const table = new Table({
      head: ["", ...plugins.map(({ name }) => name)],
      style: { head: [], border: [] },
    });
    const text = ({ improves, harms, balances }: GoalFigures): string =>
      [improves, harms, ...(balances === undefined ? [] : [balances])].map((v) => v.toFixed(2))
        .join(" | ");
    for (const { name, figures: row } of figures) table.push([name, ...row.map(text)]);
    const of = (i: number, what: "improves" | "harms"): number[] =>
      figures.map(({ figures }) => figures[i]![what]);
    const least = plugins.map((_, i) => Math.min(...of(i, "improves")).toFixed(2));
    const mean = plugins.map((_, i) => (sum(of(i, "improves")) / figures.length).toFixed(2));
    const most = plugins.map((_, i) => Math.max(...of(i, "harms")).toFixed(2));
    table.push(["mean of goal 1", ...mean], ["least of goal 1", ...least]);
    table.push(["most of goal 2", ...most]);
    print(table.toString());
  }
}

if (import.meta.main) await runProgram(main);
