/** What a user may choose of the TCP engine: where it holds, and what is refused. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { tcpSettings } from "../../core/net/tcp_options.ts";
import { DEFAULT_SETTINGS } from "../../core/subflow/settings.ts";
import { cubic, type Duration, emulate, mtu } from "../../mod.ts";

Deno.test("'tcp' says nothing: the settings are those below it", () => {
  assertEquals(tcpSettings("connect", undefined), DEFAULT_SETTINGS);
  const base = { ...DEFAULT_SETTINGS, sack: false };
  assertEquals(tcpSettings("connect", undefined, base), base);
  assertEquals(tcpSettings("connect", {}, base), base);
  assertEquals(tcpSettings("connect", { sack: true }, base), DEFAULT_SETTINGS);
});

Deno.test("'tcp' is checked: an option that is not there, a value that is none", () => {
  assertThrows(
    () => tcpSettings("connect", { sacks: true } as never),
    TypeError,
    "Cannot connect with 'tcp' as there is no option 'sacks'",
  );
  assertThrows(
    () => tcpSettings("listen", { sack: 1 } as never),
    TypeError,
    "Cannot listen as 'tcp.sack' must be true or false: current value is 1",
  );
  assertThrows(
    () => tcpSettings("connect", { mtuProbing: "blackHole" } as never),
    TypeError,
    `Cannot connect as 'tcp.mtuProbing' must be one of "off", "blackhole", "always": current value is "blackHole"`,
  );
});

Deno.test("'tcp' of a listener bounds half-open connections, and says when SYNs are answered by cookies", () => {
  const { synBacklog, synCookies } = tcpSettings("listen", { synBacklog: 7, synCookies: "off" });
  assertEquals([synBacklog, synCookies], [7, "off"]);
  for (const value of [0, 65536, 1.5, NaN, "7"]) {
    assertThrows(
      () => tcpSettings("listen", { synBacklog: value } as never),
      value === "7" ? TypeError : RangeError,
      "Cannot listen as 'tcp.synBacklog' must be an integer from 1 to 65535: current value is",
    );
  }
  assertThrows(
    () => tcpSettings("listen", { synCookies: true } as never),
    TypeError,
    'Cannot listen as \'tcp.synCookies\' must be one of "off", "pressure", "always": current value is true',
  );
});

for (const name of ["synBacklog", "fastOpenQueue"] as const) {
  Deno.test(`'tcp.${name}' is of listeners: connect() refuses it`, () => {
    assertEquals(tcpSettings("open a host", { [name]: 7 })[name], 7);
    assertThrows(
      () => tcpSettings("connect", { [name]: 7 }),
      TypeError,
      `Cannot connect with 'tcp.${name}' as it is an option of listen()`,
    );
  });
}

Deno.test("'tcp.fastOpen' is true, or false; 'tcp.fastOpenQueue' bounds what a listener serves by it", () => {
  const { fastOpen, fastOpenQueue } = tcpSettings("listen", { fastOpen: true, fastOpenQueue: 3 });
  assertEquals([fastOpen, fastOpenQueue], [true, 3]);
  assertThrows(
    () => tcpSettings("listen", { fastOpen: 1 } as never),
    TypeError,
    "Cannot listen as 'tcp.fastOpen' must be true or false: current value is 1",
  );
  assertThrows(
    () => tcpSettings("listen", { fastOpenQueue: 0 }),
    RangeError,
    "Cannot listen as 'tcp.fastOpenQueue' must be an integer from 1 to 65535: current value is 0",
  );
});

Deno.test("what is wrong is named: the option that it is of, and what it takes", async () => {
  for (const value of [1, "60 s", null]) {
    assertThrows(
      () => tcpSettings("connect", { keepAlive: value } as never),
      TypeError,
      "Cannot connect as 'tcp.keepAlive' must be true, false or { idle, interval, count }: current value is",
    );
  }
  assertThrows(
    () => tcpSettings("connect", { keepAlive: { idle: 60 } } as never),
    TypeError,
    `Cannot read 60 as the duration 'idle' as it must be a number, a space and one of us, ms, s`,
  );
  assertThrows(
    () => tcpSettings("connect", [] as never),
    TypeError,
    "Cannot connect with 'tcp' as its options must be an object: current value is []",
  );
  const paths = { lan: { rate: "100 Mbit/s", delay: "5 ms" } } as const;
  assertThrows(
    () => emulate({ paths, probes: { segmentSent() {} } as never }),
    TypeError,
    "Cannot emulate with 'probes' as there is no option 'segmentSent': the options are client, server",
  );
  await using net = emulate({ paths });
  using _listener = net.server.listen({ port: 80 });
  for (const name of ["connectTimeout", "userTimeout", "linger"]) {
    await assertRejects(
      () => net.client.connect({ hostname: "server", port: 80, [name]: "5" }),
      TypeError,
      `Cannot read "5" as the duration '${name}' as it must be`,
    );
  }
  await assertRejects(
    () => net.client.connect({ hostname: "server", port: 80, ecn: "request" } as never),
    TypeError,
    "Cannot connect as there is no option 'ecn': it is one of 'tcp', { tcp: { ecn: … } }",
  );
  assertThrows(
    () => net.server.listen({ port: 81, synCookies: "off" } as never),
    TypeError,
    "Cannot listen as there is no option 'synCookies': it is one of 'tcp', { tcp: { synCookies: … } }",
  );
  assertThrows(
    () => net.server.listen({ port: 81, congestion: cubic() } as never),
    TypeError,
    "Cannot listen as there is no option 'congestion': the options are port, hostname, transport,",
  );
  using conn = await net.client.connect({ hostname: "server", port: 80 });
  assertThrows(
    () => conn.setKeepAlive({ idle: "60 s" } as never),
    TypeError,
    "Cannot set keepalive as 'keepAlive' must be true or false: current value is an object",
  );
  assertThrows(
    () => conn.setNoDelay(0 as never),
    TypeError,
    "Cannot set no-delay as 'noDelay' must be true or false: current value is 0",
  );
});

Deno.test("'tcp.synCookies' \"always\": accept() waits for what comes back of a cookie, also alone", async () => {
  await using net = emulate({
    paths: { lan: { rate: "100 Mbit/s", delay: "5 ms" } },
    tcp: { synCookies: "always" },
  });
  using listener = net.server.listen({ port: 80 });
  for (let i = 0; i < 2; i++) {
    using _conn = await net.client.connect({ hostname: "server", port: 80 });
    using _peer = await listener.accept();
  }
  assertEquals(net.server.counters.SyncookiesRecv, 2);
});

for (const fastOpen of [true, false]) {
  Deno.test(`'data' of connect() go first, however many ('tcp.fastOpen' is ${fastOpen})`, async () => {
    await using net = emulate({
      paths: { lan: { rate: "100 Mbit/s", delay: "5 ms" } },
      tcp: { fastOpen },
      experiments: { client: { sendBuffer: 100_000 } },
    });
    using listener = net.server.listen({ port: 80 });
    for (const bytes of [0, 20, 20, 2000, 300_000]) {
      const sent = Uint8Array.from({ length: bytes + 1 }, (_, i) => i * 31 >> 3);
      const serve = async (): Promise<Uint8Array> => {
        using peer = await listener.accept();
        const got = new Uint8Array(bytes + 1);
        let from = 0;
        while (from <= bytes) from += await peer.read(got.subarray(from)) ?? Infinity;
        return got;
      };
      const [got] = await Promise.all([
        serve(),
        (async () => {
          const data = sent.slice(0, bytes);
          const connecting = net.client.connect({ hostname: "server", port: 80, data });
          using conn = await connecting;
          await conn.write(sent.subarray(bytes));
          await conn.closeWrite();
        })(),
      ]);
      assertEquals(got, sent);
    }
    assertEquals(net.client.counters.TCPFastOpenActive ?? 0, fastOpen ? 4 : 0);
    assertEquals(net.server.counters.TCPFastOpenPassive ?? 0, fastOpen ? 4 : 0);
  });
}

Deno.test("'data' of connect() is a Uint8Array", async () => {
  await using net = emulate({ paths: { lan: { rate: "100 Mbit/s", delay: "5 ms" } } });
  await assertRejects(
    () => net.client.connect({ hostname: "server", port: 80, data: "GET /" as never }),
    TypeError,
    "Cannot connect as 'data' must be a Uint8Array: current value is \"GET /\"",
  );
});

for (const name of ["timestamps", "tlp", "frto", "undo"] as const) {
  Deno.test(`'tcp.${name}' is true, or false`, () => {
    assertEquals(tcpSettings("connect", {})[name], true);
    assertEquals(tcpSettings("connect", { [name]: false })[name], false);
    assertEquals(tcpSettings("connect", {}, { ...DEFAULT_SETTINGS, [name]: false })[name], false);
    assertThrows(
      () => tcpSettings("emulate", { [name]: "on" } as never),
      TypeError,
      `Cannot emulate as 'tcp.${name}' must be true or false: current value is "on"`,
    );
  });
}

Deno.test("'tcp.delayedAck' is how long one segment waits for its acknowledgement, 'tcp.minRto' how long at least for a timeout", async () => {
  const unanswered = async (delayedAck: Duration | false): Promise<number[]> => {
    await using net = emulate({
      paths: { lan: { rate: "100 Mbit/s", delay: "5 ms" } },
      tcp: { delayedAck, minRto: "2 s", tlp: false },
      linger: "0 s",
    });
    using listener = net.server.listen({ port: 80 });
    using conn = await net.client.connect({ hostname: "server", port: 80 });
    using _peer = await listener.accept();
    await conn.write(new Uint8Array(100));
    // The first data of a connection take the place of its third ACK, which is answered at once.
    await net.sleep("1 s");
    await conn.write(new Uint8Array(100));
    const open: number[] = [];
    for (let wait = 0; wait < 3; wait++) {
      await net.sleep(wait === 0 ? "15 ms" : "100 ms");
      const { unacked, rto, rtt } = conn.info().subflows[0]!.tcp;
      assert(rto >= 2e6 + rtt, `${rto}`);
      open.push(unacked);
    }
    return open;
  };
  assertEquals(await unanswered(false), [0, 0, 0]);
  assertEquals(await unanswered("40 ms"), [1, 0, 0]);
  assertEquals(await unanswered("180 ms"), [1, 1, 0]);
});

Deno.test("'tcp.delayedAck' and 'tcp.minRto' are checked", () => {
  const settings = tcpSettings("connect", { delayedAck: false, minRto: "1 ms" });
  assertEquals([settings.delayedAck, settings.minRto], [0, 1e3]);
  assertEquals(tcpSettings("connect", { minRto: "5 ms" }, settings).delayedAck, 0);
  for (
    const [name, bad, range] of [
      ["delayedAck", "500 ms", "from 1 ms to 499 ms"],
      ["delayedAck", "0 ms", "from 1 ms to 499 ms"],
      ["minRto", "999 us", "from 1 ms to 60 s"],
      ["minRto", "61 s", "from 1 ms to 60 s"],
    ] as const
  ) {
    assertThrows(
      () => tcpSettings("listen", { [name]: bad }),
      RangeError,
      `Cannot listen as 'tcp.${name}' must be ${range}: current value is "${bad}"`,
    );
  }
  for (const bad of [40, true, "40"]) {
    assertThrows(() => tcpSettings("listen", { delayedAck: bad } as never), TypeError);
    assertThrows(() => tcpSettings("listen", { minRto: bad } as never), TypeError);
  }
});

Deno.test("'tcp.lossDetection' is a name", () => {
  for (const name of ["rack", "sack", "reno-nosack"] as const) {
    assertEquals(tcpSettings("connect", { lossDetection: name }).lossDetection, name);
  }
  assertThrows(
    () => tcpSettings("listen", { lossDetection: "reno" as never }),
    TypeError,
    'Cannot listen as \'tcp.lossDetection\' must be one of "rack", "sack", "reno-nosack": current value is',
  );
});

for (const mtuProbing of ["off", "blackhole", "always"] as const) {
  Deno.test(`'tcp.mtuProbing' "${mtuProbing}" of a path that swallows large packets`, async () => {
    await using net = emulate({
      paths: {
        tunnel: { rate: "20 Mbit/s", delay: "5 ms", elements: [mtu(1400, { icmp: false })] },
      },
      tcp: { mtuProbing },
      linger: "0 s",
    });
    using listener = net.server.listen({ port: 80 });
    const [conn, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    using _conn = conn;
    using _peer = peer;
    const sent = conn.write(new Uint8Array(1e6));
    const block = new Uint8Array(1e6);
    let got = 0;
    const reading = (async () => {
      while (got < 1e6) got += await peer.read(block) ?? 1e6;
    })().catch(() => {});
    await Promise.race([reading, net.sleep("5 s")]);
    await sent;
    const { pmtu } = conn.info().subflows[0]!.tcp;
    const timeouts = net.client.counters.TCPTimeouts ?? 0;
    if (mtuProbing === "off") assertEquals([got, pmtu], [0, 1500]);
    // The search takes longer than that (RFC 4821 §7.6.2).
    else assertEquals([got, pmtu >= 1200 && pmtu <= 1400], [1e6, true]);
    assertEquals(timeouts > 0, mtuProbing !== "always");
  });
}

Deno.test("'tcp' gives buffers a fixed size, or a limit, and writes a mark", () => {
  const { receiveBuffer, sendBuffer, notSentLowWater } = tcpSettings("connect", {
    receiveBuffer: 100_000,
    sendBuffer: { max: 4_000_000 },
    notSentLowWater: 16_384,
  });
  assertEquals(receiveBuffer, { first: 100_000, most: 100_000 });
  assertEquals(sendBuffer, { first: 1_048_576, most: 4_000_000 });
  assertEquals(notSentLowWater, 16_384);
  // A limit below what a buffer begins with is that as well.
  const small = tcpSettings("connect", { receiveBuffer: { max: 5000 } });
  assertEquals(small.receiveBuffer, { first: 5000, most: 5000 });
  assertEquals(small.sendBuffer, DEFAULT_SETTINGS.sendBuffer);
});

for (const name of ["receiveBuffer", "sendBuffer"] as const) {
  Deno.test(`'tcp.${name}' is checked`, () => {
    const given = (value: unknown) => () => tcpSettings("connect", { [name]: value } as never);
    for (const bytes of [4095, 1073741825, 5000.5, NaN, Infinity]) {
      const message = (path: string): string =>
        `Cannot connect as 'tcp.${path}' must be an integer from 4096 to 1073741824: current value is ${bytes}`;
      assertThrows(given(bytes), RangeError, message(name));
      assertThrows(given({ max: bytes }), RangeError, message(`${name}.max`));
    }
    assertThrows(given("1 MB"), TypeError, "must be a number of bytes or { max }");
    assertThrows(given(null), TypeError, "current value is null");
    assertThrows(given({ most: 10_000 }), TypeError, "there is no option 'most'");
    assertThrows(given({}), TypeError, "as it needs 'max'");
  });
}

Deno.test("'tcp.notSentLowWater' is checked", () => {
  for (const value of [0, -5, 0.5, NaN]) {
    assertThrows(
      () => tcpSettings("listen", { notSentLowWater: value }),
      RangeError,
      `Cannot listen as 'tcp.notSentLowWater' must be an integer of bytes from 1, or Infinity: current value is ${value}`,
    );
  }
  assertThrows(() => tcpSettings("listen", { notSentLowWater: true } as never), TypeError);
});

for (const side of ["host", "connect", "listen"] as const) {
  Deno.test(`'tcp' of ${side} without SACK: it is not agreed`, async () => {
    const off = { tcp: { sack: false } };
    await using net = emulate({
      paths: { lan: { rate: "20 Mbit/s", delay: "5 ms" } },
      ...(side === "host" ? off : {}),
    });
    using listener = net.server.listen({ port: 80, ...(side === "listen" ? off : {}) });
    const [conn, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80, ...(side === "connect" ? off : {}) }),
      listener.accept(),
    ]);
    using _conn = conn;
    using _peer = peer;
    for (const { tcp } of [...conn.info().subflows, ...peer.info().subflows]) {
      assertEquals(tcp.options & 2, 0);
    }
  });
}

Deno.test("'tcp' is checked: integers and their ranges", () => {
  for (
    const [name, least, most] of [
      ["dscp", 0, 63],
      ["maxSegment", 88, 65495],
      ["synRetries", 0, 127],
    ] as const
  ) {
    for (const value of [least, most]) {
      assertEquals(tcpSettings("connect", { [name]: value })[name], value);
    }
    for (const value of [least - 1, most + 1, 0.5, NaN]) {
      assertThrows(
        () => tcpSettings("connect", { [name]: value }),
        RangeError,
        `Cannot connect as 'tcp.${name}' must be an integer from ${least} to ${most}: current value is ${value}`,
      );
    }
    assertThrows(
      () => tcpSettings("connect", { [name]: "7" as never }),
      TypeError,
      `'tcp.${name}'`,
    );
  }
});

/** Two hosts with one path of 10 ms round trip. */
function lan() {
  return emulate({ paths: { lan: { rate: "20 Mbit/s", delay: "5 ms" } } });
}

Deno.test("'tcp.maxSegment' bounds the segments of both directions", async () => {
  await using net = lan();
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80, tcp: { maxSegment: 600 } }),
    listener.accept(),
  ]);
  using _conn = conn;
  using _peer = peer;
  // Timestamps and a DSS are subtracted.
  for (const { tcp } of [...conn.info().subflows, ...peer.info().subflows]) {
    assert(tcp.snd_mss > 500 && tcp.snd_mss < 600, `${tcp.snd_mss}`);
  }
});

Deno.test("'tcp.connectionAttemptDelay' is a time from 10 ms to 2 s, or false, and kept where nothing is said", () => {
  const base = tcpSettings("open a host", { connectionAttemptDelay: "10 ms" });
  assertEquals(base.connectionAttemptDelay, 10e3);
  assertEquals(tcpSettings("connect", { sack: false }, base).connectionAttemptDelay, 10e3);
  assertEquals(
    tcpSettings("connect", { connectionAttemptDelay: false }, base).connectionAttemptDelay,
    null,
  );
  const off = tcpSettings("open a host", { connectionAttemptDelay: false });
  assertEquals(tcpSettings("connect", { sack: false }, off).connectionAttemptDelay, null);
  assertEquals(
    tcpSettings("connect", { connectionAttemptDelay: "2 s" }, off).connectionAttemptDelay,
    2e6,
  );
  assertEquals(DEFAULT_SETTINGS.connectionAttemptDelay, 250e3);
  for (const value of ["9 ms", "2001 ms"] as const) {
    assertThrows(
      () => tcpSettings("connect", { connectionAttemptDelay: value }),
      RangeError,
      `Cannot connect as 'tcp.connectionAttemptDelay' must be from 10 ms to 2 s, or false: current value is "${value}"`,
    );
  }
  assertThrows(() => tcpSettings("connect", { connectionAttemptDelay: true } as never), TypeError);
  assertThrows(
    () => tcpSettings("listen", { connectionAttemptDelay: "20 ms" }),
    TypeError,
    "option of connect()",
  );
});

Deno.test("'tcp.synRetries' 2: TimedOut after 1 + 2 + 4 s of virtual time, with three SYNs", async () => {
  await using net = lan();
  net.path("lan").cut();
  const start = net.now;
  await assertRejects(
    () => net.client.connect({ hostname: "server", port: 80, tcp: { synRetries: 2 } }),
    Deno.errors.TimedOut,
    "nothing answered",
  );
  assertEquals(Math.round((net.now - start) / 1e6), 7);
});

Deno.test("'connectTimeout' ends an attempt in its time, also in the middle of a wait, and over all addresses of a name", async () => {
  await using net = lan();
  net.path("lan").cut();
  const start = net.now;
  const error = await assertRejects(
    () => net.client.connect({ hostname: "server", port: 80, connectTimeout: "2500 ms" }),
    Deno.errors.TimedOut,
  );
  assertEquals(
    error.message,
    "Cannot connect to server:80 as no answer came within its 'connectTimeout' of 2.5 s: check the address, or give it more time",
  );
  assertEquals(net.now - start, 2.5e6);
  assertEquals(net.client.connections, 0);
});

Deno.test("'connectTimeout' leaves a connection alone that was open in time", async () => {
  await using net = lan();
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80, connectTimeout: "1 s" }),
    listener.accept(),
  ]);
  await net.sleep("5 s");
  await conn.write(new Uint8Array(10));
  assertEquals(await peer.read(new Uint8Array(20)), 10);
  conn.close();
  peer.close();
});

for (const mptcp of [true, false]) {
  Deno.test(`'connectTimeout' ends the wait for a peer that does not take 'data', too; a signal does as well (${mptcp ? "MPTCP" : "TCP"})`, async () => {
    await using net = lan();
    // It accepts, and never reads.
    using listener = net.server.listen({ port: 80, tcp: { receiveBuffer: 20_000 } });
    const accepted = listener.accept();
    const data = new Uint8Array(300_000);
    const options = {
      hostname: "server",
      port: 80,
      data,
      tcp: { sendBuffer: 50_000 },
      ...(mptcp ? {} : { mptcp: false as const }),
    };
    const start = net.now;
    const { message } = await assertRejects(
      () => net.client.connect({ ...options, connectTimeout: "3 s" }),
      Deno.errors.TimedOut,
    );
    assertEquals(
      message,
      "Cannot connect to server:80 as its 'data' were not taken within its 'connectTimeout' of 3 s: write them afterwards, or give it more time",
    );
    assertEquals([net.now - start, net.client.connections], [3e6, 0]);
    (await accepted).close();
    const stop = new AbortController();
    const attempt = net.client.connect({ ...options, signal: stop.signal });
    using _peer = await listener.accept();
    await net.sleep("1 s");
    stop.abort(new Error("enough"));
    await assertRejects(() => attempt, Error, "enough");
    assertEquals(net.client.connections, 0);
  });
}

Deno.test("'connectTimeout' is checked", async () => {
  await using net = lan();
  for (const connectTimeout of ["0 s", "0.5 ms", "40000 s"] as const) {
    await assertRejects(
      () => net.client.connect({ hostname: "server", port: 80, connectTimeout }),
      RangeError,
      `Cannot connect as 'connectTimeout' must be from 1 ms to 32767 s: current value is "${connectTimeout}"`,
    );
  }
});

Deno.test("'tcp.keepAlive' is read: true, false, times, and times of the host below those of a connection", () => {
  const times = { idle: 7200e6, interval: 75e6, count: 9 };
  const read = (keepAlive: unknown, base = DEFAULT_SETTINGS) =>
    tcpSettings("connect", { keepAlive } as never, base).keepAlive;
  assertEquals(DEFAULT_SETTINGS.keepAlive, null);
  assertEquals(read(true), times);
  assertEquals(read(false), null);
  assertEquals(read({}), times);
  assertEquals(read({ idle: "60 s", count: 2 }), { ...times, idle: 60e6, count: 2 });
  const base = tcpSettings("open a host", { keepAlive: { idle: "10 s" } });
  assertEquals(read({ interval: "1 s" }, base), { idle: 10e6, interval: 1e6, count: 9 });
  assertEquals(read(true, base), { ...times, idle: 10e6 });
  assertEquals(read(undefined, base), { ...times, idle: 10e6 });
  assertEquals(read(false, base), null);
  for (
    const [keepAlive, message] of [
      [
        5,
        "Cannot connect as 'tcp.keepAlive' must be true, false or { idle, interval, count }: current value is 5",
      ],
      [{ idles: 1 }, "there is no option 'idles': the options are idle, interval, count"],
      [{ idle: "0 s" }, "'idle' must be from 1 s to 32767 s: current value is \"0 s\""],
      [{ interval: "40000 s" }, "'interval' must be from 1 s to 32767 s"],
      [{ count: 0 }, "'count' must be an integer from 1 to 127: current value is 0"],
      [{ count: "9" }, "'count' must be an integer from 1 to 127"],
    ] as const
  ) assertThrows(() => read(keepAlive), Error, message);
});

for (const how of ["'tcp.keepAlive'", "setKeepAlive()"] as const) {
  Deno.test(`${how} finds a peer that is gone: a read() that waits rejects, the connection with it`, async () => {
    await using net = lan();
    const times = { idle: "60 s", interval: "10 s", count: 3 } as const;
    using listener = net.server.listen({ port: 80 });
    const [conn, peer] = await Promise.all([
      net.client.connect({
        hostname: "server",
        port: 80,
        userTimeout: "5 s",
        ...(how === "setKeepAlive()" ? {} : { tcp: { keepAlive: times } }),
      }),
      listener.accept(),
    ]);
    using _peer = peer;
    if (how === "setKeepAlive()") conn.setKeepAlive(true, times);
    // Answered for an hour.
    const reading = conn.read(new Uint8Array(10));
    await net.sleep("3600 s");
    assert(net.client.counters.TCPKeepAlive! >= 59);
    net.path("lan").cut();
    const start = net.now;
    await assertRejects(() => reading, Deno.errors.TimedOut);
    const seconds = (net.now - start) / 1e6;
    assert(seconds < 60 + 3 * 10 + 5 + 1, `${seconds}`);
    conn.close();
  });
}

Deno.test("setKeepAlive(false) ends what 'tcp.keepAlive' began, setKeepAlive() takes its times again", async () => {
  await using net = lan();
  using listener = net.server.listen({
    port: 80,
    tcp: { keepAlive: { idle: "10 s" } },
  });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  const probes = () => net.server.counters.TCPKeepAlive ?? 0;
  await net.sleep("25 s");
  assertEquals(probes(), 2);
  peer.setKeepAlive(false);
  await net.sleep("25 s");
  assertEquals(probes(), 2);
  peer.setKeepAlive();
  await net.sleep("25 s");
  assertEquals(probes(), 4);
  assertThrows(
    () => peer.setKeepAlive(true, { count: 200 }),
    RangeError,
    "Cannot set keepalive as 'count' must be an integer from 1 to 127: current value is 200",
  );
  conn.close();
  peer.close();
});

Deno.test("write() with 'cork': two writes leave as one segment, one alone after 200 ms", async () => {
  await using net = lan();
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  await net.sleep("1 s");
  const sent = () => conn.info().subflows[0]!.tcp.segs_out;
  const before = sent();
  const buffer = new Uint8Array(100);
  await conn.write(new Uint8Array(10), { cork: true });
  await conn.write(new Uint8Array(20));
  assertEquals(await peer.read(buffer), 30);
  assertEquals(sent() - before, 1);
  await net.sleep("1 s");
  const start = net.now;
  await conn.write(new Uint8Array(10), { cork: true });
  assertEquals(await peer.read(buffer), 10);
  const time = (net.now - start) / 1e3;
  assert(time >= 205 && time < 206, `${time} ms`);
  await conn.write(new Uint8Array(10), { cork: true });
  await conn.closeWrite();
  assertEquals(await peer.read(buffer), 10);
  assertEquals(await peer.read(buffer), null);
  assertEquals(net.now - start < 300e3, true);
  conn.close();
  peer.close();
});

Deno.test("'tcp.ecn' is a name, 'accept' unless it is asked for", () => {
  assertEquals(tcpSettings("connect", {}).ecn, "accept");
  assertEquals(tcpSettings("connect", {}, { ...DEFAULT_SETTINGS, ecn: "off" }).ecn, "off");
  assertEquals(tcpSettings("connect", { ecn: "request" }).ecn, "request");
  assertThrows(
    () => tcpSettings("connect", { ecn: true } as never),
    TypeError,
    'Cannot connect as \'tcp.ecn\' must be one of "off", "accept", "request": current value is true',
  );
});
