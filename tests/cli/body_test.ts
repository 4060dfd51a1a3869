import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { sendBody } from "../../cli/body.ts";
import { emulate, type MptcpConn } from "../../mod.ts";
import { type MptcpDuplex, toDuplex } from "../../core/net/node.ts";
import { pattern } from "../support/streams.ts";

/** A client of an HTTP server that answers each request by `answer`. */
async function served(
  answer: (request: IncomingMessage, response: ServerResponse, duplex: MptcpDuplex) => void,
  client: (conn: MptcpConn) => Promise<void>,
): Promise<void> {
  await using net = emulate({ paths: { a: { rate: "400 Mbit/s", delay: "5 ms" } } });
  using listener = net.server.listen({ port: 80 });
  using conn = await net.client.connect({ hostname: "server", port: 80 });
  using peer = await listener.accept();
  const duplex = toDuplex(peer);
  duplex.on("error", () => {});
  const server = createServer((request, response) => answer(request, response, duplex));
  // So that the connection stays open behind the first response.
  Object.defineProperty(server, "listening", { value: true });
  server.emit("connection", duplex);
  await client(conn);
  duplex.destroy();
}

function reader(bytes: Uint8Array): (view: Uint8Array) => number {
  let at = 0;
  return (view) => {
    const part = bytes.subarray(at, at + view.length);
    view.set(part);
    at += part.length;
    return part.length;
  };
}

describe("a body from the send queue", () => {
  it("follows its head, and all responses before it, at any size", async () => {
    const sizes = [0, 1, 4096, 4097, 300_000, 5];
    await served(
      (request, response, duplex) => {
        const size = Number(request.url!.slice(1));
        response.writeHead(200, { "content-length": size });
        sendBody(response, duplex, size, reader(pattern(size, size)));
      },
      async (conn) => {
        // All at once: the server answers in order, however long each takes.
        const text = sizes.map((size) => `GET /${size} HTTP/1.1\r\nhost: x\r\n\r\n`).join("");
        await conn.write(new TextEncoder().encode(text));
        let got: Uint8Array = new Uint8Array();
        const more = new Uint8Array(65536);
        for (const size of sizes) {
          let head = -1;
          while (
            (head = Buffer.from(got).indexOf("\r\n\r\n")) < 0 || got.length < head + 4 + size
          ) {
            const count = await conn.read(more);
            assert(count !== null, `ended before the body of ${size}`);
            got = Buffer.concat([got, more.subarray(0, count)]);
          }
          assertEquals(
            Buffer.compare(got.subarray(head + 4, head + 4 + size), pattern(size, size)),
            0,
          );
          got = got.subarray(head + 4 + size);
        }
        assertEquals(got.length, 0);
      },
    );
  });

  it("that is shorter than it was said to be is an error, and the end of its connection: the peer does not wait for the rest", async () => {
    let failure: Promise<Error> | undefined;
    let ended = false;
    await served(
      (_request, response, duplex) => {
        const read = reader(pattern(10_000, 1));
        response.writeHead(200, { "content-length": 20_000 });
        failure = assertRejects(
          () => sendBody(response, duplex, 20_000, read),
          Error,
          "only 5904 of 15904",
        );
      },
      async (conn) => {
        await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
        while (await conn.read(new Uint8Array(65536)) !== null);
        ended = true;
        await failure;
      },
    );
    assert(failure !== undefined && ended);
  });

  it("is an error when its connection goes", async () => {
    let failure: Promise<Error> | undefined;
    await served(
      (_request, response, duplex) => {
        response.writeHead(200, { "content-length": 1e8 });
        failure = assertRejects(
          () => sendBody(response, duplex, 1e8, (view) => view.length),
          Error,
        );
      },
      async (conn) => {
        await conn.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
        await conn.read(new Uint8Array(65536));
        conn.abort();
        await failure;
      },
    );
    assert(failure !== undefined);
  });
});
