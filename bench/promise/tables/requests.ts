/** Requests on a connection that is kept, beside the same by TCP on the better path alone. */

import { median } from "../../kernel/tools.ts";
import { type Dialogue, exchange, type Path } from "../exchange.ts";
import { sizeName } from "../cells.ts";
import { path } from "./bulk.ts";
import { rowOf, type TableKind } from "./table.ts";

/** Wi-Fi and LTE of the README, and a pair less alike; ms one way. */
export const NETWORKS: readonly { readonly name: string; readonly paths: readonly Path[] }[] = [
  {
    name: "Wi-Fi 20 Mbit/s 15 ms + LTE 12 Mbit/s 40 ms",
    paths: [path(20, 15, 1, 0.0001), path(12, 40)],
  },
  { name: "20 Mbit/s 10 ms + 4 Mbit/s 100 ms", paths: [path(20, 10), path(4, 100)] },
];

const SIZES: readonly number[] = [10e3, 100e3, 1e6];
const REQUESTS = 40;

const ROWS = NETWORKS.flatMap(({ name, paths }) =>
  SIZES.map((size): Dialogue => ({
    name: `${name}, ${sizeName(size)}`,
    paths,
    size,
    kept: REQUESTS,
    buffer: null,
  }))
);

/** The table. */
export const REQUESTS_TABLE: TableKind = {
  title: `Requests on a kept connection, medians of ${REQUESTS}, 100 ms apart; ms one way`,
  rows: ROWS.map(({ name }) => name),
  run(name, policies) {
    const dialogue = rowOf(ROWS, name);
    const run = (mptcp: boolean, from: number) =>
      exchange(dialogue, { mptcp, from, policies, seed: 1 });
    const tcp = dialogue.paths.map((_, i) => median(run(false, i + 1).times));
    const best = Math.min(...tcp);
    const { times, repeated, faults } = run(true, tcp.indexOf(best) + 1);
    const time = median(times);
    return {
      figures: {
        "TCP, ms": { value: best / 1e3 },
        "MPTCP, ms": { value: time / 1e3 },
        ratio: { value: time / best, most: 1 },
        extra: { value: repeated },
      },
      faults,
    };
  },
};
