/**
 * A connection as a `node:stream` Duplex, for everything of Node's that takes a socket: node:http and its agents, TLS, HTTP/2, WebSocket libraries.
 * Outside the graph of mod.ts, which imports nothing of node:stream.
 *
 * @example A server and a client of node:http
 * ```ts
 * import http from "node:http";
 * import { emulate } from "@mptcp/mptcp";
 * import { toDuplex } from "@mptcp/mptcp/node";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * const server = http.createServer((_request, response) => response.end("hello"));
 * const listener = net.server.listen({ port: 80 });
 * listener.accept().then((conn) => server.emit("connection", toDuplex(conn)));
 *
 * const socket = toDuplex(await net.client.connect({ hostname: "server", port: 80 }));
 * const body = await new Promise((resolve) =>
 *   http.get({ host: "server", createConnection: () => socket }, (response) => response.on("data", resolve))
 * );
 * assertEquals(String(body), "hello");
 * socket.destroy();
 * listener.close();
 * ```
 *
 * Deno 2.9 ends a connection after its first response while `server.listening` is false, where Node keeps it for the next request. A server that serves
 * only such connections says so: `Object.defineProperty(server, "listening", { value: true })`.
 *
 * @module
 */

import { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import type { Channel } from "./channel.ts";
import { channelOf, type MptcpConn } from "./conn.ts";

/** Most bytes of one read. */
const CHUNK = 65536;

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** A connection in the shape of Node's `net.Socket`, as far as protocols need it. */
export class MptcpDuplex extends Duplex {
  readonly #conn: MptcpConn;
  readonly #channel: Channel;
  #bytesRead = 0;
  #bytesWritten = 0;
  #timeout = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** As in `net.Socket`: it is connected when it is made. */
  readonly connecting = false;

  /** Use {@linkcode toDuplex}. */
  constructor(conn: MptcpConn) {
    // As the sockets of net.Server: the end of what comes in leaves what goes out open, and the protocol decides.
    super({ allowHalfOpen: true, emitClose: true, autoDestroy: true });
    this.#conn = conn;
    this.#channel = channelOf(conn);
    this.#channel.onFailure((reason) => this.destroy(asError(reason)));
  }

  /** Address of the peer on the first path. */
  get remoteAddress(): string {
    return this.#conn.remoteAddr.hostname;
  }

  /** Port of the peer. */
  get remotePort(): number {
    return this.#conn.remoteAddr.port;
  }

  /** "IPv4" or "IPv6". */
  get remoteFamily(): string {
    return family(this.remoteAddress);
  }

  /** Address of this side on the first path. */
  get localAddress(): string {
    return this.#conn.localAddr.hostname;
  }

  /** Port of this side. */
  get localPort(): number {
    return this.#conn.localAddr.port;
  }

  /** "IPv4" or "IPv6". */
  get localFamily(): string {
    return family(this.localAddress);
  }

  /** Bytes received. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes given to the connection. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Milliseconds of `setTimeout()`; 0 = none. */
  get timeout(): number {
    return this.#timeout;
  }

  /** Address, family and port of this side. */
  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort };
  }

  /**
   * Emits "timeout" when nothing came or went for `milliseconds`; 0 ends that. It counts in real time, as everything of Node's does, also in an emulated
   * network.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
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
    this.#timer = setTimeout(() => this.emit("timeout"), this.#timeout);
    this.#timer.unref();
  }

  /** As `MptcpConn.setNoDelay()`. */
  setNoDelay(noDelay = true): this {
    this.#conn.setNoDelay(noDelay);
    return this;
  }

  /** As `MptcpConn.setKeepAlive()`. */
  setKeepAlive(keepAlive = false, _initialDelay?: number): this {
    this.#conn.setKeepAlive(keepAlive);
    return this;
  }

  /** Makes the program wait for the connection. */
  ref(): this {
    this.#conn.ref();
    return this;
  }

  /** Lets the program end although the connection is open. */
  unref(): this {
    this.#conn.unref();
    return this;
  }

  /** Ends the connection at once on both sides. */
  resetAndDestroy(): this {
    this.destroy(); // first, so that the abort is no error of the stream
    this.#channel.abort();
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
    this.#channel.readChunk(CHUNK).then((chunk) => {
      this.#touch();
      if (chunk === null) return void this.push(null);
      this.#bytesRead += chunk.byteLength;
      this.push(Buffer.from(chunk.buffer, 0, chunk.byteLength));
    }, (reason) => {
      // Closed on this side, with its host perhaps: the stream ends too, and that is no error.
      if (this.#channel.closed) this.destroy();
      else if (!this.destroyed) this.destroy(asError(reason));
    });
  }

  /** Writes; called by the stream. */
  override _write(
    chunk: Uint8Array,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    this.#bytesWritten += chunk.byteLength;
    this.#channel.write(chunk).then(() => {
      this.#touch();
      callback();
    }, (reason) => callback(asError(reason)));
  }

  /** Writes several pieces at once; called by the stream. */
  override _writev(
    chunks: { chunk: Uint8Array; encoding: string }[],
    callback: (error?: Error | null) => void,
  ): void {
    // A head and a body in one piece: two writes would leave as two segments.
    const all = chunks.length === 1 ? chunks[0]!.chunk : Buffer.concat(chunks.map((c) => c.chunk));
    this._write(all, "buffer", callback);
  }

  /** Sends the end; called by the stream. */
  override _final(callback: (error?: Error | null) => void): void {
    this.#channel.closeWrite().then(() => callback(), (reason) => callback(asError(reason)));
  }

  /** Closes the connection; called by the stream. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#conn.close();
    callback(error);
  }
}

function family(address: string): string {
  return address.includes(":") ? "IPv6" : "IPv4";
}

/**
 * Makes a Node stream of a connection, which belongs to it from then on: destroying the stream closes the connection, and `conn.read()` and
 * `conn.write()` are not to be used beside it.
 *
 * @throws {TypeError} `conn` is not a connection of this library.
 */
export function toDuplex(conn: MptcpConn): MptcpDuplex {
  try {
    channelOf(conn);
  } catch {
    throw new TypeError(
      "Cannot make a Duplex as 'conn' must be an MptcpConn: use Duplex.fromWeb() for other streams",
    );
  }
  return new MptcpDuplex(conn);
}
