/** The stack over UDP on an emulated network, in virtual time: the scenarios of its own packets, and what only UDP has: translators that forget, spies. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HEADER, HELLO } from "../../../core/link/udp/datagram.ts";
import { mtu } from "../../../core/link/sim/elements/mtu.ts";
import type { PacketIn } from "../../../core/wire/packet.ts";
import { u8 } from "../../../wasm/mod.ts";
import { SCENARIOS } from "../../scenario/traces_scenarios.ts";
import { disorder } from "../../support/middlebox.ts";
import { type PathShape, Topology, type TopologyOptions } from "../../support/topology.ts";
import { end, type SimSocket } from "../../support/udp_network.ts";

/** Scenarios that do not run here, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  addresses_come_and_go: "a UDP link has one address",
  two_fast_paths_both_send: "long: 28 MB",
  fast_and_far: "long: 100 MB",
  middlebox_changes_data: "boxes that change segments do not see them",
  options_stripped: "likewise",
};

describe("the scenarios of tests/scenario/traces_scenarios.ts, over UDP", () => {
  for (const scenario of SCENARIOS) {
    const why = LEFT_OUT[scenario.name];
    if (why !== undefined) continue;
    it(scenario.name, () => {
      using t = new Topology({ ...scenario.options, carrier: "udp" });
      scenario.run(t);
      for (const { link, socket } of t.udp) {
        const { InDatagrams = 0, OutDatagrams = 0, ...others } = link.counters;
        assertEquals([InDatagrams, OutDatagrams], [socket.came, socket.left], link.name);
        // Nothing is dropped that we have sent ourselves.
        assertEquals(Object.keys(others).filter((name) => /^In/.test(name)), [], link.name);
      }
    });
  }

  it("are left out for a reason, and none besides", () => {
    const names = SCENARIOS.map(({ name }) => name);
    assertEquals(Object.keys(LEFT_OUT).filter((name) => !names.includes(name)), []);
  });
});

const WIFI: PathShape = { rate: "20 Mbit/s", delay: "15 ms" };
const LTE: PathShape = { rate: "12 Mbit/s", delay: "40 ms" };

function topology(options: Omit<TopologyOptions, "paths" | "carrier">): Topology {
  return new Topology({ paths: { wifi: WIFI, lte: LTE }, ...options, carrier: "udp" });
}

/** Loses the next HELLOs of the client on its first path; how many it has lost. */
function loseHellos(t: Topology, most: number): () => number {
  const { socket } = t.udp[1]!;
  let lost = 0;
  let isHello = false;
  const [piece, send] = [socket.piece.bind(socket), socket.send.bind(socket)];
  socket.piece = (address, length) => {
    isHello = (u8[address]! & 15) === HELLO;
    piece(address, length);
  };
  socket.send = (...args) => {
    if (!isHello || lost === most) return send(...args);
    lost++;
    socket.discard();
    return "sent";
  };
  return () => lost;
}

/** The client's socket on a path. */
function socketOf(t: Topology, path: string): SimSocket {
  return t.udp.find(({ link }) => link.name === path)!.socket;
}

describe("a translator that forgets", () => {
  for (const family of [4, 6] as const) {
    it(`costs a round trip and no byte, again and again: IPv${family}`, () => {
      using t = topology({ family, seed: 11 });
      const pair = t.connect({ bytes: 8e6 }, { bytes: 8e6 });
      const net = (n: number, host: number): string =>
        family === 4 ? `10.0.${n}.${host}` : `fd00:0:0:${n}::${host}`;
      for (let i = 1; i <= 4; i++) {
        t.at(0.8 * i, () => socketOf(t, "wifi").rebind(end(net(1, 1 + i % 3), 50000 + i)));
        t.at(0.8 * i + 0.4, () => socketOf(t, "lte").rebind(end(net(2, 1 + i % 2), 51000 + i)));
      }
      const seconds = t.complete(pair, 20);
      // Each time what is under way to where the client was is lost.
      assert(seconds < 8, `${seconds} s`);
      const { counters, peers } = t.udp[0]!.link;
      assertEquals(counters.Moves, 8);
      assertEquals(counters.Accepted, 2);
      const ends = ["wifi", "lte"].map((path) => socketOf(t, path).local.text);
      assertEquals(peers.map(({ endpoint }) => endpoint).sort(), ends.sort());
    });
  }

  for (const down of [false, true]) {
    for (const delay of ["15 ms", "100 ms"] as const) {
      it(`costs a round trip where the ${down ? "server" : "client"} sends, ${delay} away`, () => {
        using t = new Topology({
          paths: { wifi: { rate: "20 Mbit/s", delay, queue: 200 } },
          seed: 3,
          carrier: "udp",
        });
        const all = 8e6;
        const pair = down ? t.connect({ bytes: 1 }, { bytes: all }) : t.connect({ bytes: all });
        const came = (): number => (down ? pair.client : pair.server())?.received ?? 0;
        t.runTo(1.6);
        const before = came();
        assert(before > 0 && before < all);
        socketOf(t, "wifi").rebind(end("10.0.1.1", 50001));
        let last = t.seconds;
        let longest = 0;
        let was = before;
        const look = (): void => {
          if (came() > was) {
            longest = Math.max(longest, t.seconds - last);
            last = t.seconds;
            was = came();
          }
          if (came() < all) t.at(t.seconds + 0.002, look);
        };
        look();
        t.complete(pair, 20);
        // Where only the peer sends it takes a quarter of a second to see that nothing comes; the queue holds 120 ms.
        const round = 2 * parseFloat(delay) / 1e3 + 0.12;
        assert(longest < 2 * round + (down ? 0.25 : 0) + 0.05, `${longest} s`);
        const sender = down ? t.server : t.client;
        assertEquals(sender.counters.get("TCPTimeouts"), 0);
        assertEquals(t.udp[0]!.link.counters.Moves, 1);
      });
    }
  }

  it("does no harm with loss and disorder", () => {
    using t = new Topology({
      paths: {
        wifi: { ...WIFI, loss: 0.02, elements: [disorder(0.02)] },
        lte: { ...LTE, loss: 0.02, elements: [disorder(0.02)] },
      },
      seed: 12,
      carrier: "udp",
    });
    const pair = t.connect({ bytes: 1e6 }, { bytes: 1e6 });
    for (let i = 1; i <= 3; i++) {
      t.at(0.6 * i, () => socketOf(t, "wifi").rebind(end("10.0.1.1", 50000 + i)));
    }
    t.complete(pair, 60);
    const { Moves = 0 } = t.udp[0]!.link.counters;
    assert(Moves >= 2, `${Moves} moves`);
  });

  it("is kept from forgetting by a datagram every 15 s, on a connection that says nothing", () => {
    using t = topology({ seed: 13 });
    const pair = t.connect({ bytes: 1000, keep: true }, { bytes: 1000, keep: true });
    t.runUntil(() => pair.client.received === 1000 && pair.server()?.received === 1000, 5);
    t.runTo(10);
    const before = socketOf(t, "wifi").left;
    t.runTo(310);
    const pings = socketOf(t, "wifi").left - before;
    assert(pings >= 19 && pings <= 22, `${pings} datagrams in 300 s`);
  });
});

describe("a server that is killed and begun again", () => {
  for (const lost of [false, true]) {
    for (const down of [false, true]) {
      const who = down ? "who only receives" : "who sends";
      it(`is found out by ${who}${lost ? ", though the first that is sent is lost" : ""}`, () => {
        using t = topology({ seed: 21 });
        const pair = down ? t.connect({ bytes: 1 }, { bytes: 8e6 }) : t.connect({ bytes: 8e6 });
        t.runTo(1);
        assert((down ? pair.client : pair.server()).received > 0);
        t.restartServer(0.4);
        const forgotten = (): boolean =>
          t.udp.slice(1).every(({ link }) => (link.counters.Forgotten ?? 0) > 0);
        if (lost) {
          t.runUntil(forgotten, 3);
          for (const path of Object.values(t.paths)) path.cut();
          t.at(t.seconds + 0.1, () => Object.values(t.paths).forEach((path) => path.restore()));
        }
        t.runUntil(() => pair.client.code !== undefined, 6);
        assertEquals(pair.client.code, "ConnectionReset");
      });
    }
  }

  it("is found out by all that only receive, though the greeting of one is lost", () => {
    using t = new Topology({ paths: { wifi: WIFI }, seed: 22, carrier: "udp" });
    const pairs = [0, 1, 2].map(() => t.connect({ bytes: 1 }, { bytes: 8e6 }));
    t.runTo(1);
    const lost = loseHellos(t, 1);
    t.restartServer(0.4);
    t.runUntil(() => pairs.every(({ client }) => client.code !== undefined), 6);
    assertEquals(lost(), 1);
    for (const { client } of pairs) assertEquals(client.code, "ConnectionReset");
  });
});

describe("a spy", () => {
  it("who sends copies from elsewhere moves nothing, and is sent little", () => {
    using t = topology({ seed: 14 });
    const copies: Uint8Array[] = [];
    const server = t.udp[0]!;
    const take = server.socket.take.bind(server.socket);
    server.socket.take = (packet: Readonly<PacketIn>): boolean => {
      const at = packet.address + 28;
      if (packet.length > 28 + HEADER) copies.push(u8.slice(at, packet.address + packet.length));
      return take(packet);
    };
    const pair = t.connect({ bytes: 2e6 }, { bytes: 2e6 });
    let octets = 0;
    for (let i = 1; i < 100; i++) {
      t.at(0.01 * i, () => {
        const copy = copies[(i * 37) % copies.length];
        if (copy === undefined) return;
        octets += copy.length;
        server.socket.inject(copy, end("10.0.1.66", 666));
      });
    }
    const seconds = t.complete(pair, 10);
    assert(seconds < 3, `${seconds} s`);
    const { peers, counters } = server.link;
    assertEquals(counters.Moves, undefined);
    assert(octets > 10_000 && counters.Challenges! * 30 < 3 * octets);
    const known = ["wifi", "lte"].map((path) => socketOf(t, path).local.text);
    assertEquals(
      peers.filter(({ validated }) => validated).map((p) => p.endpoint).sort(),
      known.sort(),
    );
  });
});

describe("a path that takes less", () => {
  for (const [family, limit] of [[4, 1000], [4, 1400], [6, 1400]] as const) {
    it(`is told by its router, IPv${family}, ${limit} octets`, () => {
      using t = new Topology({
        paths: { wifi: { ...WIFI, elements: [mtu(limit)] } },
        family,
        seed: 16,
        tcp: { mtuProbing: "off" },
        carrier: "udp",
      });
      const pair = t.connect({ bytes: 1e5 }, { bytes: 1e5 });
      t.complete(pair, 5);
      assertEquals(pair.client.socket.subflows[0]!.mtu.path, limit - 18);
      for (const { link } of t.udp) assert(link.counters.InIcmp! > 0);
    });
  }

  it("is found out below the largest datagram", () => {
    using t = new Topology({
      paths: { wifi: { ...WIFI, elements: [] } },
      links: { mtu: 1500 },
      seed: 15,
      carrier: "udp",
    });
    // What is longer than 1400 octets on the wire vanishes.
    const server = t.udp[0]!.socket;
    const take = server.take.bind(server);
    server.take = (packet) => packet.length > 1400 || take(packet);
    t.complete(t.connect({ bytes: 1e6 }), 20);
    const { counters } = t.udp[0]!.link;
    assert(counters.InDatagrams! > 700);
  });
});
