import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  emulate,
  type EmulateOptions,
  type Emulation,
  filter,
  minRtt,
  type MptcpConn,
  renumber,
} from "../../mod.ts";
import { digest, pattern, readAll } from "../support/streams.ts";

const TWO_PATHS: EmulateOptions["paths"] = {
  wifi: { rate: "20 Mbit/s", delay: "15 ms" },
  lte: { rate: "12 Mbit/s", delay: "40 ms" },
};

/** A connection and its other end. */
async function open(net: Emulation): Promise<{ conn: MptcpConn; peer: MptcpConn }> {
  const listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  return { conn, peer };
}

async function send(conn: MptcpConn, bytes: Uint8Array): Promise<void> {
  await conn.write(bytes);
  await conn.closeWrite();
}

/** Sends `length` bytes each way at once and compares. */
async function exchange(net: Emulation, length: number): Promise<MptcpConn> {
  const { conn, peer } = await open(net);
  const up = pattern(length, 1);
  const down = pattern(length, 2);
  const [got, gotBack] = await Promise.all([
    readAll(peer),
    readAll(conn),
    send(conn, up),
    send(peer, down),
  ]);
  assertEquals(await net.outside(digest(got)), await net.outside(digest(up)));
  assertEquals(await net.outside(digest(gotBack)), await net.outside(digest(down)));
  peer.close();
  return conn;
}

describe("emulate()", () => {
  it("moves a megabyte each way over both paths", async () => {
    await using net = emulate({ paths: TWO_PATHS });
    const conn = await exchange(net, 1e6);
    assertEquals(conn.info().subflows.length, 2);
    for (const name of ["wifi", "lte"]) {
      const { up, down } = net.path(name);
      assert(up.bytes > 5e4, `${name} up: ${up.bytes}`);
      assert(down.bytes > 5e4, `${name} down: ${down.bytes}`);
    }
    // 8 Mbit each way at 32 Mbit/s, and slow start
    assert(net.now > 0.25e6 && net.now < 1.5e6, `took ${net.now} us`);
  });

  it("lets a connection take a round trip, and no more time pass than is waited", async () => {
    await using net = emulate({ paths: { only: { rate: "1 Gbit/s", delay: "10 ms" } } });
    assertEquals(net.now, 0);
    const { conn } = await open(net);
    assert(net.now >= 20e3 && net.now < 31e3, `connected at ${net.now} us`);
    const before = net.now;
    await conn.write(new Uint8Array(1000)); // fits into the send queue
    assertEquals(net.now, before);
    await net.sleep("5 ms");
    assertEquals(net.now, before + 5e3);
  });

  it("lets accept() alone let no time pass, but for a connection that is being set up", async () => {
    await using net = emulate({ paths: { only: { rate: "1 Gbit/s", delay: "10 ms" } } });
    const listener = net.server.listen({ port: 80 });
    let accepted = false;
    const accepting = listener.accept().then((conn) => {
      accepted = true;
      return conn;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals([accepted, net.now], [false, 0]);
    const conn = await net.client.connect({ hostname: "server", port: 80 });
    assertEquals(accepted, false); // its third segment is on the way
    await accepting;
    assert(net.now > 30e3 && net.now < 31e3, `accepted at ${net.now} us`);
    const second = await net.client.connect({ hostname: "server", port: 80 });
    await listener.accept();
    second.close();
    conn.close();
  });

  it("knows its hosts by name, on both of them, and nobody else", async () => {
    await using net = emulate({ paths: TWO_PATHS });
    const listener = net.client.listen({ port: 7 });
    const [conn, peer] = await Promise.all([
      net.server.connect({ hostname: "client", port: 7 }),
      listener.accept(),
    ]);
    assertEquals(peer.localAddr.hostname, "10.0.1.1");
    assertEquals(conn.localAddr.hostname, "10.0.0.1");
    await assertRejects(
      () => net.client.connect({ hostname: "example.com", port: 80 }),
      Deno.errors.NotFound,
    );
    await assertRejects(
      () => net.client.connect({ hostname: "server", port: 81 }),
      Deno.errors.ConnectionRefused,
    );
  });

  it("works with IPv6, with checksums, with super-segments that the path cuts", async () => {
    for (
      const options of [
        { family: 6 },
        { links: { checksums: true } },
        { links: { maxSegments: 44 } },
        { family: 6, links: { maxSegments: 44, checksums: true, mtu: 1280 } },
      ] as const
    ) {
      await using net = emulate({ paths: TWO_PATHS, ...options });
      const conn = await exchange(net, 3e5);
      assertEquals(conn.info().subflows.length, 2);
      assertEquals(net.path("wifi").up.dropped.mtu, 0);
    }
  });

  it("loses nothing when a path is cut in the middle and comes back", async () => {
    await using net = emulate({ paths: TWO_PATHS });
    const { conn, peer } = await open(net);
    const bytes = pattern(4e6, 3);
    const wifi = net.path("wifi");
    const scissors = async (): Promise<void> => {
      await net.sleep("500 ms");
      wifi.cut();
      await net.sleep("2 s");
      wifi.restore();
    };
    const [got] = await Promise.all([readAll(peer), send(conn, bytes), scissors()]);
    assertEquals(await net.outside(digest(got)), await net.outside(digest(bytes)));
    assert(wifi.up.dropped.cut! > 0);
  });

  it("recovers from losses on both paths", async () => {
    await using net = emulate({
      paths: {
        wifi: { ...TWO_PATHS.wifi!, loss: 0.02 },
        lte: { ...TWO_PATHS.lte!, loss: 0.02 },
      },
    });
    await exchange(net, 1e6);
    assert(net.path("wifi").up.dropped.loss! > 0);
  });

  it("changes a path while it is used", async () => {
    await using net = emulate({ paths: { only: { rate: "8 Mbit/s", delay: "1 ms" } } });
    const { conn, peer } = await open(net);
    async function timeOf(length: number): Promise<number> {
      const start = net.now;
      await Promise.all([conn.write(new Uint8Array(length)), readExactly(peer, length)]);
      return net.now - start;
    }
    await timeOf(1e6);
    const before = await timeOf(1e6);
    net.path("only").set({ rate: "80 Mbit/s" });
    const after = await timeOf(1e6);
    assert(before / after > 5, `${before} us, then ${after} us`);
    net.path("only").set({ delay: "100 ms" });
    assert(await timeOf(1) > 100e3);
  });

  it("holds the clock for work outside", async () => {
    await using net = emulate({ paths: TWO_PATHS });
    const { conn, peer } = await open(net);
    const reading = peer.read(new Uint8Array(100));
    await conn.write(new Uint8Array(100));
    const before = net.now;
    await net.outside(new Promise((resolve) => setTimeout(resolve, 5)));
    assertEquals(net.now, before);
    assertEquals(await reading, 100);
  });

  it("aborts by signals of virtual time", async () => {
    await using net = emulate({
      paths: { only: { rate: "1 Mbit/s", delay: "300 ms" } },
    });
    const signal = net.timeout("500 ms");
    const error = await assertRejects(
      () => net.client.connect({ hostname: "server", port: 80, signal }),
      DOMException,
    );
    assertEquals(error.name, "TimeoutError");
    assertEquals(net.now, 500e3);
  });

  it("names a read that nothing will ever end", async () => {
    await using net = emulate({ paths: TWO_PATHS, idle: "20 ms" });
    const { conn } = await open(net);
    await assertRejects(
      () => conn.read(new Uint8Array(10)),
      Error,
      'read from 10.0.0.1:80 on "client" as nothing is left to happen',
    );
  });

  it("puts elements of the caller's own behind those of the path", async () => {
    await using net = emulate({
      paths: {
        only: {
          rate: "10 Mbit/s",
          delay: "10 ms",
          elements: [filter((_, index) => index !== 9)],
        },
      },
    });
    await exchange(net, 1e5);
    assertEquals(net.path("only").up.dropped.filter, 1);
    assertEquals(net.path("only").down.dropped.filter, 1);
  });

  it("puts middleboxes into the direction that each side is for", async () => {
    const box = renumber({ up: 1, down: 2 });
    await using net = emulate({
      paths: {
        only: {
          rate: "10 Mbit/s",
          delay: "10 ms",
          up: [filter((_, index) => index !== 9), box.up],
          down: [box.down],
        },
      },
    });
    await exchange(net, 1e5);
    assertEquals(net.path("only").up.dropped.filter, 1);
    assertEquals("filter" in net.path("only").down.dropped, false);
  });

  it("lets exactly the lost segment of a super-segment be sent again", async () => {
    let watched = false;
    let segments = 0;
    const superSegments: number[] = [];
    const arrived: number[] = [];
    const lost: number[] = [];
    await using net = emulate({
      links: { maxSegments: 44 },
      paths: {
        only: {
          rate: "1 Gbit/s",
          delay: "1 ms",
          elements: [
            filter((bytes) => !watched || sequenceOf(bytes).length === 0 || segments++ !== 20),
          ],
        },
      },
      trace: ({ event, from, link, bytes }) => {
        if (!watched || link !== "only" || from !== "client") return;
        const { seq, length } = sequenceOf(bytes);
        if (length === 0) return;
        if (event === "send") superSegments.push(length);
        else (event === "receive" ? arrived : lost).push(seq);
      },
    });
    const { conn, peer } = await open(net);
    // Opens the window, so that much is sent at once.
    await Promise.all([conn.write(pattern(1e6, 1)), readExactly(peer, 1e6)]);
    await net.sleep("10 ms");
    watched = true;
    await Promise.all([send(conn, pattern(2e5, 2)), readAll(peer)]);
    assert(superSegments[0]! > 60_000, `super-segments of ${superSegments}`);
    assertEquals(lost.length, 1);
    assert(arrived.includes(lost[0]!));
    assertEquals(new Set(arrived).size, arrived.length, "a segment came twice");
  });

  it("refuses wrong options, and says what is wrong", () => {
    const path = TWO_PATHS.wifi!;
    // deno-lint-ignore no-explicit-any
    const wrong = (options: any): () => Emulation => () => emulate(options);
    assertThrows(wrong({}), TypeError, "'paths' must be an object");
    assertThrows(wrong({ paths: {} }), RangeError, "1 to 250");
    assertThrows(wrong({ paths: { a: { rate: "20 Mbps", delay: "1 ms" } } }), TypeError, "Mbit/s");
    assertThrows(
      wrong({ paths: { a: { rate: "20 Mbit/s" } } }),
      TypeError,
      "Cannot emulate path a as it needs a 'delay', such as \"15 ms\"",
    );
    assertThrows(
      wrong({ paths: { a: { delay: "15 ms" } } }),
      TypeError,
      "Cannot emulate path a as it needs a 'rate', such as \"20 Mbit/s\"",
    );
    assertThrows(
      wrong({ paths: { a: { rate: "20 Mbit/s", delay: "-1 ms" } } }),
      RangeError,
      "Cannot use \"-1 ms\" as the duration 'paths.a.delay' as it must be 0 or more",
    );
    assertThrows(
      wrong({ paths: { a: { rate: "0 Mbit/s", delay: "1 ms" } } }),
      RangeError,
      "Cannot use \"0 Mbit/s\" as the rate 'paths.a.rate' as it must be above 0",
    );
    assertThrows(
      wrong({ paths: { a: { ...path, elements: 3 } } }),
      TypeError,
      "Cannot emulate path a as 'elements' must be a list of elements",
    );
    assertThrows(
      wrong({ paths: { a: { rate: "20Mbit/s", delay: "1 ms" } } }),
      TypeError,
      `"20Mbit/s" as the rate 'paths.a.rate'`,
    );
    assertThrows(wrong({ paths: { a: { ...path, loss: 2 } } }), RangeError, "from 0 to 1");
    assertThrows(wrong({ paths: { a: { ...path, queue: 0 } } }), RangeError, "at least 1");
    assertThrows(wrong({ paths: { a: path }, seed: 0.1 }), RangeError, "'seed'");
    assertThrows(wrong({ paths: { a: path }, family: 5 }), RangeError, "'family'");
    for (const idle of ["9 ms", "3601 s"]) {
      assertThrows(wrong({ paths: { a: path }, idle }), RangeError, 'from "10 ms" to "3600 s"');
    }
    assertThrows(wrong({ paths: { a: path }, idle: 1000 }), TypeError, "as the duration 'idle'");
    assertThrows(wrong({ paths: { a: path }, scheduler: minRtt }), TypeError, "call it");
    assertThrows(
      wrong({ paths: { a: { ...path, up: [renumber] } } }),
      TypeError,
      "'up' must be a list of elements such as [delay(\"20 ms\")]: renumber is a function, call it",
    );
    for (const side of ["elements", "up", "down"]) {
      assertThrows(
        wrong({ paths: { a: { ...path, [side]: [renumber()] } } }),
        TypeError,
        `'${side}' must be a list of elements such as [delay("20 ms")]: a middlebox of two sides`,
      );
    }
  });

  it("refuses wrong changes, and changes nothing then", async () => {
    await using net = emulate({ paths: TWO_PATHS });
    const wifi = net.path("wifi");
    assertThrows(() => net.path("lan"), RangeError, "the paths are: wifi, lte");
    // @ts-expect-error: no such knob
    assertThrows(() => wifi.set({ jitter: "1 ms" }), TypeError, "one of rate, delay, loss, queue");
    assertThrows(() => wifi.set({ delay: "1 s", loss: 7 }), RangeError);
    const { conn } = await open(net);
    assert(net.now < 200e3);
    conn.close();
  });

  it("gives the same packets for the same seed, and others for another", async () => {
    async function trace(seed: number): Promise<string> {
      const packets: string[] = [];
      await using net = emulate({
        paths: { only: { rate: "10 Mbit/s", delay: "5 ms", loss: 0.01 } },
        seed,
        trace: ({ event, at, bytes }) => packets.push(`${event} ${at} ${bytes}`),
      });
      await exchange(net, 1e5);
      return packets.join("\n");
    }
    const first = await trace(7);
    assertEquals(first, await trace(7));
    assert(first !== await trace(8));
  });
});

/** Sequence number and payload length of an IPv4 packet. */
function sequenceOf(bytes: Uint8Array): { seq: number; length: number } {
  const seq = new DataView(bytes.buffer, bytes.byteOffset).getUint32(24);
  return { seq, length: bytes.length - 20 - (bytes[32]! >> 4) * 4 };
}

async function readExactly(conn: MptcpConn, length: number): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let got = 0; got < length;) got += (await conn.read(buffer))!;
}
