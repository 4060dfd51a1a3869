/**
 * A stack between scripted peers, in virtual time: `peer.sends("P. 1:101 ack 1 <…>")` puts a segment in, `peer.gets(". 1 ack 101")` takes out the next
 * one that the stack sent on that flow and compares. Lines are those of segment_text.ts. Numbers begin just below 2^32, so that every dialogue wraps.
 */

import { DEFAULT_SETTINGS, type TcpSettings } from "../../core/subflow/settings.ts";
import type { Probe } from "../../core/subflow/probe.ts";
import { assert, assertEquals } from "@std/assert";
import { reno } from "../../cc/mod.ts";
import type {
  ConnectionObserver,
  EndReason,
  MemoryLimits,
  NetworkCode,
} from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { Link } from "../../core/host/link.ts";
import type { Listener } from "../../core/host/listener.ts";
import { randomStream, seededRandom } from "../../core/host/random.ts";
import { Stack, type StackUsage } from "../../core/host/stack.ts";
import type { PluginFault } from "../../core/guard/faults.ts";
import type { Policies } from "../../core/guard/policies.ts";
import type { Endpoint, Micros } from "../../core/plugin.ts";
import type { PacketOut } from "../../core/wire/packet.ts";
import { passive } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { u32, u8 } from "../../wasm/mod.ts";
import { RX_DEST, RX_DEST_PORT, RX_SOURCE, RX_SOURCE_PORT } from "../../wasm/layout.ts";
import { type Choices, choose } from "./choices.ts";
import { bytesOf } from "./packets.ts";
import {
  addressText,
  describeRaw,
  type Offer,
  parse,
  PAYLOAD,
  Peer,
  type Sent,
} from "./scripted_peer.ts";
import { Session, stream } from "./segment_codec.ts";

/** A link that keeps what is sent over it. */
export class ScriptedLink implements Link {
  readonly name: string;
  readonly mtu: number;
  readonly maxSegments: number;
  readonly rxVerified = false;
  readonly txChecksum = "full";
  /** Refuses packets. */
  full = false;
  readonly #out: Sent[];

  constructor(name: string, out: Sent[], mtu: number, maxSegments: number) {
    this.name = name;
    this.mtu = mtu;
    this.maxSegments = maxSegments;
    this.#out = out;
  }

  send(packet: Readonly<PacketOut>): boolean {
    if (this.full) return false;
    this.#out.push({ link: this.name, bytes: bytesOf(packet), gsoSize: packet.gsoSize });
    return true;
  }

  attach(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The application of a connection: writes and checks the bytes of `stream()`. */
export class App implements ConnectionObserver {
  /** What it was told, in order, repeats left out. */
  readonly log: string[] = [];
  /** Bytes written and read so far. */
  written = 0;
  got = 0;
  code: NetworkCode | null | undefined;
  reason: EndReason | null = null;
  readonly socket: MetaSocket;
  readonly #dialogue: Dialogue;

  constructor(dialogue: Dialogue, make: (app: App) => MetaSocket) {
    this.#dialogue = dialogue;
    this.socket = make(this);
    this.socket.observe(this);
  }

  onEstablished(): void {
    this.#note("established");
  }

  onReadable(): void {
    this.#note("readable");
  }

  onWritable(): void {
    this.#note("writable");
  }

  onClosed(code: NetworkCode | null, reason: EndReason | null): void {
    this.code = code;
    this.reason = reason;
    this.#note(`closed ${code}`);
  }

  #note(what: string): void {
    if (this.log.at(-1) !== what) this.log.push(what);
  }

  /** Writes the next `length` bytes, `cork`: with more to follow; returns how many were taken. */
  write(length: number, cork = false): number {
    const taken = this.socket.write(
      this.#dialogue.now,
      stream("stack", 1 + this.written, length),
      0,
      cork,
    );
    this.written += taken;
    this.#flush();
    return taken;
  }

  /** Reads at most `most` bytes, checks each, and returns how many there were. */
  read(most = 1e6): number {
    const target = new Uint8Array(most);
    const length = this.socket.read(this.#dialogue.now, target);
    assertEquals(target.subarray(0, length), stream("peer", 1 + this.got, length));
    this.got += length;
    this.#flush();
    return length;
  }

  /** Ends the batch that a verb began. */
  #flush(): void {
    this.#dialogue.stack.flush(this.#dialogue.now);
  }

  finish(): void {
    this.socket.finish(this.#dialogue.now);
    this.#flush();
  }

  close(): void {
    this.socket.close(this.#dialogue.now);
    this.#flush();
  }

  abort(): void {
    this.socket.abort(this.#dialogue.now);
    this.#flush();
  }
}

/** How a dialogue's host is made. */
export interface DialogueOptions {
  readonly family?: 4 | 6;
  readonly mtu?: number;
  readonly maxSegments?: number;
  readonly experiments?: Choices;
  readonly memory?: MemoryLimits;
  /** What is chosen of the TCP engine; a window leaves at once unless it is asked to be paced, and only one address connects unless others are asked to. */
  readonly tcp?: Partial<TcpSettings>;
  /** Its links take packets for any address. */
  readonly transparent?: boolean;
  /** What comes is known to be sound. */
  readonly verified?: boolean;
  /** Told of links whose devices are gone. */
  readonly gone?: (link: Link, last: boolean) => void;
  /** Watches. */
  readonly probe?: Probe;
  readonly policies?: Partial<Policies>;
  /** Every initial number and random word of this host. */
  readonly isn?: number;
  /** Its random words in turn, in place of that. */
  readonly words?: readonly number[];
  /** Keys of the host's connections, upper and lower word in turn. */
  readonly keys?: readonly number[];
}

/** One host, and scripted peers around it. */
export class Dialogue implements Disposable {
  now: Micros = 1e6;
  readonly stack: Stack;
  readonly links: readonly ScriptedLink[];
  readonly faults: PluginFault[] = [];
  readonly sent: Sent[] = [];
  readonly family: 4 | 6;
  readonly #noisy: boolean;
  readonly #verified: boolean;
  #port = 40000;

  constructor(options: DialogueOptions = {}) {
    this.family = options.family ?? 4;
    this.#verified = options.verified === true;
    this.#noisy = options.policies?.pathManager !== undefined;
    const policies: Policies = {
      scheduler: minRtt(),
      pathManager: passive(),
      congestionControl: reno(),
      ...options.policies,
    };
    const { isn = 0xffffff00, words = [isn], keys } = options;
    const random = seededRandom(1);
    let at = 0;
    let word = 0;
    this.stack = new Stack({
      policies,
      fallbacks: { scheduler: minRtt(), pathManager: passive(), congestionControl: reno() },
      random: (name) =>
        name === "nonces"
          ? randomStream(() => words[word++ % words.length]!)
          : name === "keys" && keys !== undefined
          ? randomStream(() => keys[at++ % keys.length]!)
          : random(name),
      report: (fault) => this.faults.push(fault),
      probe: options.probe,
      ...(options.gone === undefined ? {} : { gone: options.gone }),
      ...choose({ isn, ...options.experiments }),
      ...(options.memory === undefined ? {} : { memory: options.memory }),
      tcp: {
        ...DEFAULT_SETTINGS,
        pacing: false,
        connectionAttemptDelay: null,
        ...options.tcp,
      },
    });
    this.links = [0, 1].map((i) =>
      new ScriptedLink(`link${i}`, this.sent, options.mtu ?? 1500, options.maxSegments ?? 1)
    );
    this.links.forEach((link, i) =>
      this.stack.addLink(
        this.now,
        link,
        [`${this.address(i)}/${this.family === 4 ? 24 : 64}`],
        options.transparent,
      )
    );
  }

  /** The stack's address on a link; `host` 2 is the peer's. */
  address(link: number, host = 1): string {
    return this.family === 4 ? `10.0.${link}.${host}` : `fd00:0:0:${link}::${host}`;
  }

  [Symbol.dispose](): void {
    this.stack.free();
  }

  counter(name: string): number {
    return this.stack.counters.get(name);
  }

  get usage(): StackUsage {
    return this.stack.usage();
  }

  listen(port = 80, backlog = 511): Listener {
    return this.stack.listen(this.now, { port, backlog, observer: { onConnection() {} } });
  }

  /** The next connection of a listener. */
  accept(listener: Listener): App {
    const socket = listener.accept();
    assert(socket !== null, "nothing waits to be accepted");
    return new App(this, () => socket);
  }

  /** A connection of the stack, which begins with `data` bytes. */
  connect(port = 80, data = 0): App {
    const app = new App(this, (observer) =>
      this.stack.connect(this.now, {
        remote: { address: this.address(0, 2), port },
        ...(data > 0 && { data: stream("stack", 1, data) }),
        observer,
      }));
    app.written = app.socket.begunWith;
    return app;
  }

  /** A connection of the stack to several addresses. */
  connectTo(ends: { readonly remote: Endpoint; readonly others: readonly Endpoint[] }): App {
    return new App(this, (observer) => this.stack.connect(this.now, { ...ends, observer }));
  }

  /** Lets time pass, and deadlines with it. */
  pass(time: Micros): void {
    const until = this.now + time;
    for (let next = this.stack.pollTimeout(); next <= until; next = this.stack.pollTimeout()) {
      this.now = Math.max(this.now, next);
      this.stack.handleTimeout(this.now);
      this.stack.flush(this.now);
    }
    this.now = until;
  }

  /** Lets time pass until the stack sends something; the time that passed. */
  untilSent(most: Micros = 600e6): Micros {
    const start = this.now;
    assertEquals(this.sent.length, 0, "something was sent before");
    while (this.sent.length === 0) {
      const next = this.stack.pollTimeout();
      assert(next - start <= most, `nothing is sent within ${most} us`);
      this.pass(Math.max(0, next - this.now));
    }
    return this.now - start;
  }

  /** Nothing was sent; where a path manager of the test's own may have spoken, it is taken out. */
  settle(): void {
    if (this.#noisy) this.sent.length = 0;
    this.silent();
  }

  /** Nothing was sent that no `gets` took. */
  silent(): void {
    assertEquals(this.sent.map(({ bytes }) => describeRaw(bytes)), []);
  }

  /** Puts in a packet as it is. */
  inject(bytes: Uint8Array, link = 0, gsoSize = 0, flush = true): void {
    const address = PAYLOAD - (PAYLOAD & 3);
    u8.set(bytes, address);
    const packet = { address, length: bytes.length, gsoSize, verified: this.#verified };
    this.stack.handlePacket(this.now, this.links[link]!, packet);
    if (flush) this.stack.flush(this.now);
  }

  /** A peer that will speak first. */
  peer(options: { link?: number; port?: number; session?: Session; toLink?: number } = {}): Peer {
    const link = options.link ?? 0;
    return new Peer(this, {
      link,
      local: this.address(options.toLink ?? link),
      localPort: options.port ?? 80,
      remote: this.address(link, 2),
      remotePort: this.#port++,
      session: options.session ?? new Session(),
    });
  }

  /** The peer that the first packet not yet taken is for. */
  called(session = new Session()): Peer {
    const first = this.sent[0];
    assert(first !== undefined, "the stack has sent nothing");
    parse(first.bytes);
    const peer = new Peer(this, {
      link: this.links.findIndex(({ name }) => name === first.link),
      local: addressText(RX_SOURCE),
      localPort: u32[RX_SOURCE_PORT]!,
      remote: addressText(RX_DEST),
      remotePort: u32[RX_DEST_PORT]!,
      session,
    });
    return peer;
  }

  /** A peer that opened a connection to `listener`'s port, and the connection. */
  opened(offer: Offer = {}): { peer: Peer; app: App; listener: Listener } {
    const port = offer.port ?? 80;
    const listener = this.listen(port);
    const peer = this.peer({ link: offer.link ?? 0, port });
    const mptcp = offer.mptcp ?? true;
    const a = offer.checksum ? " A" : "";
    const e = offer.ecn ? "E" : "";
    peer.offers(offer, offer.ecn ? "SEW" : "S", mptcp ? [`mpc${a}`] : []);
    peer.gets(`S.${e} 0 ack 1`);
    this.pass(offer.rtt ?? 20e3);
    peer.sends(mptcp ? `. 1 ack 1 <mpc keys${a}>` : ". 1 ack 1");
    const app = this.accept(listener);
    if (mptcp) peer.sends(". 1 ack 1 <dack8 1>");
    this.settle();
    return { peer, app, listener };
  }

  /** A connection of the stack to a peer that took it. */
  dialled(offer: Offer = {}): { peer: Peer; app: App } {
    const app = this.connect(offer.port ?? 80);
    const peer = this.called();
    const mptcp = offer.mptcp ?? true;
    const a = offer.checksum ? " A" : "";
    peer.gets(offer.ecn ? "SEW 0" : "S 0");
    this.pass(offer.rtt ?? 20e3);
    peer.offers(offer, offer.ecn ? "S.E" : "S.", mptcp ? [`mpc key${a}`] : []);
    peer.gets(mptcp ? ". 1 ack 1 <mpc keys>" : ". 1 ack 1 <!mpc>");
    if (mptcp) peer.sends(". 1 ack 1 <dack8 1>");
    this.settle();
    return { peer, app };
  }
}
