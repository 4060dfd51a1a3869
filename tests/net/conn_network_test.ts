import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt, roundRobin } from "../../sched/mod.ts";
import type { MptcpConn } from "../../core/net/conn.ts";
import { emulate, type Emulation } from "../../core/net/emulate.ts";
import { provideDefaults } from "../../core/net/policies.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

const HELLO = new TextEncoder().encode("hello");

function zeros(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length);
}

interface Ends {
  readonly net: Emulation;
  readonly client: MptcpConn;
  readonly server: MptcpConn;
}

/** Runs `body` on a connection over two paths; afterwards nothing may be left of it. */
async function connected(body: (ends: Ends) => Promise<void>): Promise<void> {
  const net = emulate({
    paths: { a: { rate: "50 Mbit/s", delay: "5 ms" }, b: { rate: "20 Mbit/s", delay: "10 ms" } },
  });
  const listener = net.server.listen({ port: 80 });
  const [client, server] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  await body({ net, client, server });
  client.close();
  server.close();
  await net[Symbol.asyncDispose]();
  assertEquals([net.client.connections, net.server.connections], [0, 0]);
}

/** Reads to the end; the bytes. */
async function drain(conn: MptcpConn): Promise<number> {
  const buffer = zeros(65536);
  let total = 0;
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    total += count;
  }
  return total;
}

describe("a connection over an emulated network", () => {
  it("close() sends what was written", async () => {
    await connected(async ({ client, server }) => {
      const size = 12e6;
      const [written, drained] = await Promise.all([
        client.write(zeros(size)).finally(() => client.close()),
        drain(server),
      ]);
      assertEquals([written, drained], [size, size]);
      assertEquals(client.info().mptcp.flags & 1, 0);
    });
  });

  it("close() with unread data is MP_FASTCLOSE", async () => {
    await connected(async ({ net, client, server }) => {
      await server.write(HELLO);
      await net.sleep("100 ms");
      const read = server.read(zeros(1));
      client.close();
      await assertRejects(() => read, Deno.errors.ConnectionReset);
      assertEquals(net.client.counters["MPFastcloseTx"], 1);
    });
  });

  it("await using waits for both DATA_FINs", async () => {
    await connected(async ({ net, client, server }) => {
      const serving = (async () => {
        const received = await drain(server);
        server.close();
        return received;
      })();
      const start = net.now;
      {
        await using conn = client;
        await conn.write(zeros(1e6));
      }
      assert(net.now - start > 100e3 && net.now - start < 1e6, `${net.now - start}`);
      assertEquals(await serving, 1e6);
    });
  });

  it("await using waits no longer than linger for a peer that keeps its end open", async () => {
    await connected(async ({ net, client }) => {
      await client.write(HELLO);
      const start = net.now;
      await client[Symbol.asyncDispose]();
      assertEquals(net.now - start, 10e6);
    });
  });

  it("abort() ends both sides at once", async () => {
    await connected(async ({ net, client, server }) => {
      const reason = new Error("enough");
      const mine = client.read(zeros(1));
      const theirs = server.read(zeros(1));
      client.abort(reason);
      assertStrictEquals(await assertRejects(() => mine), reason);
      await assertRejects(() => theirs, Deno.errors.ConnectionReset, "the peer reset it");
      assertEquals(net.client.counters["MPFastcloseTx"], 1);
      assertEquals(net.server.counters["MPFastcloseRx"], 1);
    });
  });

  it("readable.cancel() drops what comes in, and writing goes on", async () => {
    await connected(async ({ client, server }) => {
      await client.readable.cancel();
      await server.write(zeros(20e6));
      await client.write(HELLO);
      assertEquals(await server.read(zeros(10)), 5);
    });
  });

  it("a peer that does not read holds the writer back", async () => {
    await connected(async ({ net, client, server }) => {
      let written = false;
      const writing = client.write(zeros(20e6)).then(() => written = true);
      await net.sleep("20 s");
      assert(!written);
      const read = await server.read(zeros(65536));
      assertEquals(read, 65536);
      let received = 65536;
      const buffer = zeros(1 << 20);
      while (received < 20e6) received += (await server.read(buffer))!;
      await writing;
    });
  });

  it("streams end in order, each direction on its own", async () => {
    await connected(async ({ client, server }) => {
      const echo = server.readable.pipeTo(server.writable);
      const data = Uint8Array.from({ length: 3e6 }, (_, i) => i * 7 + (i >> 8));
      const sending = new Blob([data]).stream().pipeTo(client.writable);
      const received = new Uint8Array(await new Response(client.readable).arrayBuffer());
      await Promise.all([echo, sending]);
      assertEquals(received.length, data.length);
      assert(received.every((byte, i) => byte === data[i]));
    });
  });

  it("swaps its scheduler in the middle", async () => {
    await connected(async ({ net, client, server }) => {
      const writing = client.write(zeros(4e6)).then(() => client.closeWrite());
      const reading = drain(server);
      await net.sleep("200 ms");
      client.setScheduler(roundRobin());
      assertEquals(await reading, 4e6);
      await writing;
    });
  });

  it("shows its paths, and takes the application's wishes for them", async () => {
    await connected(async ({ net, client, server }) => {
      await client.write(HELLO);
      await server.read(zeros(10));
      await net.sleep("1 s");
      assertEquals(client.paths.role, "client");
      assertEquals(client.paths.paths.map(({ path, backup }) => [path, backup]), [
        [1, false],
        [2, false],
      ]);
      client.paths.use([1]);
      await net.sleep("1 s");
      assertEquals(client.paths.paths.map(({ path }) => path), [1]);
      assertEquals(server.info().subflows.length, 1);
      let called = 0;
      client.paths.after(1000, () => called = net.now);
      const start = net.now;
      await net.sleep("1 s");
      assertEquals(called, start + 1000);
    });
  });

  it("survives the loss of a path", async () => {
    await connected(async ({ net, client, server }) => {
      const writing = client.write(zeros(4e6)).then(() => client.closeWrite());
      const reading = drain(server);
      await net.sleep("300 ms");
      net.path("a").cut();
      assertEquals(await reading, 4e6);
      await writing;
    });
  });

  it("loses an address and gets it back", async () => {
    await connected(async ({ net, client, server }) => {
      const writing = client.write(zeros(4e6)).then(() => client.closeWrite());
      const reading = drain(server);
      await net.sleep("300 ms");
      net.client.setLinkUp("b", false);
      await net.sleep("100 ms");
      assertEquals(client.info().subflows.length, 1);
      net.client.setLinkUp("b", true);
      assertEquals(await reading, 4e6);
      await writing;
    });
  });
});

describe("connecting over an emulated network", () => {
  const paths = { a: { rate: "50 Mbit/s", delay: "5 ms" } } as const;

  it("is refused where nothing listens", async () => {
    await using net = emulate({ paths });
    await assertRejects(
      () => net.client.connect({ hostname: "server", port: 81 }),
      Deno.errors.ConnectionRefused,
      "Cannot connect to 10.0.0.1:81 as the peer refused it",
    );
  });

  it("times out where nothing answers, or ends with its signal", async () => {
    await using net = emulate({ paths });
    using _listener = net.server.listen({ port: 80 });
    net.path("a").cut();
    const signal = net.timeout("1 s");
    const error = await assertRejects(
      () => net.client.connect({ hostname: "server", port: 80, signal }),
      DOMException,
    );
    assertEquals([error.name, net.now], ["TimeoutError", 1e6]);
    await assertRejects(
      () => net.client.connect({ hostname: "server", port: 80 }),
      Deno.errors.TimedOut,
      "nothing answered",
    );
  });

  it("has no way to another family", async () => {
    await using net = emulate({ paths });
    await assertRejects(
      () => net.client.connect({ hostname: "fd00::1", port: 80 }),
      Deno.errors.NetworkUnreachable,
      "Cannot connect to [fd00::1]:80 as no interface",
    );
  });

  it("a signal aborts the connection later", async () => {
    await using net = emulate({ paths });
    using listener = net.server.listen({ port: 80 });
    const signal = net.timeout("1 s");
    const conn = await net.client.connect({ hostname: "server", port: 80, signal });
    using peer = await listener.accept();
    await assertRejects(() => conn.read(zeros(1)), DOMException, "timed out after 1 s");
    await assertRejects(() => peer.read(zeros(1)), Deno.errors.ConnectionReset);
  });

  it("opens and closes many connections, and nothing is left", async () => {
    const net = emulate({ paths });
    const listener = net.server.listen({ port: 80 });
    const serving = (async () => {
      for await (const conn of listener) conn.readable.pipeTo(conn.writable);
    })();
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, async () => {
        await using conn = await net.client.connect({ hostname: "server", port: 80 });
        await conn.write(HELLO);
        await conn.closeWrite();
        assertEquals(await drain(conn), 5);
      }));
    }
    listener.close();
    await serving;
    await net.sleep("1 s");
    assertEquals([net.client.connections, net.server.connections], [0, 0]);
    await net[Symbol.asyncDispose]();
  });
});
