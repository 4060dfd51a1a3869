/** A listening port as applications hold it. */

import type { CongestionControlPlugin, Micros, SchedulerPlugin } from "../plugin.ts";
import type { NetAddr } from "./address.ts";
import { Channel } from "./channel.ts";
import { makeConn, type MptcpConn } from "./conn.ts";
import { closedError } from "./errors.ts";
import { checkPlugin } from "./load_plugin.ts";
import type { Hold, Registry } from "./registry.ts";
import type { TransportListener, TransportListenOptions } from "./transport.ts";

interface Accepting {
  resolve(conn: MptcpConn): void;
  reject(reason: unknown): void;
  end(): void;
}

type ListenerArguments = readonly [
  registry: Registry<Channel>,
  options: Omit<TransportListenOptions, "observer">,
  linger: Micros,
];

let maker: (...args: ListenerArguments) => MptcpListener;

/** Begins to listen. Throws what the stack throws. */
export function makeListener(...args: ListenerArguments): MptcpListener {
  return maker(...args);
}

/**
 * Listens for Multipath TCP and plain TCP connections, shaped like {@linkcode Deno.Listener}. `Host.listen()` gives it. Iterating over it gives the
 * connections and ends quietly when it is closed; leaving the loop closes it.
 *
 * @example A server
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * const listener = net.server.listen({ port: 13 });
 * const serving = (async () => {
 *   for await (const conn of listener) {
 *     using _ = conn;
 *     await conn.write(new TextEncoder().encode(new Date().toString()));
 *   }
 * })();
 * using conn = await net.client.connect({ hostname: "server", port: 13 });
 * console.log(await new Response(conn.readable).text());
 * listener.close();
 * await serving;
 * ```
 */
export class MptcpListener implements AsyncIterable<MptcpConn>, Disposable {
  readonly #registry: Registry<Channel>;
  readonly #linger: Micros;
  readonly #listener: TransportListener;
  readonly #hold: Hold;
  readonly #accepting: Accepting[] = [];
  #closed = false;
  /** Why no connection can come any more, where close() was not the reason. */
  #failure: Error | null = null;

  static {
    maker = (...args) => new MptcpListener(...args);
  }

  private constructor(...[registry, options, linger]: ListenerArguments) {
    this.#registry = registry;
    this.#linger = linger;
    const observer = { onConnection: (): void => this.#serve() };
    const { stack, runtime } = registry;
    this.#listener = stack.listen(runtime.now(), { ...options, observer });
    this.#hold = registry.hold();
    registry.listeners.add(this);
  }

  /** Where it listens: `hostname` is "0.0.0.0" for every address of the host, IPv6 ones included. */
  get addr(): NetAddr {
    const { address, port } = this.#listener;
    return { transport: "tcp", hostname: address === "" ? "0.0.0.0" : address, port };
  }

  #take(): MptcpConn | null {
    const socket = this.#listener.accept();
    if (socket === null) return null;
    const channel = new Channel(this.#registry);
    channel.adopt(socket);
    return makeConn(channel, this.#linger);
  }

  #serve(): void {
    for (let next = this.#accepting[0]; next !== undefined; next = this.#accepting[0]) {
      const conn = this.#take();
      if (conn === null) return;
      this.#accepting.shift();
      next.end();
      next.resolve(conn);
    }
  }

  /**
   * Resolves to the next connection. In the emulator it lets time pass only while a handshake is under way. Several calls may wait: they are served in order.
   *
   * @throws {Deno.errors.BadResource} the listener has been closed, before or meanwhile.
   * @throws {Deno.errors.NetworkUnreachable} the devices of all links of the host are gone.
   */
  accept(): Promise<MptcpConn> {
    if (this.#closed) return Promise.reject(this.#failure ?? closedError("Listener"));
    const conn = this.#accepting.length > 0 ? null : this.#take();
    if (conn !== null) return Promise.resolve(conn);
    return new Promise((resolve, reject) => {
      const waiter: Accepting = { resolve, reject, end: () => {} };
      const what = `accept a connection on port ${this.#listener.port}`;
      waiter.end = this.#registry.runtime.wait(what, false, (error) => {
        this.#accepting.splice(this.#accepting.indexOf(waiter), 1);
        waiter.end();
        reject(error);
      });
      this.#accepting.push(waiter);
    });
  }

  /**
   * Has connections that begin from now on use another scheduler.
   *
   * @throws {TypeError} `scheduler` is not a scheduler.
   */
  setScheduler(scheduler: SchedulerPlugin): void {
    this.#listener.choose({ scheduler: checkPlugin("scheduler", scheduler) });
  }

  /**
   * Has connections that begin from now on use another congestion control; those that are there are swapped by `MptcpConn.setCongestionControl()`.
   *
   * @throws {TypeError} `congestionControl` is not a congestion control.
   */
  setCongestionControl(congestionControl: CongestionControlPlugin): void {
    this.#listener.choose({
      congestionControl: checkPlugin("congestion-control", congestionControl),
    });
  }

  /** Stops listening; connections that nobody accepted are reset. Calls of accept() that wait reject. May be called twice. */
  close(): void {
    this.#failure = null;
    this.#end(closedError("Listener"));
  }

  /**
   * Ends it as no connection can come any more: who waits for one, or will, is told `error`.
   *
   * @internal
   */
  fail(error: Error): void {
    if (!this.#closed) this.#failure = error;
    this.#end(error);
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    const { stack, runtime, listeners } = this.#registry;
    listeners.delete(this);
    this.#hold.release();
    const now = runtime.now();
    this.#listener.close(now);
    stack.flush(now);
    for (const { end, reject } of this.#accepting.splice(0)) {
      end();
      reject(error);
    }
    runtime.wake();
  }

  /** Makes the program wait for this listener, as it does at first. */
  ref(): void {
    this.#hold.ref();
  }

  /** Lets the program end although this listener is open. */
  unref(): void {
    this.#hold.unref();
  }

  /** close(). */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The connections, until it is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<MptcpConn> {
    const end = (): Promise<IteratorResult<MptcpConn>> => {
      this.close();
      return Promise.resolve({ value: undefined, done: true });
    };
    const iterator: AsyncIterableIterator<MptcpConn> = {
      next: async () => {
        try {
          return { value: await this.accept(), done: false };
        } catch (error) {
          if (this.#closed && this.#failure === null) return { value: undefined, done: true };
          throw error;
        }
      },
      return: end,
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}
