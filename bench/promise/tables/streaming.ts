/** A stream of fixed rate: how long a piece takes from write() until all of it can be read. */

import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import { sayFaults } from "../../../core/net/faults.ts";
import type { Policies } from "../../../core/guard/policies.ts";
import type { Micros } from "../../../core/plugin.ts";
import { median } from "../../kernel/tools.ts";
import { Rig } from "../../rig.ts";
import { elementsOf, type Path } from "../exchange.ts";
import { quantile } from "../summary.ts";
import { path } from "./bulk.ts";
import { NETWORKS as REQUESTED } from "./requests.ts";
import { rowOf, type TableKind } from "./table.ts";

/** Between two pieces. */
const EVERY: Micros = 20e3;
/** Pieces that do not count, and those that do. */
const WARM_UP = 250;
const PIECES = 1500;
/** Of the rate that is streamed at. */
const LOAD = 0.7;
/** What MPTCP may be behind TCP, in milliseconds. */
const BEHIND = 1;
/** Seeds where packets are lost: two losses in a row say more of one seed than of a stack. */
const SEEDS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8];

/** A row. */
interface Stream {
  readonly name: string;
  readonly paths: readonly Path[];
  /** Of the path with the higher rate, or of all. */
  readonly of: "better path" | "sum";
}

const ROWS: readonly Stream[] = [
  ...REQUESTED,
  {
    name: "50 Mbit/s 10 ms + 10 Mbit/s 25 ms",
    paths: [path(50, 10), path(10, 25)],
  },
  { name: "50 + 50 Mbit/s, 10 ms", paths: [path(50, 10), path(50, 10)] },
].flatMap(({ name, paths }) =>
  (["better path", "sum"] as const).map((of) => ({
    name: `${name}, 70 % of the ${of}`,
    paths,
    of,
  }))
);

const target = new Uint8Array(1 << 18);

/** How it is sent. */
interface Way {
  readonly mptcp: boolean;
  readonly from: number;
  readonly policies: Policies;
}

/** 99th percentiles of the delays in milliseconds: that of the seed in the middle, and of the worst. */
function delays99(
  paths: readonly Path[],
  mbit: number,
  way: Way,
  faults: string[],
): { readonly middle: number; readonly worst: number } {
  const seeds = paths.some(({ loss = 0 }) => loss > 0) ? SEEDS : SEEDS.slice(0, 1);
  const all = seeds.map((seed) => delay99(paths, mbit, way, seed, faults) / 1e3);
  return { middle: median(all), worst: Math.max(...all) };
}

/** 99th percentile of the delays, in microseconds. */
function delay99(
  paths: readonly Path[],
  mbit: number,
  way: Way,
  seed: number,
  faults: string[],
): Micros {
  using rig = new Rig({
    paths: Object.fromEntries(paths.map((each, i) => [i + 1, elementsOf(each)])),
    policies: way.policies,
    mptcp: way.mptcp,
    seed,
    report: sayFaults((line) => faults.push(line)),
  });
  const piece = new Uint8Array(Math.round(mbit * EVERY / 8));
  const delays: Micros[] = [];
  const begun: Micros[] = [];
  let offered = 0;
  let written = 0;
  let read = 0;
  const write = (server: MetaSocket): void => {
    while (written < offered) {
      const at = written % piece.length;
      const taken = server.write(rig.now, piece, at);
      written += taken;
      if (taken < piece.length - at) return;
    }
  };
  rig.connect({
    onWritable: write,
    onReadable(client) {
      for (let count = 1; count > 0; read += count) count = client.read(rig.now, target);
      while ((delays.length + 1) * piece.length <= read) {
        delays.push(rig.now - begun[delays.length]!);
      }
    },
  }, `${way.from}`);
  rig.sender.setNoDelay(true);
  for (let i = 0; i < WARM_UP + PIECES; i++) {
    begun.push(rig.now);
    offered += piece.length;
    write(rig.sender);
    rig.runTo(rig.now + EVERY);
  }
  rig.run(() => read >= offered);
  return quantile(delays.slice(WARM_UP), 0.99);
}

/** The table. */
export const STREAMING: TableKind = {
  title:
    `Streaming: 99th percentile of the time from write() of a piece, one each 20 ms, until it can be read: where packets are lost that of the middle of ${SEEDS.length} seeds, and of the worst; ms one way`,
  rows: ROWS.map(({ name }) => name),
  run(name, policies) {
    const { paths, of } = rowOf(ROWS, name);
    const faults: string[] = [];
    const rates = paths.map(({ mbit }) => mbit);
    const better = rates.indexOf(Math.max(...rates)) + 1;
    const slowest = Math.max(...paths.map(({ rtt }) => rtt));
    const mbit = LOAD *
      (of === "sum" ? rates.reduce((sum, each) => sum + each, 0) : Math.max(...rates));
    const mptcp = delays99(paths, mbit, { mptcp: true, from: better, policies }, faults);
    const worst = { "worst, ms": { value: mptcp.worst } };
    if (of === "sum") {
      return {
        figures: { "MPTCP, ms": { value: mptcp.middle, most: 2 * slowest }, ...worst },
        faults,
      };
    }
    const tcp = delays99(paths, mbit, { mptcp: false, from: better, policies }, faults);
    return {
      figures: {
        "TCP, ms": { value: tcp.middle },
        "MPTCP, ms": {
          value: mptcp.middle,
          most: Math.round((tcp.middle + BEHIND) * 1e3) / 1e3,
        },
        ...worst,
      },
      faults,
    };
  },
};
