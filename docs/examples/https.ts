/** An example of HTTPS over MPTCP: docs/http.md explains it. */

import http from "node:http";
import tls from "node:tls";
import type { MptcpListener } from "../../mod.ts";
import { type Dialer, toDuplex } from "../../core/net/node.ts";

/** Has a server of node:http answer over TLS, on all connections of a listener. */
export async function serveHttps(
  server: http.Server,
  listener: MptcpListener,
  { key, cert }: { key: string; cert: string },
): Promise<void> {
  const secureContext = tls.createSecureContext({ key, cert });
  for await (const conn of listener) {
    const socket = new tls.TLSSocket(toDuplex(conn), { isServer: true, secureContext });
    socket.on("error", () => socket.destroy()); // who is there speaks no TLS
    server.emit("connection", socket);
  }
}

/** An agent whose requests go by HTTPS over a host; `ca`: certificates that are trusted beside those of the system. */
export function httpsAgent(host: Dialer, ca?: string): http.Agent {
  const agent = new http.Agent({ keepAlive: true });
  agent.createConnection = ({ host: hostname = "localhost", port = 443 }) =>
    tls.connect({
      socket: toDuplex(host.connect({ hostname: hostname!, port: Number(port) })),
      servername: hostname!,
      ...ca === undefined ? {} : { ca },
    });
  return agent;
}
