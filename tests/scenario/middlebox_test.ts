/** What middleboxes do to MPTCP, and what the stack makes of it: the data arrive, as MPTCP where it can be, as plain TCP where not. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import {
  acknowledgeAndDrop,
  bleachEcn,
  coalesceSegments,
  dropSegments,
  emulate,
  type Middlebox,
  nat,
  queue,
  rate,
  renumber,
  reorderOptions,
  repeatSegments,
  rewriteMss,
  rewritePayload,
  rewriteWindowScale,
  type SegmentSelection,
  splitSegments,
  stripOptions,
  synProxy,
  tcpProxy,
} from "../../mod.ts";
import { pattern, readAll } from "../support/streams.ts";
import { type End, Topology, type TopologyOptions } from "../support/topology.ts";

/*
 *   client ── wifi ── middlebox ─┬ router ── server
 *          ── lte ───────────────┘
 */
function through(
  up: readonly ElementFactory[],
  down: readonly ElementFactory[],
  options: Partial<TopologyOptions> & { readonly lte?: boolean } = {},
): Topology {
  const { lte = true, ...rest } = options;
  return new Topology({
    paths: {
      wifi: { rate: "20 Mbit/s", delay: "10 ms", up, down },
      ...(lte ? { lte: { rate: "12 Mbit/s", delay: "30 ms" } } : {}),
    },
    links: { checksums: true },
    ...rest,
  });
}

/** Transfers in both directions; whether it was MPTCP at the client, at the server, and the client's subflows. */
function transfer(t: Topology, bytes = 1e6, seconds = 10): [boolean, boolean, number] {
  const pair = t.connect({ bytes }, { bytes });
  let server = pair.server();
  t.runUntil(() => (server = pair.server()) !== undefined, 20);
  t.complete(pair, seconds);
  const { socket } = pair.client;
  return [!socket.fallback, !server.socket.fallback, socket.subflowsTotal];
}

const strip = (on: SegmentSelection): ElementFactory => stripOptions({ on });
const splitLater = (): ElementFactory =>
  splitSegments({ options: "second", on: ({ length, index }) => length > 0 && index > 20 });
const LATER = ["data", "ack"] as const;

describe("a middlebox that takes options away leads to plain TCP", () => {
  const cases: [string, ElementFactory[], ElementFactory[]][] = [
    ["from the SYN", [strip("syn")], []],
    ["from the SYN/ACK", [], [strip("syn-ack")]],
    ["from all but SYNs, both ways", [strip(LATER)], [strip(LATER)]],
    ["from all but SYNs, on the way up", [strip(LATER)], []],
    ["from all but SYNs, on the way down", [], [strip(LATER)]],
    ["from data, both ways", [strip("data")], [strip("data")]],
    ["from the first part of data that it splits", [splitSegments({ options: "second" })], [
      splitSegments({ options: "second" }),
    ]],
    ["from everything", [strip("all")], [strip("all")]],
  ];
  for (const [what, up, down] of cases) {
    it(what, () => {
      using t = through(up, down);
      const [client, server] = transfer(t);
      assertEquals([client, server], [false, false]);
      t.runTo(t.seconds + 100);
      assertEquals([t.client.usage().connections, t.server.usage().connections], [0, 0]);
    });
  }

  it("on the second path alone costs that path alone", () => {
    using t = new Topology({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms" },
        lte: { rate: "12 Mbit/s", delay: "30 ms", up: [strip("syn")] },
      },
      links: { checksums: true },
    });
    assertEquals(transfer(t), [true, true, 1]);
  });
});

describe("MPTCP goes on behind a middlebox that", () => {
  const cases: [string, ElementFactory[], ElementFactory[]][] = [
    ["splits segments and copies the options", [splitSegments({ options: "both" })], [
      splitSegments({ options: "both" }),
    ]],
    ["splits segments, options on the first part", [splitSegments({ options: "first" })], [
      splitSegments({ options: "first" }),
    ]],
    // Not from the first data on: data without options right after the handshake mean plain TCP (RFC 8684 §3.7).
    ["splits segments, options on the second part", [splitLater()], [
      splitLater(),
    ]],
  ];
  for (const [what, up, down] of cases) {
    for (const checksum of [false, true]) {
      it(`${what}${checksum ? ", with DSS checksums" : ""}`, () => {
        using t = through(up, down, { client: { checksum } });
        assertEquals(transfer(t), [true, true, 2]);
        assertEquals(t.server.counters.get("DataCsumErr"), 0);
      });
    }
  }

  for (const checksum of [false, true]) {
    it(`renumbers, both ways${checksum ? ", with DSS checksums" : ""}`, () => {
      const { up, down } = renumber({ up: 12345, down: 0xfffffff0 });
      using t = through([up], [down], { client: { checksum } });
      assertEquals(transfer(t), [true, true, 2]);
    });
  }

  for (const keep of ["first", "second"] as const) {
    it(`joins small segments under the options of the ${keep}: what lost its mapping is sent again`, () => {
      using t = through([coalesceSegments({ options: keep })], [
        coalesceSegments({ options: keep }),
      ]);
      const pair = t.connect({ bytes: 60e3, writes: () => 500 }, {
        bytes: 60e3,
        writes: () => 500,
      });
      t.complete(pair, 30);
      assertEquals(pair.client.socket.fallback, false);
      const { packets, delivered } = t.paths.wifi!.forward.counts;
      assert(delivered < packets, "nothing was joined");
    });
  }
});

describe("a middlebox that changes data", () => {
  it("is found out by the DSS checksum: its path is given up, no changed byte is delivered", () => {
    using t = through([rewritePayload({ on: ({ index }) => index > 40 })], [], {
      client: { checksum: true },
    });
    const pair = t.connect({ bytes: 1e6 });
    t.complete(pair, 10);
    assert(t.server.counters.get("DataCsumErr") > 0);
  });
});

describe("MPTCP over IPv6, super-segments that the path cuts, and a middlebox that", () => {
  const plain = [true, true];
  const mptcp = [false, false];
  const cases: [string, boolean[], readonly ElementFactory[] | Middlebox][] = [
    ["strips options from SYNs", plain, [stripOptions({ on: "syn" })]],
    ["removes options", plain, [stripOptions({ options: "all", by: "removal" })]],
    ["drops SYNs with MPTCP", plain, [dropSegments({ on: "syn" })]],
    ["reorders options", mptcp, [reorderOptions()]],
    ["rewrites the MSS", mptcp, [rewriteMss(1000)]],
    ["removes the window scale", mptcp, [rewriteWindowScale(null)]],
    ["bleaches ECN", mptcp, [bleachEcn({ tcp: true })]],
    ["splits segments", mptcp, [splitSegments()]],
    ["repeats segments", mptcp, [repeatSegments({ later: "100 ms" })]],
    ["renumbers", mptcp, renumber({ down: 5 })],
    ["translates addresses", mptcp, nat({ address: "fd00:0:0:1::99" })],
    ["proxies TCP", plain, tcpProxy()],
    ["proxies SYNs", plain, synProxy()],
  ];
  for (const [what, fallback, box] of cases) {
    it(what, async () => {
      await using net = emulate({
        family: 6,
        links: { maxSegments: 20 },
        paths: {
          wifi: {
            rate: "50 Mbit/s",
            delay: "5 ms",
            ...("up" in box ? { up: [box.up], down: [box.down] } : { elements: box }),
          },
        },
        tcp: { ecn: "request" },
      });
      const listener = net.server.listen({ port: 80 });
      const [conn, peer] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
        net.sleep("5 s"),
      ]);
      const bytes = pattern(200_000, 1);
      const [got, back] = await Promise.all([
        readAll(peer),
        readAll(conn),
        conn.write(bytes).then(() => conn.closeWrite()),
        peer.write(bytes).then(() => peer.closeWrite()),
      ]);
      assertEquals([got, back], [bytes, bytes]);
      assertEquals([conn, peer].map((each) => (each.info().mptcp.flags & 1) === 1), fallback);
    });
  }
});

describe("a translator that forgets (RFC 8684 §3.3.3, §3.3.6)", () => {
  const SILENCE = 60;
  const through = (
    unknown: "translate" | "drop" | "reset",
    lte: boolean,
    family: 4 | 6 = 4,
    more: Partial<TopologyOptions> = {},
    { up, down }: Middlebox = nat({ timeout: "30 s", transitory: "30 s", unknown }),
  ): Topology => {
    return new Topology({
      paths: {
        wifi: { rate: "20 Mbit/s", delay: "10 ms", up: [up], down: [down] },
        ...(lte ? { lte: { rate: "12 Mbit/s", delay: "30 ms" } } : {}),
      },
      links: { checksums: true },
      family,
      ...more,
    });
  };
  /** Sends a little, is silent for longer than the box remembers, and goes on. */
  const talk = (t: Topology) => t.connect({ bytes: 20_000, writes: () => 10_000, pace: SILENCE });

  for (const unknown of ["translate", "drop", "reset"] as const) {
    it(`${unknown}: another path carries what follows`, () => {
      using t = through(unknown, true);
      t.complete(talk(t), SILENCE + 20);
      assertEquals(t.client.counters.get("FallbackFailed"), 0);
    });
  }

  for (const unknown of ["translate", "reset"] as const) {
    it(`${unknown}: on the only path a RST has a new subflow take the place of the old one`, () => {
      using t = through(unknown, false);
      const pair = talk(t);
      t.complete(pair, SILENCE + 20);
      assertEquals([pair.client.socket.fallback, pair.client.socket.subflowsTotal], [false, 2]);
    });
  }

  for (const family of [4, 6] as const) {
    for (const what of ["up", "down", "both"] as const) {
      it(`drop: the only path is tried from another port when nothing comes back, IPv${family}, data go ${what}`, () => {
        const box = nat({ timeout: "30 s", transitory: "30 s", unknown: "drop" });
        using t = through("drop", false, family, {}, box);
        const bytes = { bytes: 20_000, writes: () => 10_000, pace: SILENCE };
        const pair = t.connect(
          what === "down" ? { bytes: 0 } : bytes,
          what === "up" ? { bytes: 0 } : bytes,
        );
        if (what === "down") {
          // Who only reads hears nothing, and asks: so the box remembers until it is switched off and on.
          t.at(
            1,
            () => pair.client.socket.setKeepAlive(t.now, { idle: 5e6, interval: 1e6, count: 9 }),
          );
          t.at(SILENCE - 1, () => box.forget());
        }
        t.complete(pair, SILENCE + 20);
        const { client } = pair;
        assertEquals([client.socket.fallback, client.socket.subflowsTotal], [false, 2]);
        assertEquals(t.client.counters.get("MPJoinSynTx"), 1);
        assertEquals(t.server.counters.get("MPJoinAckRx"), 1);
      });
    }
  }

  it("drop: a peer that takes no join there is not asked for one, and the user timeout ends it", () => {
    using t = through("drop", false, 4, { server: { allowJoinInitialAddress: false } });
    const pair = talk(t);
    t.runUntil(() => (pair.client.code ?? null) !== null, SILENCE + 301);
    assertEquals([pair.client.code, t.client.counters.get("MPJoinSynTx")], ["TimedOut", 0]);
  });
});

describe("a router that bleaches ECN behind one that marks", () => {
  for (const bleached of [false, true]) {
    it(bleached ? "hides the marks: the queue fills, and nobody slows down" : "is told of", () => {
      const marking = [queue({ packets: 200, mark: 20 }), rate("20 Mbit/s")];
      using t = new Topology({
        paths: {
          wifi: {
            rate: "200 Mbit/s",
            delay: "10 ms",
            queue: 1000,
            up: bleached ? [...marking, bleachEcn()] : marking,
          },
        },
        tcp: { ecn: "request" },
      });
      const pair = t.connect({ bytes: 2e6 });
      t.complete(pair, 20);
      assertEquals(pair.client.socket.fallback, false);
      assertEquals(t.client.counters.get("TCPDeliveredCE") > 0, !bleached);
    });
  }
});

describe("a proxy that acknowledges and drops, and many windows of data (RFC 8684 §3.3.6, §3.6)", () => {
  // The hole that it leaves is never filled: a subflow reaches a buffer's size beyond it, then another one takes its place.
  for (const way of ["up", "down"] as const) {
    for (const lte of [false, true]) {
      it(`${way}, on ${lte ? "one of two paths" : "the only path"}`, () => {
        const { up, down } = acknowledgeAndDrop({ every: 25 });
        const [there, back] = way === "up" ? [up, down] : [down, up];
        const buffers = { receiveBuffer: 100_000, sendBuffer: 100_000 };
        using t = through([there], [back], { lte, client: buffers, server: buffers });
        const pair = t.connect({ bytes: way === "up" ? 1e6 : 1 }, {
          bytes: way === "up" ? 1 : 1e6,
        });
        const reader = (): End | undefined => way === "up" ? pair.server() : pair.client;
        t.runUntil(() => reader()?.received === 1e6, 600);
        // Its last acknowledgement may be lost with the subflow: the writer is told then, and not of an end in order.
        t.runTo(t.seconds + 400);
        assertEquals(reader()!.wrong, null);
        for (const { counters } of [t.client, t.server]) {
          assertEquals(counters.get("DssFallback") + counters.get("FallbackFailed"), 0);
        }
        assert(t.client.counters.get("MPRstTx") + t.server.counters.get("MPRstTx") > 0);
      });
    }
  }
});
