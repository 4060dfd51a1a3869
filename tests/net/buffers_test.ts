/** Buffers and the unsent low-water mark as a program meets them. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia, reno } from "../../cc/mod.ts";
import { emulate, type Emulation, type PathOptions } from "../../core/net/emulate.ts";
import type { MptcpConn } from "../../core/net/conn.ts";
import { toDuplex } from "../../core/net/node.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import type { TcpOptions } from "../../core/net/tcp_options.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { pattern } from "../support/streams.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

const MARK = 30_000;
const SIZE = 600_000;
const bytes = pattern(SIZE, 1);

/** Writes `bytes` to `conn` in some way, all in one go or in parts; resolves when the last is taken. */
type Way = (conn: MptcpConn) => Promise<unknown>;

const WAYS: Readonly<Record<string, Way>> = {
  "one write()": (conn) => conn.write(bytes),
  "small ones": async (conn) => {
    for (let at = 0; at < SIZE; at += 3000) await conn.write(bytes.subarray(at, at + 3000));
  },
  "many at once": (conn) => {
    const all: Promise<unknown>[] = [];
    for (let at = 0; at < SIZE; at += 50_000) all.push(conn.write(bytes.subarray(at, at + 50_000)));
    return Promise.all(all);
  },
  "the stream": async (conn) => {
    const writer = conn.writable.getWriter();
    for (let at = 0; at < SIZE; at += 50_000) await writer.write(bytes.subarray(at, at + 50_000));
  },
  "node:stream": (conn) => {
    const duplex = toDuplex(conn);
    return new Promise((resolve) => duplex.write(bytes, resolve));
  },
};

async function both(
  work: (net: Emulation, conn: MptcpConn, peer: MptcpConn) => Promise<void>,
  tcp: TcpOptions = {},
): Promise<void> {
  await using net = emulate({
    paths: { a: { rate: "10 Mbit/s", delay: "20 ms" }, b: { rate: "5 Mbit/s", delay: "5 ms" } },
  });
  using listener = net.server.listen({ port: 80 });
  using conn = await net.client.connect({ hostname: "server", port: 80, tcp });
  using peer = await listener.accept();
  await work(net, conn, peer);
}

/** Reads `size` bytes. */
async function take(conn: MptcpConn, size: number): Promise<Uint8Array> {
  const all = new Uint8Array(size);
  for (let at = 0; at < size;) at += (await conn.read(all.subarray(at)))!;
  return all;
}

describe("the unsent low-water mark", () => {
  for (const [name, way] of Object.entries(WAYS)) {
    it(`holds ${name} back, and costs hardly any time`, async () => {
      const times: number[] = [];
      for (const mark of [Infinity, MARK]) {
        await both(async (net, conn, peer) => {
          const start = net.now;
          let done = false;
          const writing = way(conn).then(() => done = true);
          const reading = take(peer, SIZE);
          let most = 0;
          while (!done) {
            const { skmem, subflows } = conn.info();
            most = Math.max(most, subflows[0]!.tcp.notsent_bytes);
            assert(skmem.wmem_queued <= skmem.sndbuf, JSON.stringify(skmem));
            await net.sleep("5 ms");
          }
          await writing;
          assertEquals(await reading, bytes);
          times.push(net.now - start);
          if (mark === MARK) assert(most > 0 && most <= MARK, `${most}`);
        }, { notSentLowWater: mark });
      }
      assert(times[1]! <= times[0]! * 1.1, `${times}`);
    });
  }

  it("is set on a connection: a write() that waits goes on when it is raised", async () => {
    await both(async (net, conn, peer) => {
      conn.setNotSentLowWater(MARK);
      net.path("a").cut();
      net.path("b").cut();
      const written = conn.write(new Uint8Array(200_000));
      let done = false;
      written.then(() => done = true);
      await net.sleep("1 s");
      assertEquals(done, false);
      assert(conn.info().subflows[0]!.tcp.notsent_bytes <= MARK);
      conn.setNotSentLowWater(Infinity);
      assertEquals(await written, 200_000);
      assert(conn.info().subflows[0]!.tcp.notsent_bytes > 100_000);
      net.path("a").restore();
      net.path("b").restore();
      await take(peer, 200_000);
    });
  });

  it("is checked", async () => {
    await both((_net, conn) => {
      for (const bytes of [0, -1, 1.5, NaN, -Infinity]) {
        assertThrows(
          () => conn.setNotSentLowWater(bytes),
          RangeError,
          `must be an integer of bytes from 1, or Infinity: current value is ${bytes}`,
        );
      }
      assertThrows(() => conn.setNotSentLowWater("1000" as never), TypeError, 'value is "1000"');
      return Promise.resolve();
    });
  });
});

describe("buffers", () => {
  it("are those that were asked for, and info() tells of them", async () => {
    await both(async (net, conn, peer) => {
      assertEquals(conn.info().skmem.rcvbuf, 100_000);
      assertEquals(conn.info().skmem.sndbuf, 50_000);
      assertEquals(peer.info().skmem.rcvbuf, 262_144);
      const written = conn.write(bytes);
      await net.sleep("3 s");
      // All of the first buffer is there, nobody has read.
      const { skmem, subflows } = peer.info();
      assertEquals(skmem.rcvbuf, 262_144);
      assert(skmem.rmem_alloc >= 262_144 && skmem.rmem_alloc <= 262_144 + 2 * 65536);
      assertEquals(conn.info().skmem.wmem_queued, 50_000);
      assertEquals(subflows[0]!.tcp.rcv_space, 14_600);
      assertEquals(await take(peer, SIZE), bytes);
      await written;
      const [first, second] = peer.info().subflows;
      assert(first!.tcp.rcv_rtt >= 39e3 && first!.tcp.rcv_rtt < 200e3, `${first!.tcp.rcv_rtt}`);
      assert(second!.tcp.rcv_rtt >= 9e3, `${second!.tcp.rcv_rtt}`);
      assert(peer.info().subflows[0]!.tcp.rcv_space > 14_600);
    }, { receiveBuffer: 100_000, sendBuffer: 50_000 });
  });

  it("hold 2 MB where nothing is in the way, and enough for a deep queue all the same", async () => {
    const sent = async (path: PathOptions): Promise<number> => {
      // A slow start that fills the queue.
      const congestionControl = lia({ hystart: false });
      await using net = emulate({ paths: { a: path }, congestionControl });
      using listener = net.server.listen({ port: 80 });
      using conn = await net.client.connect({ hostname: "server", port: 80 });
      using peer = await listener.accept();
      const written = conn.write(new Uint8Array(30_000_000));
      await take(peer, 30_000_000);
      await written;
      return conn.info().skmem.sndbuf;
    };
    assertEquals(await sent({ rate: "100 Gbit/s", delay: "0.01 ms" }), 2_097_152);
    // 3 MB wait in the queue of a path that has no delay of its own.
    const deep = await sent({ rate: "500 Mbit/s", delay: "0.01 ms", queue: 2000 });
    assert(deep > 4_000_000, `${deep}`);
  });

  it("grow with what the path can do, and no further than asked for", async () => {
    for (const max of [400_000, 4_000_000]) {
      await using net = emulate({ paths: { a: { rate: "100 Mbit/s", delay: "25 ms" } } });
      using listener = net.server.listen({ port: 80, tcp: { receiveBuffer: { max } } });
      using conn = await net.client.connect({
        hostname: "server",
        port: 80,
        tcp: { sendBuffer: { max: 1_500_000 } },
      });
      using peer = await listener.accept();
      const written = conn.write(new Uint8Array(10_000_000));
      await take(peer, 10_000_000);
      await written;
      const { rcvbuf } = peer.info().skmem;
      // Twice 625 KB, at least.
      assert(max === 400_000 ? rcvbuf === max : rcvbuf >= 1_250_000 && rcvbuf <= max, `${rcvbuf}`);
      assertEquals(conn.info().skmem.sndbuf <= 1_500_000, true);
    }
  });
});
