/** What a user may choose of MPTCP: where it holds, and what is refused. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { DEFAULT_MPTCP } from "../../core/connection/settings.ts";
import { mptcpSettings } from "../../core/net/mptcp_options.ts";
import { emulate } from "../../mod.ts";

Deno.test("'mptcp' says nothing: the settings are those below it", () => {
  assertEquals(mptcpSettings("connect", undefined), DEFAULT_MPTCP);
  const base = { ...DEFAULT_MPTCP, checksum: true, closeTimeout: 5e6 };
  assertEquals(mptcpSettings("connect", undefined, base), base);
  assertEquals(mptcpSettings("connect", {}, base), base);
  assertEquals(mptcpSettings("connect", { checksum: false, closeTimeout: "1 s" }, base), {
    ...base,
    checksum: false,
    closeTimeout: 1e6,
  });
});

Deno.test("'mptcp' is true, false or options; options switch on what the host has switched off", () => {
  const off = mptcpSettings("open a host", false);
  assertEquals(off, { ...DEFAULT_MPTCP, enabled: false });
  assertEquals(mptcpSettings("connect", undefined, off), off);
  assertEquals(mptcpSettings("connect", true, off), DEFAULT_MPTCP);
  assertEquals(mptcpSettings("connect", {}, off), DEFAULT_MPTCP);
});

Deno.test("'mptcp' is checked: an option that is not there, a value that is none", () => {
  const refused: [options: unknown, error: typeof RangeError, text: string][] = [
    [{ checksums: true }, TypeError, "Cannot connect with 'mptcp' as there is no option"],
    [{ checksum: 1 }, TypeError, "as 'mptcp.checksum' must be true or false: current value is 1"],
    [7, TypeError, "as 'mptcp' must be true, false or an object of options: current value is 7"],
    [null, TypeError, "as 'mptcp' must be true, false or an object of options"],
    [
      { closeTimeout: "40000 s" },
      RangeError,
      `as 'mptcp.closeTimeout' must be from 0 s to 32767 s: current value is "40000 s"`,
    ],
    [
      { allowJoinInitialAddress: "no" },
      TypeError,
      `as 'mptcp.allowJoinInitialAddress' must be true or false: current value is "no"`,
    ],
    [{ joinPorts: "all" }, TypeError, `as 'mptcp.joinPorts' must be`],
    [
      { tailReinjection: 1 },
      TypeError,
      "as 'mptcp.tailReinjection' must be true or false: current value is 1",
    ],
    [
      { synRetriesBeforeFallback: 128 },
      RangeError,
      "as 'mptcp.synRetriesBeforeFallback' must be an integer from 0 to 127: current value is 128",
    ],
    [
      { synRetriesBeforeFallback: 1.5 },
      RangeError,
      "as 'mptcp.synRetriesBeforeFallback' must be an integer from 0 to 127: current value is 1.5",
    ],
    [
      { blackholeTimeout: "604801 s" },
      RangeError,
      `as 'mptcp.blackholeTimeout' must be from 0 s to 604800 s: current value is "604801 s"`,
    ],
    [
      { addAddrTimeout: "32768 s" },
      RangeError,
      "as 'mptcp.addAddrTimeout' must be from 0 s to 32767 s",
    ],
    [
      { staleLossCount: 256 },
      RangeError,
      "as 'mptcp.staleLossCount' must be an integer from 0 to 255: current value is 256",
    ],
    [
      { staleLossCount: "4" },
      TypeError,
      `as 'mptcp.staleLossCount' must be an integer from 0 to 255: current value is "4"`,
    ],
    [
      { fastclose: "fin" },
      TypeError,
      `as 'mptcp.fastclose' must be one of "rst", "ack": current value is "fin"`,
    ],
    [
      { dataFin: true },
      TypeError,
      `as 'mptcp.dataFin' must be one of "safe", "fast": current value is true`,
    ],
    [
      { dsn: 8 },
      TypeError,
      `as 'mptcp.dsn' must be one of "short", "long": current value is 8`,
    ],
  ];
  for (const joinBacklog of [-1, 256, 1.5, NaN]) {
    refused.push([{ joinBacklog }, RangeError, "must be an integer from 0 to 255"]);
  }
  refused.push([{ joinBacklog: "4" }, TypeError, `'mptcp.joinBacklog' must be an integer`]);
  for (const name of ["subflows", "addAddrAccepted"]) {
    const text = `as 'mptcp.${name}' must be an integer from 0 to 8: current value is `;
    refused.push([{ [name]: 9 }, RangeError, `${text}9`], [{ [name]: -1 }, RangeError, text]);
    refused.push([{ [name]: "2" }, TypeError, `${text}"2"`], [{ [name]: 1.5 }, RangeError, text]);
  }
  for (const [options, error, text] of refused) {
    assertThrows(() => mptcpSettings("connect", options as never), error, text);
  }
});

for (const side of ["connect", "listen"] as const) {
  Deno.test(`'mptcp: false' of ${side}() is plain TCP, on a host that speaks MPTCP otherwise`, async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "4 ms" },
        lte: { rate: "20 Mbit/s", delay: "9 ms" },
      },
    });
    for (const mptcp of [false, true]) {
      const port = mptcp ? 80 : 81;
      const of = (at: string) => at === side && !mptcp ? { mptcp: false } : {};
      using listener = net.server.listen({ port, ...of("listen") });
      const [conn, peer] = await Promise.all([
        net.client.connect({ hostname: "server", port, ...of("connect") }),
        listener.accept(),
      ]);
      for (const end of [conn, peer]) {
        assertEquals((end.info().mptcp.flags & 1) === 0, mptcp, `${mptcp}`);
      }
      await conn.write(new Uint8Array(100));
      assertEquals(await peer.read(new Uint8Array(200)), 100);
    }
    assertEquals(net.client.counters.MPCapableSYNTX, side === "connect" ? 1 : 2);
    assertEquals(net.server.counters.MPCapableSYNRX, 1);
  });
}

Deno.test("'mptcp.joinBacklog' is an integer from 0 to 255", () => {
  for (const joinBacklog of [0, 4, 255]) {
    assertEquals(mptcpSettings("listen", { joinBacklog }), { ...DEFAULT_MPTCP, joinBacklog });
  }
});

Deno.test("'mptcp.checksum' of either side: DSS checksums in both directions (RFC 8684 §3.1)", async () => {
  await using net = emulate({ paths: { wifi: { rate: "20 Mbit/s", delay: "5 ms" } } });
  using listener = net.server.listen({ port: 80, mptcp: { checksum: true } });
  using plain = net.server.listen({ port: 81 });
  for (
    const [port, options, wanted] of [[80, {}, 1], [81, { checksum: true }, 1], [
      81,
      {},
      0,
    ]] as const
  ) {
    const [conn] = await Promise.all([
      net.client.connect({ hostname: "server", port, mptcp: options }),
      (port === 80 ? listener : plain).accept(),
    ]);
    assertEquals(conn.info().mptcp.csum_enabled, wanted);
  }
  assert((net.server.counters.MPCapableACKRX ?? 0) === 3);
});

Deno.test("'mptcp.synRetriesBeforeFallback' and 'mptcp.blackholeTimeout' are taken, and kept where nothing is said", () => {
  const options = { synRetriesBeforeFallback: 127, blackholeTimeout: "0 s" } as const;
  const settings = mptcpSettings("connect", options);
  assertEquals([settings.synRetriesBeforeFallback, settings.blackholeTimeout], [127, 0]);
  assertEquals(mptcpSettings("connect", { checksum: false }, settings), settings);
  assertEquals([DEFAULT_MPTCP.synRetriesBeforeFallback, DEFAULT_MPTCP.blackholeTimeout], [
    1,
    3600e6,
  ]);
});
for (const side of ["client", "server"] as const) {
  Deno.test(`'mptcp.subflows' of the ${side} is the most that there are, whatever path managers want`, async () => {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "5 ms" },
        lte: { rate: "20 Mbit/s", delay: "9 ms" },
        satellite: { rate: "20 Mbit/s", delay: "30 ms" },
      },
    });
    const mptcp = { subflows: 1 };
    using listener = net.server.listen({ port: 80, ...(side === "server" && { mptcp }) });
    const [conn, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80, ...(side === "client" && { mptcp }) }),
      listener.accept(),
    ]);
    await peer.write(new Uint8Array(1000));
    await conn.read(new Uint8Array(1000));
    await net.sleep("1 s");
    assertEquals(conn.info().subflows.length, 2);
    assertEquals(conn.paths.limits.subflows, side === "client" ? 1 : 8);
    assertEquals((net.server.counters["MPJoinRejected"] ?? 0) > 0, side === "server");
  });
}

Deno.test("'mptcp.allowJoinInitialAddress' of a listener: its address is not joined (C flag, RFC 8684 §3.1)", async () => {
  for (const allowJoinInitialAddress of [true, false]) {
    await using net = emulate({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "5 ms" },
        lte: { rate: "20 Mbit/s", delay: "9 ms" },
      },
    });
    using listener = net.server.listen({ port: 80, mptcp: { allowJoinInitialAddress } });
    const [conn, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    assertEquals(conn.paths.peerDeniesJoinToInitial, !allowJoinInitialAddress);
    for (const [from, to] of [[conn, peer], [peer, conn]] as const) {
      await from.write(new Uint8Array(50000));
      const target = new Uint8Array(50000);
      for (let got = 0; got < 50000;) got += (await to.read(target)) ?? 50000;
    }
    assertEquals(conn.info().subflows.length, allowJoinInitialAddress ? 2 : 1);
  }
});
