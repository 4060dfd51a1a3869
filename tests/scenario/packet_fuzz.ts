/**
 * Packets of any kind, put into stacks one after the other. As `fuzzPeer` they come from the peer of every connection, which knows numbers and keys; as
 * `fuzzOffPath` from somebody who sees nothing and guesses, while two stacks exchange streams that must not change. Nothing may throw, loop or be left over.
 */

import { lia } from "../../cc/mod.ts";
import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { PluginFault } from "../../core/guard/faults.ts";
import { seededRandom } from "../../core/host/random.ts";
import { Stack, type StackUsage } from "../../core/host/stack.ts";
import { StackError } from "../../core/host/stack_error.ts";
import type { Micros, PathManagerPlugin } from "../../core/plugin.ts";
import { MP_JOIN, optionAt } from "../../core/wire/mptcp.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { host_usage, packet_alloc, packet_parse, u32, u8 } from "../../wasm/mod.ts";
import * as L from "../../wasm/layout.ts";
import { choose } from "../support/choices.ts";
import { ScriptedLink } from "../support/dialogue.ts";
import { Draws, four, mutate, rawPacket, seal, two, word } from "../support/raw_packets.ts";
import type { Sent } from "../support/scripted_peer.ts";
import { Flow, type Manners, RandomPeer, Session, STREAMS } from "./random_peer.ts";

const BUFFER = packet_alloc(66048);
const JUNK = new Uint8Array(70000);
/** Flows that the peer keeps in mind, packets that it has seen, and connections that its victim holds. */
const FLOWS = 200;
const SEEN = 400;
const HELD = 40;
/** Deadlines that may pass between two packets. */
const MOST_DEADLINES = 20000;

/** What a run came to. */
export interface Fuzzed {
  /** What the stacks have left; all 0. */
  readonly left: readonly StackUsage[];
  /** Bytes of memory that they took more than before. */
  readonly bytesLeft: number;
  readonly faults: readonly PluginFault[];
  /** What it was good for: packets that the stacks sent, connections that came to be. */
  readonly sent: number;
  readonly connections: number;
  /** What was wrong with streams. */
  readonly wrong: readonly string[];
}

/** A stack whose plugins are drawn. */
function stackOf(
  seed: number,
  name: string,
  draws: Draws,
  pathManager: PathManagerPlugin,
  mptcp: boolean,
  faults: PluginFault[],
): Stack {
  const policies = {
    scheduler: draws.of([minRtt, roundRobin, redundant])(),
    pathManager,
    congestionControl: lia(),
  };
  const random = seededRandom(seed);
  return new Stack({
    policies,
    fallbacks: policies,
    random: (stream) => random(`${name}/${stream}`),
    report: (fault) => faults.push(fault),
    ...choose({
      receiveBuffer: 200000,
      sendBuffer: 200000,
      mptcp,
      checksum: draws.chance(0.5),
      dsn: draws.chance(0.3) ? "long" : "short",
    }),
  });
}

function put(stack: Stack, link: ScriptedLink, bytes: Uint8Array, verified: boolean, now: Micros) {
  u8.set(bytes, BUFFER);
  const packet = { address: BUFFER, length: bytes.length, gsoSize: 0, verified };
  stack.handlePacket(now, link, packet);
  stack.flush(now);
}

/** Lets deadlines pass up to `until`. */
function pass(stack: Stack, from: Micros, until: Micros): void {
  let count = 0;
  for (let next = stack.pollTimeout(); next <= until; next = stack.pollTimeout()) {
    const now = Math.max(from, next);
    stack.handleTimeout(now);
    stack.flush(now);
    if (++count > MOST_DEADLINES) throw new Error(`${count} deadlines in ${until - from} us`);
  }
}

/** Octets that begin like a packet, or do not. */
function noise(draws: Draws): Uint8Array {
  const bytes = Uint8Array.from({ length: 1 + draws.below(200) }, () => draws.below(256));
  bytes[0] = draws.of([0x45, 0x60, 0x46, bytes[0]!]);
  return bytes;
}

/** Turns a packet of the stack round, as if its peer had said it. */
function turned(packet: Uint8Array): Uint8Array {
  const bytes = packet.slice();
  const ip = bytes[0]! >> 4 === 6 ? 40 : 20;
  const size = ip === 40 ? 16 : 4;
  const swap = (at: number, length: number): void => {
    const first = bytes.slice(at, at + length);
    bytes.copyWithin(at, at + length, at + 2 * length);
    bytes.set(first, at + length);
  };
  swap(ip - 2 * size, size);
  swap(ip, 2);
  swap(ip + 4, 4);
  return bytes;
}

const MANNERS: Manners = {
  honest: 0.75,
  window: 65535,
  timestamps: true,
  sack: true,
  scale: 7,
  mptcp: true,
  turns: false,
  lies: true,
  checksum: false,
  mss: 1460,
};

/** What the peer of every connection of one stack sends: `count` packets. */
export function fuzzPeer(count: number, seed: number): Fuzzed {
  return new PeerFuzz(seed).run(count);
}

class PeerFuzz {
  #now: Micros = 1e6;
  readonly #draws: Draws;
  readonly #stack: Stack;
  readonly #links: readonly ScriptedLink[];
  readonly #sent: Sent[] = [];
  readonly #faults: PluginFault[] = [];
  readonly #peers: readonly RandomPeer[];
  readonly #flows = new Map<string, Flow>();
  readonly #seen: Uint8Array[] = [];
  readonly #sockets = new Map<MetaSocket, boolean>();
  readonly #idle: number;
  /** Of the last MPTCP connection whose key was told: joins are its. */
  #session = new Session();
  #count = 0;
  #connections = 0;
  #port = 0;

  constructor(seed: number) {
    const draws = this.#draws = new Draws(seed);
    this.#peers = [
      MANNERS,
      { ...MANNERS, checksum: true },
      { ...MANNERS, honest: 0.95 },
      { ...MANNERS, mptcp: false, timestamps: false },
    ].map((manners) => new RandomPeer(draws, manners));
    this.#stack = stackOf(seed, "peer", draws, fullMesh(), true, this.#faults);
    this.#links = [0, 1, 2].map((i) =>
      new ScriptedLink(`l${i}`, this.#sent, draws.of([1500, 1500, i === 2 ? 1280 : 576, 9000]), 1)
    );
    this.#links.forEach((link, i) =>
      this.#stack.addLink(this.#now, link, [i === 2 ? "fd00::1/64" : `10.0.${i}.1/24`])
    );
    this.#idle = host_usage(this.#stack.wasm, L.USAGE_BYTES);
    for (const [port, backlog] of [[80, 64], [81, 4]] as const) {
      const listener = this.#stack.listen(this.#now, {
        port,
        backlog,
        observer: {
          onConnection: () => {
            for (let one = listener.accept(); one !== null; one = listener.accept()) {
              const socket = one;
              this.#hold(() => socket);
            }
          },
        },
      });
    }
  }

  /** Takes a connection; most of them are read as soon as there is something. */
  #hold(make: (observer: ConnectionObserver) => MetaSocket): void {
    const greedy = this.#draws.chance(0.7);
    const observer = {
      onEstablished() {},
      onReadable: () => {
        if (greedy) { while (socket.read(this.#now, JUNK) > 0); }
      },
      onWritable() {},
      onClosed: () => void this.#sockets.set(socket, true),
    };
    const socket = make(observer);
    socket.observe(observer);
    this.#sockets.set(socket, false);
    this.#connections++;
  }

  run(count: number): Fuzzed {
    const draws = this.#draws;
    for (let i = 0; i < count; i++) {
      this.#one();
      if (draws.chance(0.08)) this.#act();
      const wait = draws.chance(0.9)
        ? draws.below(3000)
        : draws.chance(0.97)
        ? draws.below(500000)
        : draws.chance(0.97)
        ? draws.below(10e6)
        : draws.below(200e6);
      pass(this.#stack, this.#now, this.#now + wait);
      this.#now += wait;
      this.#learn();
    }
    for (const link of this.#links) {
      link.full = false;
      this.#stack.handleWritable(this.#now, link);
    }
    this.#stack.close(this.#now);
    for (const socket of this.#sockets.keys()) socket.close(this.#now);
    this.#stack.flush(this.#now);
    pass(this.#stack, this.#now, this.#now + 2000e6);
    const left = [this.#stack.usage()];
    const bytesLeft = host_usage(this.#stack.wasm, L.USAGE_BYTES) - this.#idle;
    this.#stack.free();
    const sent = this.#count;
    const connections = this.#connections;
    return { left, bytesLeft, faults: this.#faults, sent, connections, wrong: [] };
  }

  /** One packet. */
  #one(): void {
    const draws = this.#draws;
    const link = draws.below(3);
    const kind = draws.below(100);
    if (kind < 5) this.#call(link);
    else if (kind < 20 && this.#seen.length > 0) {
      const seen = draws.of(this.#seen);
      const bytes = mutate(draws.chance(0.8) ? turned(seen) : seen, draws);
      if (draws.chance(0.9)) seal(bytes, true);
      this.#put(link, bytes, draws.chance(0.5));
    } else if (kind < 22) this.#put(link, noise(draws), draws.chance(0.5));
    else {
      const flows = [...this.#flows.values()];
      if (flows.length === 0) return this.#call(link);
      const late = Math.min(30, flows.length);
      const flow = draws.chance(0.7) ? flows.at(-1 - draws.below(late))! : draws.of(flows);
      this.#put(flow.link, draws.of(this.#peers).next(flow, this.#now).bytes, true);
    }
  }

  #put(link: number, bytes: Uint8Array, verified: boolean): void {
    put(this.#stack, this.#links[link]!, bytes, verified, this.#now);
  }

  /** A SYN: by the rules, or nearly. */
  #call(link: number): void {
    const draws = this.#draws;
    const host = (last: number): number[] =>
      link === 2 ? [0xfd, ...new Array(14).fill(0), last] : [10, 0, link, last];
    const ends = {
      source: host(2),
      destination: host(1),
      sourcePort: 20000 + this.#port++ % 500,
      destinationPort: draws.of([80, 80, 80, 81, 443]),
    };
    if (draws.chance(0.7)) {
      const join = this.#session.theirs !== null && draws.chance(0.5);
      const session = join ? this.#session : new Session();
      const flow = this.#add(ends, link, session, "peer", join);
      this.#put(link, draws.of(this.#peers).next(flow, this.#now).bytes, true);
      return;
    }
    const options: number[] = [];
    if (draws.chance(0.8)) options.push(2, 4, ...two(draws.of([1460, 88, 1, 0, 65535, 536])));
    if (draws.chance(0.7)) options.push(4, 2);
    if (draws.chance(0.7)) options.push(8, 10, ...four(draws.word()), 0, 0, 0, 0);
    if (draws.chance(0.7)) options.push(3, 3, draws.below(20));
    const kind = draws.below(4);
    const token = this.#session.theirs?.token ?? 0;
    if (kind === 1) options.push(30, 4, draws.below(3), draws.of([1, 0x81, 0x21, 0xff]));
    else if (kind > 1) options.push(30, 12, 0x10, draws.below(20), ...four(token), 1, 2, 3, 4);
    const flags = L.TCP_SYN | (draws.chance(0.05) ? draws.below(64) : 0);
    const window = draws.below(65536);
    const payload = draws.chance(0.05) ? draws.below(200) : 0;
    const segment = { seq: draws.word(), ack: 0, flags, window, options, payload };
    const { bytes } = rawPacket(ends, segment);
    seal(bytes, true);
    this.#put(link, bytes, false);
  }

  #add(
    ends: Flow["ends"],
    link: number,
    session: Session,
    opener: "stack" | "peer",
    join: boolean,
  ): Flow {
    const iss = this.#draws.word() | 0;
    const flow = new Flow({
      ends,
      link,
      session,
      place: join ? 1 : 0,
      opener,
      join,
      iss,
      shift: 0,
      turns: false,
    });
    const key = `${link} ${ends.destinationPort} ${ends.sourcePort}`;
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    if (this.#flows.size > FLOWS) this.#flows.delete(this.#flows.keys().next().value!);
    return flow;
  }

  /** Takes in what the stack has sent. */
  #learn(): void {
    for (const { bytes, link: name } of this.#sent.splice(0)) {
      this.#count++;
      if (this.#seen.length < SEEN) this.#seen.push(bytes);
      else this.#seen[this.#draws.below(SEEN)] = bytes;
      u8.set(bytes, BUFFER);
      if (packet_parse(0, BUFFER, bytes.length, 0) !== L.PARSE_OK) {
        throw new Error(`a malformed packet was sent: ${bytes}`);
      }
      const flags = u32[L.RX_FLAGS]!;
      if (u32[L.RX_PROTOCOL] !== 6) continue;
      const link = Number(name.at(-1));
      const localPort = u32[L.RX_SOURCE_PORT]!;
      const remotePort = u32[L.RX_DEST_PORT]!;
      const key = `${link} ${localPort} ${remotePort}`;
      if (flags & L.TCP_RST) {
        this.#flows.delete(key);
        continue;
      }
      let flow = this.#flows.get(key);
      if (flow === undefined) {
        if (!(flags & L.TCP_SYN)) continue;
        const size = u32[L.RX_FAMILY] === 4 ? 4 : 16;
        const source = [...u8.subarray(L.RX_DEST << 2, (L.RX_DEST << 2) + size)];
        const destination = [...u8.subarray(L.RX_SOURCE << 2, (L.RX_SOURCE << 2) + size)];
        const ends = { source, destination, sourcePort: remotePort, destinationPort: localPort };
        const join = optionAt(MP_JOIN) !== 0;
        const opener = flags & L.TCP_ACK ? "peer" : "stack";
        flow = this.#add(ends, link, join ? this.#session : new Session(), opener, join);
      }
      if (flags & L.TCP_SYN) flow.shakes(MANNERS);
      flow.hears();
      flow.acked = Math.max(flow.acked, (u32[L.RX_ACK]! - flow.iss) | 0);
      if (flow.session.theirs !== null) this.#session = flow.session;
    }
  }

  /** The application does something. */
  #act(): void {
    const draws = this.#draws;
    const sockets = [...this.#sockets.keys()];
    const kind = draws.below(12);
    for (const [socket, over] of this.#sockets) if (over) this.#drop(socket);
    if (kind === 0 || sockets.length < 3) this.#dial();
    else {
      const socket = draws.of(sockets);
      if (kind < 5) socket.write(this.#now, JUNK, 65000 + draws.below(5000));
      else if (kind < 7) socket.read(this.#now, JUNK);
      else if (kind === 7) socket.finish(this.#now);
      else if (kind === 8) this.#drop(socket);
      else if (kind === 9 && draws.chance(0.3)) {
        socket.abort(this.#now);
        this.#drop(socket);
      } else if (kind === 10) socket.discard(this.#now);
      else if (kind === 11) this.#fill();
      if (sockets.length > HELD) this.#drop(draws.of(sockets));
    }
    this.#stack.flush(this.#now);
  }

  #drop(socket: MetaSocket): void {
    socket.close(this.#now);
    this.#sockets.delete(socket);
  }

  #fill(): void {
    this.#links[this.#draws.below(3)]!.full = this.#draws.chance(0.2);
    for (const link of this.#links) if (!link.full) this.#stack.handleWritable(this.#now, link);
  }

  #dial(): void {
    const address = this.#draws.of(["10.0.0.2", "10.0.1.2", "fd00::2"]);
    const port = 1000 + this.#draws.below(3);
    try {
      this.#hold((observer) =>
        this.#stack.connect(this.#now, { remote: { address, port }, observer })
      );
    } catch (error) {
      if (!(error instanceof StackError)) throw error;
    }
  }
}

/** One end of a stream that is checked. */
class Checked implements ConnectionObserver {
  readonly side: "stack" | "peer";
  readonly #clock: { readonly now: Micros };
  socket: MetaSocket | null = null;
  written = 0;
  read = 0;
  wrong = 0;
  over = false;

  constructor(side: "stack" | "peer", clock: { readonly now: Micros }) {
    this.side = side;
    this.#clock = clock;
  }

  onEstablished(): void {}
  onWritable(): void {}
  onClosed(): void {
    this.over = true;
  }

  onReadable(): void {
    const right = STREAMS[this.side === "stack" ? "peer" : "stack"];
    for (let length = 1; length > 0;) {
      length = this.socket!.read(this.#clock.now, JUNK);
      for (let i = 0; i < length; i++) {
        if (JUNK[i] !== right[(this.read + i) % right.length]) this.wrong++;
      }
      this.read += length;
    }
  }

  write(now: Micros, length: number): void {
    const own = STREAMS[this.side];
    const from = this.written % own.length;
    this.written += this.socket!.write(now, own.subarray(from, from + length), 0);
  }
}

/** `count` packets of somebody who sees nothing, between two stacks whose connections, two plain and two of MPTCP, must not notice. */
export function fuzzOffPath(count: number, seed: number): Fuzzed {
  return new OffPathFuzz(seed).run(count);
}

class OffPathFuzz {
  now: Micros = 1e6;
  readonly #draws: Draws;
  readonly #faults: PluginFault[] = [];
  readonly #stacks: readonly [Stack, Stack, Stack];
  readonly #sent: Sent[] = [];
  readonly #coming: { at: Micros; bytes: Uint8Array }[] = [];
  readonly #seen: Uint8Array[] = [];
  /** By the last two octets of an address. */
  readonly #ways = new Map<string, { stack: Stack; link: ScriptedLink }>();
  readonly #ends: Checked[] = [];
  #count = 0;

  constructor(seed: number) {
    const draws = this.#draws = new Draws(seed);
    const stack = (name: string, manager: PathManagerPlugin, mptcp: boolean): Stack =>
      stackOf(seed, name, draws, manager, mptcp, this.#faults);
    const client = stack("client", fullMesh(), true);
    const server = stack("server", passive(), true);
    const plain = stack("plain", passive(), false);
    this.#stacks = [client, server, plain];
    this.#link(client, "10.0.0.1");
    this.#link(client, "10.0.1.1");
    this.#link(plain, "10.0.3.1");
    this.#link(server, "10.0.0.2");
    const listener = server.listen(this.now, {
      port: 80,
      observer: {
        onConnection: () => {
          for (let one = listener.accept(); one !== null; one = listener.accept()) {
            const end = new Checked("peer", this);
            end.socket = one;
            one.observe(end);
            this.#ends.push(end);
            if (one.readable > 0) end.onReadable();
          }
        },
      },
    });
    for (const from of [client, client, plain, plain]) {
      const end = new Checked("stack", this);
      const remote = { address: "10.0.0.2", port: 80 };
      end.socket = from.connect(this.now, { remote, observer: end });
      this.#ends.push(end);
    }
  }

  #link(stack: Stack, address: string): void {
    const link = new ScriptedLink(address, this.#sent, 1500, 1);
    stack.addLink(this.now, link, [`${address}/16`]);
    this.#ways.set(address.slice(5), { stack, link });
  }

  run(count: number): Fuzzed {
    const draws = this.#draws;
    this.#pass(500e3);
    for (let i = 0; i < count; i++) {
      if (i % 1000 === 0) { for (const end of this.#ends) end.write(this.now, 3000); }
      this.#one();
      if (draws.chance(0.25)) this.#pass(1000);
    }
    this.#pass(60e6);
    const wrong: string[] = [];
    const [client] = [this.#ends];
    for (const end of client) {
      if (end.wrong > 0) wrong.push(`${end.wrong} foreign bytes`);
      if (end.over) wrong.push("a connection ended");
    }
    const total = (side: "stack" | "peer", what: "written" | "read"): number =>
      this.#ends.reduce((sum, end) => sum + (end.side === side ? end[what] : 0), 0);
    for (const [from, to] of [["stack", "peer"], ["peer", "stack"]] as const) {
      const lost = total(from, "written") - total(to, "read");
      if (lost !== 0) wrong.push(`${lost} bytes lost on the way to the ${to}`);
    }
    const connections = this.#ends.length;
    for (const stack of this.#stacks) stack.close(this.now);
    for (const { socket } of this.#ends) socket!.close(this.now);
    this.#pass(2000e6);
    const left = this.#stacks.map((stack) => stack.usage());
    for (const stack of this.#stacks) stack.free();
    return { left, bytesLeft: 0, faults: this.#faults, sent: this.#count, connections, wrong };
  }

  /** Lets time pass: 5 ms from stack to stack. */
  #pass(time: Micros): void {
    const until = this.now + time;
    for (;;) {
      for (const stack of this.#stacks) stack.flush(this.now);
      for (const { bytes } of this.#sent.splice(0)) {
        this.#count++;
        if (this.#seen.length < SEEN) this.#seen.push(bytes);
        else this.#seen[this.#draws.below(SEEN)] = bytes;
        this.#coming.push({ at: this.now + 5000, bytes });
      }
      const deadlines = this.#stacks.map((stack) => stack.pollTimeout());
      const next = Math.min(this.#coming[0]?.at ?? Infinity, ...deadlines);
      if (next > until) break;
      this.now = Math.max(this.now, next);
      while (this.#coming.length > 0 && this.#coming[0]!.at <= this.now) {
        const { bytes } = this.#coming.shift()!;
        const way = this.#ways.get(`${bytes[18]}.${bytes[19]}`);
        if (way !== undefined) put(way.stack, way.link, bytes, false, this.now);
      }
      for (const stack of this.#stacks) {
        if (stack.pollTimeout() <= this.now) stack.handleTimeout(this.now);
      }
    }
    this.now = until;
  }

  /** One packet: to a flow that lives, as one that was seen elsewhere, to the listener, or noise. */
  #one(): void {
    const draws = this.#draws;
    const { socket } = draws.of(this.#ends);
    const subflow = draws.of(socket!.subflows);
    const kind = draws.below(10);
    let bytes: Uint8Array;
    let to: string = subflow.local.address;
    const octets = (address: string): number[] => address.split(".").map(Number);
    const { remote, local } = subflow;
    if (kind < 6) {
      const ends = {
        source: octets(remote.address),
        destination: octets(local.address),
        sourcePort: remote.port,
        destinationPort: local.port,
      };
      bytes = rawPacket(ends, this.#guess()).bytes;
    } else if (kind < 8 && this.#seen.length > 0) {
      const seen = draws.of(this.#seen);
      const far = seen.slice();
      const move = 200000 + draws.below(2 ** 31);
      for (const at of [24, 28]) far.set(four(word(far, at) + move), at);
      bytes = mutate(far, draws);
      // What a change has brought back to where it was would be no guess.
      if (bytes.length < 40 || Math.abs(word(bytes, 24) - word(seen, 24) | 0) < 200000) return;
      to = bytes.subarray(16, 20).join(".");
      seal(bytes, true);
    } else if (kind === 8) {
      const ends = {
        source: [10, 0, 7, draws.below(256)],
        destination: octets(local.address),
        sourcePort: draws.below(65536),
        destinationPort: draws.of([80, 80, 81, draws.below(65536)]),
      };
      bytes = rawPacket(ends, this.#guess()).bytes;
    } else bytes = noise(draws);
    const way = this.#ways.get(to.slice(5)) ?? this.#ways.get("0.2")!;
    seal(bytes, true);
    put(way.stack, way.link, bytes, draws.chance(0.5), this.now);
  }

  #guess(): Parameters<typeof rawPacket>[1] {
    const draws = this.#draws;
    const words = (count: number): number[] =>
      Array.from({ length: 4 * count }, () => draws.below(256));
    const options = draws.chance(0.7) ? [1, 1, 8, 10, ...words(2)] : [];
    options.push(...draws.of([
      [30, 20, 0x20, 5, ...words(3), 5, 180, 1, 1],
      [30, 12, 0x70, 0, ...words(2)],
      [30, 12, 0x10, 0, ...words(2)],
      [30, 4, 0x40, 0],
      [30, 16, 0x30, 1, 10, 0, 9, 9, ...words(2)],
      [30, 12, 0x60, 0, ...words(2)],
      [5, 10, ...words(2)],
      [30, 3, 0x51],
      [30, 4, 1, 1],
      [],
      [],
    ]));
    const { TCP_ACK: ack, TCP_RST: rst, TCP_SYN: syn, TCP_FIN: fin } = L;
    return {
      seq: draws.word(),
      ack: draws.word(),
      flags: draws.of([ack, ack | 8, rst, rst | ack, syn, syn | ack, fin | ack, draws.below(64)]),
      window: draws.below(65536),
      options,
      payload: draws.of([0, 0, 1, 100, 1400]),
    };
  }
}
