/**
 * The three goals of RFC 6356 §2, on networks whose paths share bottlenecks with each other and with plain TCP: as much as one TCP on the best path, no more
 * than one TCP on any resource, and off the congested path. The same congestion control rules MPTCP and the TCPs beside it.
 */

import { DEFAULT_MPTCP, type MptcpSettings } from "../../../core/connection/settings.ts";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import type { Policies } from "../../../core/guard/policies.ts";
import { seededRandom } from "../../../core/host/random.ts";
import { Stack } from "../../../core/host/stack.ts";
import { delay } from "../../../core/link/sim/elements/delay.ts";
import type { ElementFactory } from "../../../core/link/sim/elements/element.ts";
import { loss } from "../../../core/link/sim/elements/loss.ts";
import { queue } from "../../../core/link/sim/elements/queue.ts";
import { rate } from "../../../core/link/sim/elements/rate.ts";
import type { SimHost } from "../../../core/link/sim/host.ts";
import type { LinkOptions } from "../../../core/link/sim/link.ts";
import { Network } from "../../../core/link/sim/network.ts";
import { Topology } from "../../../core/link/sim/topology.ts";
import { sayFaults } from "../../../core/net/faults.ts";
import { bdp } from "../exchange.ts";
import { type Row, rowOf, type TableKind } from "./table.ts";

/** A link that flows share; its queue holds what fills it at {@linkcode QUEUE_RTT}. */
interface Bottleneck {
  readonly mbit: number;
  /** Round trips in milliseconds of the TCPs that are there already. */
  readonly tcps: readonly number[];
}

/** A path of the MPTCP connection. */
interface Way {
  /** Which bottleneck, from 0. */
  readonly over: number;
  /** Milliseconds of the round trip. */
  readonly rtt: number;
  /** Share of its packets lost at random. @default {0} */
  readonly loss?: number;
}

/** Who shares what. */
export interface Sharing {
  readonly name: string;
  readonly bottlenecks: readonly Bottleneck[];
  readonly ways: readonly Way[];
  /** The way that is the most congested, from 0; none where they are alike. */
  readonly congested?: number;
}

/** Milliseconds that a queue holds. */
const QUEUE_RTT = 50;
/** When figures are taken. */
export interface Span {
  readonly seeds: readonly number[];
  /** Seconds of virtual time. */
  readonly from: number;
  readonly to: number;
}

const SPAN: Span = { seeds: [1, 2, 3, 4, 5, 6, 7, 8], from: 15, to: 75 };

/** What is promised: at least this of the best TCP, at most this of one TCP, and no more on the congested path than TCPs of their own would have. */
const IMPROVES = 0.97;
const HARMS = 1.1;
const BALANCES = 1;

const shared = (rtts: readonly number[]): Sharing => ({
  name: `${rtts.length} subflows over one 20 Mbit/s with 3 TCPs, ${
    new Set(rtts).size === 1 ? `RTT ${rtts[0]}` : `RTTs ${rtts.join(", ")}`
  } ms`,
  bottlenecks: [{ mbit: 20, tcps: [40, 40, 40] }],
  ways: rtts.map((rtt) => ({ over: 0, rtt })),
});

/** All of them. */
export const NETWORKS: readonly Sharing[] = [
  shared([40, 40]),
  shared([40, 40, 40]),
  shared([40, 40, 40, 40]),
  shared([20, 80]),
  shared([20, 40, 80]),
  shared([20, 40, 80, 160]),
  {
    name: "2 × 15 Mbit/s, 2 TCPs on each",
    bottlenecks: [{ mbit: 15, tcps: [40, 40] }, { mbit: 15, tcps: [40, 40] }],
    ways: [{ over: 0, rtt: 40 }, { over: 1, rtt: 40 }],
  },
  {
    name: "2 × 15 Mbit/s, 1 TCP and 5 TCPs",
    bottlenecks: [{ mbit: 15, tcps: [40] }, { mbit: 15, tcps: [40, 40, 40, 40, 40] }],
    ways: [{ over: 0, rtt: 40 }, { over: 1, rtt: 40 }],
    congested: 1,
  },
  {
    name: "20 Mbit/s RTT 30 ms, 2 TCPs + 12 Mbit/s RTT 120 ms, 1 TCP",
    bottlenecks: [{ mbit: 20, tcps: [30, 30] }, { mbit: 12, tcps: [120] }],
    ways: [{ over: 0, rtt: 30 }, { over: 1, rtt: 120 }],
  },
  {
    name: "3 subflows, 2 of them over one bottleneck",
    bottlenecks: [{ mbit: 20, tcps: [40, 40] }, { mbit: 20, tcps: [40, 40] }],
    ways: [{ over: 0, rtt: 40 }, { over: 0, rtt: 60 }, { over: 1, rtt: 40 }],
  },
  {
    name: "4 subflows, 2 over each of two bottlenecks, 1 TCP and 3 TCPs",
    bottlenecks: [{ mbit: 20, tcps: [40] }, { mbit: 20, tcps: [40, 40, 40] }],
    ways: [{ over: 0, rtt: 40 }, { over: 0, rtt: 60 }, { over: 1, rtt: 40 }, { over: 1, rtt: 60 }],
    congested: 2,
  },
  {
    name: "lost at random: 0.2 % RTT 50 ms on both",
    bottlenecks: [{ mbit: 200, tcps: [] }, { mbit: 200, tcps: [] }],
    ways: [{ over: 0, rtt: 50, loss: 0.002 }, { over: 1, rtt: 50, loss: 0.002 }],
  },
  {
    name: "lost at random: 1 % RTT 20 ms + 0.1 % RTT 150 ms",
    bottlenecks: [{ mbit: 200, tcps: [] }, { mbit: 200, tcps: [] }],
    ways: [{ over: 0, rtt: 20, loss: 0.01 }, { over: 1, rtt: 150, loss: 0.001 }],
    congested: 0,
  },
  {
    name: "lost at random: 0.5 % RTT 20 ms + 0.5 % RTT 200 ms",
    bottlenecks: [{ mbit: 200, tcps: [] }, { mbit: 200, tcps: [] }],
    ways: [{ over: 0, rtt: 20, loss: 0.005 }, { over: 1, rtt: 200, loss: 0.005 }],
  },
];

const PLAIN: MptcpSettings = { ...DEFAULT_MPTCP, enabled: false };
const MULTIPATH: MptcpSettings = { ...DEFAULT_MPTCP, subflows: 8 };

const source = new Uint8Array(1 << 18);
const target = new Uint8Array(1 << 20);

/** Counts the bytes that come. */
class Meter {
  bytes = 0;

  element(): ElementFactory {
    return {
      name: "meter",
      create: (_, output) => ({
        push: (packet) => {
          this.bytes += packet.length;
          output(packet);
        },
      }),
    };
  }
}

/** What a connection got, in bytes: the application, and each of its paths in whole packets. */
interface Got {
  readonly goodput: number;
  readonly paths: readonly number[];
}

/** One run: MPTCP over all ways, or a TCP over one of them, beside the TCPs that are there. */
class Contest implements Disposable {
  readonly #network: Network;
  readonly #stacks: Stack[] = [];
  readonly #hosts: SimHost[] = [];
  readonly #meters: readonly Meter[];
  /** Its address. */
  readonly #server: string;
  #socket: MetaSocket | null = null;

  constructor(
    { bottlenecks, ways }: Sharing,
    only: number | null,
    policies: Policies,
    seed: number,
    faults: string[],
  ) {
    const network = this.#network = new Network({ seed });
    const { float } = seededRandom(seed)("starts");
    const topology = new Topology(network);
    const stack = (name: string): { stack: Stack; host: SimHost } => {
      const host = topology.host(name);
      const stack = new Stack({
        random: (stream) => network.randomSource(`${name}/${stream}`),
        policies,
        fallbacks: policies,
        report: sayFaults((line) => faults.push(line)),
      });
      this.#stacks.push(stack);
      this.#hosts.push(host);
      return { stack, host };
    };
    /** Links a router with a host; the host's address there. */
    const attach = (
      name: string,
      router: string,
      { stack, host }: { stack: Stack; host: SimHost },
      options: LinkOptions,
    ): string => {
      const { ends: [end] } = topology.link(name, [router, host.name], options);
      end!.link.attach(host);
      stack.addLink(0, end!.link, [end!.prefix]);
      return end!.address;
    };
    topology.router("root");
    const server = stack("server");
    this.#server = attach("server", "root", server, {});
    bottlenecks.forEach(({ mbit }, i) => {
      topology.router(`bottleneck ${i}`);
      topology.link(`bottleneck ${i}`, ["root", `bottleneck ${i}`], {
        forward: [queue({ bytes: bdp({ mbit, rtt: QUEUE_RTT }) }), rate(`${mbit} Mbit/s`)],
      });
    });
    const ours = stack("client");
    this.#meters = ways.map(() => new Meter());
    const addresses = ways.map(({ over, rtt, loss: share = 0 }, i) => {
      const half = delay(`${rtt / 2} ms`);
      return attach(`way ${i}`, `bottleneck ${over}`, ours, {
        forward: [loss(share), half, this.#meters[i]!.element()],
        backward: [half],
      });
    });
    const others = bottlenecks.flatMap(({ tcps }, over) => tcps.map((rtt) => ({ over, rtt })))
      .map(({ over, rtt }, i) => {
        const other = stack(`other ${i}`);
        // A little off, so that no two are in step for ever.
        attach(other.host.name, `bottleneck ${over}`, other, {
          elements: [delay(`${Math.round(rtt * 500 * (0.95 + 0.1 * float()))} us`)],
        });
        return other;
      });
    topology.settle();
    for (const [i, host] of this.#hosts.entries()) host.start(this.#stacks[i]!);
    const { clock } = network;
    const listener = server.stack.listen(0, {
      port: 80,
      backlog: 100,
      observer: {
        onConnection: () => {
          for (let socket = listener.accept(); socket !== null; socket = listener.accept()) {
            this.#fill(socket);
          }
        },
      },
    });
    for (const { stack, host } of others) {
      clock.at(2e6 * float(), () => {
        this.#open(stack, PLAIN);
        host.wake();
      });
    }
    clock.at(1e6 * float(), () => {
      this.#socket = this.#open(
        ours.stack,
        only === null ? MULTIPATH : PLAIN,
        only === null ? undefined : addresses[only],
      );
      ours.host.wake();
    });
  }

  /** Writes without end. */
  #fill(socket: MetaSocket): void {
    const write = (): void => {
      while (socket.write(this.#network.now, source, 0) === source.length);
    };
    socket.observe({
      onEstablished() {},
      onReadable() {},
      onWritable: write,
      onClosed() {},
    });
    write();
  }

  /** Reads without end. */
  #open(stack: Stack, mptcp: MptcpSettings, local?: string): MetaSocket {
    const { now } = this.#network;
    const socket = stack.connect(now, {
      remote: { address: this.#server, port: 80 },
      ...(local !== undefined && { local: { address: local, port: 0 } }),
      mptcp,
      observer: {
        onEstablished() {},
        onReadable: () => {
          while (socket.read(this.#network.now, target) > 0);
        },
        onWritable() {},
        onClosed() {},
      },
    });
    return socket;
  }

  #got(): Got {
    return {
      goodput: this.#socket?.bytesReceived ?? 0,
      paths: this.#meters.map(({ bytes }) => bytes),
    };
  }

  /** What it gets between two times. */
  run({ from, to }: Span): Got {
    this.#network.runTo(from * 1e6);
    const before = this.#got();
    this.#network.runTo(to * 1e6);
    const after = this.#got();
    return {
      goodput: after.goodput - before.goodput,
      paths: after.paths.map((bytes, i) => bytes - before.paths[i]!),
    };
  }

  [Symbol.dispose](): void {
    for (const stack of this.#stacks) stack.close(this.#network.now);
    this.#network.close();
    for (const stack of this.#stacks) stack.free();
  }
}

/** Means over the seeds. */
function measure(
  sharing: Sharing,
  only: number | null,
  policies: Policies,
  span: Span,
  faults: string[],
): Got {
  const all = span.seeds.map((seed) => {
    using contest = new Contest(sharing, only, policies, seed, faults);
    return contest.run(span);
  });
  const mean = (of: (got: Got) => number): number =>
    all.reduce((sum, each) => sum + of(each), 0) / all.length;
  return {
    goodput: mean(({ goodput }) => goodput),
    paths: sharing.ways.map((_, i) => mean(({ paths }) => paths[i]!)),
  };
}

/** How a congestion control does by the three goals. */
export function goalsOf(sharing: Sharing, policies: Policies, span: Span = SPAN): Row {
  const { bottlenecks, ways, congested } = sharing;
  const faults: string[] = [];
  const mptcp = measure(sharing, null, policies, span, faults);
  const alike = new Map<string, Got>();
  const tcps = ways.map((way, i) => {
    const key = JSON.stringify(way);
    const got = alike.get(key) ?? measure(sharing, i, policies, span, faults);
    alike.set(key, got);
    // Where a way is like an earlier one, so is what a TCP gets over it.
    const first = ways.findIndex((other) => JSON.stringify(other) === key);
    return { goodput: got.goodput, bytes: got.paths[first]! };
  });
  const best = Math.max(...tcps.map(({ goodput }) => goodput));
  const harms = bottlenecks.map((_, over) => {
    const here = ways.flatMap((way, i) => way.over === over ? [i] : []);
    const one = Math.max(...here.map((i) => tcps[i]!.bytes));
    return here.reduce((sum, i) => sum + mptcp.paths[i]!, 0) / one;
  });
  const part = (bytes: readonly number[]): number =>
    bytes[congested ?? 0]! / bytes.reduce((sum, each) => sum + each, 0);
  return {
    figures: {
      "goal 1": { value: mptcp.goodput / best, least: IMPROVES },
      "goal 2": { value: Math.max(...harms), most: HARMS },
      ...(congested !== undefined && {
        "goal 3": {
          value: part(mptcp.paths) / part(tcps.map(({ bytes }) => bytes)),
          most: BALANCES,
        },
      }),
    },
    faults,
  };
}

/** The table. */
export const GOALS: TableKind = {
  title:
    `RFC 6356's goals, means of ${SPAN.seeds.length} seeds from second ${SPAN.from} to ${SPAN.to}: MPTCP / TCP in its place over the best path; most of a bottleneck / one TCP there; part on the congested path / that of TCPs of their own`,
  rows: NETWORKS.map(({ name }) => name),
  run: (name, policies) => goalsOf(rowOf(NETWORKS, name), policies),
};
