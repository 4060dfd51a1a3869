/** A host of the stack: interfaces, plugins, and the way to connections and listeners. */

import type { Experiments } from "../connection/host.ts";
import { LEAST_USER_TIMEOUT, MOST_USER_TIMEOUT } from "../connection/patience.ts";
import type { Link } from "../host/link.ts";
import type { FaultReport, PluginFault } from "../guard/faults.ts";
import { Stack } from "../host/stack.ts";
import { Loop } from "../link/loop.ts";
import { type RandomSource, randomStream, seededRandom } from "../host/random.ts";
import { type Duration, parseDuration } from "../link/units.ts";
import type { Endpoint, Micros } from "../plugin.ts";
import { parseAddress, parsePrefix } from "../wire/ip.ts";
import { Channel, formatEndpoint } from "./channel.ts";
import { DEFAULT_LINGER, makeConn, type MptcpConn } from "./conn.ts";
import { closedError, connectTimeoutError, networkCode, networkError } from "./errors.ts";
import { checkExperiments } from "./experiments.ts";
import { hearFaults, warnOfFaults } from "./faults.ts";
import { connectionInfo, type ConnInfo } from "./info.ts";
import { checkViews } from "./lending.ts";
import { makeListener, type MptcpListener } from "./listener.ts";
import {
  checkOptions,
  completePolicies,
  defaultPolicies,
  describe,
  namedPolicies,
  type Policies,
} from "./policies.ts";
import { checkProbe } from "./probes.ts";
import type { Probe } from "../subflow/probe.ts";
import { type MptcpOptions, mptcpSettings } from "./mptcp_options.ts";
import { type TcpOptions, tcpSettings } from "./tcp_options.ts";
import { Registry } from "./registry.ts";
import { addressesOf, type Resolve, systemResolve } from "./resolve.ts";
import type { Runtime } from "./runtime.ts";
import type { TransportConnectOptions, TransportStack, WatchedSocket } from "./transport.ts";

export type { Experiments, FaultReport, PluginFault };

/** A link and the addresses that the host has on it. */
export interface HostInterface {
  /** How packets leave and come in, such as `tun("mptcp0")`. */
  readonly link: Link;
  /** Addresses with the length of their network's prefix: "10.0.0.1/24", "fd00::1/64". */
  readonly addresses: readonly string[];
  /**
   * What comes by the link may be for any address: connections to others are taken as to the host's own (Linux's IP_TRANSPARENT), by a listener that has
   * `transparent`, or refused. Echo requests are answered for the host's own addresses alone.
   *
   * @default {false}
   */
  readonly transparent?: boolean;
}

/** One connection of a host. */
export interface HostConnection extends ConnInfo {
  /** Our end, of the first subflow. */
  readonly local: Endpoint;
  /** The peer's. */
  readonly remote: Endpoint;
}

/** Options for {@linkcode Host.open}. */
export interface HostOptions extends Policies {
  /** At least one. */
  readonly interfaces: readonly HostInterface[];
  /**
   * Gives the addresses of a name, best first.
   *
   * @default asks the operating system, by node:dns, which needs --allow-net
   */
  readonly resolve?: Resolve;
  /**
   * How long `await using` waits for a connection to end in order.
   *
   * @default {"10 s"}
   */
  readonly linger?: Duration;
  /**
   * An integer that all random numbers of the host follow from. For tests: keys and ports can be foretold.
   *
   * @default the operating system's generator
   */
  readonly seed?: number;
  /**
   * Told when a plugin throws or answers what it must not; the default plugin decides that time, and takes its place after 100 times.
   *
   * @default warns on the console, once for each thing that it does wrong
   */
  readonly onPluginFault?: FaultReport;
  /**
   * Told by its name when the device of a link is gone for good, as by `ip link del`: paths over it end, and peers are told. With the last one the host is at an
   * end: what its connections and listeners wait for, and what is asked of it, rejects.
   *
   * @default warns on the console
   */
  readonly onLinkGone?: (link: string) => void;
  /**
   * Most bytes that the host's connections take for data and what belongs to it, from 1048576 to 1073741824. While half of it is free each gets what
   * it asks for; then those that move nothing keep little. What finds no place waits, or comes again: nothing is lost. All hosts of a process together
   * take no more than 1,792 MB.
   *
   * @default {268435456}
   */
  readonly memory?: number;
  /**
   * Most bytes that what one connection has received takes, from 1048576 to 1073741824: more than the buffer, as bytes that lie far apart take whole
   * pages. Above it what is farthest from being read is dropped, and comes again.
   *
   * @default twice the receive buffer; 16777216 at least where that may grow so far
   */
  readonly receiveMemory?: number;
  /**
   * What `fill()` and `drain()` of a connection lend: "pages" of the stack's own memory, or "copies" that are detached when the call ends, so that tests find
   * a program that keeps a view.
   *
   * @default {"pages"}
   */
  readonly views?: "pages" | "copies";
  /**
   * Watches what happens in the stack, packet by packet: for captures, pictures and statistics. One that throws is told no more, and reported as a plugin's
   * fault is.
   */
  readonly probe?: Probe;
  /** Choices about TCP itself, where connect() and listen() say nothing. */
  readonly tcp?: TcpOptions;
  /** Choices about MPTCP where connect() and listen() say nothing; `false`: plain TCP, where they say nothing. */
  readonly mptcp?: boolean | MptcpOptions;
  /** For research: fixed buffers and the like. */
  readonly experiments?: Experiments;
}

/** How the emulator makes a host whose stack and links it has made itself. */
export interface AttachOptions {
  /** Its clock; `start` is called with `stack`. */
  readonly runtime: Runtime;
  /** Its stack, links added. */
  readonly stack: TransportStack;
  /** Those links. */
  readonly links: readonly Link[];
  /** Gives the addresses of a name. */
  readonly resolve: Resolve;
  /** As in {@linkcode HostOptions}. */
  readonly linger?: Duration;
  /** As in {@linkcode HostOptions}. */
  readonly views?: "pages" | "copies";
}

/** How long connections wait for their peers. */
export interface Waits {
  /**
   * What waits for the peer is given up, and the connection ends with `Deno.errors.TimedOut`, when nothing at all has come from it for so long on any
   * path: the user timeout of RFC 9293 §3.8.3, in the sense of RFC 5482, before and after close(). A peer that answers is alive, also when it takes
   * nothing. From 1 s to 1966020 s (32,767 minutes).
   *
   * @default {"300 s"}
   */
  readonly userTimeout?: Duration;
  /**
   * How long `await using` waits for the connection to end in order; what is not sent then is still sent in the background.
   *
   * @default that of the host
   */
  readonly linger?: Duration;
  /**
   * Choices about TCP itself.
   *
   * @default those of the host
   */
  readonly tcp?: TcpOptions;
  /**
   * Choices about MPTCP; `false`: plain TCP.
   *
   * @default those of the host
   */
  readonly mptcp?: boolean | MptcpOptions;
}

/** Options for {@linkcode Host.connect}; plugins named here take the place of the host's. */
export interface ConnectOptions extends Policies, Waits {
  /** A name, or an address. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Accepted as in `Deno.connect()`. */
  readonly transport?: "tcp";
  /**
   * The address of this host that the first path begins at.
   *
   * @default the one that is known to answer fastest, else the one that the host's routes choose; others try, too, when no answer comes
   *   (`tcp.connectionAttemptDelay`)
   */
  readonly localAddress?: string;
  /**
   * The first bytes of the connection, as if written at once: connect() resolves when it is established and the last of them is in the send queue. With
   * `tcp.fastOpen` they leave with the SYN as far as they fit, where the server has been met before; without, right after the handshake.
   */
  readonly data?: Uint8Array;
  /** Ends the attempt with its reason; afterwards it aborts the connection. */
  readonly signal?: AbortSignal;
  /**
   * How long the attempt may take, over all addresses of the name and until the last of `data` is in the send queue, before it is rejected with
   * `Deno.errors.TimedOut`: from 1 ms to 32767 s.
   *
   * @default what `tcp.synRetries` allows for each address
   */
  readonly connectTimeout?: Duration;
}

/** An attempt to connect: what is asked for, the address that is tried now, whether one has answered, and the error when its time is over. */
interface Attempt {
  readonly hostname: string;
  readonly port: number;
  readonly choices: Omit<TransportConnectOptions, "observer" | "others" | "remote">;
  readonly signal: AbortSignal | undefined;
  channel: Channel | null;
  answered: boolean;
  late: Error | null;
}

/** Options for {@linkcode Host.listen}; plugins named here take the place of the host's in its connections. */
export interface ListenOptions extends Policies, Waits {
  /** 1 to 65535, or 0 for any that is free. */
  readonly port: number;
  /**
   * An address of this host.
   *
   * @default every address of the host
   */
  readonly hostname?: string;
  /** Accepted as in `Deno.listen()`. */
  readonly transport?: "tcp";
  /**
   * Takes connections to every port that no other listener has, of every address: with `port` 0 and no `hostname`. `localAddr` of each tells where it was to go;
   * other addresses than the host's own come by interfaces that are `transparent`. An answer has the codepoint (DSCP) of the SYN.
   *
   * @default {false}
   */
  readonly transparent?: boolean;
  /**
   * Most connections that wait to be accepted: 1 to 65535.
   *
   * @default {511}
   */
  readonly backlog?: number;
}

const OPTIONS: Readonly<Record<keyof HostOptions, true>> = {
  interfaces: true,
  scheduler: true,
  pathManager: true,
  congestionControl: true,
  resolve: true,
  linger: true,
  seed: true,
  memory: true,
  receiveMemory: true,
  views: true,
  onPluginFault: true,
  onLinkGone: true,
  tcp: true,
  mptcp: true,
  probe: true,
  experiments: true,
};
const CONNECT_OPTIONS: Readonly<Record<keyof ConnectOptions, true>> = {
  hostname: true,
  port: true,
  transport: true,
  localAddress: true,
  scheduler: true,
  pathManager: true,
  congestionControl: true,
  userTimeout: true,
  connectTimeout: true,
  linger: true,
  tcp: true,
  mptcp: true,
  data: true,
  signal: true,
};
const LISTEN_OPTIONS: Readonly<Record<keyof ListenOptions, true>> = {
  port: true,
  hostname: true,
  transport: true,
  transparent: true,
  backlog: true,
  scheduler: true,
  pathManager: true,
  congestionControl: true,
  userTimeout: true,
  linger: true,
  tcp: true,
  mptcp: true,
};
/** Least and most that an attempt may be given. */
const LEAST_CONNECT_TIMEOUT: Micros = 1e3;
const MOST_CONNECT_TIMEOUT: Micros = 32767e6;
const ANY_ADDRESS = new Set(["0.0.0.0", "::", "[::]"]);

/**
 * A host: an own Multipath TCP stack on links of its own.
 *
 * - `await using host`: closes the listeners and the connections, waits for those that still send (at most `linger`), closes the links.
 * - {@linkcode Host.close}: aborts them all.
 *
 * @example Two TUN devices to the kernel of this machine (--allow-ffi and CAP_NET_ADMIN)
 * ```ts ignore
 * import { Host, tun } from "@mptcp/mptcp";
 *
 * await using host = await Host.open({
 *   interfaces: [
 *     { link: tun("mptcp0"), addresses: ["10.77.1.2/24"] },
 *     { link: tun("mptcp1"), addresses: ["10.77.2.2/24"] },
 *   ],
 * });
 * using conn = await host.connect({ hostname: "10.77.1.1", port: 80 });
 * ```
 *
 * @example Ending an attempt
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { assertRejects } from "@std/assert";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * net.path("wifi").cut();
 * const signal = net.timeout("3 s"); // on real links: AbortSignal.timeout(3000)
 * await assertRejects(() => net.client.connect({ hostname: "server", port: 80, signal }), DOMException);
 * ```
 */
export class Host implements AsyncDisposable {
  readonly #registry: Registry<Channel>;
  readonly #links: readonly Link[];
  readonly #resolve: Resolve;
  readonly #linger: Micros;
  #closing: Promise<void> | null = null;
  /** No link is left. */
  #ended = false;

  private constructor(options: AttachOptions) {
    const { stack, runtime, links, resolve, linger, views } = options;
    this.#linger = linger === undefined ? DEFAULT_LINGER : parseDuration(linger, "linger");
    this.#registry = new Registry(stack, runtime, views);
    this.#links = links;
    this.#resolve = resolve;
    runtime.start(stack);
  }

  /**
   * Makes a host of a stack and links that somebody else made: the emulator's way in.
   *
   * @internal
   */
  static attach(options: AttachOptions): Host {
    return new Host(options);
  }

  /**
   * Opens a host on its links.
   *
   * @throws {TypeError} an option is not of its kind.
   * @throws {RangeError} an option is out of its range.
   */
  static async open(options: HostOptions): Promise<Host> {
    checkOptions("open a host", options, OPTIONS);
    const { interfaces, resolve = systemResolve, linger, seed, views } = options;
    const experiments = checkExperiments("open a host", options.experiments) ?? {};
    checkInterfaces(interfaces);
    const policies = completePolicies(options);
    const random = seed === undefined ? systemRandom() : seededRandom(checkSeed(seed));
    if (linger !== undefined) parseDuration(linger, "linger");
    checkViews("open a host", views);
    const loop = new Loop({ random: (name) => random(`link ${name}`).float });
    const gone = hearLinkGone(options.onLinkGone);
    let ended = false;
    let end = (): void => void (ended = true);
    const stack = new Stack({
      gone(link, last) {
        if (last) end();
        gone(link.name);
      },
      random,
      policies,
      fallbacks: defaultPolicies(),
      experiments,
      tcp: tcpSettings("open a host", options.tcp),
      mptcp: mptcpSettings("open a host", options.mptcp),
      memory: {
        host: checkMemory("memory", options.memory),
        receive: checkMemory("receiveMemory", options.receiveMemory),
      },
      probe: checkProbe("open a host", "probe", options.probe),
      report: options.onPluginFault ? hearFaults(options.onPluginFault) : warnOfFaults(),
    });
    try {
      for (const { link, addresses, transparent } of interfaces) {
        link.configure?.(addresses);
        await link.prepare?.();
        loop.add(link);
        stack.addLink(loop.now(), link, addresses, transparent);
      }
    } catch (error) {
      await loop.close();
      stack.free();
      throw error;
    }
    const links = interfaces.map(({ link }) => link);
    const rest = { ...(linger && { linger }), ...(views && { views }) };
    const host = new Host({ runtime: loop, stack, links, resolve, ...rest });
    end = () => host.#end();
    if (ended) end();
    return host;
  }

  /** The devices of all links are gone. Its connections have ended. */
  #end(): void {
    this.#ended = true;
    for (const listener of [...this.#registry.listeners]) {
      listener.fail(networkError("NetworkUnreachable", "accept connections", true, "links-gone"));
    }
  }

  /** The host's clock, in microseconds: what its probes are told in. It starts at 0 when the host is opened, or the emulated network is. */
  get now(): Micros {
    return this.#registry.runtime.now();
  }

  /** Counters of the stack under the names of Linux's MIB (`nstat`), without their prefixes. */
  get counters(): Record<string, number> {
    return this.#registry.stack.counters.all();
  }

  /** The connections of the application that are not over, with their ends and figures. */
  info(): HostConnection[] {
    const found: HostConnection[] = [];
    for (const channel of this.#registry.open) {
      const { socket } = channel;
      const { localEndpoint: local, remoteEndpoint: remote } = socket;
      found.push({
        local: { ...local },
        remote: { ...remote },
        ...connectionInfo(socket, channel.now()),
      });
    }
    return found;
  }

  /**
   * Has one more probe told of everything that happens, beside the one that the host was opened with: while a program runs, and is looked at. The result ends
   * that. While it is there each packet calls it.
   *
   * @throws {TypeError} it is no probe.
   */
  watch(probe: Probe): () => void {
    const checked = checkProbe("watch a host", "probe", probe);
    return checked === undefined ? () => {} : this.#registry.stack.watch(checked);
  }

  /**
   * Does what `mptcp endpoint` or `mptcp limits` ask over a control socket, in the words of `ip mptcp`: the host's path manager does it, if it can.
   *
   * @throws {TypeError | RangeError} the path manager takes no such words, or not these.
   */
  configure(object: "endpoint" | "limits", words: readonly string[]): unknown {
    const { pathManager } = this.#registry.stack;
    if (pathManager.configure === undefined) {
      throw new TypeError(
        `Cannot do that as the path manager of this host, ${pathManager.name}, has no endpoints and no limits to set: 'endpoints' has them (--pm endpoints)`,
      );
    }
    return pathManager.configure(object, words);
  }

  /**
   * Its connections, for who watches.
   *
   * @internal
   */
  get living(): Iterable<WatchedSocket> {
    return this.#registry.stack.living;
  }

  /**
   * Asks the peer of a connection by one of its paths whether that works: a keepalive (RFC 9293 §3.8.4), whose answer shows in the path's figures.
   *
   * @internal
   */
  askPath(connection: number, path: number): void {
    const { stack, runtime } = this.#registry;
    for (const { id, attempts } of stack.living) {
      if (id !== connection) continue;
      for (const subflow of attempts) if (subflow.path === path) subflow.probe(runtime.now());
      return;
    }
  }

  /** Connections that are alive, those included which were closed and still send. */
  get connections(): number {
    return this.#registry.stack.connections;
  }

  #checkOpen(verb = "use the host"): void {
    if (this.#closing !== null) throw closedError("Host");
    if (this.#ended) throw networkError("NetworkUnreachable", verb, true, "links-gone");
  }

  /**
   * Opens a connection. Where the peer does not speak MPTCP it becomes plain TCP, silently, as with the kernel; `info()` says so.
   * Where nothing answers for 250 ms another address of this host tries, too, or another of the name (`tcp.connectionAttemptDelay`): a path that is dead, or
   * slow, does not hold it up.
   *
   * @throws {TypeError | RangeError} an option is wrong.
   * @throws {Deno.errors.ConnectionRefused | Deno.errors.TimedOut | Deno.errors.NetworkUnreachable | Deno.errors.NotFound} no connection.
   */
  async connect(options: ConnectOptions): Promise<MptcpConn> {
    checkOptions("connect", options, CONNECT_OPTIONS);
    const { hostname, port, localAddress, signal } = options;
    this.#checkOpen("connect");
    if (typeof hostname !== "string" || hostname === "") {
      throw new TypeError(
        `Cannot connect as 'hostname' must be a name or an address: current value is ${
          describe(hostname)
        }`,
      );
    }
    checkPort(port, 1, "connect");
    if (options.transport !== undefined && options.transport !== "tcp") {
      throw new TypeError(
        `Cannot connect as 'transport' must be "tcp": current value is ${
          describe(options.transport)
        }`,
      );
    }
    const { data } = options;
    if (data !== undefined && !(data instanceof Uint8Array)) {
      throw new TypeError(
        `Cannot connect as 'data' must be a Uint8Array: current value is ${describe(data)}`,
      );
    }
    const local = localAddress === undefined ? undefined : checkAddress(localAddress, "connect");
    const policies = namedPolicies(options);
    const waits = checkWaits(options, "connect");
    const tcp = tcpSettings("connect", options.tcp, this.#registry.stack.tcp);
    const mptcp = mptcpSettings("connect", options.mptcp, this.#registry.stack.mptcp);
    const limit = checkConnectTimeout(options.connectTimeout);
    checkSignal("connect", signal);
    signal?.throwIfAborted();
    const choices = {
      ...(local === undefined ? {} : { local: { address: local, port: 0 } }),
      ...waits.core,
      tcp,
      mptcp,
      policies,
      ...(data === undefined ? {} : { data }),
    };
    const attempt = {
      hostname,
      port,
      choices,
      signal,
      channel: null,
      answered: false,
      late: null,
    };
    const channel = limit === undefined
      ? await this.#attempt(attempt)
      : await this.#within(limit, attempt);
    return makeConn(channel, waits.linger ?? this.#linger);
  }

  /** Connects, and puts all into the send queue that it begins with. */
  async #attempt(attempt: Attempt): Promise<Channel> {
    const channel = await this.#reach(attempt);
    attempt.answered = true;
    const { data } = attempt.choices;
    if (data !== undefined) await channel.writeRest(data);
    return channel;
  }

  /** Tries the addresses of a name. */
  async #reach(attempt: Attempt): Promise<Channel> {
    const { hostname, port, choices, signal } = attempt;
    const ends = (await addressesOf(hostname, this.#resolve)).map((address) => ({ address, port }));
    this.#checkOpen("connect");
    if (attempt.late !== null) throw attempt.late;
    const channel = attempt.channel = new Channel(this.#registry);
    const [remote, ...others] = ends as [Endpoint, ...Endpoint[]];
    await channel.connect({ remote, others, ...choices }, signal);
    return channel;
  }

  /** The same, ended after `limit`, whatever it waits for. */
  #within(limit: Micros, attempt: Attempt): Promise<Channel> {
    const { hostname, port } = attempt;
    const { runtime } = this.#registry;
    return new Promise((resolve, reject) => {
      const cancel = runtime.at(runtime.now() + limit, () => {
        attempt.late = connectTimeoutError(formatEndpoint(hostname, port), limit, attempt.answered);
        attempt.channel?.abort(attempt.late);
        reject(attempt.late);
      });
      this.#attempt(attempt).then(resolve, reject).finally(cancel);
    });
  }

  /**
   * Listens for connections, MPTCP and plain TCP.
   *
   * @throws {TypeError | RangeError} an option is wrong.
   * @throws {Deno.errors.AddrInUse} another listener has the port.
   * @throws {Deno.errors.AddrNotAvailable} the host has no such address.
   * @throws {Deno.errors.NetworkUnreachable} the devices of all its links are gone.
   */
  listen(options: ListenOptions): MptcpListener {
    checkOptions("listen", options, LISTEN_OPTIONS);
    const { port, hostname, backlog = 511 } = options;
    this.#checkOpen("listen");
    checkPort(port, 0, "listen");
    if (!Number.isInteger(backlog) || backlog < 1 || backlog > 65535) {
      throw new RangeError(
        `Cannot listen as 'backlog' must be an integer from 1 to 65535: current value is ${
          describe(backlog)
        }`,
      );
    }
    const { transparent = false } = options;
    if (typeof transparent !== "boolean") {
      throw new TypeError(
        `Cannot listen as 'transparent' must be true or false: current value is ${
          describe(transparent)
        }`,
      );
    }
    if (transparent && (port !== 0 || hostname !== undefined)) {
      throw new TypeError(
        `Cannot listen on every port and address as 'port' must be 0 and 'hostname' absent then: current values are ${port} and ${
          describe(hostname)
        }`,
      );
    }
    const policies = namedPolicies(options);
    const waits = checkWaits(options, "listen");
    const tcp = tcpSettings("listen", options.tcp, this.#registry.stack.tcp);
    const mptcp = mptcpSettings("listen", options.mptcp, this.#registry.stack.mptcp);
    const address = hostname === undefined || ANY_ADDRESS.has(hostname)
      ? {}
      : { address: checkAddress(hostname, "listen") };
    try {
      return makeListener(
        this.#registry,
        { port, backlog, tcp, mptcp, policies, transparent, ...address, ...waits.core },
        waits.linger ?? this.#linger,
      );
    } catch (error) {
      const code = networkCode(error);
      if (code === null) throw error;
      throw networkError(code, `listen on ${formatEndpoint(address.address ?? "", port)}`);
    }
  }

  #link(link: Link | string): Link {
    const found = this.#links.find((own) => own === link || own.name === link);
    if (found !== undefined) return found;
    throw new TypeError(
      `Cannot use link ${
        typeof link === "string" ? describe(link) : link.name
      } as it must be one of: ${this.#links.map(({ name }) => name).join(", ")}`,
    );
  }

  /**
   * Gives the host one more address; path managers hear of it.
   *
   * @param address with its prefix: "10.0.0.3/24".
   * @param link a link of the host, or its name.
   */
  addAddress(address: string, link: Link | string): void {
    this.#checkOpen();
    const found = this.#link(link);
    checkPrefix(address, found.name);
    const { stack, runtime } = this.#registry;
    stack.addAddress(runtime.now(), found, address);
    runtime.wake();
  }

  /**
   * Takes an address from the host: paths from it end, by a FIN exchange where the other side still answers, and path managers hear of it. `address` may
   * have its prefix.
   */
  removeAddress(address: string): void {
    this.#checkOpen();
    const { stack, runtime } = this.#registry;
    stack.removeAddress(runtime.now(), checkAddress(address.replace(/\/.*$/, ""), "remove"));
    runtime.wake();
  }

  /** Takes a link up or down, unless its device is gone: while it is down, its addresses are as if removed, and what leaves by it ends at once. */
  setLinkUp(link: Link | string, up: boolean): void {
    this.#checkOpen();
    const { stack, runtime } = this.#registry;
    stack.setLinkUp(runtime.now(), this.#link(link), up);
    runtime.wake();
  }

  /** Closes listeners, aborts connections, closes links. Calls that wait reject. May be called twice. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { stack, runtime, open, listeners } = this.#registry;
    for (const listener of [...listeners]) listener.close();
    if (open.size > 0) {
      const reason = networkError("ConnectionAborted", "use the connection");
      for (const channel of [...open]) channel.abort(reason);
    }
    stack.close(runtime.now());
    await runtime.close();
    stack.free();
  }

  /** Closes listeners and connections, waits until all that was written is sent, at most for `linger`, then closes the links. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    const { stack, runtime, open, listeners } = this.#registry;
    const hold = this.#registry.hold();
    for (const listener of [...listeners]) listener.close();
    for (const channel of [...open]) channel.close();
    const until = runtime.now() + this.#linger;
    await Promise.all([...open].map((channel) => channel.ended(until - runtime.now())));
    // The data are through; the subflows take another round trip to end, which nobody is told of.
    for (let pause = 1000; stack.connections > 0 && runtime.now() < until; pause *= 1.5) {
      await sleep(runtime, Math.min(pause, until - runtime.now()));
    }
    await this.close();
    hold.release();
  }
}

function sleep(runtime: Runtime, time: Micros): Promise<void> {
  return new Promise((resolve) => {
    const end = runtime.wait("close the host", true, () => done());
    const cancel = runtime.at(runtime.now() + time, () => done());
    const done = (): void => {
      cancel();
      end();
      resolve();
    };
  });
}

/** Random numbers of the operating system, some at a time. */
function systemRandom(): RandomSource {
  const words = new Uint32Array(256);
  let used = words.length;
  const stream = randomStream(() => {
    if (used === words.length) {
      crypto.getRandomValues(words);
      used = 0;
    }
    return words[used++]!;
  });
  return () => stream;
}

/** Who hears of links that are gone: `told`, whose own errors are the program's. */
function hearLinkGone(told: ((link: string) => void) | undefined): (link: string) => void {
  if (told === undefined) {
    // deno-lint-ignore no-console -- `onLinkGone` sends it elsewhere
    return (link) => console.warn(`${link} is gone: its paths have ended.`);
  }
  return (link) => {
    try {
      told(link);
    } catch (error) {
      reportError(error);
    }
  };
}

function checkSeed(seed: unknown): number {
  if (Number.isSafeInteger(seed)) return seed as number;
  throw new RangeError(
    `Cannot open a host as 'seed' must be an integer: current value is ${describe(seed)}`,
  );
}

/** Reads the waits of a connection or a listener. */
function checkWaits(
  { userTimeout, linger }: Waits,
  verb: string,
): { readonly core: { readonly userTimeout?: Micros }; readonly linger?: Micros } {
  const wait = linger === undefined ? {} : { linger: parseDuration(linger, "linger") };
  if (userTimeout === undefined) return { core: {}, ...wait };
  const time = parseDuration(userTimeout, "userTimeout");
  if (time < LEAST_USER_TIMEOUT || time > MOST_USER_TIMEOUT) {
    throw new RangeError(
      `Cannot ${verb} as 'userTimeout' must be from ${LEAST_USER_TIMEOUT / 1e6} s to ${
        MOST_USER_TIMEOUT / 1e6
      } s: current value is ${describe(userTimeout)}`,
    );
  }
  return { core: { userTimeout: time }, ...wait };
}

/** Reads the limit of an attempt. */
function checkConnectTimeout(limit: Duration | undefined): Micros | undefined {
  if (limit === undefined) return undefined;
  const time = parseDuration(limit, "connectTimeout");
  if (time >= LEAST_CONNECT_TIMEOUT && time <= MOST_CONNECT_TIMEOUT) return time;
  throw new RangeError(
    `Cannot connect as 'connectTimeout' must be from 1 ms to 32767 s: current value is ${
      describe(limit)
    }`,
  );
}

function checkMemory(name: string, bytes: unknown): number | undefined {
  if (bytes === undefined) return undefined;
  if (Number.isInteger(bytes) && (bytes as number) >= 2 ** 20 && (bytes as number) <= 2 ** 30) {
    return bytes as number;
  }
  const ErrorClass = typeof bytes === "number" ? RangeError : TypeError;
  throw new ErrorClass(
    `Cannot open a host as '${name}' must be an integer from 1048576 to 1073741824: current value is ${
      describe(bytes)
    }`,
  );
}

/** One of another realm will do. */
function checkSignal(verb: string, signal: unknown): void {
  if (signal === undefined) return;
  const given = Object(signal) as Partial<AbortSignal>;
  if (typeof given.throwIfAborted === "function") return;
  throw new TypeError(
    `Cannot ${verb} as 'signal' must be an AbortSignal: current value is ${describe(signal)}`,
  );
}

function checkPort(port: unknown, least: 0 | 1, verb: string): void {
  if (Number.isInteger(port) && (port as number) >= least && (port as number) <= 65535) return;
  const ErrorClass = typeof port === "number" ? RangeError : TypeError;
  throw new ErrorClass(
    `Cannot ${verb} as 'port' must be an integer from ${least} to 65535: current value is ${
      describe(port)
    }`,
  );
}

function checkAddress(address: unknown, verb: string): string {
  const bare = typeof address === "string" ? address.replace(/^\[(.*)\]$/, "$1") : "";
  if (parseAddress(bare) !== null) return bare;
  throw new TypeError(
    `Cannot ${verb} ${describe(address)} as it must be an address of this host, such as "10.0.0.1"`,
  );
}

function checkPrefix(address: unknown, link: string): void {
  if (typeof address === "string" && address.includes("/") && parsePrefix(address) !== null) return;
  throw new TypeError(
    `Cannot give ${link} the address ${
      describe(address)
    } as it must be an address with its prefix, such as "10.0.0.1/24"`,
  );
}

function checkInterfaces(interfaces: unknown): void {
  if (!Array.isArray(interfaces) || interfaces.length === 0) {
    throw new TypeError(
      `Cannot open a host as 'interfaces' must be a non-empty array of { link, addresses }: current value is ${
        describe(interfaces)
      }`,
    );
  }
  const names = new Set<string>();
  const seen = new Set<string>();
  for (
    const [index, { link, addresses, transparent }] of (interfaces as HostInterface[]).entries()
  ) {
    if (typeof link?.send !== "function" || typeof link.attach !== "function") {
      throw new TypeError(
        `Cannot open a host as the 'link' of interface ${index} must be a link, such as tun("mptcp0"): current value is ${
          describe(link)
        }`,
      );
    }
    if (transparent !== undefined && typeof transparent !== "boolean") {
      throw new TypeError(
        `Cannot open a host as 'transparent' of ${link.name} must be true or false: current value is ${
          describe(transparent)
        }`,
      );
    }
    if (names.has(link.name)) {
      throw new TypeError(`Cannot open a host as two of its links are named ${link.name}`);
    }
    names.add(link.name);
    if (!Array.isArray(addresses) || addresses.length === 0) {
      throw new TypeError(
        `Cannot open a host as 'addresses' of ${link.name} must be a non-empty array such as ["10.0.0.1/24"]: current value is ${
          describe(addresses)
        }`,
      );
    }
    for (const address of addresses) {
      checkPrefix(address, link.name);
      const bare = address.slice(0, address.indexOf("/"));
      if (seen.has(bare)) {
        throw new TypeError(`Cannot open a host as two of its addresses are ${bare}`);
      }
      seen.add(bare);
    }
  }
}
