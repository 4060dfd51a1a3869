/** How close() ends, by what the peer and the path do meanwhile, with and without MPTCP; in virtual time. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type ConnectOptions, emulate, type Emulation, type MptcpConn } from "../../mod.ts";

const SIZE = 6_000_000;

/** Both ends of a connection over one path; the server's receive buffer is small. */
async function pair(
  mptcp: boolean,
  work: (net: Emulation, conn: MptcpConn, peer: MptcpConn) => Promise<void>,
  options: Partial<ConnectOptions> = {},
): Promise<void> {
  await using net = emulate({
    paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } },
    mptcp,
    experiments: {
      client: { sendBuffer: 8_388_608 },
      server: { receiveBuffer: 500_000 },
    },
    linger: "1 ms",
  });
  const listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80, ...options }),
    listener.accept(),
  ]);
  assertEquals((conn.info().mptcp.flags & 1) === 0, mptcp);
  await work(net, conn, peer);
}

/** Reads to the end; the bytes that came. */
async function drain(conn: MptcpConn, most = Infinity): Promise<number> {
  const buffer = new Uint8Array(65536);
  let total = 0;
  while (total < most) {
    const count = await conn.read(buffer);
    if (count === null) break;
    total += count;
  }
  return total;
}

for (const mptcp of [true, false]) {
  describe(`close() on ${mptcp ? "MPTCP" : "plain TCP"}`, () => {
    it("sends everything to a reader that pauses 200 s", async () => {
      await pair(mptcp, async (net, conn, peer) => {
        await conn.write(new Uint8Array(SIZE));
        conn.close();
        const first = await drain(peer, 100_000);
        await net.sleep("200 s");
        assertEquals(first + await drain(peer), SIZE);
        peer.close();
        await conn.closed;
        await peer.closed;
        await net.sleep("1 s");
        assertEquals([net.client.connections, net.server.connections], [0, 0]);
      });
    });

    it("sends everything when the only path is silent for 90 s", async () => {
      await pair(mptcp, async (net, conn, peer) => {
        await conn.write(new Uint8Array(SIZE));
        conn.close();
        const drained = drain(peer);
        await net.sleep("300 ms");
        net.path("wifi").cut();
        await net.sleep("90 s");
        net.path("wifi").restore();
        assertEquals(await drained, SIZE);
        peer.close();
        await conn.closed;
      });
    });

    it("tells the writer when the peer is gone: after 5 minutes, or what was asked for", async () => {
      for (const [userTimeout, seconds] of [[undefined, 300], ["20 s", 20]] as const) {
        await pair(mptcp, async (net, conn, peer) => {
          await conn.write(new Uint8Array(SIZE));
          conn.close();
          await drain(peer, 100_000);
          net.path("wifi").cut();
          const since = net.now;
          const error = await assertRejects(() => conn.closed, Deno.errors.TimedOut);
          assert(error.message.includes("answered nothing"), error.message);
          assert(error.message.includes("'userTimeout', or 'keepAlive',"), error.message);
          assert(Math.abs((net.now - since) / 1e6 - seconds) < 2, `${(net.now - since) / 1e6}`);
          assertEquals(net.client.connections, 0);
        }, userTimeout === undefined ? {} : { userTimeout });
      }
    });

    it("lets a peer that never reads go after an hour, and tells the writer", async () => {
      await pair(mptcp, async (net, conn, peer) => {
        await conn.write(new Uint8Array(SIZE));
        conn.close();
        const since = net.now;
        const error = await assertRejects(() => conn.closed, Deno.errors.TimedOut);
        assert(error.message.includes("takes nothing"), error.message);
        const minutes = (net.now - since) / 60e6;
        assert(minutes > 59 && minutes < 62, `${minutes}`);
        await net.sleep("1 s");
        assertEquals(net.client.connections, 0);
        // What had come can still be read, and no end is made up.
        await assertRejects(() => drain(peer), Deno.errors.ConnectionReset);
      });
    });

    it("rejects a write() that waits; what had found room arrives", async () => {
      await pair(mptcp, async (net, conn, peer) => {
        const written = conn.write(new Uint8Array(30_000_000));
        const finished = conn.closeWrite();
        await net.sleep("5 s");
        conn.close();
        await assertRejects(() => written, Deno.errors.Interrupted);
        await assertRejects(() => finished, Deno.errors.Interrupted);
        const got = await drain(peer);
        assert(got >= 8_000_000 && got < 10_000_000, `${got}`);
        peer.close();
        await conn.closed;
      });
    });

    it("is let go when the peer has everything and never ends its direction", async () => {
      await pair(mptcp, async (net, conn, peer) => {
        await conn.write(new Uint8Array(1000));
        conn.close();
        assertEquals(await drain(peer), 1000);
        await net.sleep("59 s");
        assertEquals(net.client.connections, 1);
        await conn.closed;
        await net.sleep("1 s");
        assertEquals(net.client.connections, 0);
      });
    });

    it("await using returns after linger, and what was written goes on", async () => {
      await pair(mptcp, async (net, conn, peer) => {
        const since = net.now;
        {
          await using held = conn;
          await held.write(new Uint8Array(SIZE));
        }
        assert(net.now - since < 4e6, `${net.now - since}`);
        assertEquals(await drain(peer), SIZE);
      }, { linger: "2 s" });
    });
  });
}

describe("a write that waits for a peer that does not read", () => {
  it("waits as long as the peer answers, and no longer than the user timeout when it does not", async () => {
    await pair(true, async (net, conn) => {
      let state = "waits";
      const written = conn.write(new Uint8Array(30_000_000)).catch((error: Error) => {
        state = error.name;
      });
      await net.sleep("7200 s");
      assertEquals(state, "waits");
      net.path("wifi").cut();
      await written;
      assertEquals(state, "TimedOut");
    });
  });
});

describe("conn.closed", () => {
  it("tells who ended it", async () => {
    await pair(true, async (net, conn, peer) => {
      const closed = conn.closed;
      peer.abort();
      const error = await assertRejects(() => closed, Deno.errors.ConnectionReset);
      assert(error.message.includes("its program ended it at once"), error.message);
      await assertRejects(() => conn.closed, Deno.errors.ConnectionReset);
      await assertRejects(() => peer.closed, DOMException);
      await net.sleep("1 s");
    });
    await pair(true, async (_net, conn, peer) => {
      const reason = new Error("enough");
      const closed = conn.closed;
      conn.abort(reason);
      assertEquals(await assertRejects(() => closed), reason);
      await assertRejects(() => peer.closed, Deno.errors.ConnectionReset);
    });
  });
});

describe("waits", () => {
  it("are checked, for connect() and listen() alike", async () => {
    await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
    const range = "'userTimeout' must be from 1 s to 1966020 s";
    for (const userTimeout of ["999 ms", "0 s", "1966021 s"] as const) {
      await assertRejects(
        () => net.client.connect({ hostname: "server", port: 80, userTimeout }),
        RangeError,
        `Cannot connect as ${range}: current value is "${userTimeout}"`,
      );
      assertThrows(
        () => net.server.listen({ port: 80, userTimeout }),
        RangeError,
        `Cannot listen as ${range}`,
      );
    }
    await assertRejects(
      // @ts-expect-error: a unit is missing
      () => net.client.connect({ hostname: "server", port: 80, linger: "10" }),
      TypeError,
    );
  });

  it("of a listener hold for what it accepts", async () => {
    await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms" } } });
    const listener = net.server.listen({ port: 80, userTimeout: "10 s" });
    const [, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    net.path("wifi").cut();
    await peer.write(new Uint8Array(1000));
    const since = net.now;
    await assertRejects(() => peer.read(new Uint8Array(1)), Deno.errors.TimedOut);
    assert(Math.abs(net.now - since - 10e6) < 1e6, `${net.now - since}`);
  });
});
