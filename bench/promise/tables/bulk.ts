/** Bulk transfers: how much of what all paths carry together comes to the application, slow start included. */

import { cubic } from "../../../cc/mod.ts";
import { sayFaults } from "../../../core/net/faults.ts";
import type { Policies } from "../../../core/guard/policies.ts";
import { carry } from "../../load.ts";
import { Rig } from "../../rig.ts";
import { bdp, elementsOf, type Path } from "../exchange.ts";
import { rowOf, type TableKind } from "./table.ts";

/** A row. */
interface Network {
  readonly name: string;
  readonly paths: readonly Path[];
  /** How long the sum of the paths takes for what is transferred. */
  readonly seconds: number;
  /** At least this share of the sum. */
  readonly least?: number;
  /** Beside the control at work. */
  readonly beside?: "cubic";
}

/** Milliseconds that a queue holds at least: what a short round trip fills is less than one window's growth brings at once. */
const LEAST_QUEUE = 50;

/** A path of `mbit` Mbit/s, `ms` one way; its queue holds `depth` round trips. */
export function path(mbit: number, ms: number, depth = 1, loss = 0): Path {
  const shape = { mbit, rtt: 2 * ms };
  return { ...shape, queue: Math.max(depth * bdp(shape), bdp({ mbit, rtt: LEAST_QUEUE })), loss };
}

const LEAST = 0.93;
const NETWORKS: readonly Network[] = [
  { name: "50 + 50 Mbit/s, 10 ms", paths: [path(50, 10), path(50, 10)], seconds: 10, least: LEAST },
  {
    name: "50 Mbit/s 10 ms + 10 Mbit/s 25 ms",
    paths: [path(50, 10), path(10, 25)],
    seconds: 10,
    least: LEAST,
  },
  {
    name: "100 Mbit/s 5 ms + 10 Mbit/s 50 ms",
    paths: [path(100, 5), path(10, 50)],
    seconds: 10,
    least: LEAST,
  },
  {
    name: "Wi-Fi 20 Mbit/s 15 ms + LTE 12 Mbit/s 40 ms",
    paths: [path(20, 15), path(12, 40)],
    seconds: 10,
    least: LEAST,
  },
  {
    name: "1 Gbit/s 5 ms + 100 Mbit/s 10 ms",
    paths: [path(1000, 5), path(100, 10)],
    seconds: 5,
    least: LEAST,
  },
  {
    name: "4 × 25 Mbit/s, 10 ms",
    paths: [path(25, 10), path(25, 10), path(25, 10), path(25, 10)],
    seconds: 10,
    least: LEAST,
  },
  {
    name: "Wi-Fi + LTE as above, 5 BDP of queue",
    paths: [path(20, 15, 5), path(12, 40, 5)],
    seconds: 10,
    least: LEAST,
  },
  {
    name: "50 + 50 Mbit/s, 10 ms, 1 % lost on one",
    paths: [path(50, 10), path(50, 10, 1, 0.01)],
    seconds: 10,
    beside: "cubic",
  },
];

function share({ paths, seconds }: Network, policies: Policies, faults: string[]): number {
  using rig = new Rig({
    paths: Object.fromEntries(paths.map((each, i) => [i + 1, elementsOf(each)])),
    policies,
    report: sayFaults((line) => faults.push(line)),
  });
  const mbit = paths.reduce((sum, each) => sum + each.mbit, 0);
  const bytes = Math.round(mbit * seconds * 125e3);
  const move = carry(rig);
  const start = rig.now;
  move(bytes);
  const segment = Math.max(...rig.sender.subflows.map(({ mss }) => mss));
  return bytes * 8 / (rig.now - start) / (mbit * segment / 1500);
}

/** The table. */
export const BULK: TableKind = {
  title: "Bulk: payload that comes / what all paths carry together; ms one way",
  rows: NETWORKS.map(({ name }) => name),
  run(name, policies) {
    const network = rowOf(NETWORKS, name);
    const faults: string[] = [];
    const { least, beside } = network;
    return {
      figures: {
        share: {
          value: share(network, policies, faults),
          ...(least !== undefined && { least }),
        },
        ...(beside !== undefined && {
          [`by ${beside}`]: {
            value: share(network, { ...policies, congestionControl: cubic() }, faults),
          },
        }),
      },
      faults,
    };
  },
};
