/**
 * Two stacks on an emulated network, stepped by hand: no promises, so that a scenario sees every event.
 *
 * ```
 *          ┌── a ──┐
 *   client ┼── b ──┼ router ── server
 *          └── … ──┘
 * ```
 *
 * Every connection between two of its ends is held to one rule, asked for or not: what is read is what was written, in order, and ends in order only
 * when all of it was read; else the reader gets an error. The end of a topology (`using`) fails where that did not hold.
 */

import { DEFAULT_SETTINGS, type TcpSettings } from "../../core/subflow/settings.ts";
import { createHash, type Hash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { lia } from "../../cc/mod.ts";
import type {
  ConnectionObserver,
  EndReason,
  MemoryLimits,
  NetworkCode,
} from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { Listener } from "../../core/host/listener.ts";
import type { Probe } from "../../core/subflow/probe.ts";
import type { PluginFault } from "../../core/guard/faults.ts";
import type { Policies } from "../../core/guard/policies.ts";
import { Stack } from "../../core/host/stack.ts";
import { delay } from "../../core/link/sim/elements/delay.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { loss } from "../../core/link/sim/elements/loss.ts";
import { queue } from "../../core/link/sim/elements/queue.ts";
import { rate } from "../../core/link/sim/elements/rate.ts";
import type { SimHost } from "../../core/link/sim/host.ts";
import type { SimLink } from "../../core/link/sim/link.ts";
import type { Router } from "../../core/link/sim/router.ts";
import { Network } from "../../core/link/sim/network.ts";
import type { Trace } from "../../core/link/sim/trace.ts";
import { DEFAULT_UDP_PORT } from "../../core/link/udp/options.ts";
import { socketAddress } from "../../core/link/udp/socket_address.ts";
import { UdpLink } from "../../core/link/udp/udp.ts";
import type { Duration, Rate } from "../../core/link/units.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { type Choices, choose } from "./choices.ts";
import { Delivery } from "./delivery.ts";
import { pattern } from "./streams.ts";
import { BehindUdp, SimSocket } from "./udp_network.ts";

/** `TOPOLOGY_CARRIER=udp deno test -A tests/scenario/…` runs scenarios over UDP. */
export const CARRIER = Deno.env.get("TOPOLOGY_CARRIER") ?? "ip";

/** What a path does to packets, in each direction. */
export interface PathShape {
  readonly rate: Rate;
  readonly delay: Duration;
  readonly loss?: number;
  /** Packets. @default {100} */
  readonly queue?: number;
  readonly elements?: readonly ElementFactory[];
  /** Further elements from the client to the router, and back. */
  readonly up?: readonly ElementFactory[];
  readonly down?: readonly ElementFactory[];
}

/** How a topology is made. */
export interface TopologyOptions {
  readonly paths: Readonly<Record<string, PathShape>>;
  readonly seed?: number;
  readonly family?: 4 | 6;
  /** Links have addresses of the other family as well. */
  readonly dual?: boolean;
  readonly links?: {
    readonly mtu?: number;
    readonly maxSegments?: number;
    readonly checksums?: boolean;
  };
  /**
   * What the packets of both stacks are: themselves, or datagrams of links over UDP, one for each address of a path.
   *
   * @default {what TOPOLOGY_CARRIER says; "ip"}
   */
  readonly carrier?: "ip" | "udp";
  readonly policies?: Partial<Policies>;
  /** Those of the server, where they are others. @default what `policies` says */
  readonly serverPolicies?: Partial<Policies>;
  readonly client?: Choices;
  readonly server?: Choices;
  /** Limits of memory of both. */
  readonly memory?: MemoryLimits;
  /** What is chosen of the TCP engine. */
  readonly tcp?: Partial<TcpSettings>;
  /** The same for the server alone. @default what `tcp` says */
  readonly serverTcp?: Partial<TcpSettings>;
  readonly trace?: Trace;
  /** Watch either. */
  readonly probes?: { readonly client?: Probe; readonly server?: Probe };
}

/** A client and a server. */
export class Topology implements Disposable {
  readonly network: Network;
  readonly client: Stack;
  server: Stack;
  readonly paths: Readonly<Record<string, SimLink>>;
  /** From the server to the router. */
  readonly inner: SimLink;
  /** Where the links meet. */
  readonly router: Router;
  readonly faults: PluginFault[] = [];
  readonly #hosts: readonly [SimHost, SimHost];
  readonly #options: TopologyOptions;
  /** Stacks of the server that were killed. */
  readonly #killed: Stack[] = [];
  readonly #family: 4 | 6;
  /** Links over UDP, the server's first, and their sockets. */
  readonly udp: { readonly link: UdpLink; readonly socket: SimSocket }[] = [];

  constructor(options: TopologyOptions) {
    const { seed = 1, trace, links = {}, family = 4 } = options;
    const udp = (options.carrier ?? CARRIER) === "udp";
    this.#family = family;
    this.#options = options;
    this.network = new Network({ seed, trace });
    const client = this.network.host("client");
    const server = this.network.host("server");
    const router = this.router = this.network.router("router");
    this.#hosts = [client, server];
    const families = options.dual === true ? [family, family === 4 ? 6 : 4] : [family];
    /** Of one link, each with its prefix. */
    const addresses = (n: number, host: number): string[] =>
      families.map((each) =>
        each === 4 ? `10.0.${n}.${host}/24` : `${n === 0 ? "fd00::" : `fd00:0:0:${n}::`}${host}/64`
      );
    const inner = this.inner = this.network.link("server", server, router, links);
    for (const prefix of addresses(0, 0)) router.route(prefix, inner);
    this.client = this.#stack(client, options, options.client);
    this.server = this.#stack(server, options, options.server);
    this.#addLink(server, this.server, inner, addresses(0, 1), udp, links);
    const paths: Record<string, SimLink> = {};
    for (const [name, shape] of Object.entries(options.paths)) {
      const n = Object.keys(paths).length + 1;
      const elements = [
        queue(shape.queue ?? 100),
        rate(shape.rate),
        loss(shape.loss ?? 0),
        delay(shape.delay),
        ...shape.elements ?? [],
      ];
      const link = this.network.link(name, client, router, {
        ...links,
        forward: [...elements, ...shape.up ?? []],
        backward: [...elements, ...shape.down ?? []],
      });
      for (const prefix of addresses(n, 0)) router.route(prefix, link);
      this.#addLink(client, this.client, link, addresses(n, 1), udp, links);
      paths[name] = link;
    }
    this.paths = paths;
    const sockets = this.udp.map(({ socket }) => socket);
    const carried = this.udp.map(({ link }) => link);
    client.start(udp ? new BehindUdp(this.client, carried, sockets) : this.client);
    server.start(udp ? new BehindUdp(this.server, carried, sockets) : this.server);
  }

  /** Gives a stack addresses on a link, which carries its packets as they are, or in datagrams. */
  #addLink(
    host: SimHost,
    stack: Stack,
    link: SimLink,
    addresses: readonly string[],
    udp: boolean,
    { maxSegments = 1, mtu }: NonNullable<TopologyOptions["links"]>,
  ): void {
    const end = link.end(host);
    if (!udp) {
      stack.addLink(0, end, addresses);
      return;
    }
    const port = host.name === "server" ? { port: DEFAULT_UDP_PORT } : {};
    // Each has one socket, and so one address.
    for (const address of addresses) {
      const over: UdpLink = new UdpLink(link.name, { ...port, ...(mtu && { mtu }) }, ({ bind }) => {
        const local = socketAddress(bind.address, bind.port || 40000 + this.udp.length);
        const socket = new SimSocket(end, local, maxSegments);
        this.udp.push({ link: over, socket });
        return socket;
      });
      over.configure([address]);
      over.attach(host);
      stack.addLink(0, over, [address]);
    }
  }

  /** Over UDP: the server's program is killed, and begins again `after` seconds. Nobody is told, and nothing is remembered. */
  restartServer(after: number): void {
    const [, host] = this.#hosts;
    const { link, socket } = this.udp[0]!;
    socket.close();
    this.at(this.seconds + after, () => {
      void link.close();
      this.#killed.push(this.server);
      this.server = this.#stack(host, this.#options, this.#options.server);
      const address = `${socket.local.text.replace(/:\d+$/, "")}/24`;
      this.#addLink(host, this.server, this.inner, [address], true, this.#options.links ?? {});
      const begun = this.udp.pop()!;
      this.udp[0] = begun;
      host.start(new BehindUdp(this.server, [begun.link], [begun.socket]));
    });
  }

  #stack(host: SimHost, options: TopologyOptions, choices?: Choices): Stack {
    const policies: Policies = {
      scheduler: minRtt(),
      pathManager: fullMesh(),
      congestionControl: lia(),
      ...options.policies,
      ...(host.name === "server" ? options.serverPolicies : undefined),
    };
    return new Stack({
      policies,
      fallbacks: { scheduler: minRtt(), pathManager: fullMesh(), congestionControl: lia() },
      ...choose(choices),
      ...(options.memory === undefined ? {} : { memory: options.memory }),
      tcp: {
        ...DEFAULT_SETTINGS,
        // Ends are paired by the ports that their connections begin with, on the first path.
        connectionAttemptDelay: null,
        ...(host.name === "server" ? options.serverTcp ?? options.tcp : options.tcp),
      },
      // One that was begun again says nothing that it has said before.
      random: (name) =>
        this.network.randomSource(`${host.name}${"'".repeat(this.#killed.length)}/${name}`),
      report: (fault) => this.faults.push(fault),
      probe: host.name === "client" ? options.probes?.client : options.probes?.server,
    });
  }

  get now(): number {
    return this.network.now;
  }

  /** Seconds since the start. */
  get seconds(): number {
    return this.network.now / 1e6;
  }

  /** Ends what applications began: what their verbs call for is sent, and deadlines are known to the network. */
  wake(): void {
    for (const host of this.#hosts) host.flush();
  }

  /** Calls back at `seconds`. */
  at(seconds: number, callback: () => void): void {
    this.network.clock.at(seconds * 1e6, () => {
      callback();
      this.wake();
    });
  }

  /** Lets all happen up to `seconds`. */
  runTo(seconds: number): void {
    this.wake();
    this.network.runTo(seconds * 1e6);
  }

  /** Lets events happen until `condition` holds; fails when that takes longer than `seconds`. */
  runUntil(condition: () => boolean, seconds: number): void {
    this.wake();
    let late = false;
    const cancel = this.network.clock.at(seconds * 1e6, () => late = true);
    this.network.runUntil(() => late || condition());
    cancel();
    if (late && !condition()) throw new Error(`Not done within ${seconds} s of virtual time`);
  }

  /** Opens a connection whose ends send `up` and `down`; the server listens on port 80 from the first call on. */
  connect(up: Script, down: Script = { bytes: 0 }): { client: End; server: () => End } {
    const client = new End(this, up);
    this.#accepting ??= this.server.listen(this.now, {
      port: 80,
      backlog: 4096,
      observer: { onConnection: () => this.#accept() },
    });
    const socket = this.client.connect(this.now, {
      remote: { address: this.#family === 4 ? "10.0.0.1" : "fd00::1", port: 80 },
      observer: client,
    });
    const { port } = socket.localEndpoint;
    this.#scripts.set(port, down);
    this.#accepted.delete(port);
    client.start(socket);
    this.wake();
    return { client, server: () => this.#accepted.get(port)! };
  }

  #accepting: Listener | null = null;
  // By the client's port: connections need not be established in the order in which they were begun.
  readonly #scripts = new Map<number, Script>();
  readonly #accepted = new Map<number, End>();
  readonly #clients = new Map<number, End>();
  readonly #ends: End[] = [];

  /** An end is in use: the one that it talks to. */
  pair(end: End): void {
    const { role, localEndpoint, remoteEndpoint } = end.socket;
    this.#ends.push(end);
    if (role === "client") {
      this.#clients.set(localEndpoint.port, end);
      return;
    }
    const client = this.#clients.get(this.#portOf(remoteEndpoint.port));
    if (client === undefined) return;
    client.talkTo(end);
    end.talkTo(client);
  }

  /** The client's port of a connection that came from `port`: another one, where the one there is has come through a translator. */
  #portOf(port: number): number {
    const [only] = this.#scripts.keys();
    return this.#scripts.has(port) || this.#scripts.size !== 1 ? port : only!;
  }

  /** Fails when an end has read anything but what the other wrote, or was told an end that was none. */
  check(): void {
    for (const end of this.#ends) {
      if (end.wrong !== null) throw new Error(`The ${end.socket.role} was deceived: ${end.wrong}`);
    }
  }

  #accept(): void {
    for (
      let socket = this.#accepting!.accept();
      socket !== null;
      socket = this.#accepting!.accept()
    ) {
      const port = this.#portOf(socket.remoteEndpoint.port);
      const end = new End(this, this.#scripts.get(port) ?? { bytes: 0 });
      this.#accepted.set(port, end);
      socket.observe(end);
      end.start(socket);
    }
  }

  /** Lets both directions of a connection be done and compares what came with what was sent. The seconds that it took. */
  complete(pair: { client: End; server: () => End }, seconds: number): number {
    const start = this.seconds;
    const { client } = pair;
    this.runUntil(() => {
      const server = pair.server();
      return client.done && server !== undefined && server.done;
    }, start + seconds);
    this.check();
    const server = pair.server();
    assertEquals([server.received, client.received], [client.sent, server.sent]);
    assertEquals(server.digest, client.sentDigest, "from client to server");
    assertEquals(client.digest, server.sentDigest, "from server to client");
    assertEquals([client.code ?? null, server.code ?? null], [null, null]);
    assertEquals(this.faults, []);
    return this.seconds - start;
  }

  [Symbol.dispose](): void {
    for (const { link } of this.udp) void link.close();
    this.client.free();
    this.server.free();
    for (const stack of this.#killed) stack.free();
    this.network.close();
    this.check();
  }
}

/** What an end of a connection does. */
export interface Script {
  /** Bytes that it sends, then it ends its direction. */
  readonly bytes: number;
  /** Bytes of each write. @default {as many as are taken} */
  readonly writes?: () => number;
  /** Seconds between writes. @default {0: as soon as there is room} */
  readonly pace?: number;
  /** Bytes of each read. @default {65536} */
  readonly reads?: () => number;
  /** Seconds between reads. @default {0: as soon as there is something} */
  readonly pause?: number;
  /** Writes into places that are lent, and reads from such. */
  readonly lends?: boolean;
  /** What is said to the scheduler of each write. */
  readonly hints?: () => number;
  /** Whether more follows a write at once. */
  readonly corks?: () => boolean;
  /** Does not close by itself when both directions are done. */
  readonly keep?: boolean;
}

/** One end: an application that sends a pattern and takes in what comes. */
export class End implements ConnectionObserver {
  socket!: MetaSocket;
  code: NetworkCode | null | undefined;
  /** What led to the code. */
  reason: EndReason | null = null;
  sent = 0;
  /** When the last byte was read. */
  lastRead = 0;
  /** Longest time between two reads that gave something. */
  stall = 0;
  readonly #topology: Topology;
  readonly #script: Script;
  readonly #bytes: Uint8Array;
  readonly #hash: Hash = createHash("sha256");
  readonly #delivery = new Delivery((from, length) => this.#written(from, length));
  /** Who writes what this end reads. */
  #other: End | null = null;
  #discards = false;
  #ended = false;
  #reading = false;
  #writing = false;
  #finished = false;
  /** A write waits for its time. */
  #pacing = false;

  constructor(topology: Topology, script: Script) {
    this.#topology = topology;
    this.#script = script;
    this.#bytes = pattern(script.bytes, script.bytes + 1);
  }

  start(socket: MetaSocket): void {
    this.socket = socket;
    this.#topology.pair(this);
    if (socket.established) this.onEstablished();
  }

  /** Learns who writes what it reads. */
  talkTo(other: End): void {
    this.#other = other;
  }

  #written(from: number, length: number): Uint8Array {
    // What somebody else writes cannot be known.
    if (this.#other === null) throw new Error("An end of a topology talks to no other");
    return this.#other.#bytes.subarray(from, Math.min(from + length, this.#other.sent));
  }

  /** Bytes read. */
  get received(): number {
    return this.#delivery.received;
  }

  /** What was wrong with what it read, or with the end that it was told. */
  get wrong(): string | null {
    return this.#delivery.wrong;
  }

  /** Drops what comes from now on. */
  discard(): void {
    this.#discards = true;
    this.socket.discard(this.#topology.now);
  }

  /** Both directions are done. */
  get done(): boolean {
    return this.#ended && (this.socket.finAcked || this.code === null);
  }

  get digest(): string {
    return this.#hash.copy().digest("hex");
  }

  get sentDigest(): string {
    return createHash("sha256").update(this.#bytes).digest("hex");
  }

  onEstablished(): void {
    this.lastRead = this.#topology.now;
    this.#write();
    if (this.socket.readable > 0) this.onReadable();
  }

  onWritable(): void {
    this.#write();
  }

  onReadable(): void {
    if (this.#reading) return;
    this.#reading = true;
    if (this.#script.pause === undefined) this.#read();
    else this.#topology.at(this.#topology.seconds + this.#script.pause, () => this.#read());
  }

  onClosed(code: NetworkCode | null, reason: EndReason | null): void {
    this.code = code;
    this.reason = reason;
    // A reader without anything left to read takes that for the end.
    if (code === null && !this.#ended && this.socket.readable === 0) this.#readerEnds();
    this.#letGo();
  }

  #readerEnds(): void {
    // Who has closed, or drops what comes, reads no more.
    if (this.#discards || this.socket.appClosed) return;
    if (this.#other !== null) this.#delivery.end(this.#other.sent);
  }

  /** Closes when nothing is left to read. */
  #letGo(): void {
    const over = this.code !== undefined && (this.#ended || this.code !== null);
    if (over && this.#script.keep !== true) this.socket.close(this.#topology.now);
  }

  #write(): void {
    // A write ends with a flush, which may call back.
    if (this.#writing) return;
    this.#writing = true;
    const all = this.#writeAll();
    this.#writing = false;
    if (all) this.#finish();
  }

  /** Writes as long as there is room; whether all is written. */
  #writeAll(): boolean {
    const { pace } = this.#script;
    while (this.sent < this.#bytes.length) {
      if (this.#pacing) return false;
      const most = this.#script.writes?.() ?? this.#bytes.length;
      const piece = this.#bytes.subarray(this.sent, this.sent + most);
      const taken = this.#put(piece);
      this.sent += taken;
      if (taken < piece.length) return this.sent === this.#bytes.length;
      if (pace === undefined || this.sent === this.#bytes.length) continue;
      this.#pacing = true;
      this.#topology.at(this.#topology.seconds + pace, () => {
        this.#pacing = false;
        this.#write();
      });
    }
    return true;
  }

  /** Writes as much of `piece` as there is room for; the bytes that were taken. */
  #put(piece: Uint8Array): number {
    const { socket } = this;
    const { now } = this.#topology;
    const hint = this.#script.hints?.() ?? 0;
    const cork = this.#script.corks?.() ?? false;
    if (this.#script.lends !== true) return socket.write(now, piece, 0, cork, hint);
    let done = 0;
    while (done < piece.length) {
      const place = socket.lend(now);
      if (place === null) break;
      const length = Math.min(place.length, piece.length - done);
      place.set(piece.subarray(done, done + length));
      socket.filled(now, length, cork, hint);
      done += length;
    }
    return done;
  }

  /** Reads at most `most` bytes. */
  #get(most: number): Uint8Array {
    const { socket } = this;
    const { now } = this.#topology;
    if (this.#script.lends !== true) {
      const target = new Uint8Array(most);
      return target.subarray(0, socket.read(now, target));
    }
    const bytes = socket.lendReceived()?.slice(0, most) ?? new Uint8Array();
    if (bytes.length > 0) socket.used(now, bytes.length);
    return bytes;
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.socket.finish(this.#topology.now);
  }

  #read(): void {
    this.#reading = false;
    const now = this.#topology.now;
    while (true) {
      const bytes = this.#get(this.#script.reads?.() ?? 65536);
      if (bytes.length === 0) break;
      this.#hash.update(bytes);
      this.#delivery.take(bytes);
      this.stall = Math.max(this.stall, now - this.lastRead);
      this.lastRead = now;
      if (this.#script.pause !== undefined) {
        this.onReadable();
        return;
      }
    }
    if (!this.socket.atEnd) return;
    if (!this.#ended) this.#readerEnds();
    this.#ended = true;
    this.#letGo();
  }
}
