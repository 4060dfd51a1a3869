/** Two hosts of net/ over a fake stack. */

import type { Link } from "../../core/host/link.ts";
import { Host } from "../../core/net/host.ts";
import type { MptcpConn } from "../../core/net/conn.ts";
import type { Views } from "../../core/net/lending.ts";
import { FakeNet, type FakeRuntime, type FakeSocket, FakeStack } from "./fake_stack.ts";

/** Two hosts, "10.0.0.1" and "10.0.0.2", and what is under them. */
export interface FakeHosts {
  readonly net: FakeNet;
  readonly client: Host;
  readonly server: Host;
  readonly clientStack: FakeStack;
  readonly serverStack: FakeStack;
  readonly clientRuntime: FakeRuntime;
}

/** Makes them. */
export function fakeHosts(views: Views = "pages"): FakeHosts {
  const net = new FakeNet();
  const resolve = (name: string): string[] =>
    ({ server: ["10.0.0.2"], twice: ["10.9.9.9", "10.0.0.2"], odd: ["?"] })[name] ?? [];
  const make = (address: string): [Host, FakeStack, FakeRuntime] => {
    const stack = new FakeStack(net, address);
    const runtime = net.runtime();
    const links = [{ name: "eth0" } as Link];
    return [Host.attach({ runtime, stack, links, resolve, views }), stack, runtime];
  };
  const [client, clientStack, clientRuntime] = make("10.0.0.1");
  const [server, serverStack] = make("10.0.0.2");
  return { net, client, server, clientStack, serverStack, clientRuntime };
}

/** A connection between them: both ends and the sockets below. */
export async function fakePair(hosts: FakeHosts = fakeHosts()): Promise<
  { client: MptcpConn; server: MptcpConn; clientSocket: FakeSocket; serverSocket: FakeSocket }
> {
  using listener = hosts.server.listen({ port: 80 });
  const accepted = listener.accept();
  const client = await hosts.client.connect({ hostname: "10.0.0.2", port: 80 });
  const server = await accepted;
  const clientSocket = hosts.clientStack.sockets.at(-1)!;
  return { client, server, clientSocket, serverSocket: clientSocket.peer! };
}
