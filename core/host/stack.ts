/**
 * The stack of one host, in quinn's shape: `handle*` for what comes in, `flush` and `pollTimeout` for what must go out and when, plain verbs for
 * the application's calls. A driver owns the loop and the clock; every call gets the time.
 */

import {
  flow_secret,
  host_free,
  host_limit,
  host_new,
  host_secret,
  host_usage,
  memory_alloc,
  memory_free,
  u32,
  u8,
} from "../../wasm/mod.ts";
import {
  KEY_DSCP,
  OUT_0,
  USAGE_BYTES,
  USAGE_FLOWS,
  USAGE_PAGES,
  USAGE_RECEIVERS,
  USAGE_STREAMS,
} from "../../wasm/layout.ts";
import type {
  ConnectionHost,
  ConnectionObserver,
  Experiments,
  FlowEnds,
  FlowNumbers,
  FlowPlan,
  MemoryLimits,
  Way,
} from "../connection/host.ts";
import { firstSubflow } from "../connection/establish.ts";
import { holdsData, openFirst } from "../connection/fast_open.ts";
import { MetaSocket } from "../connection/meta_socket.ts";
import { armRace } from "../connection/next_way.ts";
import { Race } from "../connection/race.ts";
import { deadlinesPassed, followNothing, pass } from "../connection/settle.ts";
import type { FaultReport } from "../guard/faults.ts";
import { type Policies, PolicyGuard } from "../guard/policies.ts";
import type { GuardedCongestionControlPlugin } from "../guard/congestion.ts";
import type { GuardedSchedulerPlugin } from "../guard/scheduler.ts";
import type {
  CongestionControlPlugin,
  Endpoint,
  HostAddress,
  Micros,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../plugin.ts";
import { everyProbe, type Probe, type SafeProbe, safeProbe } from "../subflow/probe.ts";
import { DEFAULT_SETTINGS, type TcpSettings } from "../subflow/settings.ts";
import type { PathMemory, Releasable } from "../subflow/shared.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { TIME_WAIT_LENGTH, type TimeWait } from "../subflow/time_wait.ts";
import { formatAddress, parseHost } from "../wire/ip.ts";
import { DEFAULT_MPTCP, type MptcpSettings } from "../connection/settings.ts";
import type { Key } from "../wire/mptcp.ts";
import { type PacketIn, type PacketOut, packetOut } from "../wire/packet.ts";
import { BlackHoles } from "./black_holes.ts";
import { Counters, RateLimit } from "./counters.ts";
import { demultiplex } from "./demux.ts";
import { FastOpenCache, FastOpenCookies } from "./fast_open.ts";
import { Flows } from "./flows.ts";
import { HalfOpenJoins } from "./half_open_joins.ts";
import type { Link } from "./link.ts";
import { DEFAULT_BACKLOG, type Listener, type ListenerObserver, Listeners } from "./listener.ts";
import type { RandomSource, RandomStream } from "./random.ts";
import { FirstPaths } from "./first_paths.ts";
import { PathMtus } from "./path_mtus.ts";
import { refuse } from "./replies.ts";
import { type LinkOutlet, Routes } from "./routes.ts";
import { Callback, TimerQueue } from "./timers.ts";
import { StackError } from "./stack_error.ts";
import { JoinPorts } from "./join_ports.ts";
import { JoinTable } from "./join_table.ts";
import { Strays } from "./strays.ts";
import { SynCookies } from "./syn_cookies.ts";
import { Tokens } from "./tokens.ts";

/** Replies to what belongs to no connection, a second. */
const REPLIES = 1000;

/** ICMP errors that are looked at, a second. */
const ERRORS = 1000;

/** Most bytes of a host where nothing else is asked for. */
export const DEFAULT_MEMORY = 268435456;

/** What a stack is made of. */
export interface StackOptions {
  /** Named streams of random numbers. */
  readonly random: RandomSource;
  /** Plugins where a connection names none. */
  readonly policies: Policies;
  /** What stands in for a plugin that fails. */
  readonly fallbacks: Policies;
  /** Limits of memory. */
  readonly memory?: MemoryLimits;
  /** What was chosen of the TCP engine where a connection says nothing. */
  readonly tcp?: TcpSettings;
  /** The same of MPTCP. */
  readonly mptcp?: MptcpSettings;
  /** For research. */
  readonly experiments?: Experiments;
  /** Told of plugins' faults. */
  readonly report?: FaultReport;
  /** Told of each link whose device is gone; `last`: the host has no other left. */
  readonly gone?: (link: Link, last: boolean) => void;
  /** Watches. */
  readonly probe?: Probe | undefined;
}

/** What is in use; all 0 when nothing is left over. */
export interface StackUsage {
  /** Connections alive. */
  readonly connections: number;
  /** Tokens. */
  readonly tokens: number;
  /** Flows, TIME-WAIT included. */
  readonly flows: number;
  /** Deadlines armed. */
  readonly timers: number;
  /** Streams and receivers in WebAssembly memory. */
  readonly handles: number;
  /** Stream pages. */
  readonly pages: number;
}

/** One host. */
export class Stack implements ConnectionHost {
  /** Null before the first event. Boxed once, by the caller (CONTRIBUTING.md, Garbage). */
  #now: Micros | null = null;
  readonly wasm: number;
  readonly out: PacketOut = packetOut();
  readonly timers = new TimerQueue();
  readonly counters = new Counters();
  readonly tokens = new Tokens();
  readonly routes = new Routes();
  readonly strays = new Strays();
  readonly cookies: SynCookies;
  readonly fastOpenCookies: FastOpenCookies;
  readonly fastOpens = new FastOpenCache();
  /** Joins whose SYN/ACK was a cookie. */
  readonly joins = new JoinTable();
  readonly halfOpenJoins = new HalfOpenJoins();
  /** Ports that take joins alone. */
  readonly joinPorts = new JoinPorts();
  readonly #blackHoles = new BlackHoles();
  /** Where connections begin best. */
  readonly firstPaths = new FirstPaths();
  readonly memory: MemoryLimits;
  readonly experiments: Experiments;
  /** All probes as one; null: there is none. */
  probe: SafeProbe | null;
  #probes: readonly SafeProbe[] = [];
  /** What was chosen of the TCP engine. */
  readonly tcp: TcpSettings;
  /** What was chosen of MPTCP. */
  readonly mptcp: MptcpSettings;
  /** Limits of replies to strangers. */
  readonly replies: RateLimit;
  /** Limits of ICMP errors that are looked at. */
  readonly errors = new RateLimit(ERRORS);
  readonly #pathMtus = new PathMtus();
  readonly #options: StackOptions;
  readonly #guard: PolicyGuard;
  readonly #nonces: RandomStream;
  readonly #keys: RandomStream;
  readonly #live = new Set<MetaSocket>();
  readonly listeners = new Listeners();
  readonly flows: Flows;
  #arrival: Link | null = null;
  #elsewhere = false;
  #wake: () => void = () => {};
  /** Connections that began. */
  #begun = 0;
  #dirty: MetaSocket[] = [];
  #spare: MetaSocket[] = [];
  #told: MetaSocket[] = [];
  #flushing = false;

  /** Makes a host without links. */
  constructor(options: StackOptions) {
    this.#options = options;
    this.#guard = new PolicyGuard(options.policies, options.fallbacks, {
      report: (fault) => {
        this.count("PluginFaults");
        options.report?.(fault);
      },
      now: () => this.now,
      random: (stream) => options.random(stream).float(),
    });
    this.experiments = options.experiments ?? {};
    const { probe } = options;
    this.probe = null;
    if (probe !== undefined) this.watch(probe);
    this.tcp = options.tcp ?? DEFAULT_SETTINGS;
    this.mptcp = options.mptcp ?? DEFAULT_MPTCP;
    this.memory = options.memory ?? {};
    this.replies = new RateLimit(REPLIES, options.random("replies").float);
    this.#nonces = options.random("nonces");
    this.#keys = options.random("keys");
    const secrets = options.random("flow hash");
    this.wasm = host_new(secrets.u32() | 0, secrets.u32() | 0);
    const isn = options.random("isn");
    host_secret(this.wasm, isn.u32() | 0, isn.u32() | 0, isn.u32() | 0, isn.u32() | 0);
    host_limit(this.wasm, this.memory.host ?? DEFAULT_MEMORY);
    this.out.header = memory_alloc(256) + 16;
    const taken = (port: number): boolean =>
      this.listeners.having("", port) !== undefined || this.joinPorts.has("", port);
    this.flows = new Flows(
      this.wasm,
      options.random("ports"),
      taken,
      this.experiments.timeWaits,
    );
    this.cookies = new SynCookies(this.wasm);
    this.fastOpenCookies = new FastOpenCookies(this.wasm);
  }

  /** The time of the last call; set before a verb of a connection. */
  get now(): Micros {
    return this.#now ?? 0;
  }

  set now(now: Micros) {
    followNothing();
    this.#now = now;
  }

  // What comes in.

  /** Payload is read by `receiver_segment` and by the bytes() of the parsed segment alone, which look for it where it has landed. */
  readonly takesLanded = true;

  /** One IP packet; it is not kept. */
  handlePacket(now: Micros, link: Link, packet: Readonly<PacketIn>): void {
    this.#now = now;
    this.#elsewhere = false;
    this.#arrival = link;
    demultiplex(this, now, link, packet);
  }

  /** What comes next of the data, or belongs before what came last, has probably come by another link. */
  get elsewhere(): boolean {
    return this.#elsewhere;
  }

  lookElsewhere(): void {
    this.#elsewhere = true;
  }

  /** The link that the packet in hand came by; null before the first. */
  get arrival(): Link | null {
    return this.#arrival;
  }

  /** A link that refused a packet takes packets again. */
  handleWritable(now: Micros, link: Link): void {
    this.now = now;
    this.routes.outlets.get(link)?.unblock();
  }

  /** The peer at an address of a link has moved: what is in flight to it on that link, and what it has not been told, goes again. */
  handleMove(now: Micros, link: Link, address: Uint8Array): void {
    this.now = now;
    const outlet = this.routes.outlets.get(link);
    if (outlet === undefined) return;
    this.flows.eachTo(formatAddress(address), (subflow, connection) => {
      if (subflow.outlet === outlet && subflow.sendAgain(now)) connection.dirty();
    });
  }

  /** The device of a link is gone: the link is down for good. Of a host that has no other nothing will come any more: its connections end. */
  handleGone(now: Micros, link: Link): void {
    this.now = now;
    const outlet = this.routes.outlets.get(link);
    if (outlet === undefined) return;
    const { up } = outlet;
    if (!outlet.lose()) return;
    const last = [...this.routes.outlets.values()].every(({ gone }) => gone);
    if (last) {
      for (const connection of [...this.#live]) {
        connection.abortWith("NetworkUnreachable", now, "links-gone");
      }
    } else if (up) this.#changed(outlet, false, now);
    this.#options.gone?.(link, last);
  }

  /** Fires the deadlines that have passed. */
  handleTimeout(now: Micros): void {
    this.now = now;
    this.timers.fire(now);
  }

  // What must go out.

  attend(wake: () => void): void {
    this.#wake = wake;
  }

  /** The nearest deadline; Infinity = none. */
  pollTimeout(): Micros {
    return this.timers.next();
  }

  /**
   * Ends a batch: one pass for each connection that changed, then their observers and those of the listeners; and again for what these call for.
   * None of them is called while it, or another, is at work.
   */
  flush(now: Micros): void {
    this.now = now;
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      do {
        while (this.#dirty.length > 0) this.#pass(now);
        this.listeners.notify();
        for (let i = 0; i < this.#told.length; i++) this.#told[i]!.notify();
        empty(this.#told);
      } while (this.#dirty.length > 0);
    } finally {
      this.#flushing = false;
    }
  }

  #pass(now: Micros): void {
    const batch = this.#dirty;
    this.#dirty = this.#spare;
    this.#spare = batch;
    for (let i = 0; i < batch.length; i++) {
      const connection = batch[i]!;
      pass(connection, now);
      this.listeners.settle(connection, now);
      this.#told.push(connection);
    }
    empty(batch);
  }

  // What applications do.

  /** Adds a link with its addresses; `transparent`: it takes packets for any other, too. */
  addLink(now: Micros, link: Link, addresses: readonly string[], transparent = false): void {
    this.routes.addLink(link, transparent);
    for (const address of addresses) this.addAddress(now, link, address);
  }

  /** Adds an address, "10.0.0.3/24"; path managers hear of it, those of a link that is down when it is up. */
  addAddress(now: Micros, link: Link, address: string): void {
    this.#now = now;
    const { view, outlet } = this.routes.addAddress(link, address);
    if (!outlet.up) return;
    for (const connection of this.#live) connection.paths.localAdded(view);
    this.flush(now);
  }

  /** Removes an address; what used it ends, by FIN as long as the link is up. */
  removeAddress(now: Micros, address: string): void {
    this.#now = now;
    const removed = this.routes.removeAddress(address);
    if (removed === undefined) return;
    for (const connection of this.#live) connection.paths.localRemoved(removed.view.address);
    this.flush(now);
  }

  /** Takes a link up or down. */
  setLinkUp(now: Micros, link: Link, up: boolean): void {
    this.#now = now;
    const outlet = this.routes.outlets.get(link);
    if (outlet === undefined || !outlet.setUp(up)) return;
    this.#changed(outlet, up, now);
    this.flush(now);
  }

  /** Connections hear that a link has gone up or down. */
  #changed(outlet: LinkOutlet, up: boolean, now: Micros): void {
    for (const connection of this.#live) {
      if (!up) connection.paths.linkDown(outlet, now);
      for (const { view } of this.routes.of(outlet)) {
        if (up) connection.paths.localAdded(view);
        else connection.paths.localRemoved(view.address);
      }
    }
  }

  /**
   * Opens a connection; what becomes of it is told to the observer. It begins with `data`, of which `begunWith` of the result tells how many bytes it has
   * taken. Where no local end is named, or the destination has `others`, the way that answers first is its first path (connection/race.ts).
   *
   * @throws {TypeError} an address is not one.
   * @throws {StackError} no route, or no port is left.
   */
  connect(
    now: Micros,
    options: {
      readonly remote: Endpoint;
      readonly others?: readonly Endpoint[];
      readonly local?: Endpoint;
      readonly observer: ConnectionObserver;
      readonly data?: Uint8Array;
      readonly policies?: Partial<Policies>;
      readonly tcp?: TcpSettings;
      readonly mptcp?: MptcpSettings;
      readonly userTimeout?: Micros;
    },
  ): MetaSocket {
    this.#now = now;
    const { remote, observer, tcp = this.tcp, mptcp = this.mptcp } = options;
    const { pathManager = this.pathManager } = options.policies ?? {};
    const anywhere = mptcp.enabled ? pathManager.beginsAnywhere : undefined;
    const ways = this.#ways(options, tcp.connectionAttemptDelay, anywhere === false, now);
    for (let i = 0; i < ways.length; i++) {
      const port = options.local?.port ?? 0;
      const plan = this.planFirst(ways[i]!, tcp.dscp, mptcp.enabled, port);
      if (plan === null) continue;
      const connection = new MetaSocket(
        this,
        "client",
        plan.local,
        plan.remote,
        this.#guard.all(options.policies),
        observer,
        tcp,
        mptcp,
      );
      const subflow = firstSubflow(connection, plan);
      if (this.register(subflow, connection)) {
        if (options.userTimeout !== undefined) connection.setUserTimeout(options.userTimeout);
        this.#live.add(connection);
        if (ways.length > i + 1) {
          const { connectionAttemptDelay: delay } = tcp;
          const others = ways.slice(i + 1);
          connection.raceBy(new Race(ways[i]!, others, delay ?? Infinity, anywhere === true));
        }
        connection.begin(subflow);
        openFirst(connection, subflow, options.data ?? NO_DATA, now);
        if (!holdsData(subflow)) armRace(connection, now);
        connection.dirty();
        this.flush(now);
        return connection;
      }
      this.releaseToken(connection.keys.token, connection);
      connection.free();
      subflow.release();
    }
    throw new StackError(
      "AddrInUse",
      `Cannot connect to ${remote.address} as no port is free`,
    );
  }

  /** The ways for a connection to begin, best first, or as the routes have `chosen`; `delay` null: each destination is tried from one address only. */
  #ways(
    { remote, others = [], local }: {
      readonly remote: Endpoint;
      readonly others?: readonly Endpoint[];
      readonly local?: Endpoint;
    },
    delay: Micros | null,
    chosen: boolean,
    now: Micros,
  ): Way[] {
    const named = local?.address ? this.routes.find(local.address) : undefined;
    if (local?.address && (named === undefined || !named.outlet.up)) {
      throw new StackError(
        "AddrNotAvailable",
        `Cannot connect from ${local.address} as it is no address of this host`,
      );
    }
    const ways: Way[] = [];
    for (const to of [remote, ...others]) {
      const address = parseHost(to.address);
      if (address === null) {
        throw new TypeError(
          `Cannot connect as the address must be an IP address: current value is "${to.address}"`,
        );
      }
      const end = { address: formatAddress(address.bytes), port: to.port };
      const sources = named === undefined ? this.routes.sourcesFor(address) : [named];
      const from = sources
        .filter(({ prefix }) => prefix.address.family === address.family)
        .map(({ view }) => ({ local: view, remote: end }));
      ways.push(...(delay === null ? this.firstPaths.order(from, now, chosen).slice(0, 1) : from));
    }
    if (ways.length > 0) return delay === null ? ways : this.firstPaths.order(ways, now, chosen);
    throw new StackError(
      "NetworkUnreachable",
      `Cannot connect to ${remote.address} as no address of this host is of its family`,
    );
  }

  /**
   * Listens on one address, or on all where none is named.
   *
   * @throws {StackError} the port is in use, or the address is none of ours.
   */
  listen(
    now: Micros,
    options: {
      readonly address?: string;
      readonly port: number;
      readonly backlog?: number;
      readonly tcp?: TcpSettings;
      readonly mptcp?: MptcpSettings;
      readonly userTimeout?: Micros;
      readonly policies?: Partial<Policies>;
      readonly transparent?: boolean;
      readonly observer: ListenerObserver;
    },
  ): Listener {
    this.#now = now;
    const local = options.address ? this.routes.find(options.address) : undefined;
    if (options.address && local === undefined) {
      throw new StackError(
        "AddrNotAvailable",
        `Cannot listen on ${options.address} as it is no address of this host`,
      );
    }
    const address = local?.view.address ?? "";
    const { transparent = false } = options;
    if (transparent && this.listeners.transparent !== undefined) {
      throw new StackError("AddrInUse", "Cannot listen on every port as another listener does");
    }
    const port = options.port === 0 && !transparent ? this.flows.freePort() : options.port;
    if (!transparent && this.listeners.having(address, port) !== undefined) {
      throw new StackError("AddrInUse", `Cannot listen on port ${port} as another listener has it`);
    }
    if (this.joinPorts.has(address, port)) {
      throw new StackError(
        "AddrInUse",
        `Cannot listen on port ${port} as a connection has announced it for its paths`,
      );
    }
    const { backlog = DEFAULT_BACKLOG, observer, userTimeout } = options;
    const { tcp = this.tcp, mptcp = this.mptcp, policies = {} } = options;
    const choices = { userTimeout, tcp, mptcp, policies, transparent };
    const listener = this.listeners.add(address, port, backlog, observer, choices, (closed) => {
      this.#guard.listener("closed", closed);
      this.probe?.listenerChanged(this.now, "closed", closed.address, closed.port);
    });
    this.#guard.listener("created", listener);
    this.probe?.listenerChanged(now, "created", address, port);
    return listener;
  }

  /** Aborts all connections. */
  close(now: Micros): void {
    this.#now = now;
    this.listeners.close(now);
    for (const connection of [...this.#live]) {
      connection.abort(now);
      connection.close(now);
    }
    this.flush(now);
  }

  /** Gives memory back; nothing may be called after it. */
  free(): void {
    this.flows.clear();
    for (const connection of this.#live) connection.free();
    this.#live.clear();
    this.timers.clear();
    memory_free(this.out.header - 16);
    host_free(this.wasm);
  }

  /** Connections alive, lingering ones included. */
  get connections(): number {
    return this.#live.size;
  }

  /** Bytes that count against the host's limit of memory: data, lists, records and the flow table. */
  get bytes(): number {
    return host_usage(this.wasm, USAGE_BYTES);
  }

  /** What is in use. */
  usage(): StackUsage {
    return {
      connections: this.#live.size,
      tokens: this.tokens.size,
      flows: host_usage(this.wasm, USAGE_FLOWS),
      timers: this.timers.size,
      handles: host_usage(this.wasm, USAGE_STREAMS) + host_usage(this.wasm, USAGE_RECEIVERS),
      pages: host_usage(this.wasm, USAGE_PAGES),
    };
  }

  /** What decides of paths where a connection names nothing else. */
  get pathManager(): PathManagerPlugin {
    return this.#options.policies.pathManager;
  }

  /** All connections that are alive. */
  get living(): Iterable<MetaSocket> {
    return this.#live;
  }

  /** Has one more probe told of everything from now on; the result ends that. */
  watch(probe: Probe): () => void {
    const safe = safeProbe(probe, (callback, error) => {
      this.count("PluginFaults");
      this.#options.report?.({
        kind: "probe",
        plugin: "probe",
        callback,
        rule: "never-throws",
        what: `threw in ${callback}`,
        error,
        count: 1,
        replaced: true,
      });
    });
    this.#probes = [...this.#probes, safe];
    this.probe = everyProbe(this.#probes);
    return () => {
      this.#probes = this.#probes.filter((each) => each !== safe);
      this.probe = everyProbe(this.#probes);
    };
  }

  // What connections ask for.

  refuse = (key: number): void => refuse(this, -1, u8[key + KEY_DSCP]!);

  get addresses(): readonly HostAddress[] {
    return this.routes.addresses;
  }

  count(name: string, by = 1): void {
    this.counters.count(name, by);
  }

  swallows(address: string, timeout: Micros): boolean {
    return this.#blackHoles.has(address, this.now, timeout);
  }

  swallowed(address: string, timeout: Micros): void {
    this.count("Blackhole");
    this.#blackHoles.found(address, this.now, timeout);
  }

  passed(address: string): void {
    this.#blackHoles.passed(address);
  }

  holdPort(connection: MetaSocket, { id, address, port }: HostAddress): void {
    this.joinPorts.hold(connection, id, address, port);
  }

  holdsPort(connection: MetaSocket, { address, port }: Endpoint): boolean {
    return this.joinPorts.heldBy(connection, address, port);
  }

  releasePort(connection: MetaSocket, id: number): void {
    this.joinPorts.release(connection, id);
  }

  releasePorts(connection: MetaSocket): void {
    this.joinPorts.leave(connection);
  }

  pathMemory(local: string, remote: string): PathMemory {
    return this.#pathMtus.of(local, remote);
  }

  randomWord(): number {
    return this.#nonces.u32();
  }

  /** RFC 6528 §3: a clock of 4 us, and what follows from the flow and a secret. */
  flowNumbers(key: number): FlowNumbers {
    const { isn } = this.experiments;
    if (isn !== undefined) return { iss: isn, timestampOffset: isn };
    const secret = flow_secret(this.wasm, key);
    const iss = (secret + Math.floor(this.now / 4)) % 2 ** 32;
    return { iss: iss >>> 0, timestampOffset: u32[OUT_0]! };
  }

  nextConnection(): number {
    return ++this.#begun;
  }

  newKey(): Key | null {
    return this.tokens.newKey(() => this.#keys.u32());
  }

  claimToken(token: number, connection: MetaSocket): void {
    this.tokens.claim(token, connection);
  }

  releaseToken(token: number, connection: MetaSocket): void {
    this.tokens.release(token, connection);
  }

  route(address: string): string | null {
    const to = parseHost(address);
    return to === null ? null : this.routes.sourceFor(to)?.view.address ?? null;
  }

  planFirst({ local, remote }: Way, dscp: number, joins: boolean, port = 0): FlowPlan | null {
    const from = this.routes.find(local.address);
    if (from === undefined || !from.outlet.up) return null;
    const beside = joins ? this.routes.beside(from) : [];
    return this.flows.plan(from, port, remote, dscp, this.now, 0, beside);
  }

  planFlow({ local: { address }, remote }: FlowEnds, dscp: number, wish: number): FlowPlan | null {
    const local = this.routes.find(address);
    if (local === undefined) {
      this.count("MPJoinSynTxBindErr");
      return null;
    }
    if (!local.outlet.up) {
      this.count("MPJoinSynTxConnectErr");
      return null;
    }
    const plan = this.flows.plan(local, 0, remote, dscp, this.now, wish);
    if (plan === null) this.count("MPJoinSynTxBindErr");
    return plan;
  }

  register(subflow: Subflow, connection: MetaSocket): boolean {
    if (this.flows.register(subflow, connection)) return true;
    // A flow in TIME-WAIT gives way to one of ours, whose numbers go on above it.
    const before = this.flows.reusable(subflow.key, this.now);
    if (before === null) return false;
    this.forget(before.flow);
    this.count("TWRecycled");
    return this.flows.register(subflow, connection);
  }

  forget(flow: number): void {
    const timeWait = this.flows.resting(flow);
    if (timeWait !== undefined) this.timers.arm(timeWait, Infinity);
    this.flows.forget(flow);
  }

  rest(timeWait: TimeWait, now: Micros): void {
    if (this.flows.rest(timeWait)) {
      this.timers.arm(timeWait, now + TIME_WAIT_LENGTH);
    } else {
      this.count("TCPTimeWaitOverflow");
      this.forget(timeWait.flow);
    }
  }

  alarm(connection: MetaSocket): Releasable {
    return new Alarm(connection);
  }

  at(time: Micros, callback: () => void): () => void {
    const timer = new Callback(callback);
    this.timers.arm(timer, time);
    // A path manager may ask from outside, as its user calls it.
    this.#wake();
    return () => {
      this.timers.arm(timer, Infinity);
      timer.release();
    };
  }

  onStray(address: string, callback: () => void): () => void {
    return this.strays.watch(address, callback);
  }

  report(plugin: string, error: unknown): void {
    this.#guard.threw(plugin, error);
  }

  guardScheduler(plugin: SchedulerPlugin): GuardedSchedulerPlugin {
    return this.#guard.scheduler(plugin);
  }

  guardCongestionControl(plugin: CongestionControlPlugin): GuardedCongestionControlPlugin {
    return this.#guard.congestionControl(plugin);
  }

  dirty(connection: MetaSocket): void {
    this.#dirty.push(connection);
  }

  mayOpen(connection: MetaSocket): boolean {
    if (this.listeners.mayOpen(connection)) return true;
    this.overflow();
    return false;
  }

  opened(connection: MetaSocket): void {
    this.listeners.opened(connection);
  }

  proved(connection: MetaSocket, reset: boolean): void {
    this.listeners.proved(connection, reset, this.now);
  }

  /** Something was dropped as too many connections wait to be accepted. */
  overflow(): void {
    this.count("ListenOverflows");
    this.count("ListenDrops");
  }

  closed(connection: MetaSocket): void {
    this.#live.delete(connection);
    this.listeners.forget(connection);
  }

  /** A connection between SYN and third ACK, for a SYN to `listener` along `plan`; `iss` and `key` where our SYN/ACK has left with them. */
  halfOpen(
    listener: Listener,
    plan: FlowPlan,
    iss?: number,
    key?: Key,
  ): { connection: MetaSocket; subflow: Subflow } | null {
    const connection = new MetaSocket(
      this,
      "server",
      plan.local,
      plan.remote,
      this.#guard.all(listener.policies),
      SILENT,
      listener.tcp,
      listener.mptcp,
      key,
    );
    const subflow = firstSubflow(connection, plan, iss);
    if (!this.register(subflow, connection)) {
      this.releaseToken(connection.keys.token, connection);
      connection.free();
      return null;
    }
    if (listener.userTimeout !== undefined) connection.setUserTimeout(listener.userTimeout);
    this.#live.add(connection);
    connection.begin(subflow);
    this.listeners.begun(listener, connection);
    return { connection, subflow };
  }
}

/** The deadline of a connection; each has one. */
class Alarm implements Releasable {
  deadline: Micros = Infinity;
  queuedAt: Micros = Infinity;
  #connection: MetaSocket | null;

  constructor(connection: MetaSocket) {
    this.#connection = connection;
  }

  fire(now: Micros): void {
    if (this.#connection !== null) deadlinesPassed(this.#connection, now);
  }

  release(): void {
    this.#connection = null;
  }
}

/** Empties an array and keeps its room: setting its length gives the room back, and the next batch would take it anew. */
function empty(array: unknown[]): void {
  while (array.length > 0) array.pop();
}

const NO_DATA = new Uint8Array();

const SILENT: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};
