/** A connection as applications hold it. */

import type { CongestionControlPlugin, Micros, PathContext, SchedulerPlugin } from "../plugin.ts";
import type { NetAddr } from "./address.ts";
import type { Channel } from "./channel.ts";
import { connectionInfo } from "./info.ts";
import type { ConnInfo } from "./info.ts";
import { checkPlugin } from "./load_plugin.ts";
import { DEFAULT_KEEP_ALIVE } from "../subflow/settings.ts";
import { wholeNumber } from "./option_checks.ts";
import { checkOptions, describe } from "./policies.ts";
import { readableOf, writableOf } from "./streams.ts";
import { checkLowWater, type KeepAliveOptions, keepAliveTimes } from "./tcp_options.ts";

/** What waits at the end of `await using conn` unless told otherwise: 10 seconds in microseconds. */
export const DEFAULT_LINGER: Micros = 10e6;

let channelGetter: (conn: MptcpConn) => Channel;
let maker: (channel: Channel, linger: Micros) => MptcpConn;

/** Makes the connection that an application holds. */
export function makeConn(channel: Channel, linger: Micros): MptcpConn {
  return maker(channel, linger);
}

/** The state behind `conn`, for the other modules of this folder. */
export function channelOf(conn: MptcpConn): Channel {
  return channelGetter(conn);
}

/** Options for {@linkcode MptcpConn.write}, {@linkcode MptcpConn.writev} and {@linkcode MptcpConn.fill}. */
export interface WriteOptions {
  /**
   * More follows at once: what of these bytes is less than a segment waits for the next write without `cork`, an empty one included, for closeWrite(), or
   * for 200 ms (MSG_MORE in Linux).
   *
   * @default {false}
   *
   * @example A head and a body in as few segments as can be
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   *
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * await conn.write(new TextEncoder().encode("length 5\n"), { cork: true });
   * await conn.write(new TextEncoder().encode("hello"));
   * ```
   */
  readonly cork?: boolean;
  /**
   * A number for the scheduler: a class, a priority, a deadline, whatever both agree on; it sees it, and when the bytes were written, on each
   * {@linkcode Chunk}. Bytes of different hints never share a chunk. The built-in schedulers heed none.
   *
   * @default {0}
   *
   * @example A scheduler that keeps what is urgent on the fastest path
   * ```ts
   * import { emulate, type SchedulerPlugin } from "@mptcp/mptcp";
   *
   * const urgentFirst: SchedulerPlugin = {
   *   kind: "scheduler",
   *   name: "urgent_first",
   *   create: ({ subflows }) => ({
   *     pick(ready, { hint }) {
   *       const from = hint > 0 ? subflows : ready;
   *       return from.reduce((a, b) => a.srtt <= b.srtt ? a : b);
   *     },
   *   }),
   * };
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * using conn = await net.client.connect({ hostname: "server", port: 80, scheduler: urgentFirst });
   * await conn.write(new TextEncoder().encode("stop"), { hint: 1 });
   * ```
   */
  readonly hint?: number;
  /**
   * Bytes of the message that begins with these, and that further writes complete: an integer from their number on. A scheduler that knows how much is left
   * gives no byte to a slow path that would hold up the end ({@linkcode ConnectionView.left}). A message that is one write need not say so.
   *
   * @default {the bytes of this write}
   *
   * @example A body of known length in pieces
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   *
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * await conn.write(new Uint8Array(1000), { message: 3000 });
   * await conn.write(new Uint8Array(2000));
   * ```
   */
  readonly message?: number;
}

const WRITE_OPTIONS: Readonly<Record<keyof WriteOptions, true>> = {
  cork: true,
  hint: true,
  message: true,
};

function checkWrite(options: WriteOptions, bytes: number): Required<WriteOptions> {
  checkOptions("write", options, WRITE_OPTIONS);
  const { cork = false, hint = 0 } = options;
  if (typeof cork !== "boolean") {
    throw new TypeError(
      `Cannot write as 'cork' must be true or false: current value is ${describe(cork)}`,
    );
  }
  if (typeof hint !== "number" || !Number.isFinite(hint)) {
    throw new TypeError(
      `Cannot write as 'hint' must be a finite number: current value is ${describe(hint)}`,
    );
  }
  const message =
    wholeNumber("write", "message", options.message, bytes, Number.MAX_SAFE_INTEGER) ?? 0;
  return { cork, hint, message };
}

/** What is switched on or off: an object, such as options in the wrong place, is neither. */
function checkSwitch(what: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`Cannot ${what} must be true or false: current value is ${describe(value)}`);
}

/**
 * A Multipath TCP connection, shaped like {@linkcode Deno.TcpConn}. `Host.connect()` and `MptcpListener.accept()` give it.
 *
 * - `using conn`: {@linkcode MptcpConn.close}; what was written is still sent, in the background.
 * - `await using conn`: the same, then waits until both sides are done, at most for its `linger` (10 s).
 *
 * After the peer reset it, what had come before can still be read; then calls reject with a `Deno.errors.*`: `ConnectionReset`, `TimedOut`, …
 *
 * @example An echo
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * using listener = net.server.listen({ port: 7 });
 * const echo = listener.accept().then((peer) => peer.readable.pipeTo(peer.writable));
 * await using conn = await net.client.connect({ hostname: "server", port: 7 });
 * await conn.write(new TextEncoder().encode("hello"));
 * await conn.closeWrite();
 * assertEquals(await new Response(conn.readable).text(), "hello");
 * await echo;
 * ```
 */
export class MptcpConn implements Disposable, AsyncDisposable {
  readonly #channel: Channel;
  readonly #linger: Micros;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array<ArrayBufferLike>> | null = null;

  static {
    channelGetter = (conn) => conn.#channel;
    maker = (channel, linger) => new MptcpConn(channel, linger);
  }

  private constructor(channel: Channel, linger: Micros) {
    this.#channel = channel;
    this.#linger = linger;
  }

  /** Address and port of this side on the first path. */
  get localAddr(): NetAddr {
    const { address, port } = this.#channel.socket.localEndpoint;
    return { transport: "tcp", hostname: address, port };
  }

  /** Address and port of the peer on the first path. */
  get remoteAddr(): NetAddr {
    const { address, port } = this.#channel.socket.remoteEndpoint;
    return { transport: "tcp", hostname: address, port };
  }

  /**
   * Reads into `p`: resolves to the number of bytes, at least 1 unless `p` is empty, or to null at the end. Until then `p` is not to be used.
   *
   * @throws {Deno.errors.Busy} a read() is already waiting.
   * @throws {Deno.errors.Interrupted} close() came while it waited.
   * @throws {Deno.errors.BadResource} the connection has been closed.
   */
  read(p: Uint8Array): Promise<number | null> {
    return this.#channel.read(p);
  }

  /**
   * Resolves to the length of `p` when all of it is in the send queue, which holds the caller back when that is full. Calls are served in order. Until
   * then `p` is not to be changed. What of 64 KB or more is left over behind full super-segments leaves with the end of the job at hand, or with what is
   * written until then.
   *
   * @param options default: nothing else is held back.
   * @throws {TypeError} `p` is no Uint8Array, or an option is wrong.
   * @throws {Deno.errors.BrokenPipe} after closeWrite().
   * @throws {Deno.errors.Interrupted} close() came while it waited: what of `p` had found room is sent.
   * @throws {Deno.errors.BadResource} the connection has been closed.
   */
  write(p: Uint8Array, options?: WriteOptions): Promise<number> {
    if (options === undefined) return this.#channel.write(p);
    try {
      const { cork, hint, message } = checkWrite(options, p?.byteLength ?? 0);
      return this.#channel.write(p, cork, hint, message);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * As one write() of the bytes of all `parts` in a row, without putting them together first: a head and a body leave in as few segments as can be.
   * Resolves to the length of all when they are in the send queue. Until then none is to be changed.
   *
   * @param options default: nothing is held back; the message that `message` announces is at least `parts`.
   * @throws {TypeError} `parts` is no array of Uint8Arrays, or an option is wrong.
   * @throws {Deno.errors.BrokenPipe} after closeWrite().
   * @throws {Deno.errors.Interrupted} close() came while it waited: what had found room is sent.
   * @throws {Deno.errors.BadResource} the connection has been closed.
   *
   * @example
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   * import { assertEquals } from "@std/assert";
   *
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * const [head, body] = ["length 5\n", "hello"].map((text) => new TextEncoder().encode(text));
   * assertEquals(await conn.writev([head!, body!]), 14);
   * ```
   */
  writev(parts: readonly Uint8Array[], options?: WriteOptions): Promise<number> {
    if (options === undefined) return this.#channel.writev(parts);
    try {
      let bytes = 0;
      if (Array.isArray(parts)) { for (const part of parts) bytes += part?.byteLength ?? 0; }
      const { cork, hint, message } = checkWrite(options, bytes);
      return this.#channel.writev(parts, cork, hint, message);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Has `use` write straight into the send queue, which saves the copy that write() makes. Nothing here waits: `use` is called before fill() returns, once,
   * with a view of the room that lies in a row, at most 64 KB; fill() gives the number of bytes that it has written, from the start of the view on. 0 where there
   * is no room, or a write() waits for some: then `use` is not called, and {@linkcode MptcpConn.untilWritable} tells when to try again.
   *
   * - What the view holds at first means nothing.
   * - It is valid until `use` returns; `use` cannot be async. Its buffer is the stack's whole memory, 2 GB of addresses: to be left alone, and neither cloned
   *   nor posted, which would copy all of it: `view.slice()` is a copy of its own. With `views: "pages"`, as on a host
   *   that was opened, nothing stops a program that keeps the view, and what it writes then goes out in the place of other bytes. With `"copies"`, as in
   *   the emulator, such a view has no bytes any more, so that tests find it.
   * - When `use` throws, or answers wrongly, nothing is written, and fill() throws.
   * - Within `use`: write() is served afterwards, and so are closeWrite(), close() and abort(); fill() of the same connection throws.
   * - What was written leaves with the end of the job at hand, or, but for what would be a small super-segment, when 512 KB have come together.
   *
   * @param options as of write(); default: nothing is held back.
   * @throws {TypeError} `use` is no function, it has answered no number, or an option is wrong.
   * @throws {RangeError} it has answered a number that is no integer from 0 to the length of its view.
   * @throws {Deno.errors.Busy} called within its own `use`.
   * @throws {Deno.errors.BrokenPipe} after closeWrite().
   * @throws {Deno.errors.BadResource} the connection has been closed.
   *
   * @example A megabyte that is made on the way
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   * import { assertEquals } from "@std/assert";
   *
   * await using net = emulate({ paths: { wifi: { rate: "50 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * const accepted = listener.accept();
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * const received = accepted.then((peer) => new Response(peer.readable).bytes());
   * for (let left = 1e6; left > 0;) {
   *   await conn.untilWritable();
   *   left -= conn.fill((view) => view.subarray(0, left).fill(7).length);
   * }
   * await conn.closeWrite();
   * assertEquals((await received).length, 1e6);
   * ```
   */
  fill(use: (view: Uint8Array<ArrayBuffer>) => number, options?: WriteOptions): number {
    if (options === undefined) return this.#channel.fill(use);
    const { cork, hint, message } = checkWrite(options, 0);
    return this.#channel.fill(use, cork, hint, message);
  }

  /**
   * Resolves to the number of bytes that there is room for in the send queue, once there is any and the write() calls before it are served.
   *
   * @throws {Deno.errors.BrokenPipe} after closeWrite().
   * @throws {Deno.errors.Interrupted} close() came while it waited.
   * @throws {Deno.errors.BadResource} the connection has been closed.
   */
  untilWritable(): Promise<number> {
    return this.#channel.untilWritable();
  }

  /**
   * Has `use` read where the bytes lie that came, which saves the copy that read() makes. Nothing here waits: `use` is called before drain() returns, once,
   * with a view of what lies in a row, at most 64 KB; drain() gives how many bytes of it are done with, as `use` answers: the next call begins behind them. 0 where
   * nothing has come, and null at the end: then `use` is not called, and {@linkcode MptcpConn.untilReadable} tells when to try again.
   *
   * The view is only to be read, and valid until `use` returns: see {@linkcode MptcpConn.fill}. When `use` throws, or answers wrongly, nothing is done with.
   * Within `use`, close() and abort() are served afterwards; read() and drain() of the same connection fail.
   *
   * @throws {TypeError} `use` is no function, or it has answered no number.
   * @throws {RangeError} it has answered a number that is no integer from 0 to the length of its view.
   * @throws {Deno.errors.Busy} a read() is waiting, or it is called within its own `use`.
   * @throws {Deno.errors.BadResource} the connection has been closed.
   *
   * @example A digest of all that comes
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   * import { createHash } from "node:crypto";
   *
   * await using net = emulate({ paths: { wifi: { rate: "50 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * listener.accept().then(async (peer) => {
   *   await peer.write(new Uint8Array(1e6));
   *   await peer.closeWrite();
   * });
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * const hash = createHash("sha256");
   * while (await conn.untilReadable() !== null) {
   *   conn.drain((view) => {
   *     hash.update(view);
   *     return view.length;
   *   });
   * }
   * console.log(hash.digest("hex"));
   * ```
   */
  drain(use: (view: Uint8Array<ArrayBuffer>) => number): number | null {
    return this.#channel.drain(use);
  }

  /**
   * Resolves to the number of bytes that can be read now, once there are any, or to null at the end.
   *
   * @throws {Deno.errors.Busy} a read() is already waiting.
   * @throws {Deno.errors.Interrupted} close() came while it waited.
   * @throws {Deno.errors.BadResource} the connection has been closed.
   */
  untilReadable(): Promise<number | null> {
    return this.#channel.untilReadable();
  }

  /** Sends the end after what was written; reading goes on. Resolves when it is in the send queue; may be called twice. */
  closeWrite(): Promise<void> {
    return this.#channel.closeWrite();
  }

  /**
   * Closes the connection; may be called twice. Calls that wait reject. Received data that nobody read make it an abort (MP_FASTCLOSE), as in Linux.
   * Otherwise what is in the send queue is still sent, in the background:
   *
   * - as long as the peer answers anything, for an hour without a byte taken; it may read as slowly as it likes;
   * - when it answers nothing, for the `userTimeout` of the connection (5 minutes), so that a path may be silent meanwhile;
   * - when it has all and does not end its own direction, it is let go after a minute.
   *
   * {@linkcode MptcpConn.closed} tells what came of it.
   */
  close(): void {
    this.#channel.close();
  }

  /**
   * Resolves when both sides are done, whoever closed first: what was written has arrived. Rejects with the reason of abort(), or with the
   * `Deno.errors.*` that says who ended it and why.
   */
  get closed(): Promise<void> {
    const outcome = this.#channel.outcome();
    // Who only looks need not handle it.
    outcome.catch(() => {});
    return outcome;
  }

  /**
   * Ends the connection at once on both sides (MP_FASTCLOSE, RFC 8684 §3.5); calls that wait reject with `reason`.
   *
   * @param reason default: an `AbortError`.
   */
  abort(reason?: unknown): void {
    this.#channel.abort(reason);
  }

  /** The incoming bytes as a byte stream, BYOB readers included. Its end leaves `writable` open; cancelling it drops what comes in, writing goes on. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this.#channel);
  }

  /** The outgoing bytes; `desiredSize` counts them, of 65,536. Closing it is closeWrite(), aborting it is abort(). */
  get writable(): WritableStream<Uint8Array<ArrayBufferLike>> {
    return this.#writable ??= writableOf(this.#channel);
  }

  /**
   * true, as at first: what is written leaves at once. false: less than a segment waits for more while a small one is out that the peer has not acknowledged
   * (Nagle's algorithm, RFC 9293 §3.7.4, with the modification of its appendix A.3, as in Linux).
   *
   * @throws {TypeError} `noDelay` is neither.
   */
  setNoDelay(noDelay = true): void {
    this.#channel.setNoDelay(checkSwitch("set no-delay as 'noDelay'", noDelay));
  }

  /**
   * true: asks the peer of a path that has been silent for `idle` whether it is still there, with a segment that it must answer (RFC 9293 §3.8.4). A path
   * that does not answer ends, and is tried again as any that fails. On plain TCP the connection ends with it; where MPTCP may open other paths it waits for
   * one of them, for its `userTimeout`. false, as at first: a path that brings
   * no answer is found out when something is sent. The `tcp.keepAlive` of connect() and listen() sets the same from the beginning.
   *
   * @param options default: what `tcp.keepAlive` said, else 2 hours, then 9 probes 75 seconds apart.
   * @throws {TypeError | RangeError} an option is wrong.
   *
   * @example
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   *
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * conn.setKeepAlive(true, { idle: "60 s", interval: "10 s", count: 5 });
   * ```
   */
  setKeepAlive(keepAlive = true, options?: KeepAliveOptions): void {
    const base = this.#channel.socket.tcp.keepAlive ?? DEFAULT_KEEP_ALIVE;
    const choice = keepAliveTimes("set keepalive", "", options, base);
    this.#channel.setKeepAlive(
      checkSwitch("set keepalive as 'keepAlive'", keepAlive) ? choice : null,
    );
  }

  /**
   * Has write() wait where `bytes` are unsent; Infinity: where the send buffer is full. As TCP_NOTSENT_LOWAT of Linux: what a program has not written
   * can still be changed, and no path is chosen for it. Less than two segments counts as two.
   *
   * @throws {RangeError} `bytes` is not an integer from 1, nor Infinity.
   */
  setNotSentLowWater(bytes: number): void {
    this.#channel.setNotSentLowWater(checkLowWater("set the mark as 'bytes'", bytes));
  }

  /** Makes the program wait for this connection, as it does at first. */
  ref(): void {
    this.#channel.ref();
  }

  /** Lets the program end although this connection is open. */
  unref(): void {
    this.#channel.unref();
  }

  /**
   * Figures of the connection and of each path under the names of the Linux kernel. `mptcp.flags & 1` tells that it fell back to plain TCP.
   */
  info(): ConnInfo {
    return connectionInfo(this.#channel.socket, this.#channel.now());
  }

  /** What a path manager sees and does: addresses of both sides, and the paths in use. */
  get paths(): PathContext {
    return this.#channel.paths();
  }

  /**
   * Swaps the scheduler: bytes not sent yet go by the new one.
   *
   * @throws {TypeError} `scheduler` is not a scheduler.
   */
  setScheduler(scheduler: SchedulerPlugin): void {
    checkPlugin("scheduler", scheduler);
    this.#channel.setScheduler(scheduler);
  }

  /**
   * Changes parameters of the scheduler at work, as far as it has any that may be changed while it runs: its `tune` takes them.
   *
   * @throws {TypeError} the scheduler has nothing to tune, or not that.
   * @throws {RangeError} it does not take that value.
   *
   * @example
   * ```ts
   * import { emulate } from "@mptcp/mptcp";
   * import { rttThreshold } from "@mptcp/mptcp/sched";
   *
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * const scheduler = rttThreshold({ threshold: 100 });
   * using conn = await net.client.connect({ hostname: "server", port: 80, scheduler });
   * conn.tuneScheduler({ threshold: 50 });
   * ```
   */
  tuneScheduler(parameters: Readonly<Record<string, unknown>>): void {
    if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters)) {
      throw new TypeError(
        `Cannot tune the scheduler as 'parameters' must be an object: current value is ${
          describe(parameters)
        }`,
      );
    }
    this.#channel.tuneScheduler(parameters);
  }

  /**
   * Tags the connection for its scheduler, which sees it as `connection.tag`: a traffic class, a DSCP, whatever both agree on. At first 0.
   *
   * @throws {RangeError} `tag` is not an integer from 0 to 2^30 - 1.
   */
  setTag(tag: number): void {
    if (!Number.isInteger(tag) || tag < 0 || tag >= 2 ** 30) {
      throw new RangeError(
        `Cannot tag a connection as 'tag' must be an integer from 0 to ${
          2 ** 30 - 1
        }: current value is ${describe(tag)}`,
      );
    }
    this.#channel.setTag(tag);
  }

  /**
   * Swaps the congestion control: each path goes on from the window that it has, in congestion avoidance where it was.
   *
   * @example After a first minute
   * ```ts
   * import { emulate, olia } from "@mptcp/mptcp";
   *
   * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
   * using listener = net.server.listen({ port: 80 });
   * using conn = await net.client.connect({ hostname: "server", port: 80 });
   * await conn.write(new Uint8Array(1000));
   * await net.sleep("60 s");
   * conn.setCongestionControl(olia());
   * ```
   * @throws {TypeError} `congestionControl` is not a congestion control.
   */
  setCongestionControl(congestionControl: CongestionControlPlugin): void {
    checkPlugin("congestion-control", congestionControl);
    this.#channel.setCongestionControl(congestionControl);
  }

  /** close(). */
  [Symbol.dispose](): void {
    this.#channel.close();
  }

  /** close(), then waits until both sides are done, at most for its `linger`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    return this.#channel.ended(this.#linger);
  }
}
