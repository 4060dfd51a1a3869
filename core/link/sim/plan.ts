/** Plans of networks that research is done on: which hosts and routers there are, and which links between them, as plain data. */

import type { LinkShape } from "./link.ts";
import type { Shape } from "./shape.ts";

/** A link of a plan. */
export interface PlannedLink extends Shape, LinkShape {
  /** The names of the two nodes that it joins. Packets go forward from the first to the second. */
  readonly between: readonly [string, string];
  /** What is different forward. Its `elements` come behind those of both directions. */
  readonly forward?: Shape;
  /** What is different backward. Its `elements` come behind those of both directions. */
  readonly backward?: Shape;
}

/** Hosts, routers and links of a network, or of a part of it. */
export interface Plan {
  /** Names of the hosts. */
  readonly hosts: readonly string[];
  /** Names of the routers. */
  readonly routers: readonly string[];
  /** The links by name. */
  readonly links: Readonly<Record<string, PlannedLink>>;
}

/** Options of {@linkcode dumbbell}. */
export interface DumbbellOptions {
  /** Hosts on each side, 1 to 10,000: "left1", "left2", …, and "right1", "right2", …. */
  readonly pairs: number;
  /** The link that all share, named "bottleneck", forward from left to right. */
  readonly bottleneck: Shape;
  /**
   * The links of the hosts, named as they are.
   *
   * @default without limit
   */
  readonly access?: Shape;
}

/** Options of {@linkcode fatTree}. */
export interface FatTreeOptions {
  /** Ports of each switch, an even number from 2 to 32: there are k³/4 hosts. */
  readonly k: number;
  /** All its links. */
  readonly links: Shape;
}

function checkCount(
  doing: string,
  name: string,
  value: unknown,
  least: number,
  most: number,
): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw new RangeError(
    `Cannot ${doing} as '${name}' must be an integer from ${least} to ${most}: current value is ${
      String(value)
    }`,
  );
}

/**
 * Hosts on two sides of one link that all their packets share, the network of most papers on congestion control: "left1" to "leftN" at router "left",
 * "right1" to "rightN" at router "right", and "bottleneck" between the two.
 *
 * @example Two plain TCP connections share 10 Mbit/s
 * ```ts
 * import { dumbbell, Network } from "@mptcp/mptcp";
 *
 * await using net = new Network({ mptcp: false });
 * net.build(dumbbell({ pairs: 2, bottleneck: { rate: "10 Mbit/s", delay: "20 ms" } }));
 * const transfers = [1, 2].map(async (n) => {
 *   using listener = net.host(`right${n}`).listen({ port: 80 });
 *   const [conn, peer] = await Promise.all([
 *     net.host(`left${n}`).connect({ hostname: `right${n}`, port: 80 }),
 *     listener.accept(),
 *   ]);
 *   conn.write(new Uint8Array(100_000)).then(() => conn.closeWrite());
 *   for await (const _ of peer.readable);
 * });
 * await Promise.all(transfers);
 * console.assert(net.link("bottleneck").forward.counts.bytes > 200_000);
 * ```
 *
 * @throws {RangeError} If `pairs` is out of its range.
 */
export function dumbbell(options: DumbbellOptions): Plan {
  const { pairs, bottleneck, access = {} } = options;
  checkCount("plan a dumbbell", "pairs", pairs, 1, 10_000);
  const hosts: string[] = [];
  const links: Record<string, PlannedLink> = {
    bottleneck: { ...bottleneck, between: ["left", "right"] },
  };
  for (const side of ["left", "right"]) {
    for (let n = 1; n <= pairs; n++) {
      hosts.push(`${side}${n}`);
      links[`${side}${n}`] = { ...access, between: [`${side}${n}`, side] };
    }
  }
  return { hosts, routers: ["left", "right"], links };
}

/**
 * A data centre's tree of equal switches with `k` ports each (Al-Fares et al., SIGCOMM 2008): k pods of k/2 edge switches ("edge P.E") and k/2 aggregation
 * switches ("aggregation P.A"), (k/2)² core switches ("core A.C"), and k/2 hosts at each edge switch ("host P.E.H"), all counted from 0. Between hosts of
 * different pods there are (k/2)² ways; each subflow keeps to one, by its ports. A link is named "LOWER - UPPER", forward is up.
 *
 * @example Eight subflows between two of 16 hosts
 * ```ts
 * import { fatTree, Network } from "@mptcp/mptcp";
 * import { nDiffPorts } from "@mptcp/mptcp/pm";
 *
 * await using net = new Network({ pathManager: nDiffPorts({ subflows: 8 }) });
 * net.build(fatTree({ k: 4, links: { rate: "100 Mbit/s", delay: "20 us" } }));
 * const [from, to] = [net.host("host 0.0.0"), net.host("host 3.1.1")];
 * using listener = to.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   from.connect({ hostname: "host 3.1.1", port: 80 }),
 *   listener.accept(),
 * ]);
 * conn.write(new Uint8Array(1e6)).then(() => conn.closeWrite());
 * for await (const _ of peer.readable);
 * ```
 *
 * @throws {RangeError} If `k` is out of its range, or odd.
 */
export function fatTree(options: FatTreeOptions): Plan {
  const { k, links: shape } = options;
  checkCount("plan a fat tree", "k", k, 2, 32);
  if (k % 2 !== 0) {
    throw new RangeError(`Cannot plan a fat tree as 'k' must be even: current value is ${k}`);
  }
  const half = k / 2;
  const hosts: string[] = [];
  const routers: string[] = [];
  const links: Record<string, PlannedLink> = {};
  const join = (lower: string, upper: string): void => {
    links[`${lower} - ${upper}`] = { ...shape, between: [lower, upper] };
  };
  for (let a = 0; a < half; a++) {
    for (let c = 0; c < half; c++) routers.push(`core ${a}.${c}`);
  }
  for (let pod = 0; pod < k; pod++) {
    for (let a = 0; a < half; a++) {
      routers.push(`aggregation ${pod}.${a}`);
      for (let c = 0; c < half; c++) join(`aggregation ${pod}.${a}`, `core ${a}.${c}`);
    }
    for (let e = 0; e < half; e++) {
      const edge = `edge ${pod}.${e}`;
      routers.push(edge);
      for (let a = 0; a < half; a++) join(edge, `aggregation ${pod}.${a}`);
      for (let h = 0; h < half; h++) {
        hosts.push(`host ${pod}.${e}.${h}`);
        join(`host ${pod}.${e}.${h}`, edge);
      }
    }
  }
  return { hosts, routers, links };
}
