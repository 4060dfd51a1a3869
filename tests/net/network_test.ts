import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  delay,
  dumbbell,
  fatTree,
  filter,
  Network,
  type NetworkOptions,
  type Plan,
} from "../../mod.ts";
import { nDiffPorts } from "../../pm/mod.ts";

/** Lets `from` send to `to` and gives when the last byte was read, in seconds. */
async function transfer(net: Network, from: string, to: string, bytes: number): Promise<number> {
  using listener = net.host(to).listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.host(from).connect({ hostname: to, port: 80 }),
    listener.accept(),
  ]);
  const sending = conn.write(new Uint8Array(bytes)).then(() => conn.closeWrite());
  let received = 0;
  for await (const chunk of peer.readable) received += chunk.length;
  await sending;
  assertEquals(received, bytes);
  return net.now / 1e6;
}

/**
 * ```
 * a ── wifi ──┐              ┌── c
 * a ── lte ───┤ shared link  │
 * b ── cable ─┘              └── d
 * ```
 */
function shared(options: NetworkOptions = {}): Network {
  const net = new Network(options);
  for (const host of ["a", "b", "c", "d"]) net.host(host);
  net.router("left");
  net.router("right");
  net.link("wifi", { between: ["a", "left"], rate: "50 Mbit/s", delay: "2 ms" });
  net.link("lte", { between: ["a", "left"], rate: "50 Mbit/s", delay: "5 ms" });
  net.link("cable", { between: ["b", "left"] });
  net.link("shared", { between: ["left", "right"], rate: "8 Mbit/s", delay: "10 ms" });
  net.link("c", { between: ["right", "c"] });
  net.link("d", { between: ["right", "d"] });
  return net;
}

/** Names of the links that carried more than `bytes`. */
function carriers(net: Network, plan: Plan, bytes: number): string[] {
  return Object.keys(plan.links).filter((name) => net.link(name).forward.counts.bytes > bytes);
}

describe("Network", () => {
  it("has paths of one connection share a bottleneck", async () => {
    await using net = shared();
    const seconds = await transfer(net, "a", "c", 1e6);
    assert(seconds > 1, `${seconds} s: 1 MB does not fit through 8 Mbit/s in less than a second`);
    const [wifi, lte, both] = ["wifi", "lte", "shared"].map((name) =>
      net.link(name).forward.counts
    );
    // How the scheduler divides data between paths that end at one queue is its own affair.
    for (const [name, { bytes }] of Object.entries({ wifi: wifi!, lte: lte! })) {
      assert(bytes > 30_000, `${name} carried ${bytes} bytes`);
    }
    assertEquals(both!.bytes, wifi!.bytes + lte!.bytes);
    // Headers are 6 % at most: hardly anything goes twice, and the bottleneck is never idle for long.
    assert(both!.deliveredBytes < 1.06e6, `${both!.deliveredBytes} bytes came through`);
    await using alone = shared({ mptcp: false });
    const one = await transfer(alone, "a", "c", 1e6);
    assert(seconds < 1.05 * one, `${seconds} s by two paths, ${one} s by one`);
  });

  it("has connections of different hosts share a bottleneck", async () => {
    await using net = shared({ mptcp: false });
    const ends = await Promise.all([
      transfer(net, "a", "c", 500_000),
      transfer(net, "b", "d", 500_000),
    ]);
    for (const seconds of ends) {
      assert(seconds > 0.7, `${seconds} s: alone it would take 0.5 s`);
    }
  });

  it("gives a server several addresses, each on a link of its own", async () => {
    await using net = new Network();
    net.host("client");
    net.host("server");
    net.router("r");
    net.link("access", { between: ["client", "r"], rate: "50 Mbit/s", delay: "1 ms" });
    net.link("one", { between: ["r", "server"], rate: "4 Mbit/s", delay: "5 ms" });
    net.link("two", { between: ["r", "server"], rate: "4 Mbit/s", delay: "5 ms" });
    assertEquals(net.addresses("server"), ["10.0.1.1", "10.0.2.1"]);
    await transfer(net, "client", "server", 500_000);
    for (const link of ["one", "two"]) {
      const { bytes } = net.link(link).forward.counts;
      assert(bytes > 150_000, `${link} carried ${bytes} bytes`);
    }
  });

  it("has asymmetric links: each direction with a shape of its own, changed and cut alone", async () => {
    await using net = new Network();
    const client = net.host("client");
    const server = net.host("server");
    let seen = 0;
    const dsl = net.link("dsl", {
      between: ["client", "server"],
      delay: "10 ms",
      forward: { rate: "1 Mbit/s" },
      backward: { rate: "16 Mbit/s", elements: [filter(() => ++seen > 0)] },
    });
    using listener = server.listen({ port: 80 });
    const [conn, peer] = await Promise.all([
      client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    const start = net.now;
    peer.write(new Uint8Array(200_000));
    const buffer = new Uint8Array(200_000);
    for (let got = 0; got < 200_000;) got += (await conn.read(buffer)) ?? 0;
    const down = net.now - start;
    conn.write(new Uint8Array(200_000));
    for (let got = 0; got < 200_000;) got += (await peer.read(buffer)) ?? 0;
    const up = net.now - start - down;
    assert(up > 1.6e6 && down < 0.5e6, `up ${up} us, down ${down} us`);
    assert(seen > 100);

    dsl.forward.set({ rate: "16 Mbit/s" });
    const before = net.now;
    conn.write(new Uint8Array(200_000));
    for (let got = 0; got < 200_000;) got += (await peer.read(buffer)) ?? 0;
    assert(net.now - before < 0.5e6);

    dsl.backward.cut();
    const { delivered } = dsl.backward.counts;
    conn.write(new Uint8Array(1000)); // arrives, but nothing comes back
    for (let got = 0; got < 1000;) got += (await peer.read(buffer)) ?? 0;
    await net.sleep("50 ms");
    assertEquals(dsl.backward.counts.delivered, delivered);
    dsl.backward.restore();
    await net.sleep("3 s");
    assert(dsl.backward.counts.delivered > delivered);
  });

  it("leads packets over fewest links, and by a route that somebody wants", async () => {
    await using net = new Network({ mptcp: false });
    net.host("a");
    net.host("b");
    for (const router of ["r1", "r2", "r3"]) net.router(router);
    net.link("a", { between: ["a", "r1"] });
    net.link("direct", { between: ["r1", "r3"], delay: "5 ms" });
    net.link("via 1", { between: ["r1", "r2"], delay: "5 ms" });
    net.link("via 2", { between: ["r2", "r3"], delay: "5 ms" });
    net.link("b", { between: ["r3", "b"] });
    await transfer(net, "a", "b", 10_000);
    const direct = net.link("direct").forward.counts.packets;
    assertEquals(net.link("via 1").forward.counts.packets, 0);
    net.route("r1", "b", "via 1");
    await transfer(net, "a", "b", 10_000);
    assertEquals(net.link("direct").forward.counts.packets, direct);
    assert(net.link("via 2").forward.counts.packets > 5);
    // It is not forgotten when links come.
    net.host("c");
    net.link("c", { between: ["c", "r2"] });
    await transfer(net, "a", "b", 10_000);
    assertEquals(net.link("direct").forward.counts.packets, direct);
  });

  it("keeps each subflow on one of several ways of equal cost, and subflows on different ones", async () => {
    const plan = fatTree({ k: 4, links: { rate: "20 Mbit/s", delay: "50 us" } });
    assertEquals([plan.hosts.length, plan.routers.length, Object.keys(plan.links).length], [
      16,
      20,
      48,
    ]);
    await using net = new Network({ pathManager: nDiffPorts({ subflows: 8 }) });
    net.build(plan);
    await transfer(net, "host 0.0.0", "host 2.1.1", 500_000);
    const up = carriers(net, plan, 10_000).filter((name) => name.startsWith("aggregation 0"));
    assert(up.length >= 2, `only ${up.join(", ")}`);
    await using single = new Network({ mptcp: false });
    single.build(plan);
    await transfer(single, "host 0.0.0", "host 2.1.1", 500_000);
    // From the host to its edge, from there to an aggregation, from there to a core; then it goes down.
    assertEquals(carriers(single, plan, 100_000).length, 3);
  });

  it("gives the same packets for the same seed", async () => {
    const run = async (seed: number): Promise<string> => {
      const lines: string[] = [];
      await using net = shared({
        seed,
        trace: ({ at, link, bytes }) => lines.push(`${at} ${link} ${bytes}`),
      });
      await Promise.all([transfer(net, "a", "c", 100_000), transfer(net, "b", "d", 100_000)]);
      return lines.join("\n");
    };
    assertEquals(await run(1) === await run(1), true);
    assertEquals(await run(1) === await run(2), false);
  });

  it("works with IPv6", async () => {
    await using net = shared({ family: 6 });
    assertEquals(net.addresses("a"), ["fd00::1", "fd00:0:0:1::1"]);
    await transfer(net, "a", "c", 200_000);
    for (const path of ["wifi", "lte"]) assert(net.link(path).forward.counts.bytes > 10_000);
  });

  it("builds a dumbbell", async () => {
    await using net = new Network({ mptcp: false });
    net.build(dumbbell({ pairs: 3, bottleneck: { rate: "8 Mbit/s", delay: "5 ms" } }));
    const ends = await Promise.all(
      [1, 2, 3].map((n) => transfer(net, `left${n}`, `right${n}`, 300_000)),
    );
    assert(Math.max(...ends) > 0.9, `${ends}`);
  });

  it("says what is wrong, and what there is", () => {
    const net = new Network();
    net.host("a");
    net.router("r");
    net.link("wire", { between: ["a", "r"] });
    const throws = (act: () => void, text: string): void => void assertThrows(act, Error, text);
    throws(() => net.host("r"), 'Cannot add "r" as the network has something of that name');
    throws(
      () => net.link("x", { between: ["a", "q"] }),
      'Cannot link "q" by "x" as hosts and routers are: a, r',
    );
    throws(() => net.link("x", { between: ["a", "a"] }), 'Cannot link "a" with itself');
    throws(
      () => net.link("x", { between: ["a"] as never }),
      "'between' must be the names of two nodes",
    );
    throws(() => net.link("wifi"), 'Cannot find link "wifi" as the links are: wire');
    throws(
      () => net.link("y", { between: ["a", "r"], delai: "3 ms" } as never),
      "no option 'delai'",
    );
    throws(
      () => net.link("y", { between: ["a", "r"], queue: 5 }),
      "it has a 'queue' and no 'rate'",
    );
    throws(
      () => net.link("y", { between: ["a", "r"], elements: 3 as never }),
      "Cannot add link \"y\" as 'elements' must be a list of elements",
    );
    throws(
      () => net.link("y", { between: ["a", "r"], backward: { elements: 3 as never } }),
      "Cannot add link \"y\" as 'backward.elements' must be a list of elements",
    );
    throws(
      () => net.link("wire").set({ delay: "3 ms" }),
      "Cannot change 'delay' of link \"wire\" as it has none",
    );
    throws(() => net.route("q", "a", "wire"), 'Cannot route at "q" as the routers are: r');
    throws(() => net.route("r", "a", "x"), 'Cannot route over "x" as the links are: wire');
    throws(() => net.route("r", "b", "wire"), 'Cannot route "b" as it must be an address');
    throws(() => new Network({ sed: 1 } as never), "no option 'sed'");
    throws(() => net.host("b", { scheduler: delay as never }), "as a scheduler");
    throws(
      () => dumbbell({ pairs: 0, bottleneck: {} }),
      "'pairs' must be an integer from 1 to 10000",
    );
    throws(() => fatTree({ k: 3, links: {} }), "'k' must be even");
  });
});
