/**
 * A connection as a `node:stream` Duplex, for everything of Node's that takes a socket: node:http and its agents, TLS, HTTP/2, WebSocket libraries.
 * Outside the graph of mod.ts, which imports nothing of node:stream.
 *
 * @example A server and a client of node:http
 * ```ts
 * import http from "node:http";
 * import { emulate } from "@mptcp/mptcp";
 * import { connector, serveHttp } from "@mptcp/mptcp/node";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
 * const server = http.createServer((_request, response) => response.end("hello"));
 * await using _serving = serveHttp(server, net.server.listen({ port: 80 }));
 *
 * const agent = new http.Agent({ keepAlive: true });
 * agent.createConnection = connector(net.client);
 * const body = await new Promise((resolve) =>
 *   http.get({ host: "server", agent }, (response) => response.on("data", resolve))
 * );
 * assertEquals(String(body), "hello");
 * agent.destroy();
 * ```
 *
 * @module
 */

export {
  createSocket,
  type Dialer,
  MptcpDuplex,
  type SocketConnectOptions,
  toDuplex,
} from "./duplex.ts";
export {
  connector,
  type ConnectorCallback,
  type HttpServing,
  type NodeServer,
  serve,
  type ServeHandler,
  serveHttp,
  type ServeInfo,
  type ServeOptions,
} from "./http.ts";
