/** One connection of a scenario, both ends in hand: what either side wants to send, and what has come at the other. */

import type { NetworkCode } from "../core/connection/host.ts";
import type { MetaSocket } from "../core/connection/meta_socket.ts";
import type { Listener } from "../core/host/listener.ts";
import { StackError } from "../core/host/stack_error.ts";
import type { Micros } from "../core/plugin.ts";
import type { Stage, StageHost } from "./stage.ts";

/** An end of a connection. */
export type Side = "client" | "server";

/** The other end. */
export function otherSide(side: Side): Side {
  return side === "client" ? "server" : "client";
}

/** Bytes that belong together. */
interface Item {
  /** Position of the byte behind its last one. */
  readonly end: number;
  /** Told when all of it was read. */
  readonly delivered: (now: Micros) => void;
}

/** Items that are delivered when they are forgotten. */
const DELIVERED = 64;

/** What goes one way. */
class Way {
  /** Bytes that are to be written, and that were. Infinity: as many as fit. */
  wanted = 0;
  written = 0;
  /** Bytes that were read at the other end, and when the last of them. */
  read = 0;
  lastRead: Micros = 0;
  /** The longest time from one of them to the next. */
  stall: Micros = 0;
  /** No more will be wanted. */
  ends = false;
  ended = false;
  /** Those that are not delivered yet, and a few. */
  readonly items: Item[] = [];
  #next = 0;

  /** Bytes were read. */
  took(bytes: number, now: Micros): void {
    if (this.read > 0 && now - this.lastRead > this.stall) this.stall = now - this.lastRead;
    this.read += bytes;
    this.lastRead = now;
    for (; (this.items[this.#next]?.end ?? Infinity) <= this.read; this.#next++) {
      this.items[this.#next]!.delivered(now);
    }
    if (this.#next < DELIVERED) return;
    this.items.splice(0, this.#next);
    this.#next = 0;
  }
}

/** One end, and what it sends. */
class End {
  readonly host: StageHost;
  readonly way = new Way();
  /** Null: the server has not accepted yet. */
  socket: MetaSocket | null = null;

  constructor(host: StageHost) {
    this.host = host;
  }
}

/** Sees the bytes that one side has read so far. */
export type OnRead = (side: Side, read: number, now: Micros) => void;

/** Bytes after which what is sent begins again: a prime, so that no segment of another place looks the same. */
const PERIOD = 65521;
/** Most bytes of one write. */
const PIECE = 65536;
/** What is sent: the byte at position p is that at p mod PERIOD. */
const SOURCE = new Uint8Array(PERIOD + PIECE);
const FIRST = SOURCE.subarray(0, PIECE);
for (let i = 0, state = 1; i < SOURCE.length; i++) {
  state = Math.imul(state, 48271) & 0x7fffffff;
  SOURCE[i] = i < PERIOD ? state >> 8 : SOURCE[i - PERIOD]!;
}
const TARGET = new Uint8Array(262144);

/** Whether the first `count` bytes of TARGET are those at `position` of what is sent. */
function isSent(position: number, count: number): boolean {
  let from = position % PERIOD;
  for (let i = 0; i < count; i++) {
    if (TARGET[i] !== SOURCE[from]) return false;
    if (++from === PERIOD) from = 0;
  }
  return true;
}
/** The first port that connections of scenarios are made to: each has one of its own, so that both ends are known to belong together. */
const FIRST_PORT = 1024;
const LAST_PORT = 32767;

/** As long as a segment may live in a network (RFC 9293 §3.4.2 asks for two minutes, hosts take one). */
const LINGER: Micros = 60e6;

/** Gives ports, one a connection. */
export class Ports {
  #next = FIRST_PORT;

  /** The next; it begins again at the end, where no old connection is left. */
  take(): number {
    const port = this.#next;
    this.#next = port === LAST_PORT ? FIRST_PORT : port + 1;
    return port;
  }
}

/** A connection. */
export class Flow {
  /** When it was asked for, and when the client had it; -1: it has not. */
  readonly opened: Micros;
  /** The server's. */
  readonly port: number;
  /** When the client was connected; -1: it is not yet. */
  connected: Micros = -1;
  /** How it failed; null: it did not. */
  failed: NetworkCode | null = null;
  /** Whether all that was read is what was sent; true as well where nobody looks. */
  intact = true;
  readonly #stage: Stage;
  readonly #client: End;
  readonly #server: End;
  readonly #onRead: OnRead;
  readonly #verify: boolean;
  readonly #hint: number;
  readonly #onEnd: (flow: Flow) => void;
  #listener: Listener | null = null;
  #ends = 0;
  #ended = false;

  /**
   * Opens it, in an event of its own: a stack is not asked to connect while it tells of something else. `onRead` is told of all that is read, which is compared with what was sent if `verify` is set; `hint` is what the scheduler is told of all that either side writes; `onEnd` when it is over at both ends, or has failed.
   */
  constructor(
    stage: Stage,
    hosts: Readonly<Record<Side, StageHost>>,
    address: string,
    port: number,
    onRead: OnRead,
    verify: boolean,
    hint: number,
    onEnd: (flow: Flow) => void = () => {},
  ) {
    this.#stage = stage;
    this.#client = new End(hosts.client);
    this.#server = new End(hosts.server);
    this.#onRead = onRead;
    this.#verify = verify;
    this.#hint = hint;
    this.#onEnd = onEnd;
    this.port = port;
    this.opened = stage.now;
    stage.at(stage.now, hosts.client, () => this.#connect(address));
  }

  #connect(address: string): void {
    const { port } = this;
    const { host: client } = this.#client;
    const { host: server } = this.#server;
    const { now } = this.#stage;
    try {
      this.#listener = server.stack.listen(now, {
        port,
        observer: { onConnection: () => this.#accept() },
      });
      this.#client.socket = client.stack.connect(now, {
        remote: { address, port },
        observer: this.#observer("client"),
      });
    } catch (error) {
      // The host has no way there, as an interface is down, or no port is free.
      if (!(error instanceof StackError)) throw error;
      this.failed = error.code;
      this.#over();
    }
  }

  /** An end; null: the server has not accepted yet. */
  socket(side: Side): MetaSocket | null {
    return this.#end(side).socket;
  }

  #end(side: Side): End {
    return side === "client" ? this.#client : this.#server;
  }

  /** Nothing more comes of it at either end. */
  get over(): boolean {
    const { socket: client } = this.#client;
    const { socket: server } = this.#server;
    return this.#ended && client?.over !== false && server?.over !== false;
  }

  /** Numbers and calls that are stored. */
  get stored(): number {
    return this.#client.way.items.length + this.#server.way.items.length;
  }

  /** Bytes that have been read of what `side` sent. */
  delivered(side: Side): number {
    return this.#end(side).way.read;
  }

  /** When the last of them was read. */
  lastDelivery(side: Side): Micros {
    return this.#end(side).way.lastRead;
  }

  /** The longest time from one read of what `side` sent to the next. */
  stall(side: Side): Micros {
    return this.#end(side).way.stall;
  }

  /** Has `side` send so many bytes more; `delivered` is told when the other side has read the last of them. */
  send(side: Side, bytes: number, delivered?: (now: Micros) => void): void {
    const { way } = this.#end(side);
    if (way.wanted === Infinity) way.wanted = way.written;
    way.wanted += bytes;
    if (delivered !== undefined) way.items.push({ end: way.wanted, delivered });
    this.#pump(side);
  }

  /** Has `side` send as much as fits, or stop that. */
  flood(side: Side, on: boolean): void {
    const { way } = this.#end(side);
    way.wanted = on ? Infinity : way.written;
    this.#pump(side);
  }

  /** Nothing more comes of `side`: it closes when all that it was to send is sent. */
  finish(side: Side): void {
    this.#end(side).way.ends = true;
    this.#pump(side);
  }

  /** Ends both ends, at once. */
  abort(): void {
    for (const { host, socket } of [this.#client, this.#server]) {
      host.sim.touch();
      socket?.abort(this.#stage.now);
    }
    this.#listener?.close(this.#stage.now);
  }

  #over(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener?.close(this.#stage.now);
    this.#onEnd(this);
  }

  #accept(): void {
    const socket = this.#listener?.accept() ?? null;
    if (socket === null) return;
    this.#server.socket = socket;
    this.#listener?.close(this.#stage.now);
    socket.observe(this.#observer("server"));
    this.#pump("server");
    this.#take("server");
  }

  #observer(side: Side) {
    return {
      onEstablished: () => {
        if (side === "client") this.connected = this.#stage.now;
        this.#pump(side);
      },
      onReadable: () => this.#take(side),
      onWritable: () => this.#pump(side),
      onClosed: (code: NetworkCode | null) => {
        if (code !== null) this.failed ??= code;
        // Who holds a connection that is over keeps its buffers.
        this.#end(side).socket?.close(this.#stage.now);
        // A client that was refused has no peer to be over, too.
        this.#ends += this.#server.socket === null ? 2 : 1;
        // What failed at one end is over: the other may wait for ever for something to come.
        if (this.#ends >= 2 || code !== null) this.#over();
        if (code !== null) this.#leave(otherSide(side));
      },
    };
  }

  /** The other end has failed: `side` waits for nothing once what was on its way has come. */
  #leave(side: Side): void {
    const { host, socket } = this.#end(side);
    if (socket === null || socket.over) return;
    this.#stage.at(this.#stage.now + LINGER, host, () => socket.abort(this.#stage.now));
  }

  #pump(side: Side): void {
    const { host, socket, way } = this.#end(side);
    if (socket === null || way.ended) return;
    if (side === "client" && this.connected < 0) return;
    host.sim.touch();
    const { now } = this.#stage;
    while (way.written < way.wanted) {
      const piece = Math.min(PIECE, way.wanted - way.written);
      // Where nobody looks, no view is made for each write.
      const from = this.#verify ? way.written % PERIOD : 0;
      const whole = from === 0 && piece === PIECE;
      const source = whole ? FIRST : SOURCE.subarray(from, from + piece);
      const taken = socket.write(now, source, 0, false, this.#hint);
      way.written += taken;
      if (taken < piece) return;
    }
    if (!way.ends) return;
    way.ended = true;
    socket.finish(now);
  }

  #take(side: Side): void {
    const { socket, way: own } = this.#end(side);
    if (socket === null) return;
    const { now } = this.#stage;
    const { way } = this.#end(otherSide(side));
    for (let count = TARGET.length; count === TARGET.length;) {
      // What nobody compares nobody need copy.
      count = this.#verify ? socket.read(now, TARGET) : socket.skip(now, TARGET.length);
      if (count === 0) break;
      if (this.#verify && this.intact) this.intact = isSent(way.read, count);
      // First, as what was delivered may lead to the next request, and that to more.
      this.#onRead(side, way.read + count, now);
      way.took(count, now);
    }
    if (!socket.atEnd || own.ends) return;
    // Who has heard all closes, as servers and clients do.
    this.finish(side);
  }
}
