/** Ends TCP connections, and opens others in their place. */

import { u8 } from "../../../../wasm/mod.ts";
import type { ConnectionObserver, NetworkCode } from "../../../connection/host.ts";
import type { MetaSocket } from "../../../connection/meta_socket.ts";
import { DEFAULT_MPTCP } from "../../../connection/settings.ts";
import type { HostTimer, Link } from "../../../host/link.ts";
import { seededRandom } from "../../../host/random.ts";
import { Stack, type StackOptions } from "../../../host/stack.ts";
import type {
  AckSample,
  CongestionController,
  Micros,
  SchedulerPlugin,
  SubflowView,
} from "../../../plugin.ts";
import { formatAddress } from "../../../wire/ip.ts";
import type { PacketOut } from "../../../wire/packet.ts";
import type { Element, ElementContext } from "../elements/element.ts";
import { copyPacket, freePacket, type Packet, PacketList } from "../elements/packet.ts";
import { type Middlebox, twoSided } from "./box.ts";
import { get16, TcpSegment } from "./segment.ts";
import { checkInteger, checkNames } from "./select.ts";

/** How {@linkcode tcpProxy} is made. */
export interface TcpProxyOptions {
  /**
   * Largest IP packet that it sends, 576 to 65535.
   *
   * @default {1500}
   */
  readonly mtu?: number;
}

/** Octets that one direction of a connection holds besides its buffers. */
const PIECE = 16384;
/** Servers, ports of servers, and clients that it has room for. */
const MOST = 1024;

/** Congestion control of a box (RFC 5681): what its plain TCP needs, and no more. */
class Window implements CongestionController {
  cwnd: number;
  ssthresh = Infinity;
  readonly #mss: number;

  constructor({ cwnd, mss }: SubflowView) {
    this.cwnd = cwnd;
    this.#mss = mss;
  }

  onAck({ acked, cwndLimited }: AckSample): void {
    if (!cwndLimited) return;
    this.cwnd += this.cwnd < this.ssthresh ? acked : this.#mss * acked / this.cwnd;
  }

  onCongestion(cause: string, flightSize: number): void {
    this.ssthresh = Math.max(flightSize / 2, 2 * this.#mss);
    this.cwnd = cause === "timeout" ? this.#mss : this.ssthresh;
  }
}

const ANY: SchedulerPlugin = {
  kind: "scheduler",
  name: "any",
  create: () => ({ pick: (ready) => ready[0] ?? null }),
};
const POLICIES: StackOptions["policies"] = {
  scheduler: ANY,
  pathManager: { kind: "path-manager", name: "none", create: () => ({ onEvent() {} }) },
  congestionControl: {
    kind: "congestion-control",
    name: "proxy",
    create: () => ({ join: (subflow) => new Window(subflow) }),
  },
};

/** One end of what the proxy makes of a connection: what comes there leaves by the other. */
class Half implements ConnectionObserver {
  readonly #proxy: Proxy;
  readonly #bytes = new Uint8Array(PIECE);
  #socket: MetaSocket | null = null;
  #other: Half | null = null;
  #from = 0;
  #to = 0;
  #ended = false;
  #over = false;

  constructor(proxy: Proxy) {
    this.#proxy = proxy;
  }

  /** Begins. */
  begin(socket: MetaSocket, other: Half): void {
    this.#socket = socket;
    this.#other = other;
  }

  onEstablished(): void {
    this.#other!.forward();
  }

  onReadable(): void {
    this.forward();
  }

  onWritable(): void {
    this.#other!.forward();
  }

  onClosed(code: NetworkCode | null): void {
    this.#over = true;
    this.forward();
    if (code === null) return;
    this.#ended = true;
    this.#proxy.touch();
    this.#socket!.close(this.#proxy.now);
    this.#other?.abort();
  }

  /** Ends at once. */
  abort(): void {
    this.#proxy.touch();
    this.#socket?.abort(this.#proxy.now);
    this.#socket?.close(this.#proxy.now);
  }

  /** Hands on what can be. */
  forward(): void {
    const socket = this.#socket;
    const other = this.#other === null ? null : this.#other.#socket;
    if (socket === null || other === null || this.#ended) return;
    const proxy = this.#proxy;
    const { now } = proxy;
    proxy.touch();
    while (true) {
      while (this.#from < this.#to) {
        const taken = other.write(now, this.#bytes.subarray(0, this.#to), this.#from);
        if (taken === 0) return;
        this.#from += taken;
      }
      this.#from = 0;
      this.#to = socket.read(now, this.#bytes);
      if (this.#to === 0) break;
    }
    if (!socket.atEnd) return;
    this.#ended = true;
    other.finish(now);
    if (this.#over) socket.close(now);
  }
}

/** One of its two stacks, and the link that it sends by. */
class Face implements Link {
  readonly mtu: number;
  readonly maxSegments = 1;
  readonly rxVerified = false;
  readonly txChecksum = "full";
  readonly stack: Stack;
  readonly name: string;
  readonly #output: (packet: Packet) => void;
  readonly #waiting = new PacketList();
  readonly #addresses = new Set<string>();
  #verified = false;

  constructor(
    name: string,
    mtu: number,
    random: StackOptions["random"],
    output: (packet: Packet) => void,
  ) {
    this.name = name;
    this.mtu = mtu;
    this.#output = output;
    this.stack = new Stack({
      policies: POLICIES,
      fallbacks: POLICIES,
      mptcp: { ...DEFAULT_MPTCP, enabled: false },
      random: (stream) => random(`${name}/${stream}`),
    });
    this.stack.addLink(0, this, []);
  }

  send(sent: Readonly<PacketOut>): boolean {
    const packet = copyPacket(sent);
    if (packet === null) return true;
    packet.verified = this.#verified;
    this.#output(packet);
    return true;
  }

  attach(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Has an address, of somebody else; false: it has too many. */
  impersonate(address: string, now: Micros): boolean {
    if (this.#addresses.has(address)) return true;
    if (this.#addresses.size >= MOST) return false;
    this.#addresses.add(address);
    this.stack.addAddress(now, this, `${address}/${address.includes(":") ? 128 : 32}`);
    return true;
  }

  /** Keeps a packet for the next run. */
  take(packet: Packet): void {
    this.#verified = packet.verified;
    this.#waiting.add(packet);
  }

  /** Hands the stack what has come, and what is due. */
  run(now: Micros): void {
    for (let packet = this.#waiting.take(); packet !== null; packet = this.#waiting.take()) {
      this.stack.handlePacket(now, this, packet);
      freePacket(packet);
    }
    if (this.stack.pollTimeout() <= now) this.stack.handleTimeout(now);
  }

  free(): void {
    this.#waiting.clear();
    this.stack.free();
  }
}

class Proxy {
  readonly #mtu: number;
  #context: ElementContext | null = null;
  #toServers: ((packet: Packet) => void) | null = null;
  #toClients: ((packet: Packet) => void) | null = null;
  #timer: HostTimer | null = null;
  #clients: Face | null = null;
  #servers: Face | null = null;
  readonly #ports = new Set<number>();
  #touched = false;

  constructor(mtu: number) {
    this.#mtu = mtu;
  }

  get now(): Micros {
    return this.#context!.now;
  }

  /** Something was done by a stack that has to be flushed. */
  touch(): void {
    this.#touched = true;
  }

  up(context: ElementContext, output: (packet: Packet) => void): Element {
    const segment = new TcpSegment(context);
    this.#context = context;
    this.#toServers = output;
    this.#timer = context.timer(() => this.#run());
    return {
      push: (packet) => {
        if (!segment.read(packet)) {
          output(packet);
        } else if (!this.#open() || (segment.syn && !this.#expect(segment))) {
          context.drop(packet);
        } else this.#take(this.#clients!, packet);
      },
      clear: () => this.#clear(),
    };
  }

  down(context: ElementContext, output: (packet: Packet) => void): Element {
    const segment = new TcpSegment(context);
    this.#toClients = output;
    return {
      push: (packet) => {
        if (!segment.read(packet)) output(packet);
        else if (this.#servers === null) context.drop(packet);
        else this.#take(this.#servers, packet);
      },
      clear: () => this.#clear(),
    };
  }

  #take(face: Face, packet: Packet): void {
    face.take(packet);
    this.#timer!.arm(this.now);
  }

  /** Makes its stacks; false: it has one side alone. */
  #open(): boolean {
    if (this.#clients !== null) return true;
    if (this.#toClients === null) return false;
    const random = seededRandom(Math.floor(this.#context!.random() * 2 ** 32));
    this.#clients = new Face("clients", this.#mtu, random, this.#toClients);
    this.#servers = new Face("servers", this.#mtu, random, this.#toServers!);
    return true;
  }

  /** Is the server that a SYN is for; false: it cannot be. */
  #expect({ ip, tcp }: TcpSegment): boolean {
    const [at, size] = u8[ip]! >> 4 === 4 ? [16, 4] : [24, 16];
    const clients = this.#clients!;
    if (!clients.impersonate(formatAddress(u8.slice(ip + at, ip + at + size)), this.now)) {
      return false;
    }
    const port = get16(tcp + 2);
    if (this.#ports.has(port)) return true;
    if (this.#ports.size >= MOST || port === 0) return false;
    this.#ports.add(port);
    const listener = clients.stack.listen(this.now, {
      port,
      observer: {
        onConnection: () => {
          for (let next = listener.accept(); next !== null; next = listener.accept()) {
            this.#split(next);
          }
        },
      },
    });
    return true;
  }

  /** Opens the other half of a connection of a client. */
  #split(client: MetaSocket): void {
    const { localEndpoint: remote, remoteEndpoint: local } = client;
    const servers = this.#servers!;
    const [front, behind] = [new Half(this), new Half(this)];
    this.touch();
    try {
      if (!servers.impersonate(local.address, this.now)) throw new Error("no room");
      const server = servers.stack.connect(this.now, { remote, local, observer: behind });
      front.begin(client, behind);
      behind.begin(server, front);
      client.observe(front);
      front.forward();
    } catch {
      // The port is in use, or there are too many clients.
      client.abort(this.now);
      client.close(this.now);
    }
  }

  #run(): void {
    const [clients, servers] = [this.#clients, this.#servers];
    if (clients === null || servers === null) return;
    const { now } = this;
    clients.run(now);
    servers.run(now);
    do {
      this.#touched = false;
      clients.stack.flush(now);
      servers.stack.flush(now);
    } while (this.#touched);
    const next = Math.min(clients.stack.pollTimeout(), servers.stack.pollTimeout());
    if (next < Infinity) this.#timer!.arm(Math.max(next, now));
  }

  #clear(): void {
    this.#timer?.disarm();
    this.#clients?.free();
    this.#servers?.free();
    this.#clients = this.#servers = null;
    this.#ports.clear();
  }
}

/**
 * A proxy that ends the TCP connections of clients, as if it were the server, and opens others to the servers, as if it were the client: it acknowledges
 * by itself, has buffers, sends again, and knows no option of MPTCP. Connections from the side of the clients alone. Performance-enhancing proxies of
 * satellite and mobile networks are like that (RFC 3135). Both ends meet plain TCP, and fall back to it; where it stands on a further path, joins fail.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If `mtu` is not an integer from 576 to 65535.
 * @example
 * ```ts
 * import { emulate, tcpProxy } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const box = tcpProxy();
 * await using net = emulate({
 *   paths: { sat: { rate: "20 Mbit/s", delay: "15 ms", up: [box.up], down: [box.down] } },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 *   net.sleep("1 s"), // the client is connected before the server knows
 * ]);
 * await conn.write(new Uint8Array(1000));
 * assertEquals(await peer.read(new Uint8Array(1000)), 1000);
 * assertEquals(conn.info().mptcp.flags & 1, 1); // plain TCP
 * assertEquals(peer.info().mptcp.flags & 1, 1);
 * ```
 */
export function tcpProxy(options: TcpProxyOptions = {}): Middlebox {
  const doing = "make a proxy";
  checkNames(doing, options, ["mtu"]);
  const proxy = new Proxy(checkInteger(doing, "mtu", options.mtu ?? 1500, 576, 65535));
  return twoSided(
    "tcpProxy",
    (context, output) => proxy.up(context, output),
    (context, output) => proxy.down(context, output),
  );
}
