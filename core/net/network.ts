/** An emulated network of any shape, in virtual time: hosts that programs with promises run on, routers, and links that several of them share. */

import type { Experiments } from "../connection/host.ts";
import type { FaultReport } from "../guard/faults.ts";
import type { Link } from "../host/link.ts";
import type { Listener } from "../host/listener.ts";
import { Stack } from "../host/stack.ts";
import { checkElements } from "../link/sim/elements/check.ts";
import { segment } from "../link/sim/elements/segment.ts";
import type { SimHost } from "../link/sim/host.ts";
import type { DirectionCounts } from "../link/sim/link.ts";
import { Network as SimNetwork } from "../link/sim/network.ts";
import type { Plan, PlannedLink } from "../link/sim/plan.ts";
import { type Shape, type ShapeChange, ShapedDirection, shapeElements } from "../link/sim/shape.ts";
import { Topology } from "../link/sim/topology.ts";
import type { Trace } from "../link/sim/trace.ts";
import { type Duration, parseDuration } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import type { Probe } from "../subflow/probe.ts";
import { checkExperiments } from "./experiments.ts";
import { hearFaults, warnOfFaults } from "./faults.ts";
import { Host } from "./host.ts";
import { checkViews } from "./lending.ts";
import { type MptcpOptions, mptcpSettings } from "./mptcp_options.ts";
import {
  checkOptions,
  completePolicies,
  defaultPolicies,
  describe,
  namedPolicies,
  type Policies,
} from "./policies.ts";
import { checkProbe } from "./probes.ts";
import { type TcpOptions, tcpSettings } from "./tcp_options.ts";
import { VirtualTime } from "./virtual_time.ts";

/** What hosts of a network have in common where {@linkcode Network.host} says nothing else. */
export interface NetworkOptions extends Policies {
  /**
   * What all randomness follows from: an integer, of which the low 32 bits count.
   *
   * @default {1}
   */
  readonly seed?: number;
  /**
   * Family of the addresses.
   *
   * @default {4}
   */
  readonly family?: 4 | 6;
  /** Sees every packet: for captures and pictures. */
  readonly trace?: Trace;
  /**
   * Told when a plugin of a host throws or answers what it must not; the default plugin decides that time, and takes its place after 100 times.
   *
   * @default warns on the console, once for each thing that it does wrong
   */
  readonly onPluginFault?: FaultReport;
  /** Choices about TCP itself, where connect() and listen() say nothing. */
  readonly tcp?: TcpOptions;
  /** Choices about MPTCP, where connect() and listen() say nothing; `false`: plain TCP, where they say nothing. */
  readonly mptcp?: boolean | MptcpOptions;
  /**
   * How long `await using` waits for connections to end in order, in virtual time.
   *
   * @default {"10 s"}
   */
  readonly linger?: Duration;
  /**
   * What `fill()` and `drain()` of a connection lend: "pages" of the stack's own memory, or "copies" that are detached when the call ends, so that tests find
   * a program that keeps a view.
   *
   * @default {"copies"}
   */
  readonly views?: "pages" | "copies";
  /**
   * Real time, 10 ms to 1 hour: see {@linkcode EmulateOptions.idle}.
   *
   * @default {"1 s"}
   */
  readonly idle?: Duration;
}

/** What is different at one host. */
export interface NetworkHostOptions extends Policies {
  /** Choices about TCP itself. */
  readonly tcp?: TcpOptions;
  /** Choices about MPTCP; `false`: plain TCP. */
  readonly mptcp?: boolean | MptcpOptions;
  /** Watches what happens in its stack, packet by packet. */
  readonly probe?: Probe;
  /** For research: fixed buffers and the like. */
  readonly experiments?: Experiments;
}

/** One direction of a link of a network. */
export interface NetworkDirection {
  /**
   * Changes it, for packets that come from now on.
   *
   * @throws {TypeError} If a name or a unit is wrong; nothing has changed then.
   * @throws {RangeError} If a value is out of range; nothing has changed then.
   */
  set(change: ShapeChange): void;
  /** From now on it carries nothing, and nobody is told. */
  cut(): void;
  /** Ends a cut. */
  restore(): void;
  /** What passed so far. */
  readonly counts: DirectionCounts;
}

/** A link of a network. */
export interface NetworkLink {
  /** From the first of its nodes to the second. */
  readonly forward: NetworkDirection;
  /** From the second to the first. */
  readonly backward: NetworkDirection;
  /**
   * Changes both directions, for packets that come from now on.
   *
   * @throws {TypeError} If a name or a unit is wrong; nothing has changed then.
   * @throws {RangeError} If a value is out of range; nothing has changed then.
   */
  set(change: ShapeChange): void;
  /** From now on it carries nothing, in neither direction, and nobody is told. */
  cut(): void;
  /** Ends a cut. */
  restore(): void;
}

/** How long a cookie's answer may be on its way: as long as a SYN waits at most to be sent again. */
const MOST_COOKIE_WAIT: Micros = 60e6;
/** Range of `idle`. */
const LEAST_IDLE: Micros = 10e3;
const MOST_IDLE: Micros = 3600e6;

/** A stack that knows whether a handshake with it is under way. */
class EmulatedStack extends Stack {
  readonly #listeners = new Set<Listener>();
  /** SYNs that were answered by cookies, of which nothing else is kept: those that came back are taken off. */
  #cookies = 0;
  #lastCookie: Micros = 0;

  override count(name: string, by = 1): void {
    super.count(name, by);
    if (name === "SyncookiesSent") {
      this.#cookies += by;
      this.#lastCookie = this.now;
    } else if (name === "SyncookiesRecv" && this.#cookies > 0) {
      this.#cookies -= by;
    }
  }

  override listen(...args: Parameters<Stack["listen"]>): Listener {
    const listener = super.listen(...args);
    this.#listeners.add(listener);
    return listener;
  }

  expecting(): boolean {
    for (const { halfOpen } of this.#listeners) if (halfOpen.size > 0) return true;
    // A client that gave up, or whose answer was lost, is waited for no longer; whoever comes next is counted by itself.
    if (this.#cookies > 0 && this.now - this.#lastCookie >= MOST_COOKIE_WAIT) this.#cookies = 0;
    return this.#cookies > 0;
  }
}

/** Both directions of a link, as one is changed. */
class ShapedLink implements NetworkLink {
  readonly forward: NetworkDirection;
  readonly backward: NetworkDirection;
  readonly #name: string;
  readonly #both: readonly ShapedDirection[];

  constructor(name: string, forward: ShapedDirection, backward: ShapedDirection) {
    this.#name = name;
    this.#both = [forward, backward];
    const face = (direction: ShapedDirection, which: string): NetworkDirection => ({
      set: (change) => {
        direction.check(`link "${name}" ${which}`, change);
        direction.set(change);
      },
      cut: () => direction.cut(),
      restore: () => direction.restore(),
      get counts() {
        return direction.counts;
      },
    });
    this.forward = face(forward, "forward");
    this.backward = face(backward, "backward");
  }

  set(change: ShapeChange): void {
    for (const direction of this.#both) direction.check(`link "${this.#name}"`, change);
    for (const direction of this.#both) direction.set(change);
  }

  cut(): void {
    for (const direction of this.#both) direction.cut();
  }

  restore(): void {
    for (const direction of this.#both) direction.restore();
  }
}

const OPTIONS: Readonly<Record<keyof NetworkOptions, true>> = {
  scheduler: true,
  pathManager: true,
  congestionControl: true,
  seed: true,
  family: true,
  trace: true,
  onPluginFault: true,
  tcp: true,
  mptcp: true,
  linger: true,
  views: true,
  idle: true,
};
const HOST_OPTIONS: Readonly<Record<keyof NetworkHostOptions, true>> = {
  scheduler: true,
  pathManager: true,
  congestionControl: true,
  tcp: true,
  mptcp: true,
  probe: true,
  experiments: true,
};
const SHAPE: Readonly<Record<keyof Shape, true>> = {
  rate: true,
  delay: true,
  loss: true,
  queue: true,
  elements: true,
};
const LINK_OPTIONS: Readonly<Record<keyof PlannedLink, true>> = {
  ...SHAPE,
  between: true,
  forward: true,
  backward: true,
  mtu: true,
  maxSegments: true,
  checksums: true,
};
const PLAN: Readonly<Record<keyof Plan, true>> = { hosts: true, routers: true, links: true };

/** What the links of a network are in one direction: that of both, and what differs. */
export function directionShape(common: Shape, own: Shape = {}): Shape {
  const elements = [...common.elements ?? [], ...own.elements ?? []];
  const { rate, delay, loss, queue } = { ...common, ...own };
  return {
    ...(rate !== undefined && { rate }),
    ...(delay !== undefined && { delay }),
    ...(loss !== undefined && { loss }),
    ...(queue !== undefined && { queue }),
    ...(elements.length > 0 && { elements }),
  };
}

/** Checks `family`; `verb` begins the error. Throws RangeError. */
function checkFamily(family: unknown): 4 | 6 {
  if (family === 4 || family === 6) return family;
  throw new RangeError(
    `Cannot emulate as 'family' must be 4 or 6: current value is ${describe(family)}`,
  );
}

function checkIdle(idle: Duration): Micros {
  const time = parseDuration(idle, "idle");
  if (time >= LEAST_IDLE && time <= MOST_IDLE) return time;
  throw new RangeError(
    `Cannot emulate as 'idle' must be from "10 ms" to "3600 s": current value is ${describe(idle)}`,
  );
}

/**
 * An emulated network in virtual time: hosts, routers and links, joined as you like. Where a client and a server with some paths are enough, use
 * {@linkcode emulate}; how virtual time passes, and what a program may do meanwhile, stands at {@linkcode Emulation}.
 *
 * Each link is a network of its own: number N, from 0 on in the order in which they are added, is 10.X.Y.0/24 with N = 256 X + Y, or fd00:0:0:N::/64. A host
 * at its first end has the address that ends with 1 there; one at its second end that with 2, or with 1 where the first is a router. A host with links to
 * several routers has several addresses, so several paths lead to it and from it: what it sends leaves by the link of the source address. Packets take the way
 * over fewest links; of several such ways each flow keeps to one, chosen by its addresses and ports. Hosts forward nothing, and cuts change no routes.
 *
 * @example Two paths of one connection and somebody else's TCP share a bottleneck
 * ```ts
 * import { Network } from "@mptcp/mptcp";
 *
 * await using net = new Network();
 * const phone = net.host("phone");
 * const laptop = net.host("laptop", { mptcp: false });
 * const server = net.host("server");
 * net.router("street");
 * net.router("city");
 * net.link("wifi", { between: ["phone", "street"], rate: "50 Mbit/s", delay: "2 ms" });
 * net.link("lte", { between: ["phone", "street"], rate: "20 Mbit/s", delay: "20 ms" });
 * net.link("cable", { between: ["laptop", "street"] });
 * net.link("shared", { between: ["street", "city"], rate: "10 Mbit/s", delay: "10 ms" });
 * net.link("server", { between: ["city", "server"] });
 *
 * using listener = server.listen({ port: 80 });
 * const fetch = async (client: typeof phone) => {
 *   const conn = await client.connect({ hostname: "server", port: 80 });
 *   let received = 0;
 *   for await (const chunk of conn.readable) received += chunk.length;
 *   return received;
 * };
 * const serve = async () => {
 *   for (let n = 0; n < 2; n++) {
 *     const peer = await listener.accept();
 *     peer.write(new Uint8Array(500_000)).then(() => peer.close());
 *   }
 * };
 * const [ours, theirs] = await Promise.all([fetch(phone), fetch(laptop), serve()]);
 * console.assert(ours === 500_000 && theirs === 500_000);
 * console.assert(net.now > 800_000, "10 Mbit/s cannot carry it in less than 0.8 s");
 * ```
 */
export class Network implements AsyncDisposable {
  readonly #network: SimNetwork;
  readonly #topology: Topology;
  readonly #time: VirtualTime;
  readonly #options: NetworkOptions;
  readonly #hosts = new Map<string, { host: Host; sim: SimHost; stack: Stack; links: Link[] }>();
  readonly #links = new Map<string, ShapedLink>();
  readonly #warn = warnOfFaults();

  /**
   * An empty one.
   *
   * @throws {TypeError} If an option is not of its kind.
   * @throws {RangeError} If one is out of its range.
   */
  constructor(options: NetworkOptions = {}) {
    checkOptions("emulate", options, OPTIONS);
    const { trace, seed, family, idle, tcp, mptcp, linger, views } = options;
    const known = checkFamily(family ?? 4);
    const idleTime = checkIdle(idle ?? "1 s");
    if (linger !== undefined) parseDuration(linger, "linger");
    checkViews("emulate", views);
    tcpSettings("emulate", tcp);
    mptcpSettings("emulate", mptcp);
    namedPolicies(options);
    this.#options = options;
    this.#network = new SimNetwork({ ...(seed === undefined ? {} : { seed }), trace });
    this.#topology = new Topology(this.#network, known);
    this.#time = new VirtualTime(this.#network, idleTime);
  }

  /** Virtual time in microseconds since it was made. */
  get now(): Micros {
    return this.#network.now;
  }

  /**
   * Adds a host, or gives the one of that name when there are no options. Its name resolves on every host, to its addresses in the order of its links.
   *
   * @throws {TypeError} If something else has the name, or an option is not of its kind.
   * @throws {RangeError} If an option is out of its range.
   */
  host(name: string, options?: NetworkHostOptions): Host {
    const known = this.#hosts.get(name);
    if (known !== undefined && options === undefined) return known.host;
    return this.#add(name, options ?? {});
  }

  #add(name: string, options: NetworkHostOptions): Host {
    const doing = `add host ${describe(name)}`;
    checkOptions(doing, options, HOST_OPTIONS);
    const own = { ...this.#options, ...options };
    const experiments = checkExperiments(doing, options.experiments);
    const { linger, onPluginFault, views = "copies" } = this.#options;
    const settings = {
      policies: completePolicies({ ...this.#options, ...namedPolicies(options) }),
      fallbacks: defaultPolicies(),
      ...(experiments && { experiments }),
      tcp: tcpSettings(doing, own.tcp),
      mptcp: mptcpSettings(doing, own.mptcp),
      probe: checkProbe(doing, "probe", options.probe),
      report: onPluginFault ? hearFaults(onPluginFault) : this.#warn,
      random: (stream: string) => this.#network.randomSource(`${name}/${stream}`),
    };
    const sim = this.#topology.host(name);
    const stack = new EmulatedStack(settings);
    const links: Link[] = [];
    const host = Host.attach({
      runtime: this.#time.runtime(sim, () => stack.expecting()),
      stack,
      links,
      resolve: (name) => this.#topology.addresses(name),
      views,
      ...(linger === undefined ? {} : { linger }),
    });
    this.#hosts.set(name, { host, sim, stack, links });
    return host;
  }

  /**
   * Adds a router.
   *
   * @throws {TypeError} If something else has the name.
   */
  router(name: string): void {
    this.#topology.router(name);
  }

  /**
   * Joins two nodes by a link, or gives the one of that name when there are no options. Several links may join the same two.
   *
   * @throws {TypeError} If there is no node, or no link, of a name, or an option is not of its kind.
   * @throws {RangeError} If an option is out of its range.
   */
  link(name: string, options?: PlannedLink): NetworkLink {
    if (options !== undefined) {
      const link = this.#join(name, options);
      this.#topology.settle();
      return link;
    }
    const link = this.#links.get(name);
    if (link !== undefined) return link;
    throw new TypeError(
      `Cannot find link ${describe(name)} as the links are: ${[...this.#links.keys()].join(", ")}`,
    );
  }

  #join(name: string, options: PlannedLink): NetworkLink {
    const doing = `add link ${describe(name)}`;
    checkOptions(doing, options, LINK_OPTIONS);
    const { between, mtu, maxSegments, checksums } = options;
    if (!Array.isArray(between) || between.length !== 2) {
      throw new TypeError(
        `Cannot ${doing} as 'between' must be the names of two nodes: current value is ${
          describe(between)
        }`,
      );
    }
    checkElements(doing, "elements", options.elements);
    const shapes = (["forward", "backward"] as const).map((side) => {
      const own = options[side] ?? {};
      checkOptions(`${doing} with '${side}'`, own, SHAPE);
      checkElements(doing, `${side}.elements`, own.elements);
      return directionShape(options, own);
    });
    const [forward, backward] = shapes.map((shape) => {
      const elements = shapeElements(doing, shape);
      return elements.length > 0 && (maxSegments ?? 1) > 1 ? [segment(), ...elements] : elements;
    });
    const { link, ends } = this.#topology.link(name, between as [string, string], {
      ...(mtu !== undefined && { mtu }),
      ...(maxSegments !== undefined && { maxSegments }),
      ...(checksums !== undefined && { checksums }),
      forward: forward!,
      backward: backward!,
    });
    const shaped = new ShapedLink(
      name,
      new ShapedDirection(link.forward, shapes[0]!),
      new ShapedDirection(link.backward, shapes[1]!),
    );
    this.#links.set(name, shaped);
    for (const { host, link: end, prefix } of ends) {
      const { stack, links } = this.#hosts.get(host.name)!;
      end.attach(host);
      links.push(end);
      stack.addLink(this.now, end, [prefix]);
    }
    return shaped;
  }

  /**
   * Adds all that a plan has, such as {@linkcode dumbbell} or {@linkcode fatTree}; hosts are as if added by `host(name, options)`.
   *
   * @throws {TypeError} If something has a name already, or a value is not of its kind.
   * @throws {RangeError} If a value is out of its range.
   */
  build(plan: Plan, options: NetworkHostOptions = {}): void {
    checkOptions("build a network", plan, PLAN);
    for (const name of plan.hosts) this.#add(name, options);
    for (const name of plan.routers) this.router(name);
    for (const [name, link] of Object.entries(plan.links)) this.#join(name, link);
    this.#topology.settle();
  }

  /**
   * Has a router send what is for `to`, a host, an address or a prefix, over one of its links, whatever way is shortest; with `dscp`, 0 to 63, only packets
   * with that codepoint.
   *
   * @throws {TypeError} If there is nothing of a name, or the link ends elsewhere.
   * @throws {RangeError} If `dscp` is out of its range.
   */
  route(router: string, to: string, over: string, dscp?: number): void {
    this.#topology.want(router, to, over, dscp);
  }

  /** Addresses of a host, in the order of its links; none: there is no host of that name. */
  addresses(host: string): string[] {
    return this.#topology.addresses(host);
  }

  /** Resolves when that much virtual time has passed. */
  sleep(time: Duration): Promise<void> {
    return this.#time.sleep(time);
  }

  /** A signal that aborts when that much virtual time has passed. It does not let time pass by itself. */
  timeout(time: Duration): AbortSignal {
    return this.#time.timeout(time);
  }

  /** Holds the clock until `work` is done, which is not of this network, whatever it is: an answer of a worker, a process, import(). */
  outside<T>(work: Promise<T>): Promise<T> {
    return this.#time.outside(work);
  }

  /** Closes all hosts as `await using` does, then frees what is still on its way. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all([...this.#hosts.values()].map(({ host }) => host[Symbol.asyncDispose]()));
    } finally {
      this.#time.close();
      this.#network.close();
    }
  }
}
