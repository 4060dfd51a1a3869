/** A connection as a socket of Node. */

import { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import process from "node:process";
import type { Channel } from "./channel.ts";
import { channelOf, MptcpConn } from "./conn.ts";

/** Most bytes of one read. */
const CHUNK = 65536;
/** Bytes that fill() sends in one turn of the event loop. */
const TURN = 1048576;
/** Most seconds of silence before a probe. */
const LONGEST_SILENCE = 32767;
/** Most milliseconds of a timer of Node's. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Node's codes for the classes of `Deno.errors` that a connection gives. */
const CODES: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  BrokenPipe: "EPIPE",
  ConnectionAborted: "ECONNABORTED",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  NetworkUnreachable: "ENETUNREACH",
  NotFound: "ENOTFOUND",
  TimedOut: "ETIMEDOUT",
};

/** The error of a call, with the code that programs for Node look at. */
function asError(reason: unknown, syscall: string): Error {
  if (!(reason instanceof Error)) return new Error(String(reason));
  const code = CODES[reason.name];
  if (code === undefined || "code" in reason || !Object.isExtensible(reason)) return reason;
  return Object.assign(reason, { code, syscall });
}

/** What is done once the connection is open. */
interface Later {
  run(conn: MptcpConn, channel: Channel): void;
  fail(error: Error): void;
}

/** What opens connections: a host of this library, `net.client` for instance. */
export interface Dialer {
  /** As `Host.connect()`. */
  connect(options: {
    hostname: string;
    port: number;
    localAddress?: string;
    signal?: AbortSignal;
  }): Promise<MptcpConn>;
}

/** What of `net.Socket.connect()`'s options there is here. Others are for others, as agents hand on all that they were given. */
export interface SocketConnectOptions {
  /** From 1 to 65,535. */
  port: number | string;
  /** Name or address of the peer. @default "localhost" */
  host?: string | null | undefined;
  /** Name or address of the peer, where there is no `host`. */
  hostname?: string | null | undefined;
  /** Address of this side. @default the host chooses */
  localAddress?: string | null | undefined;
  /** As `setNoDelay()`. */
  noDelay?: boolean | undefined;
  /** As `setKeepAlive()`. */
  keepAlive?: boolean | undefined;
  /** Milliseconds, as for `setKeepAlive()`. */
  keepAliveInitialDelay?: number | undefined;
  /** As `setTimeout()`. */
  timeout?: number | undefined;
  /** Ends the attempt, and the connection. */
  signal?: AbortSignal | undefined;
}

/**
 * A connection in the shape of Node's `net.Socket`.
 *
 * @example
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { type MptcpDuplex, toDuplex } from "@mptcp/mptcp/node";
 * import { once } from "node:events";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * using listener = net.server.listen({ port: 80 });
 * const socket: MptcpDuplex = toDuplex(net.client.connect({ hostname: "server", port: 80 }));
 * assertEquals(socket.readyState, "opening");
 * await once(socket, "connect");
 * assertEquals(socket.remotePort, 80);
 * (await listener.accept()).close();
 * socket.destroy();
 * ```
 */
export class MptcpDuplex extends Duplex {
  #conn: MptcpConn | null = null;
  #channel: Channel | null = null;
  readonly #later: Later[] = [];
  #bytesRead = 0;
  #bytesWritten = 0;
  #timeout = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dialer: Dialer | null = null;
  #dialing = true;
  readonly #abandon = new AbortController();

  /** Use {@linkcode toDuplex} or {@linkcode createSocket}. */
  constructor(conn: MptcpConn | PromiseLike<MptcpConn> | Dialer) {
    // As the sockets of net.Server: the end of what comes in leaves what goes out open, and the protocol decides.
    super({ allowHalfOpen: true, emitClose: false, autoDestroy: true });
    if (conn instanceof MptcpConn) {
      this.#open(conn);
      process.nextTick(() => this.#announce());
    } else if ("then" in conn) {
      this.#await(conn);
    } else {
      this.#dialer = conn;
      this.#dialing = false;
    }
  }

  #await(conn: PromiseLike<MptcpConn>): void {
    Promise.resolve(conn).then((open) => this.#open(open)).then(
      () => process.nextTick(() => this.#announce()),
      (reason) => this.destroy(asError(reason, "connect")),
    );
  }

  /**
   * Opens the connection of a socket that {@linkcode createSocket} made: "connect" and "ready" follow, or "error". What was written before waits for it.
   *
   * @throws {TypeError} it is no such socket, or it has been called before, or a port is missing.
   */
  connect(options: SocketConnectOptions, listener?: () => void): this;
  /** The same, by port and host. */
  connect(port: number, host?: string, listener?: () => void): this;
  /** The same, by port. */
  connect(port: number, listener?: () => void): this;
  connect(
    to: SocketConnectOptions | number,
    ...rest: readonly (string | (() => void) | undefined)[]
  ): this {
    const listener = rest.find((value) => typeof value === "function");
    const named = rest.find((value) => typeof value === "string");
    const options = typeof to === "object"
      ? to
      : named === undefined
      ? { port: to }
      : { port: to, host: named };
    const port = Number(options.port);
    if (!(Number.isInteger(port) && port >= 1 && port <= 65535)) {
      throw new TypeError(
        `Cannot connect as 'port' must be a whole number from 1 to 65,535: current value is ${
          String(options.port)
        }`,
      );
    }
    if (this.#dialer === null || this.#dialing) {
      throw new TypeError(
        "Cannot connect as this socket has its connection: make another one by createSocket(host)",
      );
    }
    this.#dialing = true;
    if (listener !== undefined) this.once("connect", listener);
    const { noDelay, keepAlive, keepAliveInitialDelay, timeout, signal } = options;
    if (noDelay !== undefined) this.setNoDelay(noDelay);
    if (keepAlive) this.setKeepAlive(true, keepAliveInitialDelay);
    if (timeout !== undefined) this.setTimeout(timeout);
    const give = (): void => void this.destroy(asError(signal?.reason, "connect"));
    if (signal?.aborted) give();
    else signal?.addEventListener("abort", give);
    this.once("close", () => signal?.removeEventListener("abort", give));
    const hostname = options.host ?? options.hostname ?? "localhost";
    const { localAddress } = options;
    this.#await(this.#dialer.connect({
      hostname,
      port,
      ...(localAddress && { localAddress }),
      signal: this.#abandon.signal,
    }));
    return this;
  }

  #open(conn: MptcpConn): void {
    if (!(conn instanceof MptcpConn)) throw notConnection();
    if (this.destroyed) return conn.close();
    const channel = channelOf(conn);
    this.#conn = conn;
    this.#channel = channel;
    channel.onFailure((reason) => this.destroy(asError(reason, "read")));
    this.#touch();
    for (const { run } of this.#later.splice(0)) run(conn, channel);
  }

  /** Programs that were handed the socket before it was open, or that do not ask, wait for "connect". */
  #announce(): void {
    if (this.destroyed) return;
    this.emit("connect");
    this.emit("ready");
  }

  /** Does it now, or when the connection is open. */
  #whenOpen(run: Later["run"], fail: Later["fail"] = () => {}): void {
    if (this.#conn !== null && this.#channel !== null) run(this.#conn, this.#channel);
    else this.#later.push({ run, fail });
  }

  /** As in `net.Socket`: whether the connection is still being opened. */
  get connecting(): boolean {
    return this.#conn === null && this.#dialing && !this.destroyed;
  }

  /** As in `net.Socket`: whether it is not open yet, or no more. */
  get pending(): boolean {
    return this.#conn === null || this.destroyed;
  }

  /** As in `net.Socket`. */
  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) return "opening";
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  /** Address of the peer on the first path; undefined before it is open. */
  get remoteAddress(): string | undefined {
    return this.#conn?.remoteAddr.hostname;
  }

  /** Port of the peer; undefined before it is open. */
  get remotePort(): number | undefined {
    return this.#conn?.remoteAddr.port;
  }

  /** "IPv4" or "IPv6"; undefined before it is open. */
  get remoteFamily(): string | undefined {
    return family(this.remoteAddress);
  }

  /** Address of this side on the first path; undefined before it is open. */
  get localAddress(): string | undefined {
    return this.#conn?.localAddr.hostname;
  }

  /** Port of this side; undefined before it is open. */
  get localPort(): number | undefined {
    return this.#conn?.localAddr.port;
  }

  /** "IPv4" or "IPv6"; undefined before it is open. */
  get localFamily(): string | undefined {
    return family(this.localAddress);
  }

  /** Bytes received. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes written, those included which the connection has not taken yet. */
  get bytesWritten(): number {
    return this.#bytesWritten + this.writableLength;
  }

  /** As `writableLength`, which took its place in Node. */
  get bufferSize(): number {
    return this.writableLength;
  }

  /** Milliseconds of `setTimeout()`; 0 = none. */
  get timeout(): number {
    return this.#timeout;
  }

  /** Address, family and port of this side; empty before it is open. */
  address(): { address?: string; family?: string; port?: number } {
    const { localAddress: address, localFamily: family, localPort: port } = this;
    return address === undefined || family === undefined || port === undefined
      ? {}
      : { address, family, port };
  }

  /**
   * Emits "timeout" when nothing came or went for `milliseconds`; 0 ends that. The connection goes on unless the program ends it. It counts in real time,
   * as everything of Node's does, also in an emulated network, and does not keep the program running.
   *
   * @throws {RangeError} `milliseconds` is not a number from 0.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (typeof milliseconds !== "number" || !(milliseconds >= 0 && milliseconds < Infinity)) {
      throw new RangeError(
        `Cannot set a timeout as it must be a number of milliseconds from 0: current value is ${
          String(milliseconds)
        }`,
      );
    }
    this.#timeout = milliseconds;
    if (callback !== undefined) {
      if (milliseconds === 0) this.off("timeout", callback);
      else this.once("timeout", callback);
    }
    this.#touch();
    return this;
  }

  #touch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#timeout <= 0 || this.destroyed) return;
    this.#timer = setTimeout(() => this.emit("timeout"), Math.min(this.#timeout, LONGEST_TIMER));
    this.#timer.unref();
  }

  /** As `MptcpConn.setNoDelay()`. */
  setNoDelay(noDelay = true): this {
    this.#whenOpen((conn) => conn.setNoDelay(!!noDelay));
    return this;
  }

  /**
   * As `MptcpConn.setKeepAlive()`. With an `initialDelay` of a second or more, in milliseconds, the first probe follows after that silence, and nine more
   * a second apart, as Node has it; else times are those of the connection.
   */
  setKeepAlive(keepAlive = false, initialDelay = 0): this {
    const seconds = Math.min(Math.floor(initialDelay / 1000), LONGEST_SILENCE);
    this.#whenOpen((conn) =>
      conn.setKeepAlive(
        !!keepAlive,
        seconds >= 1 ? { idle: `${seconds} s`, interval: "1 s", count: 10 } : undefined,
      )
    );
    return this;
  }

  /** Makes the program wait for the connection. */
  ref(): this {
    this.#whenOpen((conn) => conn.ref());
    return this;
  }

  /** Lets the program end although the connection is open. */
  unref(): this {
    this.#whenOpen((conn) => conn.unref());
    return this;
  }

  /** Ends the connection at once on both sides. */
  resetAndDestroy(): this {
    this.destroy(); // first, so that the abort is no error of the stream
    this.#channel?.abort();
    return this;
  }

  /** Ends it when all that was written is sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", this.destroy);
  }

  /** Reads on; called by the stream. */
  override _read(): void {
    this.#whenOpen((_, channel) => {
      channel.readChunk(CHUNK).then((chunk) => {
        this.#touch();
        if (chunk === null) return void this.push(null);
        this.#bytesRead += chunk.byteLength;
        this.push(Buffer.from(chunk.buffer, 0, chunk.byteLength));
      }, (reason) => {
        // Closed on this side, with its host perhaps: the stream ends too, and that is no error.
        if (channel.closed) this.destroy();
        else if (!this.destroyed) this.destroy(asError(reason, "read"));
      });
    });
  }

  /** Writes; called by the stream. */
  override _write(
    chunk: Uint8Array,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    this.#put([chunk], callback);
  }

  /** Writes several pieces at once; called by the stream. */
  override _writev(
    chunks: { chunk: Uint8Array; encoding: string }[],
    callback: (error?: Error | null) => void,
  ): void {
    // A head and a body at once, and all that was written between cork() and uncork(): several writes would leave as several segments.
    this.#put(chunks.map(({ chunk }) => chunk), callback);
  }

  /**
   * Sends `bytes` bytes behind all that was written to the stream, from where `use` writes them straight into the send queue: see {@linkcode MptcpConn.fill}.
   * It is called as often as it takes; the event loop has a turn now and then. Resolves when the last is in the send queue; nothing else is to be written until then.
   *
   * @throws {Error} `use` has answered 0 before they were complete: it has no more.
   * @throws {RangeError} It has answered more than the length of its view; the bytes of that view are not sent.
   */
  async fill(bytes: number, use: (view: Uint8Array<ArrayBuffer>) => number): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      void this.write(new Uint8Array(), (error) => error ? reject(error) : resolve())
    );
    const channel = this.#channel!;
    for (let left = bytes, turn = 0; left > 0;) {
      await channel.untilWritable();
      let none = false;
      const done = channel.fill((view) => {
        const part = left < view.length ? view.subarray(0, left) : view;
        const bytes = use(part);
        none = bytes === 0;
        // There may be room behind the view: the peer would take what lies there for what follows.
        if (bytes > part.length) {
          throw new RangeError(
            `Cannot fill as the callback must return how many bytes it has written, an integer from 0 to ${part.length}: it returned ${bytes}`,
          );
        }
        return bytes;
      });
      if (none) throw new Error(`Cannot fill as there were only ${bytes - left} of ${bytes} bytes`);
      left -= done;
      this.#bytesWritten += done;
      this.#touch();
      turn += done;
      if (turn < TURN) continue;
      turn = 0;
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }

  #put(parts: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    this.#whenOpen((_, channel) => {
      this.#touch();
      channel.writev(parts).then((bytes) => {
        this.#touch();
        this.#bytesWritten += bytes;
        callback();
      }, (reason) => callback(asError(reason, "write")));
    }, callback);
  }

  /** Sends the end; called by the stream. */
  override _final(callback: (error?: Error | null) => void): void {
    this.#whenOpen((_, channel) => {
      channel.closeWrite().then(() => callback(), (reason) => {
        // Closed on this side, with its host perhaps: there is nobody to tell of the end, and that is no error.
        if (channel.closed) {
          this.destroy();
          callback();
        } else callback(asError(reason, "shutdown"));
      });
    }, callback);
  }

  /** Closes the connection; called by the stream. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#abandon.abort();
    this.#conn?.close();
    for (const { fail } of this.#later.splice(0)) fail(error ?? closedBeforeOpen());
    callback(error);
    // As net.Socket, which tells whether there was an error; after that has been told.
    process.nextTick(() => this.emit("close", error !== null));
  }
}

function notConnection(): TypeError {
  return new TypeError(
    "Cannot make a Duplex as 'conn' must be an MptcpConn, or a promise of one: use Duplex.fromWeb() for other streams",
  );
}

function closedBeforeOpen(): Error {
  const message = "Cannot write as the socket was closed before the connection was open";
  return Object.assign(new Error(message), { code: "ERR_SOCKET_CLOSED_BEFORE_CONNECTION" });
}

function family(address: string | undefined): string | undefined {
  return address === undefined ? undefined : address.includes(":") ? "IPv6" : "IPv4";
}

/**
 * Makes a Node stream of a connection, which belongs to it from then on: destroying the stream closes the connection, and `conn.read()` and
 * `conn.write()` are not to be used beside it.
 *
 * Of a connection that is still to come it makes a stream at once, for what must return one: `createConnection` of an agent, the stream builder of a
 * client. What is written waits; "connect" and "ready" follow, or "error". Destroying it closes the connection when it comes; a `signal` given to
 * `connect()` ends the attempt.
 *
 * @example
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { toDuplex } from "@mptcp/mptcp/node";
 * import { once } from "node:events";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * using listener = net.server.listen({ port: 80 });
 * const socket = toDuplex(net.client.connect({ hostname: "server", port: 80 }));
 * socket.write("hello");
 * await once(socket, "connect");
 * const peer = toDuplex(await listener.accept());
 * if (String(await once(peer, "data")) !== "hello") throw new Error("something else came");
 * socket.destroy();
 * peer.destroy();
 * ```
 *
 * @throws {TypeError} `conn` is not a connection of this library, nor a promise.
 */
export function toDuplex(conn: MptcpConn | PromiseLike<MptcpConn>): MptcpDuplex {
  if (
    conn instanceof MptcpConn || typeof (conn as { then?: unknown } | null)?.then === "function"
  ) {
    return new MptcpDuplex(conn);
  }
  throw notConnection();
}

/**
 * Makes a socket that is not connected, for programs that call `socket.connect(port, host)` themselves: the `stream` of pg, for instance.
 *
 * @param host What opens the connection: a host of this library.
 *
 * @example
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { createSocket } from "@mptcp/mptcp/node";
 * import { once } from "node:events";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * using listener = net.server.listen({ port: 5432 });
 * const socket = createSocket(net.client).connect(5432, "server");
 * await once(socket, "connect");
 * (await listener.accept()).close();
 * socket.destroy();
 * ```
 */
export function createSocket(host: Dialer): MptcpDuplex {
  if (typeof host?.connect === "function") return new MptcpDuplex(host);
  throw new TypeError("Cannot make a socket as 'host' must be a host, which has connect()");
}
