/** Servers and clients of npm and of Node, written for real sockets, over an emulated network: unchanged. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import type { Duplex, Readable } from "node:stream";
import tls from "node:tls";
import { Aedes } from "npm:aedes@1.2.0";
import mqtt from "npm:mqtt@5.16.0";
import { WebSocket, WebSocketServer } from "npm:ws@8.23.0";
import { createSocket, serveHttp, toDuplex } from "../../core/net/node.ts";
import { emulate, type EmulateOptions, type Emulation, type MptcpConn } from "../../mod.ts";
import { selfSigned } from "../support/certificate.ts";
import { pattern } from "../support/streams.ts";

const PATHS: EmulateOptions["paths"] = {
  wifi: { rate: "4 Mbit/s", delay: "15 ms", queue: 15 },
  lte: { rate: "4 Mbit/s", delay: "30 ms" },
};

/** Hands every connection to port 80 to `serve`, as a server of Node does. */
function listen(net: Emulation, serve: (socket: Duplex) => void): Disposable {
  const listener = net.server.listen({ port: 80 });
  (async () => {
    for await (const conn of listener) serve(toDuplex(conn));
  })();
  return listener;
}

function dial(net: Emulation): Duplex {
  return toDuplex(net.client.connect({ hostname: "server", port: 80 }));
}

/** Cuts the Wi-Fi for good once it has carried `bytes` in both directions; resolves then. */
async function cutAfter(net: Emulation, bytes: number): Promise<void> {
  const wifi = net.path("wifi");
  while (wifi.up.bytes + wifi.down.bytes < bytes) await net.sleep("10 ms");
  wifi.cut();
}

/** That both paths were used, and that packets were lost with the Wi-Fi where it was cut. */
function assertPaths(net: Emulation, cut: boolean): void {
  for (const name of ["wifi", "lte"]) {
    const { up, down } = net.path(name);
    assert(up.bytes + down.bytes > 3e4, `${name} carried ${up.bytes} and ${down.bytes} bytes`);
  }
  const { up, down } = net.path("wifi");
  assertEquals((up.dropped.cut ?? 0) + (down.dropped.cut ?? 0) > 0, cut);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

for (const cut of [false, true]) {
  const name = cut ? "a path cut in the middle" : "two paths";

  describe(`over ${name}`, () => {
    it("MQTT: a broker and two clients, 40 messages of 25 kB at QoS 1 and 2", async () => {
      await using net = emulate({ paths: PATHS });
      const broker = await Aedes.createBroker();
      using _ = listen(net, (socket) => void broker.handle(socket));
      const options = { reconnectPeriod: 0 } as const;
      const [subscriber, publisher] = ["subscriber", "publisher"].map((clientId) =>
        new mqtt.MqttClient(() => dial(net), { ...options, clientId })
      ) as [mqtt.MqttClient, mqtt.MqttClient];
      const got = new Map<string, string>();
      const all = new Promise<void>((resolve) => {
        subscriber.on("message", (topic, payload) => {
          got.set(topic, sha256(payload));
          if (got.size === 40) resolve();
        });
      });
      await subscriber.subscribeAsync("sensor/#", { qos: 2 });
      const cutting = cut ? cutAfter(net, 6e5) : undefined;
      const sent = new Map<string, string>();
      for (let i = 0; i < 40; i++) {
        const payload = Buffer.from(pattern(25e3, i));
        sent.set(`sensor/${i}`, sha256(payload));
        await publisher.publishAsync(`sensor/${i}`, payload, { qos: i % 2 === 0 ? 1 : 2 });
      }
      await all;
      assertEquals(got, sent);
      await cutting;
      assertPaths(net, cut);
      await Promise.all([subscriber.endAsync(), publisher.endAsync()]);
      await new Promise<void>((resolve) => broker.close(resolve));
    });

    it("WebSocket: messages of many sizes are echoed", async () => {
      await using net = emulate({ paths: PATHS });
      const server = http.createServer();
      const sockets = new WebSocketServer({ server, perMessageDeflate: true });
      sockets.on("connection", (socket) => {
        socket.on("message", (data, binary) => socket.send(data, { binary }));
      });
      using _ = listen(net, (socket) => server.emit("connection", socket));
      const client = new WebSocket("ws://server/", { createConnection: () => dial(net) });
      await once(client, "open");
      const cutting = cut ? cutAfter(net, 6e5) : undefined;
      const sizes = [0, 1, 125, 126, 65535, 65536, 4e5, 7e5];
      const echoed: string[] = [];
      const done = new Promise<void>((resolve) => {
        client.on("message", (data) => {
          echoed.push(sha256(data as Buffer));
          if (echoed.length === sizes.length) resolve();
        });
      });
      for (const size of sizes) client.send(pattern(size, size));
      await done;
      assertEquals(echoed, sizes.map((size) => sha256(pattern(size, size))));
      await cutting;
      assertPaths(net, cut);
      client.close();
      await once(client, "close");
      sockets.close();
    });

    it("HTTP/2: eight bodies go up and come back at once", async () => {
      await using net = emulate({ paths: PATHS });
      const server = http2.createServer();
      server.on("stream", (stream: http2.ServerHttp2Stream) => {
        stream.respond({ ":status": 200 });
        stream.pipe(stream);
      });
      using _ = listen(net, (socket) => server.emit("connection", socket));
      const session = http2.connect("http://server", { createConnection: () => dial(net) });
      const cutting = cut ? cutAfter(net, 6e5) : undefined;
      await Promise.all(Array.from({ length: 8 }, async (_, i) => {
        const body = pattern(2e5, i);
        const stream = session.request({ ":method": "POST", ":path": `/${i}` });
        stream.end(body);
        assertEquals(sha256(await bytesOf(stream)), sha256(body));
      }));
      await cutting;
      assertPaths(net, cut);
      session.close();
      await once(session, "close");
    });

    it("TLS: a megabyte is echoed", async () => {
      await using net = emulate({ paths: PATHS });
      const { key, cert } = await selfSigned("server");
      const secureContext = tls.createSecureContext({ key, cert });
      using _ = listen(net, (socket) => {
        const secured = new tls.TLSSocket(socket, { isServer: true, secureContext });
        secured.pipe(secured);
      });
      const socket = tls.connect({ socket: dial(net), servername: "server", ca: [cert] });
      await once(socket, "secureConnect");
      const cutting = cut ? cutAfter(net, 6e5) : undefined;
      const bytes = pattern(1e6, 3);
      socket.end(bytes);
      assertEquals(sha256(await bytesOf(socket)), sha256(bytes));
      await cutting;
      assertPaths(net, cut);
    });
  });
}

let modules = 0;

/** Does something of its own with what it was asked, before it answers. */
const WORKS: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => Promise<unknown>>> = {
  "setImmediate()": () => new Promise((resolve) => setImmediate(resolve)),
  "setTimeout() of 20 ms": () => new Promise((resolve) => setTimeout(resolve, 20)),
  "setTimeout() of 150 ms": () => new Promise((resolve) => setTimeout(resolve, 150)),
  "crypto.subtle": (bytes) => crypto.subtle.digest("SHA-256", bytes),
  "a file": () => bytesOf(createReadStream(new URL(import.meta.url))),
  "import()": () => import(`data:text/javascript,export default ${++modules}`),
};

/** Reads a request and answers it after `work`, three times. */
async function rounds(
  net: Emulation,
  work: (bytes: Uint8Array<ArrayBuffer>) => Promise<unknown>,
): Promise<void> {
  using listener = net.server.listen({ port: 80 });
  const serve = async (): Promise<void> => {
    using conn = await listener.accept();
    const buffer = new Uint8Array(1000);
    for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
      await work(buffer.slice(0, got));
      await conn.write(buffer.subarray(0, got));
    }
  };
  const call = async (): Promise<void> => {
    using conn = await net.client.connect({ hostname: "server", port: 80 });
    const buffer = new Uint8Array(1000);
    for (let i = 0; i < 3; i++) {
      await conn.write(pattern(500, i));
      assertEquals(await conn.read(buffer), 500);
      assertEquals(buffer.subarray(0, 500), pattern(500, i));
    }
  };
  await Promise.all([serve(), call()]);
}

describe("a server answers", () => {
  for (const [name, work] of Object.entries(WORKS)) {
    it(`after ${name}`, async () => {
      await using net = emulate({ paths: PATHS });
      await rounds(net, work);
    });
  }

  it("when a worker has", async () => {
    await using net = emulate({ paths: PATHS, idle: "500 ms" });
    const code = "onmessage = ({ data }) => setTimeout(() => postMessage(data.length), 30)";
    const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, {
      type: "module",
    });
    await rounds(net, (bytes) => {
      const answer = new Promise((resolve) => worker.onmessage = resolve);
      worker.postMessage(bytes);
      return answer;
    });
    worker.terminate();
  });
});

describe("a dead end", () => {
  it("is reported to programs as an error of their socket that names the wait", async () => {
    await using net = emulate({ paths: PATHS, idle: "100 ms" });
    using listener = net.server.listen({ port: 80 });
    const accepting = listener.accept();
    const socket = dial(net);
    socket.write("a question that nobody answers");
    const start = performance.now();
    const error = await assertRejects(() => once(socket, "data"), Error);
    assert(performance.now() - start >= 99);
    assertEquals(
      error.message,
      'Cannot read from 10.0.0.1:80 on "client" as nothing is left to happen in the emulated ' +
        "network and the program has been idle for 0.1 s: check that the other side writes, " +
        "reads or closes; a program that acts later by itself waits in sleep() or outside(), or " +
        "needs a longer 'idle'",
    );
    (await accepting).close();
  });

  it("is none while a program may still act", async () => {
    await using net = emulate({ paths: PATHS, idle: "100 ms" });
    const [conn, peer] = await pair(net);
    const reading = conn.read(new Uint8Array(10));
    for (let i = 0; i < 6; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    await peer.write(new Uint8Array(10));
    assertEquals(await reading, 10);
  });
});

async function pair(net: Emulation): Promise<[MptcpConn, MptcpConn]> {
  using listener = net.server.listen({ port: 80 });
  return await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
}

describe("ws over serveHttp() and createSocket()", () => {
  it("talks both ways on an upgraded connection, beside requests, and closes in order", async () => {
    await using net = emulate({ paths: PATHS });
    const server = http.createServer((_request, response) => response.end("no upgrade"));
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket, request) => {
      socket.send(`you are at ${request.url}`);
      socket.on("message", (data, binary) => socket.send(data, { binary }));
    });
    await using _serving = serveHttp(server, net.server.listen({ port: 80 }));
    const createConnection = (): Duplex => createSocket(net.client).connect(80, "server");
    const client = new WebSocket("ws://server/room", {
      createConnection: createConnection as never,
    });
    const heard: string[] = [];
    const told = new Promise<void>((resolve) =>
      client.on("message", (data) => heard.push(String(data)) === 3 && resolve())
    );
    await once(client, "open");
    client.send("one");
    client.send("two");
    const [response] = await once(
      http.get({ host: "server", path: "/", createConnection: createConnection as never }),
      "response",
    ) as [http.IncomingMessage];
    assertEquals(String(Buffer.concat(await Array.fromAsync(response))), "no upgrade");
    await told;
    assertEquals(heard, ["you are at /room", "one", "two"]);
    client.close(1000, "done");
    assertEquals((await once(client, "close"))[0], 1000);
    sockets.close();
  });
});
