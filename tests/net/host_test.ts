import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import type { ConnectOptions, HostOptions } from "../../core/net/host.ts";
import { Host } from "../../core/net/host.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import { systemResolve } from "../../core/net/resolve.ts";
import { fakeHosts, fakePair } from "../support/fake_hosts.ts";
import { WireLink } from "../support/wire.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

function zeros(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length);
}

/** Two hosts in real time, joined by two wires. */
async function wired(): Promise<{ client: Host; server: Host; links: WireLink[] }> {
  const [a, b] = WireLink.pair("a", "b");
  const [c, d] = WireLink.pair("c", "d");
  const [client, server] = await Promise.all([
    Host.open({
      interfaces: [{ link: a, addresses: ["10.0.1.1/24"] }, {
        link: c,
        addresses: ["10.0.2.1/24", "fd00:2::1/64"],
      }],
    }),
    Host.open({
      interfaces: [{ link: b, addresses: ["10.0.1.2/24"] }, {
        link: d,
        addresses: ["10.0.2.2/24", "fd00:2::2/64"],
      }],
      resolve: () => [],
    }),
  ]);
  return { client, server, links: [a, b, c, d] };
}

describe("Host.open()", () => {
  const link = new WireLink("a");
  const other = new WireLink("b");
  const interfaces = [{ link, addresses: ["10.0.0.1/24"] }];
  const wrong: [unknown, string][] = [
    [
      {},
      "Cannot open a host as 'interfaces' must be a non-empty array of { link, addresses }: current value is undefined",
    ],
    [{ interfaces: [] }, "current value is []"],
    [{ interfaces: [{ link: "tun0", addresses: [] }] }, 'tun("mptcp0"): current value is "tun0"'],
    [{ interfaces: [{ link, addresses: "10.0.0.1/24" }] }, "must be a non-empty array such as"],
    [{ interfaces: [{ link, addresses: [] }] }, "'addresses' of a"],
    [
      { interfaces: [{ link, addresses: ["10.0.0.1"] }] },
      'Cannot give a the address "10.0.0.1" as it must be an address with its prefix',
    ],
    [{ interfaces: [{ link, addresses: ["10.0.0.1/33"] }] }, '"10.0.0.1/33"'],
    [{ interfaces: [...interfaces, ...interfaces] }, "two of its links are named a"],
    [
      { interfaces: [...interfaces, { link: other, addresses: ["10.0.0.1/16"] }] },
      "two of its addresses are 10.0.0.1",
    ],
    [
      { interfaces, scheduler: minRtt },
      "as a scheduler as it is a function: call it, scheduler: minRtt()",
    ],
    [
      { interfaces, pathManager: reno() },
      "Cannot use reno as a path manager as it is a congestion",
    ],
    [{ interfaces, seed: 0.5 }, "'seed' must be an integer: current value is 0.5"],
    [{ interfaces, memory: 1000 }, "'memory' must be an integer from 1048576 to 1073741824"],
    [{ interfaces, memory: 2 ** 31 }, "'memory' must be an integer from 1048576 to 1073741824"],
    [{ interfaces, receiveMemory: 0.5 }, "'receiveMemory' must be an integer from 1048576"],
    [{ interfaces, linger: "10" }, '"10"'],
  ];
  for (const [options, message] of wrong) {
    it(`refuses what is wrong: ${message}`, async () => {
      const error = await assertRejects(() => Host.open(options as HostOptions), Error, message);
      assert(error instanceof TypeError || error instanceof RangeError);
    });
  }

  it("closes what it has opened when a link fails", async () => {
    const bad = new WireLink("bad");
    bad.attach = () => {
      throw new Deno.errors.NotFound("no such device");
    };
    const good = new WireLink("good");
    await assertRejects(
      () =>
        Host.open({
          interfaces: [
            { link: good, addresses: ["10.0.0.1/24"] },
            { link: bad, addresses: ["10.0.1.1/24"] },
          ],
        }),
      Deno.errors.NotFound,
    );
    assert(good.closed);
  });
});

describe("a host in real time", () => {
  it("moves bytes over two links both ways and leaves nothing behind", async () => {
    const { client, server, links } = await wired();
    assertEquals(links.map(({ configured }) => configured.length), [1, 1, 2, 2]);
    {
      await using _client = client;
      await using _server = server;
      const listener = server.listen({ port: 80 });
      const data = Uint8Array.from({ length: 300000 }, (_, i) => i * 7 + (i >> 8));
      const serving = (async () => {
        for await (const conn of listener) {
          await conn.readable.pipeTo(conn.writable);
          return conn.info();
        }
      })();
      using conn = await client.connect({ hostname: "10.0.1.2", port: 80 });
      const sending = conn.write(data).then(() => conn.closeWrite());
      const echo = new Uint8Array(await new Response(conn.readable).arrayBuffer());
      await sending;
      assertEquals(echo, data);
      assertEquals((await serving)!.mptcp.flags & 1, 0);
    }
    assertEquals(links.map(({ closed }) => closed), [true, true, true, true]);
  });

  it("speaks IPv6, and takes brackets", async () => {
    const { client, server } = await wired();
    await using _client = client;
    await using _server = server;
    using listener = server.listen({ port: 80, hostname: "[fd00:2::2]" });
    using conn = await client.connect({ hostname: "[fd00:2::2]", port: 80 });
    using peer = await listener.accept();
    assertEquals(peer.remoteAddr, conn.localAddr);
    assertEquals(conn.localAddr.hostname, "fd00:2::1");
  });

  it("is refused where nothing listens, and has no way to a family without address", async () => {
    const { client, server } = await wired();
    await using _client = client;
    await using _server = server;
    await assertRejects(
      () => client.connect({ hostname: "10.0.1.2", port: 81 }),
      Deno.errors.ConnectionRefused,
      "Cannot connect to 10.0.1.2:81 as the peer refused it",
    );
    await assertRejects(
      () => client.connect({ hostname: "10.0.1.2", port: 81, localAddress: "10.7.7.7" }),
      Deno.errors.AddrNotAvailable,
      "Cannot connect to 10.0.1.2:81 from 10.7.7.7 as this host has no such address",
    );
  });

  it("close() aborts what is open", async () => {
    const { client, server } = await wired();
    await using _server = server;
    using listener = server.listen({ port: 80 });
    const conn = await client.connect({ hostname: "10.0.1.2", port: 80 });
    using peer = await listener.accept();
    const read = conn.read(zeros(1));
    const lost = peer.read(zeros(1));
    const closing = client.close();
    await assertRejects(() => read, Deno.errors.ConnectionAborted);
    await closing;
    await client.close();
    await assertRejects(() => lost, Deno.errors.ConnectionReset);
  });
});

describe("Host.connect()", () => {
  it("refuses what is wrong", async () => {
    const { client } = fakeHosts();
    const wrong: [unknown, string][] = [
      [{ port: 80 }, "'hostname' must be a name or an address: current value is undefined"],
      [{ hostname: "server", port: 0 }, "'port' must be an integer from 1 to 65535"],
      [{ hostname: "server", port: 80, transport: "udp" }, '"udp"'],
      [{ hostname: "server", port: 80, localAddress: "here" }, '"here"'],
      [{ hostname: "server", port: 80, scheduler: {} }, "as a scheduler"],
    ];
    for (const [options, message] of wrong) {
      await assertRejects(() => client.connect(options as ConnectOptions), Error, message);
    }
  });

  it("asks for names, and tries all of their addresses", async () => {
    const { client, server, clientStack, net } = fakeHosts();
    using _listener = server.listen({ port: 80, hostname: "10.0.0.2" });
    await client.connect({ hostname: "server", port: 80 });
    assertEquals(clientStack.connected!.remote.address, "10.0.0.2");
    await client.connect({ hostname: "twice", port: 80 });
    assertEquals(clientStack.connected!.others!.length, 1);
    assertEquals(
      clientStack.sockets.map(({ code, remoteEndpoint }) => [code, remoteEndpoint.address]),
      [[null, "10.0.0.2"], [null, "10.0.0.2"]],
    );
    net.silent.add("10.0.0.2");
    await assertRejects(
      () => client.connect({ hostname: "twice", port: 80 }),
      Deno.errors.TimedOut,
    );
    await assertRejects(
      () => client.connect({ hostname: "nowhere", port: 80 }),
      Deno.errors.NotFound,
      "Cannot connect to nowhere as no address is known for that name",
    );
    await assertRejects(() => client.connect({ hostname: "odd", port: 80 }), TypeError, '"?"');
  });

  it("passes on plugins and the local address", async () => {
    const { client, server, clientStack } = fakeHosts();
    using _listener = server.listen({ port: 80 });
    const scheduler = minRtt();
    await client.connect({ hostname: "server", port: 80, localAddress: "10.0.0.1", scheduler });
    assertEquals(clientStack.connected!.policies, { scheduler });
    assertEquals(clientStack.connected!.local, { address: "10.0.0.1", port: 0 });
  });
});

describe("systemResolve()", () => {
  it("knows what /etc/hosts says", async () => {
    const [address] = await systemResolve("localhost");
    assert(address === "127.0.0.1" || address === "::1", address);
  });
});

describe("Host", () => {
  it("adds and removes addresses, and takes links up and down", () => {
    const { client, clientStack } = fakeHosts();
    client.addAddress("10.0.5.1/24", "eth0");
    client.removeAddress("10.0.5.1/24");
    client.removeAddress("10.0.5.1");
    client.setLinkUp("eth0", false);
    assertEquals(clientStack.log, [
      "add 10.0.5.1/24 to eth0",
      "remove 10.0.5.1",
      "remove 10.0.5.1",
      "eth0 down",
    ]);
    assertThrows(() => client.addAddress("10.0.5.1", "eth0"), TypeError, "with its prefix");
    assertThrows(() => client.addAddress("10.0.5.1/24", "eth9"), TypeError, "one of: eth0");
    assertThrows(() => client.removeAddress("eth0"), TypeError);
  });

  it("counts", () => {
    const { client } = fakeHosts();
    assertEquals(client.counters, { MPCapableSYNTX: 1 });
    assertEquals(client.connections, 0);
  });

  it("await using closes connections in order, and waits for them", async () => {
    const hosts = fakeHosts();
    const { client, server, clientSocket } = await fakePair(hosts);
    hosts.server.listen({ port: 99 });
    await client.write(zeros(100));
    const serving = (async () => {
      while (await server.read(zeros(10)) !== null);
      server.close();
    })();
    client.unref();
    const disposing = hosts.client[Symbol.asyncDispose]();
    assert(hosts.clientRuntime.held, "or the program would end before it");
    await disposing;
    assert(!hosts.clientRuntime.held);
    await serving;
    assert(clientSocket.finished);
    assertEquals(clientSocket.code, null);
    assert(hosts.clientRuntime.closed);
    assertEquals(hosts.clientStack.log, ["close", "free"]);
    await hosts.client[Symbol.asyncDispose]();
    await hosts.server.close();
  });

  it("refuses calls once it is closed", async () => {
    const { client } = fakeHosts();
    const listener = client.listen({ port: 80 });
    const accepting = listener.accept();
    const closing = client.close();
    await assertRejects(() => accepting, Deno.errors.BadResource);
    await assertRejects(
      () => client.connect({ hostname: "server", port: 80 }),
      Deno.errors.BadResource,
    );
    assertThrows(
      () => client.listen({ port: 80 }),
      Deno.errors.BadResource,
      "Host has been closed",
    );
    await closing;
  });
});
