/** `deno run -A tests/scenario/path_mtu_matrix.ts [SECONDS]` prints what becomes of transfers over paths that take smaller packets than their ends do. */

import { reno } from "../../cc/mod.ts";
import { mtu } from "../../core/link/sim/elements/mtu.ts";
import { segment } from "../../core/link/sim/elements/segment.ts";
import { print } from "../../cli/output.ts";
import { Topology } from "../support/topology.ts";

/** One cell of the matrix. */
export interface Cell {
  /** What the path takes, in bytes; 1500 is all of it. */
  readonly limit: number;
  readonly icmp: boolean;
  readonly family: 4 | 6;
  readonly mptcp: boolean;
  /** Only the first of two paths is narrow; MPTCP alone has two. */
  readonly two: boolean;
  readonly maxSegments: number;
  /** Data go from the server to the client: the other end searches. */
  readonly down: boolean;
}

/** Bytes that arrived from `from` to `to` seconds after the start, and whether the whole came through. */
export interface Yield {
  readonly bytes: number;
  readonly complete: boolean;
  readonly timeouts: number;
  /** Path MTU of the first path, as its sender has it. */
  readonly found: number;
}

/** Bits per second of each path. */
const RATE = 10e6;

/** Names a cell. */
export function cellName(cell: Cell): string {
  const { limit, icmp, family, mptcp, two, maxSegments, down } = cell;
  return `${limit} ${icmp ? "ICMP" : "no ICMP"} IPv${family} ${mptcp ? "MPTCP" : "TCP"} ${
    two ? "one of two" : "one path"
  } ${maxSegments > 1 ? "offload" : "single"} ${down ? "down" : "up"}`;
}

/** All cells. */
export function* cells(): Generator<Cell> {
  for (const limit of [1280, 1400]) {
    for (const icmp of [true, false]) {
      for (const family of [4, 6] as const) {
        for (const [mptcp, two] of [[false, false], [true, false], [true, true]] as const) {
          for (const maxSegments of [1, 32]) {
            for (const down of [false, true]) {
              yield { limit, icmp, family, mptcp, two, maxSegments, down };
            }
          }
        }
      }
    }
  }
}

/** Runs a cell: bulk for as long as `to`, counted from `from` on, and then the rest of it. */
export function run(cell: Cell, from: number, to: number, bitRate = RATE): Yield {
  const { limit, icmp, family, mptcp, two, maxSegments, down } = cell;
  const cut = maxSegments > 1 ? [segment()] : [];
  const way = (elements: typeof cut) => ({
    rate: `${bitRate / 1e6} Mbit/s` as const,
    delay: "10 ms" as const,
    queue: 50,
    elements,
  });
  using net = new Topology({
    // Links take super-segments as they are; the paths cut them in front of what is narrow.
    paths: {
      a: way([...cut, ...limit < 1500 ? [mtu(limit, { icmp })] : []]),
      ...(two ? { b: way(cut) } : {}),
    },
    family,
    links: { maxSegments },
    policies: { congestionControl: reno() },
    client: { mptcp },
    server: { mptcp },
  });
  const bytes = Math.round(bitRate / 8 * to * (two ? 2 : 1) * 1.02);
  const load = { bytes };
  const pair = net.connect(down ? { bytes: 0 } : load, down ? load : { bytes: 0 });
  net.runTo(from);
  const reader = (): number => (down ? pair.client : pair.server())?.received ?? 0;
  const before = reader();
  net.runTo(to);
  const received = reader() - before;
  const sender = down ? pair.server().socket : pair.client.socket;
  const found = sender.subflows[0]?.mtu.path ?? 0;
  let complete = true;
  try {
    net.complete(pair, 30);
  } catch {
    complete = false;
  }
  const timeouts = (down ? net.server : net.client).counters.get("TCPTimeouts");
  return { bytes: received, complete, timeouts, found };
}

if (import.meta.main) {
  const length = Number(Deno.args[0] ?? 5);
  for (const cell of cells()) {
    const whole = run({ ...cell, limit: 1500 }, 10, 10 + length);
    const narrow = run(cell, 10, 10 + length);
    const share = narrow.bytes / whole.bytes;
    print(
      `${share.toFixed(3)} ${
        narrow.complete ? "complete" : "NOT COMPLETE"
      } ${narrow.timeouts} timeouts, found ${narrow.found}: ${cellName(cell)}`,
    );
  }
}
