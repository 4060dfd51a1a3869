/** Where a connection begins: a dead or slow first interface holds up nobody, and at the peer each connect() is one connection (RFC 8305's idea over paths). */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { emulate, type EmulateOptions, type Emulation, type MptcpConn } from "../../mod.ts";
import { endpoints, passive } from "../../pm/mod.ts";
import { silencing } from "../support/middlebox.ts";
import * as fc from "../support/property.ts";

const FAST = { rate: "50 Mbit/s", delay: "10 ms" } as const;
const SLOW = { rate: "50 Mbit/s", delay: "300 ms" } as const;

/** A connection, and how long it has taken, in milliseconds of virtual time. */
async function dial(net: Emulation, data?: Uint8Array): Promise<{ conn: MptcpConn; ms: number }> {
  const start = net.now;
  const conn = await net.client.connect({
    hostname: "server",
    port: 80,
    ...(data !== undefined && { data }),
  });
  return { conn, ms: (net.now - start) / 1000 };
}

/** Connections that accept() gives, all of what each has received, and its end. */
function serve(net: Emulation): { accepted: string[]; close(): void } {
  const listener = net.server.listen({ port: 80 });
  const accepted: string[] = [];
  void (async () => {
    for await (const conn of listener) {
      const at = accepted.push("") - 1;
      void (async () => {
        using peer = conn;
        accepted[at] = await new Response(peer.readable).text();
        await peer.closeWrite();
      })().catch(() => {});
    }
  })();
  return { accepted, close: () => listener.close() };
}

/** Sends `text`, reads the answer to its end, and waits until the connection is over on both sides. */
async function talk(conn: MptcpConn, text: string): Promise<void> {
  await conn.write(new TextEncoder().encode(text));
  await conn.closeWrite();
  await new Response(conn.readable).text();
  conn.close();
  await conn.closed;
}

/** The kinds of peers and connections that all of it holds for. */
const KINDS: readonly [string, Partial<EmulateOptions>][] = [
  ["IPv4", {}],
  ["IPv6", { family: 6 }],
  ["plain TCP", { mptcp: false }],
  ["plain TCP over IPv6", { mptcp: false, family: 6 }],
  ["a listener that answers by SYN cookies", { tcp: { synCookies: "always" } }],
  ["a path manager that prefers none of them", { pathManager: passive() }],
  ["plain TCP, SYN cookies", { mptcp: false, tcp: { synCookies: "always" } }],
];

/** Milliseconds before the second address tries where nothing is known: the default path manager uses all alike, of which plain TCP knows nothing. */
function patience({ mptcp, pathManager }: Partial<EmulateOptions>): number {
  return mptcp === false || pathManager !== undefined ? 250 : 10;
}

for (const [kind, options] of KINDS) {
  const wait = patience(options);
  describe(`connect() to a host with two interfaces (${kind})`, () => {
    it(`takes ${wait} ms and a round trip where the first is dead, and later only that`, async () => {
      await using net = emulate({ paths: { wifi: SLOW, lte: FAST }, ...options });
      net.path("wifi").cut();
      const server = serve(net);
      const first = await dial(net);
      assert(first.ms > wait + 19 && first.ms < wait + 25, `${first.ms} ms`);
      assertEquals(first.conn.info().tries.map(({ outcome }) => outcome), ["late", "answered"]);
      await talk(first.conn, "one");
      const second = await dial(net);
      assert(second.ms < 25, `${second.ms} ms`);
      await talk(second.conn, "two");
      assertEquals(server.accepted, ["one", "two"]);
      server.close();
    });

    it("begins on the other one where the first is slow, which the peer never counts", async () => {
      await using net = emulate({ paths: { wifi: SLOW, lte: FAST }, ...options });
      const server = serve(net);
      const first = await dial(net);
      assert(first.ms > wait + 19 && first.ms < wait + 25, `${first.ms} ms`);
      await net.sleep("3 s");
      const { counters } = net.client;
      assertEquals(counters.ConnectRaceResets, 1);
      await talk(first.conn, "one");
      const second = await dial(net);
      assert(second.ms < 25, `${second.ms} ms`);
      assertEquals(second.conn.localAddr, {
        ...first.conn.localAddr,
        port: second.conn.localAddr.port,
      });
      await talk(second.conn, "two");
      await net.sleep("3 s");
      assertEquals(server.accepted, ["one", "two"]);
      assertEquals([net.client.connections, net.server.connections], [0, 0]);
      server.close();
    });

    it("finds out what is faster, even where the first answers in time", async () => {
      await using net = emulate({
        paths: { wifi: { ...SLOW, delay: "100 ms" }, lte: FAST },
        ...options,
      });
      const server = serve(net);
      const times: number[] = [];
      for (let i = 0; i < 3; i++) {
        const { conn, ms } = await dial(net);
        times.push(ms);
        await talk(conn, "hello");
      }
      const [least, most] = wait === 10 ? [29, 35] : [199, 210];
      assert(times[0]! > least && times[0]! < most, `${times[0]} ms`);
      // Half of what is known, and the other's round trip; or a join has told of it.
      assert(times[1]! < 125, `${times[1]} ms`);
      assert(times[2]! < 25, `${times[2]} ms`);
      assertEquals(server.accepted.length, 3);
      server.close();
    });

    it("names all that was tried where nothing answers", async () => {
      await using net = emulate({ paths: { wifi: SLOW, lte: FAST }, ...options });
      for (const name of ["wifi", "lte"]) net.path(name).cut();
      const tcp = { ...options.tcp, synRetries: 1 };
      delete (tcp as { synCookies?: unknown }).synCookies;
      const start = net.now;
      const error = await assertRejects(
        () => net.client.connect({ hostname: "server", port: 80, tcp }),
        Deno.errors.TimedOut,
      );
      const [to, wifi, lte] = options.family === 6
        ? ["[fd00::1]:80", "fd00:0:0:1::1", "fd00:0:0:2::1"]
        : ["10.0.0.1:80", "10.0.1.1", "10.0.2.1"];
      const why =
        "nothing answered: check the address, and that packets find their way there and back";
      assertEquals(
        error.message,
        `Cannot connect to ${to} as no way leads there; from ${wifi}: ${why}; from ${lte}: ${why}`,
      );
      assertEquals(Math.round((net.now - start) / 1000), 3000 + wait);
      assertEquals(net.client.connections, 0);
    });

    it("ends by its signal, or its 'connectTimeout', in the middle of it", async () => {
      await using net = emulate({ paths: { wifi: SLOW, lte: SLOW }, ...options });
      const server = serve(net);
      const signal = net.timeout("400 ms");
      await assertRejects(
        () => net.client.connect({ hostname: "server", port: 80, signal }),
        DOMException,
      );
      await assertRejects(
        () => net.client.connect({ hostname: "server", port: 80, connectTimeout: "400 ms" }),
        Deno.errors.TimedOut,
        "'connectTimeout' of 0.4 s",
      );
      await net.sleep("10 s");
      assertEquals(server.accepted, []);
      assertEquals([net.client.connections, net.server.connections], [0, 0]);
      server.close();
    });
  });
}

describe("connect() by MPTCP", () => {
  it("begins the second connection where a join has shown it to be faster", async () => {
    await using net = emulate({ paths: { wifi: { ...SLOW, delay: "100 ms" }, lte: FAST } });
    const server = serve(net);
    const { localAddr } = await dial(net).then(({ conn }) => conn);
    assertEquals(localAddr.hostname, "10.0.2.1");
    const tcp = { connectionAttemptDelay: false } as const;
    await net.sleep("601 s");
    // Nothing is known any more, and nothing is tried beside the first.
    using first = await net.client.connect({ hostname: "server", port: 80, tcp });
    assertEquals(first.localAddr.hostname, "10.0.1.1");
    await first.write(new Uint8Array(2000));
    await net.sleep("1 s");
    const second = await dial(net);
    assert(second.ms < 25, `${second.ms} ms`);
    assertEquals(second.conn.info().tries.length, 1);
    second.conn.close();
    server.close();
  });
});

describe("connect() with a path manager that has preferences", () => {
  it("begins where the routes choose, though another is known to be faster, unless that is silent", async () => {
    await using net = emulate({
      paths: { wifi: { ...SLOW, delay: "40 ms" }, lte: FAST },
      pathManager: endpoints({ add: "10.0.2.1 subflow backup" }),
    });
    const server = serve(net);
    const begins: string[] = [];
    for (const cut of [false, false, true, true]) {
      if (cut) net.path("wifi").cut();
      const { conn } = await dial(net);
      begins.push(conn.localAddr.hostname);
      await conn.write(new Uint8Array(2000));
      await net.sleep("1 s");
      conn.abort();
      await net.sleep("200 s");
    }
    assertEquals(begins, ["10.0.1.1", "10.0.1.1", "10.0.2.1", "10.0.2.1"]);
    server.close();
  });
});

describe("connect() that names an address, or switches 'connectionAttemptDelay' off", () => {
  it("tries no other", async () => {
    await using net = emulate({ paths: { wifi: SLOW, lte: FAST } });
    const server = serve(net);
    const tcp = { connectionAttemptDelay: false } as const;
    for (const option of [{ localAddress: "10.0.1.1" }, { tcp }]) {
      const start = net.now;
      using conn = await net.client.connect({ hostname: "server", port: 80, ...option });
      assertEquals(Math.round((net.now - start) / 1e5), 6);
      assertEquals(conn.localAddr.hostname, "10.0.1.1");
      assertEquals(conn.info().tries, []);
    }
    server.close();
  });
});

describe("connect() with data for the SYN", () => {
  it("delivers them once, whichever path it begins on, and whenever that dies", async () => {
    for (const dead of [null, "wifi", "lte"] as const) {
      await using net = emulate({
        paths: { wifi: { ...FAST, delay: "20 ms" }, lte: FAST },
        tcp: { fastOpen: true, synRetries: 2 },
      });
      const server = serve(net);
      const data = new TextEncoder().encode("request;");
      for (let i = 0; i < 3; i++) {
        const { conn } = await dial(net, data);
        await talk(conn, `rest ${i}`);
      }
      if (dead !== null) net.path(dead).cut();
      const outcome = await dial(net, data).then(
        async ({ conn }) => (await talk(conn, "rest 3"), "sent"),
        () => "failed",
      );
      await net.sleep("30 s");
      const got = server.accepted.map((text) => text === "" ? "nothing" : text);
      assertEquals(got.slice(0, 3), [0, 1, 2].map((i) => `request;rest ${i}`));
      // What may have been delivered is not sent by another path: the application decides.
      assertEquals(got.slice(3), outcome === "sent" ? ["request;rest 3"] : []);
      server.close();
    }
  });
});

describe("any hosts and paths", () => {
  it("one accept() for each connect(), with all its bytes once, in the time of the best way and the waits before it", async () => {
    const path = fc.record({
      delay: fc.constantFrom(1, 10, 40, 100, 160, 300, 700),
      up: fc.boolean(),
      down: fc.boolean(),
    });
    const world = fc.record({
      paths: fc.array(path, { minLength: 1, maxLength: 4 }),
      kind: fc.nat(KINDS.length - 1),
      seed: fc.nat(1e6),
      fastOpen: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(world, async ({ paths, kind, seed, fastOpen }) => {
        const [, options] = KINDS[kind]!;
        const forever = silencing(0, Infinity);
        await using net = emulate({
          ...options,
          seed,
          tcp: { ...options.tcp, fastOpen },
          paths: Object.fromEntries(
            paths.map(({ delay, up, down }, i) => [`path${i}`, {
              rate: "100 Mbit/s" as const,
              delay: `${delay} ms` as const,
              ...(up ? {} : { up: [forever] }),
              ...(down ? {} : { down: [forever] }),
            }]),
          ),
        });
        const server = serve(net);
        const rtts = paths.map(({ delay, up, down }) => up && down ? 2 * delay : Infinity);
        const best = Math.min(...rtts.map((rtt, i) => rtt + patience(options) * i));
        if (best === Infinity) return;
        const sent: string[] = [];
        for (let i = 0; i < 3; i++) {
          const { conn, ms } = await dial(net, new TextEncoder().encode("first;"));
          // The first time nothing is known; later nothing may be slower than that.
          assert(ms <= best + 5, `connect ${i} took ${ms} ms, not ${best}`);
          sent.push(`first;rest ${i}`);
          await talk(conn, `rest ${i}`);
        }
        // A SYN/ACK that does not come through is sent again for as long as this.
        await net.sleep("200 s");
        assertEquals(server.accepted, sent);
        assertEquals([net.client.connections, net.server.connections], [0, 0]);
        server.close();
      }),
      { numRuns: 60 },
    );
  });
});
