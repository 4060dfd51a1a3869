/** Two hosts on an emulated network in one call: what a program needs to see Multipath TCP work, without permissions. */

import type { Experiments } from "../connection/host.ts";
import type { FaultReport } from "../guard/faults.ts";
import { checkElements } from "../link/sim/elements/check.ts";
import type { ElementFactory } from "../link/sim/elements/element.ts";
import type { QueueLimit } from "../link/sim/elements/queue.ts";
import type { DirectionCounts, LinkShape } from "../link/sim/link.ts";
import type { ShapeChange } from "../link/sim/shape.ts";
import type { Trace } from "../link/sim/trace.ts";
import { type Duration, parseDuration, parseRate, type Rate } from "../link/units.ts";
import type { Micros } from "../plugin.ts";
import type { Probe } from "../subflow/probe.ts";
import type { Host } from "./host.ts";
import type { MptcpOptions } from "./mptcp_options.ts";
import { Network, type NetworkHostOptions, type NetworkLink } from "./network.ts";
import { checkExperiments } from "./experiments.ts";
import { checkOptions, describe, type Policies } from "./policies.ts";
import { checkProbe } from "./probes.ts";
import type { TcpOptions } from "./tcp_options.ts";

/** What a path is like; both directions alike. */
export interface PathOptions {
  /** What it carries in each direction, counting whole IP packets. */
  readonly rate: Rate;
  /** How long a packet is under way, one way, beside the time that it waits and is sent. */
  readonly delay: Duration;
  /**
   * Share of the packets that are lost at random in each direction, 0 to 1.
   *
   * @default {0}
   */
  readonly loss?: number;
  /**
   * Most packets that wait in each direction; what comes then is dropped. Other limits, and from where on packets are marked: see {@linkcode QueueLimit}. Or an
   * element in its place, such as {@linkcode red} or {@linkcode codel}.
   *
   * @default {one round trip's worth at the path's rate, at least 50 ms and 20 packets}
   */
  readonly queue?: number | QueueLimit | ElementFactory;
  /** Further elements, behind the path's own: each direction gets its own of them. */
  readonly elements?: readonly ElementFactory[];
  /** Further elements from the client to the server, behind `elements`, the first at the client: middleboxes, which know of directions. */
  readonly up?: readonly ElementFactory[];
  /** The same from the server to the client, the first at the server. */
  readonly down?: readonly ElementFactory[];
}

/** What can be changed of a path while it is used. */
export type PathChange = ShapeChange;

/** Options of {@linkcode emulate}. */
export interface EmulateOptions extends Policies {
  /**
   * The paths by name, 1 to 250, each an interface of the client. The first one carries the first subflow of the first connection, unless it does not answer
   * in time; later ones begin where the server has answered fastest (`tcp.connectionAttemptDelay`).
   */
  readonly paths: Readonly<Record<string, PathOptions>>;
  /**
   * What all randomness follows from: an integer, of which the low 32 bits count.
   *
   * @default {1}
   */
  readonly seed?: number;
  /**
   * Family of the addresses: 10.0.N.1 for the client on path N and 10.0.0.1 for the server, or fd00:0:0:N::1 and fd00::1.
   *
   * @default {4}
   */
  readonly family?: 4 | 6;
  /** Sees every packet: for captures and pictures. */
  readonly trace?: Trace;
  /** Shape of the links, where a test wants another one. */
  readonly links?: LinkShape;
  /**
   * Told when a plugin of either host throws or answers what it must not; the default plugin decides that time, and takes its place after 100 times.
   *
   * @default warns on the console, once for each thing that it does wrong
   */
  readonly onPluginFault?: FaultReport;
  /** Choices about TCP itself, for both hosts, where connect() and listen() say nothing. */
  readonly tcp?: TcpOptions;
  /** Choices about MPTCP, for both hosts, where connect() and listen() say nothing; `false`: plain TCP, where they say nothing. */
  readonly mptcp?: boolean | MptcpOptions;
  /**
   * Watch what happens in the stack of either host, packet by packet. One that throws is told no more, and reported as a plugin's fault is.
   */
  readonly probes?: { readonly client?: Probe; readonly server?: Probe };
  /** For research: fixed buffers and the like, for either host. */
  readonly experiments?: { readonly client?: Experiments; readonly server?: Experiments };
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
   * Real time, 10 ms to 1 hour. A call that nothing is left to end rejects when the program has been idle for so long. Work of the program that may last
   * for ever holds the clock for so long, too; see {@linkcode Emulation}.
   *
   * @default {"1 s"}
   */
  readonly idle?: Duration;
}

/** One path of an emulation. */
export interface EmulatedPath {
  /**
   * Changes the path, in both directions, for packets that come from now on.
   *
   * @throws {TypeError} If a name or a unit is wrong; nothing has changed then.
   * @throws {RangeError} If a value is out of range; nothing has changed then.
   */
  set(change: PathChange): void;
  /** From now on it carries nothing, in neither direction, and nobody is told. */
  cut(): void;
  /** Ends a cut. */
  restore(): void;
  /** What passed so far from the client to the server. */
  readonly up: DirectionCounts;
  /** What passed so far from the server to the client. */
  readonly down: DirectionCounts;
}

/**
 * A client and a server on an emulated network.
 *
 * Virtual time passes while the program waits for the network, in connect(), read(), write(), close or sleep(), and does nothing else. accept() alone lets
 * no time pass.
 *
 * What the program does besides takes no virtual time: while anything of it is under way, in any of its coroutines, the clock stands still. That is
 * setImmediate(), setTimeout() of up to 100 ms, files, crypto.subtle, fetch() and other operations of Deno, as far as they began after emulate() and while
 * the program awaits them. So the same program gives the same packets, however long its work takes; only if several pieces of work end at the same virtual
 * time, what follows comes in the order in which they really end.
 *
 * Three things hold no clock: timers of more than 100 ms and intervals, as they guard or repeat something; what Deno does not tell of, as import() and
 * WebAssembly.compile(); and work of a kind that has once been waited for in vain, that is without any call to the network for `idle` of real time, such
 * as a message from a worker or a loop of timers. When such work goes on to use the network, that works, but at what virtual time depends on the machine:
 * {@linkcode Emulation.outside} holds the clock for any promise.
 *
 * When a program waits, nothing is left to happen, and it has been idle for `idle` of real time, the call that waits rejects and says so. setTimeout() and
 * AbortSignal.timeout() are real time: to wait or to limit something in virtual time, use sleep() and timeout().
 */
export interface Emulation extends AsyncDisposable {
  /** The host with an interface on every path. The names "client" and "server" resolve on both hosts. */
  readonly client: Host;
  /** The host with one address, which all paths lead to. */
  readonly server: Host;
  /** Virtual time in microseconds since the start. */
  readonly now: Micros;
  /**
   * A path by its name.
   *
   * @throws {RangeError} If there is none of that name.
   */
  path(name: string): EmulatedPath;
  /** Resolves when that much virtual time has passed. */
  sleep(time: Duration): Promise<void>;
  /** A signal that aborts when that much virtual time has passed. It does not let time pass by itself. */
  timeout(time: Duration): AbortSignal;
  /** Holds the clock until `work` is done, which is not of this network, whatever it is: an answer of a worker, a process, import(). */
  outside<T>(work: Promise<T>): Promise<T>;
}

const MOST_PATHS = 250;

/** Checks what a path alone must have, and what a network's link would name otherwise. */
function checkPath(name: string, { rate, delay, elements, up, down }: PathOptions): void {
  const doing = `emulate path ${name}`;
  checkElements(doing, "elements", elements);
  checkElements(doing, "up", up);
  checkElements(doing, "down", down);
  if (rate === undefined) {
    throw new TypeError(`Cannot ${doing} as it needs a 'rate', such as "20 Mbit/s"`);
  }
  if (delay === undefined) {
    throw new TypeError(`Cannot ${doing} as it needs a 'delay', such as "15 ms"`);
  }
  parseRate(rate, `paths.${name}.rate`);
  parseDuration(delay, `paths.${name}.delay`);
}

class Path implements EmulatedPath {
  readonly #link: NetworkLink;

  constructor(link: NetworkLink) {
    this.#link = link;
  }

  set(change: PathChange): void {
    this.#link.set(change);
  }

  cut(): void {
    this.#link.cut();
  }

  restore(): void {
    this.#link.restore();
  }

  get up(): DirectionCounts {
    return this.#link.forward.counts;
  }

  get down(): DirectionCounts {
    return this.#link.backward.counts;
  }
}

const OPTIONS: Readonly<Record<keyof EmulateOptions, true>> = {
  paths: true,
  scheduler: true,
  pathManager: true,
  congestionControl: true,
  seed: true,
  family: true,
  trace: true,
  links: true,
  onPluginFault: true,
  tcp: true,
  mptcp: true,
  probes: true,
  experiments: true,
  linger: true,
  views: true,
  idle: true,
};
const SIDES: Readonly<Record<"client" | "server", true>> = { client: true, server: true };
const PATH_OPTIONS: Readonly<Record<keyof PathOptions, true>> = {
  rate: true,
  delay: true,
  loss: true,
  queue: true,
  elements: true,
  up: true,
  down: true,
};

class TwoHosts implements Emulation {
  readonly client: Host;
  readonly server: Host;
  readonly #network: Network;
  readonly #paths = new Map<string, Path>();

  /** Client and server; the client's links, one a path, meet in a router in front of the server. */
  constructor(options: EmulateOptions) {
    checkOptions("emulate", options, OPTIONS);
    const { paths, links = {}, probes = {}, experiments = {}, ...common } = options;
    checkOptions("emulate with 'probes'", probes, SIDES);
    checkOptions("emulate with 'experiments'", experiments, SIDES);
    checkPaths(paths);
    for (const [name, path] of Object.entries(paths)) checkPath(name, path);
    const network = this.#network = new Network(common);
    const host = (side: "client" | "server"): NetworkHostOptions => {
      const probe = checkProbe("emulate", `probes.${side}`, probes[side]);
      const own = checkExperiments("emulate", experiments[side]);
      return { ...(probe && { probe }), ...(own && { experiments: own }) };
    };
    this.client = network.host("client", host("client"));
    this.server = network.host("server", host("server"));
    network.router("router");
    network.link("server", { ...links, between: ["server", "router"] });
    for (const [name, { up, down, ...path }] of Object.entries(paths)) {
      const link = network.link(name, {
        ...links,
        ...path,
        between: ["client", "router"],
        ...(up && { forward: { elements: up } }),
        ...(down && { backward: { elements: down } }),
      });
      this.#paths.set(name, new Path(link));
    }
  }

  get now(): Micros {
    return this.#network.now;
  }

  path(name: string): EmulatedPath {
    const path = this.#paths.get(name);
    if (path !== undefined) return path;
    throw new RangeError(
      `Cannot find path ${describe(name)} as the paths are: ${[...this.#paths.keys()].join(", ")}`,
    );
  }

  sleep(time: Duration): Promise<void> {
    return this.#network.sleep(time);
  }

  timeout(time: Duration): AbortSignal {
    return this.#network.timeout(time);
  }

  outside<T>(work: Promise<T>): Promise<T> {
    return this.#network.outside(work);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#network[Symbol.asyncDispose]();
  }
}

function checkPaths(paths: unknown): Readonly<Record<string, PathOptions>> {
  const count = typeof paths === "object" && paths !== null ? Object.keys(paths).length : -1;
  if (count < 0) {
    throw new TypeError(
      `Cannot emulate as 'paths' must be an object such as { wifi: { rate: "20 Mbit/s", delay: "15 ms" } }: current value is ${
        describe(paths)
      }`,
    );
  }
  if (count < 1 || count > MOST_PATHS) {
    throw new RangeError(
      `Cannot emulate as 'paths' must have 1 to ${MOST_PATHS} of them: current value has ${count}`,
    );
  }
  for (const [name, path] of Object.entries(paths as Record<string, PathOptions>)) {
    checkOptions(`emulate path ${name}`, path, PATH_OPTIONS);
  }
  return paths as Readonly<Record<string, PathOptions>>;
}

/**
 * Makes a client and a server with one or more paths between them, in virtual time: a program with promises runs on it, and the same `seed` gives the
 * same packets, byte for byte. Nothing has to be started.
 *
 * The server has one address; each path belongs to one address of the client and carries its packets both ways, so that a client that uses all its
 * addresses has one subflow on each path.
 *
 * @example A path is cut for two seconds; the connection goes on over the other one
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 * });
 * const listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * const sending = conn.write(new Uint8Array(1e6)).then(() => conn.closeWrite());
 * await net.sleep("100 ms");
 * net.path("wifi").cut();
 * await net.sleep("2 s");
 * net.path("wifi").restore();
 * let received = 0;
 * for await (const chunk of peer.readable) received += chunk.length;
 * await sending;
 * if (received !== 1e6) throw new Error("bytes were lost");
 * ```
 *
 * @throws {TypeError} If an option is not of its kind.
 * @throws {RangeError} If one is out of its range.
 */
export function emulate(options: EmulateOptions): Emulation {
  return new TwoHosts(options);
}
