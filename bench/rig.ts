/** Two stacks on an emulated network that are stepped by hand, without promises: what measurements at the load of a module are made with. */

import { lia } from "../cc/mod.ts";
import type { Experiments } from "../core/connection/host.ts";
import { DEFAULT_MPTCP } from "../core/connection/settings.ts";
import { DEFAULT_SETTINGS, type TcpSettings } from "../core/subflow/settings.ts";
import type { MetaSocket } from "../core/connection/meta_socket.ts";
import type { FaultReport } from "../core/guard/faults.ts";
import type { Policies } from "../core/guard/policies.ts";
import { Stack, type StackOptions } from "../core/host/stack.ts";
import type { ElementFactory } from "../core/link/sim/elements/element.ts";
import type { SimHost } from "../core/link/sim/host.ts";
import type { LinkOptions } from "../core/link/sim/link.ts";
import { Network } from "../core/link/sim/network.ts";
import type { Trace } from "../core/link/sim/trace.ts";
import type { Micros } from "../core/plugin.ts";
import { fullMesh } from "../pm/mod.ts";
import { minRtt } from "../sched/mod.ts";
import type { SimLink } from "../core/link/sim/link.ts";
import type { Link } from "../core/host/link.ts";
import type { PacketIn } from "../core/wire/packet.ts";
import type { WorkMeter } from "./draft_meter.ts";

/** A stack that tells what it works for. */
class MeteredStack extends Stack {
  readonly #meter: WorkMeter;

  constructor(options: StackOptions, meter: WorkMeter) {
    super(options);
    this.#meter = meter;
  }

  override handlePacket(now: Micros, link: Link, packet: Readonly<PacketIn>): void {
    this.#meter.turn("packet");
    this.#meter.enter();
    super.handlePacket(now, link, packet);
    this.#meter.leave();
  }

  override handleTimeout(now: Micros): void {
    this.#meter.turn("timer");
    this.#meter.enter();
    super.handleTimeout(now);
    this.#meter.leave();
  }

  override flush(now: Micros): void {
    this.#meter.enter();
    super.flush(now);
    this.#meter.leave();
  }
}

/** What connects the two. */
export interface RigOptions {
  /** Elements of each path, by its name; none: packets arrive at once. The first carries the first subflow. */
  readonly paths: Readonly<Record<string, readonly ElementFactory[]>>;
  /** Elements from the server to the client, by the name of the path, in place of those in `paths`. */
  readonly down?: Readonly<Record<string, readonly ElementFactory[]>>;
  /** Plugins of both hosts; the defaults for those not named. */
  readonly policies?: Partial<Policies>;
  /** Offer MPTCP, and accept it. @default {true} */
  readonly mptcp?: boolean;
  /** Fixed values of both hosts. */
  readonly experiments?: Experiments;
  /** What is chosen of TCP at the client, which receives. */
  readonly receiver?: Partial<TcpSettings>;
  /** Seed of all randomness. @default {1} */
  readonly seed?: number;
  /** Sees every packet. */
  readonly trace?: Trace;
  /** Notes what the server works for. */
  readonly meter?: WorkMeter;
  /** Told what plugins do wrong. */
  readonly report?: FaultReport;
}

/** What the two ends of a connection are told; both may call verbs at once. */
export interface RigEvents {
  /** The client is connected; the server is not told before the client's third packet has come. */
  onEstablished?(client: MetaSocket): void;
  /** Bytes, or the end, can be read at the client. */
  onReadable?(client: MetaSocket): void;
  /** There is room to write at the server; called once when it is connected, too. */
  onWritable?(server: MetaSocket): void;
  /** There is room to write at the client; called once when it is connected, too. */
  onClientWritable?(client: MetaSocket): void;
  /** Bytes, or the end, can be read at the server. */
  onServerReadable?(server: MetaSocket): void;
}

/** A client, a server that sends, and one connection between them. */
export class Rig implements Disposable {
  /** The network they are on. */
  readonly network: Network;
  /** The paths by name. */
  readonly links: Readonly<Record<string, SimLink>>;
  readonly #hosts: readonly SimHost[];
  readonly #client: Stack;
  readonly #server: Stack;
  /** The client's, one a path. */
  readonly #addresses: string[] = [];
  #sender: MetaSocket | null = null;
  #receiver: MetaSocket | null = null;

  /** Makes hosts and paths. */
  constructor(options: RigOptions) {
    const { paths, down = {}, policies, mptcp = true, experiments, seed = 1, trace, report } =
      options;
    const { meter, receiver = {} } = options;
    const links: Record<string, SimLink> = this.links = {};
    const shape = (name: string): LinkOptions => ({
      elements: paths[name] ?? [],
      ...(down[name] && { backward: down[name] }),
    });
    const network = this.network = new Network({ seed, trace });
    const [client, server, router] = [
      network.host("client"),
      network.host("server"),
      network.router("router"),
    ];
    const defaults = {
      scheduler: minRtt(),
      pathManager: fullMesh(),
      congestionControl: lia(),
    };
    const stack = (name: string): Stack => {
      const all: StackOptions = {
        random: (stream) => network.randomSource(`${name}/${stream}`),
        policies: { ...defaults, ...policies },
        fallbacks: defaults,
        mptcp: { ...DEFAULT_MPTCP, enabled: mptcp },
        ...(name === "client" && { tcp: { ...DEFAULT_SETTINGS, ...receiver } }),
        ...(experiments === undefined ? {} : { experiments }),
        ...(report && { report }),
      };
      return name === "server" && meter ? new MeteredStack(all, meter) : new Stack(all);
    };
    this.#hosts = [client, server];
    this.#client = stack("client");
    this.#server = stack("server");
    const names = Object.keys(paths);
    const [only] = names;
    if (names.length === 1 && only !== undefined) {
      // One path needs no router, which would cost time that is none of the stack's.
      const link = links[only] = network.link(only, client, server, shape(only));
      for (
        const [host, stack, n] of [[client, this.#client, 1], [server, this.#server, 2]] as const
      ) {
        link.end(host).attach(host);
        stack.addLink(0, link.end(host), [`10.0.0.${n}/24`]);
      }
      this.#addresses.push("10.0.0.1");
    } else {
      const inner = network.link("server", server, router);
      router.route("10.0.0.0/24", inner);
      inner.end(server).attach(server);
      this.#server.addLink(0, inner.end(server), ["10.0.0.2/24"]);
      for (const [index, name] of names.entries()) {
        const link = links[name] = network.link(name, client, router, shape(name));
        router.route(`10.0.${index + 1}.0/24`, link);
        link.end(client).attach(client);
        const address = `10.0.${index + 1}.1`;
        this.#client.addLink(0, link.end(client), [`${address}/24`]);
        this.#addresses.push(address);
      }
    }
    client.start(this.#client);
    server.start(this.#server);
  }

  /** Virtual time. */
  get now(): Micros {
    return this.network.now;
  }

  /** The server's end. */
  get sender(): MetaSocket {
    if (this.#sender === null) throw new Error("Cannot send as nothing is connected");
    return this.#sender;
  }

  /** The client's end. */
  get receiver(): MetaSocket {
    if (this.#receiver === null) throw new Error("Cannot receive as nothing is connected");
    return this.#receiver;
  }

  /** How often something has happened at the server, by its MIB name. */
  senderCount(name: string): number {
    return this.#server.counters.get(name);
  }

  /** The same at the client. */
  receiverCount(name: string): number {
    return this.#client.counters.get(name);
  }

  /** Connects the two, by the path `from` or else as the client chooses; when it returns, both ends are established. */
  connect(events: RigEvents, from?: string): void {
    const path = from === undefined ? -1 : Object.keys(this.links).indexOf(from);
    if (from !== undefined && path < 0) {
      throw new RangeError(`Cannot connect by the path "${from}" as there is none of that name`);
    }
    const listener = this.#server.listen(this.now, {
      port: 80,
      observer: {
        onConnection: () => {
          const socket = this.#sender = listener.accept();
          if (socket === null) return;
          socket.observe({
            onEstablished: () => {},
            onReadable: () => events.onServerReadable?.(socket),
            onWritable: () => events.onWritable?.(socket),
            onClosed: () => {},
          });
        },
      },
    });
    const socket = this.#receiver = this.#client.connect(this.now, {
      remote: { address: "10.0.0.2", port: 80 },
      ...(path >= 0 && { local: { address: this.#addresses[path]!, port: 0 } }),
      observer: {
        onEstablished: () => events.onEstablished?.(socket),
        onReadable: () => events.onReadable?.(socket),
        onWritable: () => events.onClientWritable?.(socket),
        onClosed: () => {},
      },
    });
    this.run(() => this.#sender !== null);
    events.onWritable?.(this.sender);
    events.onClientWritable?.(this.receiver);
    this.#flush();
  }

  /** Ends the batch of verbs that were called from outside. */
  #flush(): void {
    for (const host of this.#hosts) host.flush();
  }

  /** Lets things happen until `condition` holds. */
  run(condition: () => boolean): void {
    this.#flush();
    this.network.runUntil(condition, Infinity);
  }

  /** Lets things happen up to `time`. */
  runTo(time: Micros): void {
    this.#flush();
    this.network.runTo(time);
  }

  /** Ends everything and gives memory back. */
  [Symbol.dispose](): void {
    this.#client.close(this.now);
    this.#server.close(this.now);
    this.network.close();
    this.#client.free();
    this.#server.free();
  }
}
