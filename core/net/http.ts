/** HTTP over connections of this library: by servers of Node, and by a handler as `Deno.serve()` takes it. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Duplex, Readable } from "node:stream";
import type { NetAddr } from "./address.ts";
import type { MptcpListener } from "./listener.ts";
import {
  createSocket,
  type Dialer,
  type MptcpDuplex,
  type SocketConnectOptions,
  toDuplex,
} from "./duplex.ts";

/** A server of Node that takes sockets: of `node:http`, `node:https`, `node:http2`, `node:net` or `node:tls`. */
export interface NodeServer {
  /** As every emitter of events. */
  emit(event: "connection", socket: Duplex): boolean;
}

/** A server at work on a listener. */
export interface HttpServing extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: NetAddr;
  /** Resolves when the listener and all its connections are closed. */
  readonly finished: Promise<void>;
  /** Takes no more connections and closes those that are idle; the others when what they are at is done. Resolves as `finished` does. */
  shutdown(): Promise<void>;
  /** Makes the program wait for it, as at first. */
  ref(): void;
  /** Lets the program end although it listens. */
  unref(): void;
}

/** The sockets of one listener. */
class Serving implements HttpServing {
  readonly finished: Promise<void>;
  readonly #listener: MptcpListener;
  /** Requests that are being answered on each. */
  readonly #sockets = new Map<MptcpDuplex, number>();
  #ending = false;

  constructor(listener: MptcpListener, take: (socket: MptcpDuplex) => void) {
    this.#listener = listener;
    this.finished = this.#run(take);
  }

  async #run(take: (socket: MptcpDuplex) => void): Promise<void> {
    const closing = new Set<Promise<void>>();
    for await (const conn of this.#listener) {
      const socket = toDuplex(conn);
      this.#sockets.set(socket, 0);
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      closing.add(closed);
      closed.then(() => {
        closing.delete(closed);
        this.#sockets.delete(socket);
      });
      // A peer that goes is no error of the program.
      socket.on("error", () => {});
      take(socket);
    }
    await Promise.all(closing);
  }

  get addr(): NetAddr {
    return this.#listener.addr;
  }

  /** Whether responses from now on end their connection. */
  get ending(): boolean {
    return this.#ending;
  }

  /** A request begins (1) or is done (-1). */
  count(socket: MptcpDuplex, change: 1 | -1): void {
    const requests = this.#sockets.get(socket);
    if (requests === undefined) return;
    this.#sockets.set(socket, requests + change);
    if (this.#ending && requests + change === 0) socket.destroySoon();
  }

  shutdown(): Promise<void> {
    this.#ending = true;
    this.#listener.close();
    for (const [socket, requests] of this.#sockets) if (requests === 0) socket.destroySoon();
    return this.finished;
  }

  /** Closes everything at once. */
  abort(): void {
    this.#ending = true;
    this.#listener.close();
    for (const socket of this.#sockets.keys()) socket.resetAndDestroy();
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/**
 * Has a server of Node serve the connections of a listener, with HTTP keep-alive. The server keeps its own handlers and limits; it is not to listen itself.
 *
 * @example
 * ```ts
 * import http from "node:http";
 * import { emulate } from "@mptcp/mptcp";
 * import { connector, serveHttp } from "@mptcp/mptcp/node";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * const server = http.createServer((_request, response) => response.end("hello"));
 * await using _serving = serveHttp(server, net.server.listen({ port: 80 }));
 * const agent = new http.Agent();
 * agent.createConnection = connector(net.client);
 * const body = await new Promise((resolve) =>
 *   http.get({ host: "server", agent }, (response) => response.on("data", resolve))
 * );
 * console.log(String(body));
 * ```
 */
export function serveHttp(server: NodeServer, listener: MptcpListener): HttpServing {
  // Deno 2.9 ends each connection after a response while its server does not say that it listens.
  Object.defineProperty(server, "listening", { value: true, configurable: true });
  const emitter = server as
    & NodeServer
    & Partial<Pick<ReturnType<typeof createServer>, "prependListener" | "off">>;
  const serving = new Serving(listener, (socket) => server.emit("connection", socket));
  const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
    follow(serving, request, response);
  emitter.prependListener?.("request", onRequest);
  serving.finished.finally(() => emitter.off?.("request", onRequest));
  return serving;
}

/** Tells when a request begins and is done, so that shutdown() knows which connections are idle. */
function follow(serving: Serving, request: IncomingMessage, response: ServerResponse): void {
  const socket = request.socket as unknown as MptcpDuplex;
  serving.count(socket, 1);
  if (serving.ending) response.shouldKeepAlive = false;
  response.once("close", () => serving.count(socket, -1));
}

/** What a handler is told beside the request. */
export interface ServeInfo {
  /** Address of the peer on the first path. */
  readonly remoteAddr: NetAddr;
  /** Resolves when the response has been sent, rejects when the peer went before. */
  readonly completed: Promise<void>;
}

/** Answers a request. */
export type ServeHandler = (request: Request, info: ServeInfo) => Response | Promise<Response>;

/** Options for {@linkcode serve}. */
export interface ServeOptions {
  /** Whose connections are served. */
  readonly listener: MptcpListener;
  /** Ends everything at once, responses that are under way too. */
  readonly signal?: AbortSignal;
  /** Called once it serves. @default nothing is done */
  readonly onListen?: (addr: NetAddr) => void;
  /** Answers where the handler throws. @default 500, and the error on the console, as `Deno.serve()` does */
  readonly onError?: (error: unknown) => Response | Promise<Response>;
}

function reportError(error: unknown): Response {
  // deno-lint-ignore no-console
  console.error(error);
  return new Response("Internal Server Error", { status: 500 });
}

/** The request of Node's as one of the platform. */
function requestOf(incoming: IncomingMessage, addr: NetAddr, signal: AbortSignal): Request {
  const headers = new Headers();
  const { rawHeaders, method = "GET", url = "/" } = incoming;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  const host = headers.get("host") ??
    (addr.hostname.includes(":")
      ? `[${addr.hostname}]:${addr.port}`
      : `${addr.hostname}:${addr.port}`);
  const bodiless = method === "GET" || method === "HEAD";
  return new Request(/^https?:/.test(url) ? url : `http://${host}${url === "*" ? "/" : url}`, {
    method,
    headers,
    signal,
    ...(!bodiless && {
      body: Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>,
      duplex: "half",
    }),
  } as RequestInit);
}

/** Sends a response; rejects when the peer goes first. */
async function send(response: Response, to: ServerResponse, head: boolean): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    to.once("finish", resolve);
    to.once("close", () => {
      if (!to.writableFinished) reject(new Error("Cannot send the response as the peer has gone"));
    });
  });
  done.catch(() => {});
  const { status, statusText, body } = response;
  if (statusText !== "") to.statusMessage = statusText;
  const headers: [string, string][] = [];
  for (const [name, value] of response.headers) headers.push([name, value]);
  for (const name of new Set(headers.map(([name]) => name))) {
    const values = headers.filter(([other]) => other === name).map(([, value]) => value);
    to.setHeader(name, values.length === 1 ? values[0]! : values);
  }
  to.writeHead(status);
  if (body === null || head) {
    await body?.cancel();
    to.end();
    return await done;
  }
  // A stream that is slow to begin still has its header sent.
  to.flushHeaders();
  const reader = body.getReader();
  const gone = done.then(() => false, () => true);
  try {
    while (true) {
      const read = await Promise.race([reader.read(), gone]);
      if (typeof read === "boolean") break;
      if (read.done) {
        to.end();
        break;
      }
      if (!to.write(read.value)) {
        await Promise.race([new Promise((resolve) => to.once("drain", resolve)), gone]);
      }
    }
  } catch (error) {
    // What was promised does not come: the peer must not take it for the whole.
    to.destroy();
    throw error;
  } finally {
    if (!to.writableEnded) await reader.cancel(new Error("The peer has gone")).catch(() => {});
  }
  await done;
}

/**
 * Serves HTTP/1.1 as `Deno.serve()` does, on the connections of a listener: a handler gives a `Response` for each `Request`, whose bodies stream both ways.
 * `request.signal` is aborted when the peer goes before its response is sent.
 *
 * @example
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { connector, serve } from "@mptcp/mptcp/node";
 * import http from "node:http";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * await using _server = serve(
 *   { listener: net.server.listen({ port: 80 }) },
 *   (request) => new Response(`You asked for ${new URL(request.url).pathname}`),
 * );
 * const agent = new http.Agent();
 * agent.createConnection = connector(net.client);
 * const body = await new Promise((resolve) =>
 *   http.get({ host: "server", path: "/a", agent }, (response) => response.on("data", resolve))
 * );
 * if (String(body) !== "You asked for /a") throw new Error(String(body));
 * ```
 *
 * @throws {TypeError} there is no listener or no handler.
 */
export function serve(options: ServeOptions, handler: ServeHandler): HttpServing {
  const { listener, signal, onListen, onError = reportError } = options;
  if (typeof listener?.accept !== "function") {
    throw new TypeError("Cannot serve as 'listener' must be a listener: host.listen({ port })");
  }
  if (typeof handler !== "function") {
    throw new TypeError(`Cannot serve as the handler must be a function: it is ${typeof handler}`);
  }
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const socket = incoming.socket;
    const controller = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) {
        controller.abort(new DOMException("The peer has gone", "AbortError"));
      }
    });
    let complete!: () => void;
    let fail!: (error: unknown) => void;
    const completed = new Promise<void>((...both) => [complete, fail] = both);
    completed.catch(() => {});
    const info: ServeInfo = {
      remoteAddr: {
        transport: "tcp",
        hostname: socket.remoteAddress ?? "",
        port: socket.remotePort ?? 0,
      },
      completed,
    };
    let response: Response;
    try {
      response = await handler(requestOf(incoming, listener.addr, controller.signal), info);
      if (!(response instanceof Response)) {
        throw new TypeError("Cannot answer as the handler must return a Response");
      }
      if (response.bodyUsed) {
        throw new TypeError("Cannot answer as the body of the response has been used");
      }
    } catch (error) {
      response = await onError(error);
    }
    await send(response, outgoing, incoming.method === "HEAD").then(complete, (error) => {
      fail(error);
      if (!controller.signal.aborted) throw error;
    });
  };
  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch((error) => {
      // In onError(), or in the body of a response.
      // deno-lint-ignore no-console
      console.error(error);
      outgoing.destroy();
    });
  });
  const serving = serveHttp(server, listener) as Serving;
  const abort = (): void => serving.abort();
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort);
  serving.finished.finally(() => {
    signal?.removeEventListener("abort", abort);
    server.close();
  });
  onListen?.(listener.addr);
  return serving;
}

/** What is told of the error, and of the socket: each library has a type of its own for it. */
export type ConnectorCallback = (...args: never) => void;

/**
 * What opens connections for clients of HTTP: `createConnection` of a `node:http` Agent, which gets a socket, and `connect` of an undici Agent, which gets
 * it once it is open.
 *
 * @example
 * ```ts
 * import http from "node:http";
 * import { emulate } from "@mptcp/mptcp";
 * import { connector } from "@mptcp/mptcp/node";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * const agent = new http.Agent({ keepAlive: true });
 * agent.createConnection = connector(net.client);
 * agent.destroy();
 * ```
 */
export function connector(
  host: Dialer,
): (options: object, callback?: ConnectorCallback) => MptcpDuplex {
  return (options, told) => {
    const callback = told as
      | ((error: Error | null, socket: MptcpDuplex | null) => void)
      | undefined;
    const { port, protocol } = options as SocketConnectOptions & { readonly protocol?: string };
    if (protocol === "https:") {
      throw new TypeError(
        "Cannot connect by https as a connector makes no TLS: use tls.connect({ socket }) on its socket",
      );
    }
    const socket = createSocket(host);
    if (callback !== undefined) {
      const fail = (error: Error): void => callback(error, null);
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.off("error", fail);
        callback(null, socket);
      });
    }
    // undici leaves out the port that the scheme implies.
    return socket.connect({ ...options, port: port || 80 });
  };
}
