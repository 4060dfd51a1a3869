// deno-lint-ignore-file no-console -- one test looks at what is told there
/** HTTP and databases by programs that know Node's sockets only, over an emulated network. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import http from "node:http";
import type { Duplex } from "node:stream";
import mysql from "npm:mysql2@3.24.6/promise";
import pg from "npm:pg@8.23.1";
import { Agent, request } from "npm:undici@8.13.1";
import {
  connector,
  createSocket,
  type HttpServing,
  serve,
  type ServeHandler,
  serveHttp,
  toDuplex,
} from "../../core/net/node.ts";
import { emulate, type Emulation } from "../../mod.ts";

function network(): Emulation {
  return emulate({
    paths: { a: { rate: "50 Mbit/s", delay: "5 ms" }, b: { rate: "20 Mbit/s", delay: "10 ms" } },
  });
}

/** Serves with a handler at port 80. */
function serving(net: Emulation, handler: ServeHandler, options = {}): HttpServing {
  return serve({ listener: net.server.listen({ port: 80 }), ...options }, handler);
}

/** A client of HTTP by node:http, on connections that it keeps. */
function client(net: Emulation): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = connector(net.client);
  return agent;
}

async function get(
  agent: http.Agent,
  path: string,
  options: http.RequestOptions = {},
  body?: string,
): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string; port: number }> {
  const sent = http.request({ host: "server", path, agent, ...options });
  sent.end(body);
  const [response] = await once(sent, "response") as [http.IncomingMessage];
  const chunks: Uint8Array[] = [];
  const port = response.socket.localPort ?? 0;
  for await (const chunk of response) chunks.push(chunk);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString(),
    port,
  };
}

/** Serves a protocol on port 80: told of each message, whose end `lengthOf` finds in the bytes at hand, it answers by `reply`. */
function script(
  net: Emulation,
  greet: (socket: Duplex) => void,
  lengthOf: (bytes: Buffer, messages: number) => number | null,
  reply: (message: Buffer, socket: Duplex, messages: number) => void,
): Disposable {
  const listener = net.server.listen({ port: 80 });
  (async () => {
    for await (const conn of listener) {
      const socket = toDuplex(conn);
      let bytes: Buffer = Buffer.alloc(0);
      let messages = 0;
      greet(socket);
      socket.on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        for (let length = lengthOf(bytes, messages); length !== null && bytes.length >= length;) {
          reply(bytes.subarray(0, length), socket, messages++);
          bytes = bytes.subarray(length);
          length = lengthOf(bytes, messages);
        }
      });
    }
  })();
  return listener;
}

describe("serveHttp()", () => {
  it("keeps connections for the next request, and shuts down when all is answered", async () => {
    await using net = network();
    const server = http.createServer((incoming, response) => {
      if (incoming.url !== "/slow") return void response.end(`${incoming.method} ${incoming.url}`);
      response.write("slow ");
      net.sleep("100 ms").then(() => response.end("but whole"));
    });
    const serving = serveHttp(server, net.server.listen({ port: 80 }));
    const agent = client(net);
    const [one, two] = [
      await get(agent, "/one"),
      await get(agent, "/two", { method: "POST" }, "x"),
    ];
    assertEquals([one.text, two.text], ["GET /one", "POST /two"]);
    assertEquals(one.port, two.port, "one connection");
    const slow = get(agent, "/slow");
    await net.sleep("40 ms");
    const finished = serving.shutdown();
    const { text, headers } = await slow;
    assertEquals([text, headers.connection], ["slow but whole", "keep-alive"]);
    await finished;
    await assertRejects(() => get(agent, "/late"), Error, "refused");
    agent.destroy();
  });

  it("serves undici, unchanged", async () => {
    await using net = network();
    const server = http.createServer(async (incoming, response) => {
      let length = 0;
      for await (const chunk of incoming) length += chunk.length;
      response.end(`${incoming.url} ${length}`);
    });
    await using _serving = serveHttp(server, net.server.listen({ port: 80 }));
    const connect = connector(net.client);
    // Its timers of more than a second run on by themselves.
    const times = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 900 };
    const agent = new Agent({ connect, connections: 1, ...times });
    for (const path of ["/one", "/two"]) {
      const { statusCode, body } = await request(`http://server${path}`, {
        dispatcher: agent,
        method: "POST",
        body: "x".repeat(100_000),
      });
      assertEquals([statusCode, await body.text()], [200, `${path} 100000`]);
    }
    await agent.close();
  });
});

describe("createSocket()", () => {
  it("waits for connect(), takes writes before it, and tells how it went", async () => {
    await using net = network();
    using listener = net.server.listen({ port: 80 });
    const socket = createSocket(net.client);
    assertEquals([socket.connecting, socket.pending, socket.address()], [false, true, {}]);
    socket.write("early");
    let called = 0;
    assertEquals(socket.connect(80, "server", () => called++), socket);
    assertEquals([socket.connecting, socket.readyState], [true, "opening"]);
    assertThrows(() => socket.connect(80), TypeError, "this socket has its connection");
    const peer = toDuplex(await listener.accept());
    assertEquals(String((await once(peer, "data"))[0]), "early");
    assertEquals([called, socket.connecting, socket.pending], [1, false, false]);
    socket.destroy();
    peer.destroy();
    const [error] = await once(
      createSocket(net.client).connect({ port: 81, host: "server" }),
      "error",
    );
    assertEquals([error.code, error.syscall], ["ECONNREFUSED", "connect"]);
    const controller = new AbortController();
    const late = createSocket(net.client)
      .connect({ port: 80, host: "server", signal: controller.signal });
    const failed = once(late, "error");
    controller.abort();
    assertEquals((await failed)[0].name, "AbortError");
    assertThrows(() => createSocket(net.client).connect(0), TypeError, "from 1 to 65,535");
    // deno-lint-ignore no-explicit-any
    assertThrows(() => createSocket({} as any), TypeError, "which has connect()");
  });
});

describe("databases", () => {
  it("pg logs in, asks and leaves", async () => {
    await using net = network();
    const message = (type: string, ...parts: (string | number)[]): Buffer => {
      const body = Buffer.concat(parts.map((part) => {
        if (typeof part === "string") return Buffer.from(`${part}\0`);
        const word = Buffer.alloc(4);
        word.writeInt32BE(part);
        return word;
      }));
      const head = Buffer.alloc(5, type);
      head.writeInt32BE(body.length + 4, 1);
      return Buffer.concat([head, body]);
    };
    const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
    // PostgreSQL's protocol 3.0: a length comes first in the start-up message, a type in all others.
    using _ = script(
      net,
      () => {},
      (bytes, messages) => {
        const skip = messages === 0 ? 0 : 1;
        return bytes.length < 4 + skip ? null : bytes.readInt32BE(skip) + skip;
      },
      (query, socket, messages) => {
        if (messages === 0) {
          assertEquals(query.readInt32BE(4), 196608);
          return socket.write(Buffer.concat([message("R", 0), ready]));
        }
        if (query.toString("latin1", 0, 1) !== "Q") return socket.end();
        const value = Buffer.from(query.toString("utf8", 5, query.length - 1));
        const column = Buffer.from(
          "0001616e73776572000000000000000000001900000000ffffffff0000",
          "hex",
        );
        // RowDescription of one column "answer", a row with the query, and the end.
        column.writeInt16BE(-1, column.length - 8);
        const fields = Buffer.concat([
          Buffer.from("T\0\0\0\0"),
          Buffer.from("0001", "hex"),
          Buffer.from("answer\0"),
          Buffer.from("000000000000000000190000ffffffff0000".slice(0, 36), "hex"),
        ]);
        fields.writeInt32BE(fields.length - 1, 1);
        const row = Buffer.concat([
          Buffer.from("D\0\0\0\0"),
          Buffer.from("0001", "hex"),
          Buffer.alloc(4),
          value,
        ]);
        row.writeInt32BE(row.length - 1, 1);
        row.writeInt32BE(value.length, 7);
        socket.write(Buffer.concat([fields, row, message("C", "SELECT 1"), ready]));
      },
    );
    const db = new pg.Client({
      host: "server",
      port: 80,
      user: "me",
      stream: () => createSocket(net.client),
    });
    await db.connect();
    for (const query of ["SELECT 1", "SELECT 'twice'"]) {
      assertEquals((await db.query(query)).rows, [{ answer: query }]);
    }
    await db.end();
  });

  it("mysql2 logs in, pings and leaves", async () => {
    await using net = network();
    const packet = (sequence: number, body: Buffer): Buffer => {
      const head = Buffer.alloc(4);
      head.writeUIntLE(body.length, 0, 3);
      head[3] = sequence;
      return Buffer.concat([head, body]);
    };
    // Protocol::HandshakeV10, and an OK packet for whatever comes.
    const hello = Buffer.concat([
      Buffer.from("\n8.0.0\0\x01\0\0\0abcdefgh\0"),
      Buffer.from("ffff", "hex"),
      Buffer.from("2102000f0015", "hex").subarray(0, 3),
      Buffer.from("0f0015", "hex"),
      Buffer.alloc(10),
      Buffer.from("ijklmnopqrst\0mysql_native_password\0"),
    ]);
    const ok = Buffer.from([0, 0, 0, 2, 0, 0, 0]);
    const commands: number[] = [];
    using _ = script(
      net,
      (socket) => socket.write(packet(0, hello)),
      (bytes) => bytes.length < 4 ? null : bytes.readUIntLE(0, 3) + 4,
      (message, socket, messages) => {
        if (messages > 0) commands.push(message[4] ?? 0);
        if (message[4] === 1 && messages > 0) return socket.end();
        socket.write(packet((message[3] ?? 0) + 1, ok));
      },
    );
    const socket = createSocket(net.client);
    const db = await mysql.createConnection({
      user: "me",
      stream: () => socket.connect(80, "server"),
    });
    await db.ping();
    await db.end();
    await net.sleep("100 ms");
    assertEquals(commands, [0x0e, 0x01]);
  });
});

describe("serve()", () => {
  it("gives a Request, sends a Response, on one connection", async () => {
    await using net = network();
    let told = "";
    const server = serving(net, async (request, { remoteAddr }) => {
      const { pathname, host } = new URL(request.url);
      const headers = new Headers({ "x-from": remoteAddr.hostname });
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      const body = `${request.method} ${host}${pathname} ${(await request.text()).length}`;
      return new Response(body, { status: 201, headers });
    }, { onListen: ({ port }: { port: number }) => told = `port ${port}` });
    assertEquals([told, server.addr.port], ["port 80", 80]);
    const agent = client(net);
    const one = await get(agent, "/one");
    const two = await get(agent, "/two", { method: "POST" }, "x".repeat(200_000));
    assertEquals([one.status, one.text, two.text], [
      201,
      "GET server/one 0",
      "POST server/two 200000",
    ]);
    assertEquals(one.headers["set-cookie"], ["a=1", "b=2"]);
    assertMatch(String(one.headers["x-from"]), /^10\./);
    assertEquals(one.port, two.port);
    assertEquals((await get(agent, "/", { method: "HEAD" })).text, "");
    await server.shutdown();
    await server.finished;
    agent.destroy();
  });

  it("streams: a part comes before the next one is made, and a slow reader holds the body back", async () => {
    await using net = network();
    let made = 0;
    await using _ = serving(net, () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            if (made++ < 100) controller.enqueue(new Uint8Array(100_000));
            else controller.close();
          },
        }),
      ));
    const agent = client(net);
    const sent = http.get({ host: "server", agent });
    const [response] = await once(sent, "response") as [http.IncomingMessage];
    await net.sleep("3 s");
    const ahead = made;
    assert(ahead < 80, `${ahead} parts of 100 were made for a reader that has read nothing`);
    let length = 0;
    for await (const chunk of response) length += chunk.length;
    assertEquals(length, 10_000_000);
    agent.destroy();
  });

  it("tells the handler when the peer goes, and ends the body", async () => {
    await using net = network();
    const seen: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    await using _ = serving(net, (request, { completed }) => {
      request.signal.addEventListener("abort", () => seen.push("signal"));
      completed.catch(() => {
        seen.push("completed");
        resolve();
      });
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(10)),
          cancel: () => void seen.push("cancel"),
        }),
      );
    });
    const agent = client(net);
    const sent = http.get({ host: "server", agent });
    const [response] = await once(sent, "response") as [http.IncomingMessage];
    response.destroy();
    await promise;
    assertEquals(seen.sort(), ["cancel", "completed", "signal"]);
    agent.destroy();
  });

  it("answers by onError where the handler throws, and breaks off where a body fails", async () => {
    await using net = network();
    await using _ = serving(net, (request) => {
      if (new URL(request.url).pathname === "/throws") throw new Error("no");
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(10)),
          pull: () => Promise.reject(new Error("broken")),
        }),
      );
    }, { onError: (error: Error) => new Response(error.message, { status: 418 }) });
    const agent = client(net);
    const { status, text } = await get(agent, "/throws");
    assertEquals([status, text], [418, "no"]);
    const log = console.error;
    const logged: unknown[] = [];
    console.error = (error: unknown) => void logged.push(error);
    await assertRejects(() => get(agent, "/breaks"), Error);
    console.error = log;
    assertMatch(String(logged), /broken/);
    agent.destroy();
  });

  it("ends everything at once when its signal is aborted", async () => {
    await using net = network();
    const controller = new AbortController();
    const server = serving(net, () => new Response(new ReadableStream()), {
      signal: controller.signal,
    });
    const agent = client(net);
    const sent = http.get({ host: "server", agent });
    const [response] = await once(sent, "response") as [http.IncomingMessage];
    const failed = once(response, "error");
    controller.abort();
    assertEquals((await failed)[0].code, "ECONNRESET");
    await server.finished;
    agent.destroy();
    // deno-lint-ignore no-explicit-any
    assertThrows(() => serve({} as any, () => new Response()), TypeError, "must be a listener");
  });
});
