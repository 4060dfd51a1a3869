import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fakeHosts } from "../support/fake_hosts.ts";

describe("MptcpListener", () => {
  it("accepts connections that wait, and waits for those to come", async () => {
    const { client, server } = fakeHosts();
    using listener = server.listen({ port: 80 });
    assertEquals(listener.addr, { transport: "tcp", hostname: "0.0.0.0", port: 80 });
    const first = await client.connect({ hostname: "10.0.0.2", port: 80 });
    const accepted = await listener.accept();
    assertEquals(accepted.remoteAddr, first.localAddr);
    assertEquals(accepted.localAddr, first.remoteAddr);
    const two = [listener.accept(), listener.accept()];
    const ports: number[] = [];
    for (let i = 0; i < 2; i++) {
      ports.push((await client.connect({ hostname: "10.0.0.2", port: 80 })).localAddr.port);
    }
    const conns = await Promise.all(two);
    assertEquals(conns.map((conn) => conn.remoteAddr.port), ports);
  });

  it("accept() alone lets no time pass", async () => {
    const { server, net } = fakeHosts();
    const listener = server.listen({ port: 80 });
    const accepting = listener.accept();
    assertEquals([...net.waits].map(({ what, counts }) => [what, counts]), [
      ["accept a connection on port 80", false],
    ]);
    listener.close();
    await assertRejects(() => accepting, Deno.errors.BadResource);
    assertEquals(net.waits.size, 0);
  });

  it("rejects with BadResource when closed, before and after", async () => {
    const { server } = fakeHosts();
    const listener = server.listen({ port: 80 });
    const waiting = listener.accept();
    listener.close();
    listener.close();
    await assertRejects(() => waiting, Deno.errors.BadResource, "Listener has been closed");
    await assertRejects(() => listener.accept(), Deno.errors.BadResource);
  });

  it("iteration ends quietly when it is closed", async () => {
    const { client, server } = fakeHosts();
    const listener = server.listen({ port: 80 });
    const seen: number[] = [];
    const serving = (async () => {
      for await (const conn of listener) {
        seen.push(conn.remoteAddr.port);
        if (seen.length === 2) listener.close();
      }
    })();
    const first = await client.connect({ hostname: "10.0.0.2", port: 80 });
    const second = await client.connect({ hostname: "10.0.0.2", port: 80 });
    await serving;
    assertEquals(seen, [first.localAddr.port, second.localAddr.port]);
  });

  it("leaving the loop closes it", async () => {
    const { client, server } = fakeHosts();
    const listener = server.listen({ port: 80 });
    await client.connect({ hostname: "10.0.0.2", port: 80 });
    for await (const _conn of listener) break;
    await assertRejects(() => listener.accept(), Deno.errors.BadResource);
    server.listen({ port: 80 }).close();
  });

  it("chooses a port when asked for 0", () => {
    const { server } = fakeHosts();
    using listener = server.listen({ port: 0 });
    assert(listener.addr.port > 0);
  });

  it("says what is wrong with an address or a port", () => {
    const { server, serverStack } = fakeHosts();
    using _listener = server.listen({ port: 80, hostname: "10.0.0.2", backlog: 3 });
    assertEquals(serverStack.listened!.backlog, 3);
    assertThrows(
      () => server.listen({ port: 80, hostname: "10.0.0.2" }),
      Deno.errors.AddrInUse,
      "Cannot listen on 10.0.0.2:80 as the port is in use: choose another one",
    );
    assertThrows(
      () => server.listen({ port: 81, hostname: "10.9.9.9" }),
      Deno.errors.AddrNotAvailable,
    );
    assertThrows(
      () => server.listen({ port: 65536 }),
      RangeError,
      "Cannot listen as 'port' must be an integer from 0 to 65535: current value is 65536",
    );
    assertThrows(() => server.listen({ port: "80" as unknown as number }), TypeError, '"80"');
    assertThrows(() => server.listen({ port: 1, backlog: 0 }), RangeError, "'backlog'");
    assertThrows(() => server.listen({ port: 1, hostname: "server" }), TypeError, '"server"');
  });

  it("keeps the program running while it is open, unless told not to", () => {
    const { client, clientRuntime } = fakeHosts();
    assert(!clientRuntime.held);
    const listener = client.listen({ port: 80 });
    assert(clientRuntime.held);
    listener.unref();
    assert(!clientRuntime.held);
    listener.ref();
    listener.close();
    assert(!clientRuntime.held);
  });
});
