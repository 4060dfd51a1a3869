import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import http from "node:http";
import http2 from "node:http2";
import tls from "node:tls";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Duplex, Readable } from "node:stream";
import { reno } from "../../cc/mod.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import type { MptcpConn } from "../../core/net/conn.ts";
import { emulate, type Emulation } from "../../core/net/emulate.ts";
import { toDuplex } from "../../core/net/node.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import { DEFAULT_KEEP_ALIVE } from "../../core/subflow/settings.ts";
import { selfSigned } from "../support/certificate.ts";
import { fakePair } from "../support/fake_hosts.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

function network(): Emulation {
  return emulate({
    paths: { a: { rate: "50 Mbit/s", delay: "5 ms" }, b: { rate: "20 Mbit/s", delay: "10 ms" } },
  });
}

/** Hands every connection to port 80 to `serve`. */
function accept(net: Emulation, serve: (conn: MptcpConn) => void): { close(): void } {
  const listener = net.server.listen({ port: 80 });
  (async () => {
    for await (const conn of listener) serve(conn);
  })();
  return listener;
}

async function connect(net: Emulation): Promise<Duplex> {
  return toDuplex(await net.client.connect({ hostname: "server", port: 80 }));
}

async function text(stream: Readable): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** One request on `socket`; the body of its response. */
async function request(
  socket: Duplex,
  options: http.RequestOptions = {},
  body?: string,
): Promise<string> {
  const sent = http.request({ host: "server", ...options, createConnection: () => socket });
  sent.end(body);
  const [response] = await once(sent, "response") as [http.IncomingMessage];
  return text(response);
}

describe("toDuplex()", () => {
  it("fills no more than it was told to, whatever the callback answers", async () => {
    await using net = network();
    using listener = net.server.listen({ port: 80 });
    const accepted = listener.accept();
    const socket = toDuplex(await net.client.connect({ hostname: "server", port: 80 }));
    using peer = await accepted;
    await socket.fill(5, (view) => view.fill(65).length);
    await assertRejects(
      () => socket.fill(5, (view) => view.fill(66).length + 1),
      RangeError,
      "an integer from 0 to 5: it returned 6",
    );
    socket.end();
    assertEquals(await new Response(peer.readable).text(), "AAAAA");
    await peer.closeWrite();
    socket.destroy();
  });

  it("has the figures and calls of a socket", async () => {
    const { client, server, clientSocket } = await fakePair();
    const socket = toDuplex(client);
    assertEquals([socket.remoteAddress, socket.remotePort, socket.remoteFamily], [
      "10.0.0.2",
      80,
      "IPv4",
    ]);
    assertEquals(socket.address(), {
      address: "10.0.0.1",
      family: "IPv4",
      port: socket.localPort!,
    });
    assertEquals(socket.setNoDelay(false).setKeepAlive(true, 1000), socket);
    assertEquals(clientSocket.noDelay, false);
    socket.cork();
    socket.write("he");
    socket.write("llo");
    socket.uncork();
    assertEquals(clientSocket.corks, [true, false], "the first waits for the second");
    // As Node: the first probe after the delay, ten in all, a second apart.
    assertEquals(clientSocket.keepAlive, { idle: 1e6, interval: 1e6, count: 10 });
    socket.setKeepAlive(true, 999);
    assertEquals(clientSocket.keepAlive, DEFAULT_KEEP_ALIVE);
    socket.setKeepAlive(true, 2 ** 50);
    assertEquals(clientSocket.keepAlive!.idle, 32767e6);
    socket.setKeepAlive();
    assertEquals(clientSocket.keepAlive, null);
    assertEquals(socket.unref().ref(), socket);
    const buffer = new Uint8Array(10);
    assertEquals(await server.read(buffer), 5);
    await server.write(buffer.subarray(0, 3));
    assertEquals((await once(socket, "data"))[0].length, 3);
    assertEquals([socket.bytesWritten, socket.bytesRead], [5, 3]);
    assertEquals(socket.connecting, false);
    socket.destroy();
    await once(socket, "close");
    await assertRejects(() => client.read(buffer), Deno.errors.BadResource);
  });

  it("ends each direction on its own", async () => {
    const { client, server } = await fakePair();
    const socket = toDuplex(client);
    socket.end("question");
    const buffer = new Uint8Array(20);
    assertEquals(await server.read(buffer), 8);
    assertEquals(await server.read(buffer), null);
    await server.write(new TextEncoder().encode("answer"));
    server.close();
    assertEquals(await text(socket), "answer");
  });

  it("holds a writer back", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 1000;
    const socket = toDuplex(client);
    let accepted = true;
    for (let i = 0; accepted && i < 1000; i++) accepted = socket.write(new Uint8Array(1000));
    assert(!accepted);
    const drained = once(socket, "drain");
    const buffer = new Uint8Array(65536);
    let received = 0;
    while (received < socket.bytesWritten) received += (await server.read(buffer))!;
    await drained;
    socket.destroy();
  });

  it("fails with the connection's error", async () => {
    const { client, clientSocket } = await fakePair();
    const socket = toDuplex(client);
    socket.resume();
    clientSocket.end("ConnectionReset");
    const [error] = await once(socket, "error");
    assert(error instanceof Deno.errors.ConnectionReset);
  });

  it("ends without error when the connection is closed under it", async () => {
    const { client } = await fakePair();
    const socket = toDuplex(client);
    socket.read(0); // begins to read
    client.close();
    await once(socket, "close");
    assertEquals(socket.errored, null);
  });

  it("ends without error after the connection was closed under it", async () => {
    const { client } = await fakePair();
    const socket = toDuplex(client);
    client.close();
    socket.end();
    assertEquals(await once(socket, "close"), [false]);
  });

  it("resetAndDestroy() aborts", async () => {
    const { client, server } = await fakePair();
    const read = server.read(new Uint8Array(1));
    toDuplex(client).resetAndDestroy();
    await assertRejects(() => read, Deno.errors.ConnectionReset);
  });

  it("emits a timeout when nothing came", async () => {
    const { client } = await fakePair();
    const socket = toDuplex(client);
    const running = setInterval(() => {}, 1000); // its own timer does not keep the program running
    socket.setTimeout(1);
    await once(socket, "timeout");
    clearInterval(running);
    socket.setTimeout(0);
    socket.destroy();
  });

  it("takes timeouts that Node's timers take only", async () => {
    const { client } = await fakePair();
    const socket = toDuplex(client);
    for (const wrong of [-1, NaN, Infinity]) {
      assertThrows(() => socket.setTimeout(wrong), RangeError, "milliseconds from 0");
    }
    const told = (): void => {};
    socket.setTimeout(1e12, told).setTimeout(0, told);
    assertEquals([socket.timeout, socket.listenerCount("timeout")], [0, 0]);
    socket.destroy();
  });

  it("emits connect and ready to whoever was handed an open connection", async () => {
    const { client } = await fakePair();
    const socket = toDuplex(client);
    const events: string[] = [];
    for (const event of ["connect", "ready"]) socket.on(event, () => events.push(event));
    assertEquals([socket.connecting, socket.pending, socket.readyState], [false, false, "open"]);
    await once(socket, "ready");
    assertEquals(events, ["connect", "ready"]);
    socket.destroy();
    assertEquals([socket.connecting, socket.pending, socket.readyState], [false, true, "closed"]);
  });

  it("tells by readyState which direction is open", async () => {
    const { client, server } = await fakePair();
    const [near, far] = [toDuplex(client), toDuplex(server)];
    near.end("question");
    await once(near, "finish");
    assertEquals(near.readyState, "readOnly");
    far.resume();
    await once(far, "end");
    assertEquals(far.readyState, "writeOnly");
    far.end();
    near.resume();
    await Promise.all([once(near, "close"), once(far, "close")]);
    assertEquals([near.readyState, far.readyState], ["closed", "closed"]);
  });

  it("counts as written what the connection has not taken yet", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 10;
    const socket = toDuplex(client);
    socket.write(new Uint8Array(15));
    socket.write(new Uint8Array(5));
    assertEquals([socket.bytesWritten, socket.bufferSize], [20, 20]);
    const drained = new Promise<void>((resolve) => socket.write("", () => resolve()));
    const buffer = new Uint8Array(20);
    for (let got = 0; got < 20;) got += (await server.read(buffer))!;
    await drained;
    assertEquals([socket.bytesWritten, socket.bufferSize], [20, 0]);
    socket.destroy();
  });

  it("is a socket at once of a connection that is still to come", async () => {
    const { client, server } = await fakePair();
    const { promise, resolve } = Promise.withResolvers<MptcpConn>();
    const socket = toDuplex(promise);
    assertEquals([socket.connecting, socket.pending, socket.readyState], [true, true, "opening"]);
    assertEquals([socket.remoteAddress, socket.remoteFamily, socket.localPort], [
      undefined,
      undefined,
      undefined,
    ]);
    assertEquals(socket.address(), {});
    socket.setNoDelay(false).setKeepAlive(true).unref().ref();
    socket.end("early"); // waits
    const heard = once(socket, "data");
    resolve(client);
    await once(socket, "connect");
    assertEquals([socket.connecting, socket.pending, socket.remotePort], [false, false, 80]);
    const buffer = new Uint8Array(10);
    assertEquals(await server.read(buffer), 5);
    assertEquals(await server.read(buffer), null);
    await server.write(new TextEncoder().encode("late"));
    assertEquals(String(await heard), "late");
    socket.destroy();
  });

  it("tells by error and close that no connection came", async () => {
    await using net = network();
    const socket = toDuplex(net.client.connect({ hostname: "server", port: 81 }));
    let written: Error | null | undefined;
    socket.write("lost", (error) => written = error);
    const closed = new Promise((resolve) => socket.on("close", resolve));
    const [error] = await once(socket, "error");
    assertEquals([error.code, error.syscall], ["ECONNREFUSED", "connect"]);
    assertEquals(await closed, true); // there was an error
    assertEquals(written, error);
    assertEquals(socket.readyState, "closed");
  });

  it("destroyed before the connection came, closes it when it comes", async () => {
    const { client, server } = await fakePair();
    const { promise, resolve } = Promise.withResolvers<MptcpConn>();
    const socket = toDuplex(promise);
    const written = new Promise<Error | null | undefined>((done) => socket.write("lost", done));
    socket.destroy();
    const [hadError] = await once(socket, "close");
    assertEquals(hadError, false);
    const { code } = await written as Error & { code?: string };
    assertEquals(code, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION");
    resolve(client);
    assertEquals(await server.read(new Uint8Array(1)), null);
  });

  it("gives errors the codes of Node", async () => {
    const { client, server } = await fakePair();
    const socket = toDuplex(client);
    socket.resume();
    server.abort();
    const closed = new Promise((resolve) => socket.on("close", resolve));
    const [error] = await once(socket, "error");
    assertEquals(error.code, "ECONNRESET");
    assertEquals(await closed, true);
  });

  it("takes connections of this library only", async () => {
    assertThrows(() => toDuplex({} as MptcpConn), TypeError, "Duplex.fromWeb()");
    const socket = toDuplex(Promise.resolve({} as MptcpConn));
    const [error] = await once(socket, "error");
    assert(error instanceof TypeError);
  });
});

describe("node:http over an emulated network", () => {
  it("serves and fetches, several requests on one connection", async () => {
    await using net = network();
    const server = http.createServer(async (incoming, response) => {
      const body = await text(incoming);
      response.end(`${incoming.method} ${incoming.url} ${body.length}`);
    });
    // Deno 2.9 ends a connection after one response unless the server listens.
    Object.defineProperty(server, "listening", { value: true });
    let connections = 0;
    const listener = accept(net, (conn) => {
      connections++;
      server.emit("connection", toDuplex(conn));
    });
    const socket = await connect(net);
    class OneSocket extends http.Agent {
      override createConnection(): Duplex {
        return socket;
      }
    }
    const agent = new OneSocket({ keepAlive: true, maxSockets: 1 });
    const fetchOne = async (options: http.RequestOptions, body?: string): Promise<string> => {
      const sent = http.request({ host: "server", agent, ...options });
      sent.end(body);
      const [response] = await once(sent, "response") as [http.IncomingMessage];
      return text(response);
    };
    assertEquals(await fetchOne({ path: "/one" }), "GET /one 0");
    assertEquals(
      await fetchOne({ path: "/two", method: "POST" }, "x".repeat(300000)),
      "POST /two 300000",
    );
    assertEquals(connections, 1);
    agent.destroy();
    listener.close();
  });

  it("downloads megabytes with back-pressure, then closes", async () => {
    await using net = network();
    const server = http.createServer((_incoming, response) => {
      response.end(Buffer.alloc(2e6, "mptcp"));
    });
    const listener = accept(net, (conn) => server.emit("connection", toDuplex(conn)));
    const body = await request(await connect(net), { headers: { connection: "close" } });
    assertEquals(body.length, 2e6);
    assert(body.startsWith("mptcpmptcp"));
    listener.close();
    server.close();
  });

  it("speaks HTTP/2", async () => {
    await using net = network();
    const server = http2.createServer((_incoming, response) => response.end("two"));
    const listener = accept(net, (conn) => server.emit("connection", toDuplex(conn)));
    const socket = await connect(net);
    const session = http2.connect("http://server", { createConnection: () => socket });
    const bodies = await Promise.all([1, 2, 3].map(() => {
      const stream = session.request({ ":path": "/" });
      stream.end();
      return text(stream);
    }));
    assertEquals(bodies, ["two", "two", "two"]);
    session.close();
    await once(session, "close");
    listener.close();
  });

  it("carries TLS", async () => {
    await using net = network();
    const { key, cert } = await selfSigned("server");
    const listener = accept(net, (conn) => {
      const secured = new tls.TLSSocket(toDuplex(conn), {
        isServer: true,
        secureContext: tls.createSecureContext({ key, cert }),
      });
      secured.on("data", (chunk) => secured.end(`heard ${chunk}`));
    });
    const socket = tls.connect({ socket: await connect(net), servername: "server", ca: [cert] });
    await once(socket, "secureConnect");
    socket.write("you");
    assertEquals(await text(socket), "heard you");
    listener.close();
  });
});
