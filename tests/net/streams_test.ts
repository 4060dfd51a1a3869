import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fakePair } from "../support/fake_hosts.ts";

const HELLO = new TextEncoder().encode("hello");

function zeros(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length);
}

describe("readable", () => {
  it("gives chunks of just what came, and its end leaves writable open", async () => {
    const { client, server } = await fakePair();
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of server.readable) chunks.push(chunk);
    })();
    await client.write(HELLO);
    await client.closeWrite();
    await reading;
    assertEquals(chunks, [HELLO]);
    assertEquals(chunks[0]!.buffer.byteLength, 5);
    await server.write(HELLO);
    assertEquals(await client.read(zeros(10)), 5);
  });

  it("is the same stream each time", async () => {
    const { client } = await fakePair();
    assertStrictEquals(client.readable, client.readable);
    assertStrictEquals(client.writable, client.writable);
  });

  it("fills the buffers of a BYOB reader", async () => {
    const { client, server } = await fakePair();
    const reader = server.readable.getReader({ mode: "byob" });
    const first = reader.read(zeros(3));
    await client.write(HELLO);
    await client.closeWrite();
    assertEquals((await first).value, HELLO.slice(0, 3));
    assertEquals((await reader.read(zeros(10))).value, HELLO.slice(3));
    assertEquals(await reader.read(zeros(10)), { done: true, value: zeros(0) });
  });

  it("a BYOB reader may ask for words, and for at least so many", async () => {
    const { client, server } = await fakePair();
    const reader = server.readable.getReader({ mode: "byob" });
    await client.write(Uint8Array.of(1, 0, 2));
    const reading = reader.read(new Uint16Array(2), { min: 2 });
    await client.write(Uint8Array.of(0));
    assertEquals((await reading).value, Uint16Array.of(1, 2));
  });

  it("reads nothing before it is asked to", async () => {
    const { client, server, serverSocket } = await fakePair();
    serverSocket.capacity = 10;
    await client.write(zeros(40));
    const reader = server.readable.getReader();
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    assertEquals(serverSocket.readable, 10);
    for (let i = 0; i < 3; i++) assertEquals((await reader.read()).value!.length, 10);
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    assertEquals(serverSocket.readable, 10);
  });

  it("cancel() drops what comes in; writing goes on", async () => {
    const { client, server, serverSocket } = await fakePair();
    const reader = server.readable.getReader();
    const reading = reader.read();
    await reader.cancel();
    assertEquals((await reading).done, true);
    assert(serverSocket.discarding);
    await client.write(zeros(1e6));
    await server.write(HELLO);
    assertEquals(await client.read(zeros(10)), 5);
    assertEquals(await server.read(zeros(10)), null);
    server.close();
    assertEquals(await client.read(zeros(10)), null);
  });

  it("cancel() while a BYOB read waits leaves its buffer alone", async () => {
    const { client, server } = await fakePair();
    const reader = server.readable.getReader({ mode: "byob" });
    const reading = reader.read(zeros(10));
    await reader.cancel();
    assertEquals((await reading).done, true);
    await client.write(HELLO);
  });

  it("errs with the network's error, after what came before it", async () => {
    const { client, server, serverSocket } = await fakePair();
    await client.write(HELLO);
    const reader = server.readable.getReader();
    assertEquals((await reader.read()).value, HELLO);
    serverSocket.end("TimedOut");
    await assertRejects(() => reader.read(), Deno.errors.TimedOut);
  });

  it("errs with the reason of abort(), also when nothing is read", async () => {
    const { client } = await fakePair();
    const reader = client.readable.getReader();
    const reason = new Error("enough");
    client.abort(reason);
    assertStrictEquals(await assertRejects(() => reader.closed), reason);
  });
});

describe("writable", () => {
  it("writes, holds the writer back, and closes", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.capacity = 10;
    const writer = client.writable.getWriter();
    let done = false;
    const writing = writer.write(zeros(25)).then(() => done = true);
    await Promise.resolve();
    assert(!done);
    assertEquals(writer.desiredSize, 65536 - 25);
    const closing = writer.close();
    let received = 0;
    const buffer = zeros(64);
    for (let count = await server.read(buffer); count !== null; count = await server.read(buffer)) {
      received += count;
    }
    await Promise.all([writing, closing]);
    assertEquals(received, 25);
    await server.write(HELLO);
    assertEquals(await client.read(zeros(10)), 5);
  });

  it("abort() ends the connection at once, also while a write waits", async () => {
    const { client, server, clientSocket } = await fakePair();
    clientSocket.stuck = true;
    const writer = client.writable.getWriter();
    const writing = writer.write(zeros(100000));
    const reason = new Error("enough");
    await Promise.all([
      assertRejects(() => writing),
      writer.abort(reason),
    ]);
    assertEquals(clientSocket.code, "ConnectionAborted");
    assertStrictEquals(await assertRejects(() => client.read(zeros(1))), reason);
    await assertRejects(() => server.read(zeros(1)), Deno.errors.ConnectionReset);
  });

  it("errs when the connection fails, also when nothing is written", async () => {
    const { client, clientSocket } = await fakePair();
    const writer = client.writable.getWriter();
    clientSocket.end("ConnectionReset");
    await assertRejects(() => writer.closed, Deno.errors.ConnectionReset);
    await assertRejects(() => writer.write(HELLO), Deno.errors.ConnectionReset);
  });

  it("of a connection that has failed errs at once", async () => {
    const { client, clientSocket } = await fakePair();
    clientSocket.end("ConnectionReset");
    await assertRejects(() => client.read(zeros(1)), Deno.errors.ConnectionReset);
    await assertRejects(() => client.writable.getWriter().closed, Deno.errors.ConnectionReset);
  });

  it("takes bytes only", async () => {
    const { client } = await fakePair();
    const writer = client.writable.getWriter();
    await assertRejects(
      () => writer.write("hello" as unknown as Uint8Array),
      TypeError,
      'Cannot write "hello" as it must be a Uint8Array: TextEncoder',
    );
  });
});

describe("both streams", () => {
  it("echo by pipeTo()", async () => {
    const { client, server, serverSocket } = await fakePair();
    const echo = server.readable.pipeTo(server.writable);
    const data = Uint8Array.from({ length: 200000 }, (_, i) => i * 7);
    const sending = client.write(data).then(() => client.closeWrite());
    const received = new Uint8Array(await new Response(client.readable).arrayBuffer());
    await Promise.all([echo, sending]);
    assertEquals(received, data);
    assert(serverSocket.finished);
  });

  it("carry text through transform streams", async () => {
    const { client, server } = await fakePair();
    const encoder = new TextEncoderStream();
    const compressed = encoder.readable
      .pipeThrough(new CompressionStream("gzip") as TransformStream<Uint8Array, Uint8Array>);
    const sending = compressed.pipeTo(client.writable);
    const writer = encoder.writable.getWriter();
    writer.write("hello ".repeat(10000));
    writer.close();
    const text = await new Response(
      server.readable.pipeThrough(new DecompressionStream("gzip")),
    ).text();
    await sending;
    assertEquals(text.length, 60000);
  });
});
