/** Many connections between two stacks on an emulated network of two paths, stepped by hand: what they cost together (bench/scale.ts). */

import { lia } from "../cc/mod.ts";
import type { ConnectionObserver } from "../core/connection/host.ts";
import type { MetaSocket } from "../core/connection/meta_socket.ts";
import { Stack, type StackUsage } from "../core/host/stack.ts";
import { delay } from "../core/link/sim/elements/delay.ts";
import type { ElementFactory } from "../core/link/sim/elements/element.ts";
import type { SimHost } from "../core/link/sim/host.ts";
import { Network } from "../core/link/sim/network.ts";
import type { KeepAlive } from "../core/subflow/settings.ts";
import { TIME_WAIT_LENGTH } from "../core/subflow/time_wait.ts";
import { fullMesh } from "../pm/mod.ts";
import { earliest } from "../sched/mod.ts";

/** Connections that are opened or closed at a time: as many as a listener is asked for at once. */
const BATCH = 100;
/** Microseconds of virtual time after which whatever was under way has ended. */
const REST = 5e6;

const BYTE = new Uint8Array(1);

/** What the observers of a crowd count. */
class Tally {
  read = 0;
  closed = 0;
  readonly target = new Uint8Array(1 << 16);
  readonly network: Network;

  constructor(network: Network) {
    this.network = network;
  }
}

/** Who has one end of a connection: as small as it can be, as it counts among what one holds. */
class End implements ConnectionObserver {
  socket: MetaSocket | null = null;
  readonly #tally: Tally;

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  onEstablished(): void {}

  onReadable(): void {
    const { network, target } = this.#tally;
    this.#tally.read += Math.max(0, this.socket!.read(network.now, target));
  }

  onWritable(): void {}

  onClosed(): void {
    this.#tally.closed++;
  }
}

/** Connections with two subflows each, `mine` of the client and `theirs` of the server by the same index. */
export class Crowd implements Disposable {
  /** The client's ends. */
  readonly mine: MetaSocket[] = [];
  /** The server's ends. */
  readonly theirs: MetaSocket[] = [];
  /** Packets that one of the two stacks was handed, so far. */
  packets = 0;
  readonly #network = new Network();
  readonly #client: Stack;
  readonly #server: Stack;
  readonly #hosts: readonly SimHost[];
  readonly #tally = new Tally(this.#network);

  /** Makes both hosts. */
  constructor() {
    const network = this.#network;
    const counted: ElementFactory = {
      name: "counted",
      create: (_, output) => ({
        push: (packet) => {
          this.packets++;
          output(packet);
        },
      }),
    };
    const [client, server] = this.#hosts = [network.host("client"), network.host("server")];
    const router = network.router("router");
    const stack = (name: string): Stack => {
      const policies = {
        scheduler: earliest(),
        pathManager: fullMesh(),
        congestionControl: lia(),
      };
      const random = (stream: string) => network.randomSource(`${name}/${stream}`);
      return new Stack({ random, policies, fallbacks: policies, memory: { host: 1 << 30 } });
    };
    this.#client = stack("client");
    this.#server = stack("server");
    const inner = network.link("server", server!, router);
    router.route("10.0.0.0/24", inner);
    inner.end(server!).attach(server!);
    this.#server.addLink(0, inner.end(server!), ["10.0.0.2/24"]);
    for (const [i, name] of ["a", "b"].entries()) {
      const link = network.link(name, client!, router, { elements: [counted, delay("1 ms")] });
      router.route(`10.0.${i + 1}.0/24`, link);
      link.end(client!).attach(client!);
      this.#client.addLink(0, link.end(client!), [`10.0.${i + 1}.1/24`]);
    }
    client!.start(this.#client);
    server!.start(this.#server);
    const listener = this.#server.listen(0, {
      port: 80,
      observer: {
        onConnection: () => {
          for (let socket = listener.accept(); socket !== null; socket = listener.accept()) {
            this.theirs.push(socket);
            const end = new End(this.#tally);
            end.socket = socket;
            socket.observe(end);
            // The client joins when it has seen that the path lets options through (RFC 8684 §3.1).
            socket.write(network.now, BYTE, 0);
          }
        },
      },
    });
  }

  /** Opens so many more, and waits until both subflows of each are established at both ends. */
  open(connections: number): void {
    const before = this.mine.length;
    const joined = this.#joined;
    const remote = { address: "10.0.0.2", port: 80 };
    for (let opened = 0; opened < connections;) {
      const end = Math.min(connections, opened + BATCH);
      for (; opened < end; opened++) {
        const observer = new End(this.#tally);
        observer.socket = this.#client.connect(this.#network.now, { remote, observer });
        this.mine.push(observer.socket);
      }
      this.#run(() => this.#joined === joined + end && this.theirs.length === before + end);
    }
  }

  /** Has connection `index` carry `piece` from the server to the client. */
  send(index: number, piece: Uint8Array): void {
    const wanted = this.#tally.read + piece.length;
    const socket = this.theirs[index]!;
    if (socket.write(this.#network.now, piece, 0) !== piece.length) {
      throw new Error(`Cannot send on connection ${index} as its queue is full`);
    }
    this.#run(() => this.#tally.read >= wanted);
  }

  /** Lets time pass in which nobody asks for anything. */
  rest(time = REST): void {
    this.#flush();
    this.#network.runTo(this.#network.now + time);
  }

  /** Closes all, or all from number `first` on, and waits for the end of TIME-WAIT. */
  close(first = 0): void {
    const wanted = this.#tally.closed + this.mine.length + this.theirs.length - 2 * first;
    for (let i = first; i < this.mine.length;) {
      for (const end = Math.min(this.mine.length, i + BATCH); i < end; i++) {
        this.mine[i]!.close(this.#network.now);
        this.theirs[i]!.close(this.#network.now);
      }
      this.#flush();
    }
    this.#run(() => this.#tally.closed === wanted);
    this.mine.length = this.theirs.length = first;
    this.rest(TIME_WAIT_LENGTH + REST);
  }

  /** Fires what is due and tells both stacks that their links take packets: what costs something although nothing happens. */
  touch(): void {
    const { now } = this.#network;
    for (const stack of [this.#client, this.#server]) {
      stack.handleTimeout(now);
      for (const link of stack.routes.outlets.keys()) stack.handleWritable(now, link);
      stack.flush(now);
    }
  }

  /** Has each end ask an idle peer whether it is there: a deadline for each. */
  keepAlive(choice: KeepAlive): void {
    const { now } = this.#network;
    for (const socket of [...this.mine, ...this.theirs]) socket.setKeepAlive(now, choice);
    this.#flush();
  }

  /** How many connections both hosts have. */
  get connections(): number {
    return this.#client.connections + this.#server.connections;
  }

  /** Entries of both timer queues that were looked at, so far. */
  get timerSteps(): number {
    return this.#client.timers.steps + this.#server.timers.steps;
  }

  /** Bytes in WebAssembly memory that count against both hosts' limits. */
  get bytes(): number {
    return this.#client.bytes + this.#server.bytes;
  }

  /** What is in use at both ends together. */
  get usage(): StackUsage {
    const [a, b] = [this.#client.usage(), this.#server.usage()];
    const names = Object.keys(a) as (keyof StackUsage)[];
    const sums = names.map((name) => [name, a[name] + b[name]] as const);
    return Object.fromEntries(sums) as unknown as StackUsage;
  }

  get #joined(): number {
    return this.#server.counters.get("MPJoinAckRx");
  }

  #flush(): void {
    for (const host of this.#hosts) host.flush();
  }

  #run(condition: () => boolean): void {
    this.#flush();
    this.#network.runUntil(condition, Infinity);
  }

  [Symbol.dispose](): void {
    this.#client.close(this.#network.now);
    this.#server.close(this.#network.now);
    this.#network.close();
    this.#client.free();
    this.#server.free();
  }
}
