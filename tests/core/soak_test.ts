/**
 * Two stacks over two paths on which everything goes wrong that may: packets are lost, doubled and overtaken, links refuse packets, paths are cut and come
 * back, subflows are closed and opened, schedulers change. Whatever happens, every byte arrives once and in order, both sides end, and nothing is left over.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia } from "../../cc/mod.ts";
import type { ConnectionObserver, NetworkCode } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { Link } from "../../core/host/link.ts";
import { seededRandom } from "../../core/host/random.ts";
import { Stack } from "../../core/host/stack.ts";
import type { Micros, SchedulerPlugin } from "../../core/plugin.ts";
import type { PacketOut } from "../../core/wire/packet.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import { minRtt, redundant, roundRobin, timeDistance } from "../../sched/mod.ts";
import { packet_alloc, packet_free, u8 } from "../../wasm/mod.ts";
import { Delivery } from "../support/delivery.ts";
import { bytesOf } from "../support/packets.ts";
import { stream } from "../support/segment_codec.ts";

type Random = () => number;

/** Events by time, then by order. */
class Clock {
  now: Micros = 0;
  readonly #events: { at: Micros; run: () => void }[] = [];

  at(at: Micros, run: () => void): void {
    let i = this.#events.length;
    while (i > 0 && this.#events[i - 1]!.at > at) i--;
    this.#events.splice(i, 0, { at, run });
  }

  next(): Micros {
    return this.#events[0]?.at ?? Infinity;
  }

  run(until: Micros): void {
    this.now = until;
    while (this.next() <= until) this.#events.shift()!.run();
  }
}

/** How bad a path is. */
interface Trouble {
  readonly loss: number;
  readonly twice: number;
  readonly late: number;
  readonly refused: number;
}

/** One end of a path. */
class Wire implements Link {
  readonly name: string;
  readonly mtu = 1500;
  readonly maxSegments: number;
  readonly rxVerified = false;
  readonly txChecksum = "full";
  far: Wire | null = null;
  stack: Stack | null = null;
  cut = false;
  #full = false;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #delay: Micros;
  readonly #trouble: Trouble;

  constructor(
    name: string,
    clock: Clock,
    random: Random,
    delay: Micros,
    trouble: Trouble,
    maxSegments: number,
  ) {
    this.name = name;
    this.#clock = clock;
    this.#random = random;
    this.#delay = delay;
    this.#trouble = trouble;
    this.maxSegments = maxSegments;
  }

  send(packet: Readonly<PacketOut>): boolean {
    const { loss, twice, late, refused } = this.#trouble;
    if (!this.#full && this.#random() < refused) {
      this.#full = true;
      this.#clock.at(this.#clock.now + this.#random() * 30e3, () => {
        this.#full = false;
        this.stack!.handleWritable(this.#clock.now, this);
        this.stack!.flush(this.#clock.now);
      });
    }
    if (this.#full) return false;
    if (this.cut || this.#random() < loss) return true;
    const bytes = bytesOf(packet);
    for (let copies = this.#random() < twice ? 2 : 1; copies > 0; copies--) {
      const jitter = this.#random() < late ? this.#random() * 50e3 : 0;
      this.#clock.at(this.#clock.now + this.#delay + jitter, () => this.far!.#arrive(bytes));
    }
    return true;
  }

  #arrive(bytes: Uint8Array): void {
    const at = packet_alloc(bytes.length);
    u8.set(bytes, at);
    const packet = { address: at, length: bytes.length, gsoSize: 0, verified: false };
    this.stack!.handlePacket(this.#clock.now, this, packet);
    this.stack!.flush(this.#clock.now);
    packet_free(at);
  }

  attach(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One application: writes its bytes, checks those of the other, then ends. */
class App implements ConnectionObserver {
  written = 0;
  ended = false;
  code: NetworkCode | null | undefined;
  socket: MetaSocket | null = null;
  readonly #clock: Clock;
  readonly #ours: "peer" | "stack";
  readonly #total: number;
  readonly #random: Random;
  readonly #delivery: Delivery;
  #finished = false;

  constructor(clock: Clock, ours: "peer" | "stack", total: number, random: Random) {
    this.#clock = clock;
    this.#ours = ours;
    this.#total = total;
    this.#random = random;
    const theirs = ours === "peer" ? "stack" : "peer";
    this.#delivery = new Delivery((from, length) => stream(theirs, 1 + from, length));
  }

  /** Bytes read. */
  get got(): number {
    return this.#delivery.received;
  }

  onEstablished(): void {
    this.onWritable();
  }

  onReadable(): void {
    // Sometimes it reads later.
    if (this.#random() < 0.1) {
      this.#clock.at(this.#clock.now + this.#random() * 100e3, () => this.#read());
    } else this.#read();
  }

  #read(): void {
    const { now } = this.#clock;
    const target = new Uint8Array(1 + Math.floor(this.#random() * 200e3));
    for (let n = this.socket!.read(now, target); n > 0; n = this.socket!.read(now, target)) {
      this.#delivery.take(target.subarray(0, n));
    }
    assertEquals(this.#delivery.wrong, null);
    if (this.socket!.atEnd) this.ended = true;
    this.socket!.host.flush(now);
    this.#maybeClose();
  }

  onWritable(): void {
    const { now } = this.#clock;
    while (this.written < this.#total) {
      const most = Math.min(this.#total - this.written, 1 + Math.floor(this.#random() * 50e3));
      const n = this.socket!.write(now, stream(this.#ours, 1 + this.written, most), 0);
      if (n === 0) return;
      this.written += n;
    }
    if (this.#finished) return;
    this.#finished = true;
    this.socket!.finish(now);
    this.#maybeClose();
  }

  #maybeClose(): void {
    if (this.ended && this.#finished) this.socket!.close(this.#clock.now);
  }

  onClosed(code: NetworkCode | null): void {
    this.code = code;
    this.#read();
    this.socket!.close(this.#clock.now);
  }
}

function soak(seed: number, trouble: Trouble, options: {
  readonly checksum?: boolean;
  readonly mptcp?: boolean;
  readonly buffer?: number;
  readonly maxSegments?: number;
  readonly restless?: boolean;
}): void {
  const source = seededRandom(seed);
  const stream0 = source("soak");
  const random: Random = () => stream0.float();
  const clock = new Clock();
  const schedulers: SchedulerPlugin[] = [
    minRtt(),
    roundRobin(),
    redundant(),
    timeDistance(),
    timeDistance({ lookAhead: 3 }),
  ];
  const faults: unknown[] = [];
  const make = (name: string): Stack => {
    const policies = {
      scheduler: schedulers[seed % 3]!,
      pathManager: name === "client" ? fullMesh() : passive(),
      congestionControl: lia(),
    };
    return new Stack({
      policies,
      fallbacks: policies,
      random: seededRandom(seed * 2 + name.length),
      report: (fault) => faults.push(fault),
      experiments: {
        ...(options.checksum && { checksum: true }),
        ...(options.mptcp === false && { mptcp: false }),
        ...(options.buffer && { receiveBuffer: options.buffer, sendBuffer: options.buffer }),
      },
    });
  };
  const client = make("client");
  const server = make("server");
  const wires = [0, 1].flatMap((i) => {
    const delay = [5e3, 20e3][i]!;
    const ends = ["a", "b"].map((end) =>
      new Wire(`${end}${i}`, clock, random, delay, trouble, options.maxSegments ?? 1)
    );
    ends[0]!.far = ends[1]!;
    ends[1]!.far = ends[0]!;
    ends[0]!.stack = client;
    ends[1]!.stack = server;
    client.addLink(0, ends[0]!, [`10.0.${i}.1/24`]);
    server.addLink(0, ends[1]!, [`10.0.${i}.2/24`]);
    return ends;
  });
  const total = 200e3 + Math.floor(random() * 400e3);
  const server1 = new App(clock, "peer", Math.floor(random() * total), random);
  const client1 = new App(clock, "stack", total, random);
  const listener = server.listen(0, {
    port: 80,
    observer: {
      onConnection() {
        server1.socket = listener.accept()!;
        server1.socket.observe(server1);
        server1.onEstablished();
        if (server1.socket.readable > 0 || server1.socket.atEnd) server1.onReadable();
      },
    },
  });
  client1.socket = client.connect(0, {
    remote: { address: "10.0.0.2", port: 80 },
    observer: client1,
  });
  const step = (): void => {
    const next = Math.min(clock.next(), client.pollTimeout(), server.pollTimeout());
    if (next === Infinity) return;
    clock.run(Math.max(clock.now, next));
    for (const stack of [client, server]) {
      if (stack.pollTimeout() <= clock.now) {
        stack.handleTimeout(clock.now);
        stack.flush(clock.now);
      }
    }
  };
  let trials = 0;
  const over = (): boolean => client1.code !== undefined && server1.code !== undefined;
  while (!over()) {
    step();
    assert(
      clock.now < 1200e6,
      `seed ${seed}: nothing moves: ${describeApp(client1)} ${describeApp(server1)}`,
    );
    if (!options.restless || ++trials % 50 !== 0 || client1.code !== undefined) continue;
    const { now } = clock;
    const { socket } = client1;
    const dice = random();
    if (dice < 0.1) {
      const wire = wires[2 * Math.floor(random() * 2)]!;
      wire.cut = wire.far!.cut = !wire.cut;
      clock.at(now + random() * 3e6, () => wire.cut = wire.far!.cut = false);
    } else if (dice < 0.2) {
      socket!.setScheduler(now, schedulers[Math.floor(random() * 3)]!);
    } else if (dice < 0.25 && socket!.subflows.length > 1 && !socket!.fallback) {
      const { context } = socket!.paths;
      client.now = now;
      const paths = context.paths.map(({ path }) => path);
      context.use(paths.slice(random() < 0.5 ? 1 : 0, random() < 0.5 ? 1 : 2));
      client.flush(now);
      clock.at(now + 200e3, () => {
        client.now = clock.now;
        if (!socket!.closed) {
          const { locals, remotes } = context;
          context.use([
            ...context.paths.map(({ path }) => path),
            context.index({
              local: locals[Math.floor(random() * locals.length)]!,
              remote: remotes[0]!,
              copy: Math.floor(random() * 1000),
            }),
          ].filter((path, i, all) => all.indexOf(path) === i));
        }
        client.flush(clock.now);
      });
    } else if (dice < 0.3 && socket!.subflows.length > 1) {
      socket!.paths.context.setBackup(socket!.subflows[1]!.path, random() < 0.5);
      client.flush(now);
    }
  }
  assertEquals([client1.code, server1.code], [null, null], `seed ${seed}`);
  assertEquals(server1.got, total);
  assertEquals(client1.got, server1.written);
  assertEquals(faults, []);
  const end = clock.now + 3600e6;
  while (
    clock.now < end && Math.min(clock.next(), client.pollTimeout(), server.pollTimeout()) < Infinity
  ) {
    step();
  }
  for (const stack of [client, server]) {
    assertEquals(stack.usage(), {
      connections: 0,
      tokens: 0,
      flows: 0,
      timers: 0,
      handles: 0,
      pages: 0,
    }, `seed ${seed}`);
    stack.free();
  }
}

function describeApp({ written, got, code, socket }: App): string {
  return JSON.stringify({
    written,
    got,
    code,
    state: socket?.state,
    una: socket?.dataUna,
    nxt: socket?.dataNxt,
    rcv: socket?.dataRcvNxt,
    window: socket?.window,
    subflows: socket?.subflows.map((s) => ({
      path: s.path,
      state: s.state,
      una: s.sender.board.una,
      nxt: s.sender.board.nxt,
      rcv: s.receiver.nxt,
      lost: s.sender.board.lost,
      stale: s.stale,
      rto: s.deadline,
      cwnd: s.cwnd,
      room: s.room,
      blocked: s.outlet.blocked,
    })),
  });
}

const SEEDS = Number(Deno.env.get("SOAK_SEEDS") ?? 2);
const FIRST = Number(Deno.env.get("SOAK_FIRST") ?? 1);
const mild: Trouble = { loss: 0.01, twice: 0.01, late: 0.02, refused: 0.01 };

describe("whatever the network does, all data arrive and nothing is left over", () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    it(`seed ${seed}: loss, copies, reordering, full links`, () => soak(seed, mild, {}));
    it(`seed ${seed}: the same with DSS checksums and super-segments`, () =>
      soak(seed, mild, { checksum: true, maxSegments: 16 }));
    it(`seed ${seed}: the same with small buffers`, () => soak(seed, mild, { buffer: 20000 }));
    it(`seed ${seed}: the same on plain TCP`, () => soak(seed, mild, { mptcp: false }));
    it(`seed ${seed}: paths cut, closed and opened, other schedulers`, () =>
      soak(seed, mild, { restless: true }));
    it(`seed ${seed}: heavy loss, small buffers, restless`, () =>
      soak(seed, { loss: 0.05, twice: 0.05, late: 0.1, refused: 0.05 }, {
        buffer: 100000,
        checksum: true,
        restless: true,
      }));
  }
});
