/** Paths that mark (RFC 3168): what they spare, who heeds them, and what is not let through. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cubic, lia, reno } from "../../cc/mod.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { passive } from "../../pm/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { emulate, filter, queue, rate } from "../../mod.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

const SYN = 2;
const ECE_AND_CWR = 0xc0;

/** Whether an IPv4 packet is a SYN that asks for ECN. */
function asks(bytes: Uint8Array): boolean {
  const flags = bytes[(bytes[0]! & 15) * 4 + 13]!;
  return (flags & SYN) !== 0 && (flags & ECE_AND_CWR) === ECE_AND_CWR;
}

/** A queue of 200 packets that marks from 20 on, and the rate behind it. */
function marking(): readonly ElementFactory[] {
  return [queue({ packets: 200, mark: 20 }), rate("20 Mbit/s")];
}

describe("a queue that marks", () => {
  for (const congestionControl of [reno(), cubic()]) {
    it(`RFC 3168 §6.1.2: two flows of ${congestionControl.name} lose nothing in it, share it, and keep it short`, () => {
      const bytes = [0, 0];
      let longest = 0;
      const meter: ElementFactory = {
        name: "meter",
        create: (context, output) => ({
          push(packet) {
            if (context.now > 3e6) longest = Math.max(longest, context.now - packet.at);
            output(packet);
          },
        }),
      };
      using t = new Topology({
        paths: {
          a: { rate: "200 Mbit/s", delay: "10 ms", queue: 1000, up: [...marking(), meter] },
        },
        tcp: { ecn: "request" },
        client: { mptcp: false },
        policies: { congestionControl, pathManager: passive() },
      });
      const flows = [new OneWay(t, 80), new OneWay(t, 81)];
      flows.forEach((flow, i) => flow.onRead = () => t.seconds >= 3 && (bytes[i] = flow.read));
      for (let at = 0.05; at < 12; at += 0.05) {
        t.at(at, () => flows.forEach((f) => f.write(1 << 20)));
      }
      t.runTo(3);
      const before = flows.map(({ read }) => read);
      t.runTo(12);
      const counters = t.client.counters;
      assertEquals(counters.get("TcpRetransSegs"), 0);
      assert(counters.get("TCPDeliveredCE") > 0 && t.server.counters.get("InCEPkts") > 0);
      assertEquals(t.client.counters.get("InCEPkts"), 0);
      const shares = bytes.map((all, i) => all - before[i]!);
      const sum = shares[0]! + shares[1]!;
      assert(sum * 8 / 9 > 0.9 * 20e6, `${sum * 8 / 9e6} Mbit/s`);
      assert(Math.min(...shares) / sum > 0.35, `${shares}`);
      // 20 packets of 1500 bytes take 12 ms; a window's growth of both comes on top of that.
      assert(longest < 40e3, `${longest} us`);
    });
  }

  it("RFC 3168 §6.1.2: of two paths of one connection only the one that is marked is reduced", () => {
    /** What controllers are told of congestion, with the path. */
    const told = new Set<string>();
    const create: CongestionControlPlugin["create"] = (connection) => {
      const group = lia().create(connection);
      return {
        join(subflow) {
          const controller = group.join(subflow);
          const reduce = controller.onCongestion.bind(controller);
          controller.onCongestion = (cause, flightSize) => {
            told.add(`${subflow.path} ${cause}`);
            reduce(cause, flightSize);
          };
          return controller;
        },
        leave: (subflow) => group.leave?.(subflow),
      };
    };
    using t = new Topology({
      paths: {
        a: { rate: "100 Mbit/s", delay: "10 ms", queue: 400, up: marking() },
        b: { rate: "20 Mbit/s", delay: "10 ms", queue: 4000 },
      },
      tcp: { ecn: "request" },
      policies: { congestionControl: { ...lia(), create } },
    });
    const way = new OneWay(t);
    for (let at = 0.05; at < 4; at += 0.05) t.at(at, () => way.write(1 << 20));
    t.runTo(4);
    const [a, b] = way.socket.subflows;
    assertEquals([a!.ecn.sends, b!.ecn.sends], [true, true]);
    assertEquals([told.has("1 ecn"), [...told].some((each) => each.startsWith("2 "))], [
      true,
      false,
    ]);
    assert(a!.ecn.marked > 0);
    assertEquals([b!.ecn.marked, t.client.counters.get("TcpRetransSegs"), t.faults], [0, 0, []]);
  });

  it("RFC 3168 §6.1.1.1: a path that drops SYNs that ask is used all the same, without ECN", async () => {
    let dropped = 0;
    const blind = filter((bytes) => {
      const drop = asks(bytes);
      if (drop) dropped++;
      return !drop;
    });
    await using net = emulate({
      paths: { lan: { rate: "20 Mbit/s", delay: "5 ms", elements: [blind] } },
      tcp: { ecn: "request" },
    });
    using listener = net.server.listen({ port: 80 });
    const [conn, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    assert(net.now >= 1e6 && net.now < 1.1e6, `${net.now}`);
    assertEquals(dropped, 1);
    await conn.write(new Uint8Array(100_000));
    await conn.closeWrite();
    let bytes = 0;
    for await (const piece of peer.readable) bytes += piece.length;
    assertEquals([bytes, conn.info().mptcp.flags], [100_000, 2]);
    assertEquals(conn.info().subflows.map(({ tcp }) => tcp.options & 8), [0]);
    conn.close();
    peer.close();
  });

  it("RFC 3168 §6.1.1: 'accept' is the default: two hosts that nobody asks to use ECN do not", async () => {
    await using net = emulate({ paths: { lan: { rate: "20 Mbit/s", delay: "5 ms" } } });
    using listener = net.server.listen({ port: 80 });
    const [plain, peer] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80 }),
      listener.accept(),
    ]);
    assertEquals(plain.info().subflows[0]!.tcp.options & 8, 0);
    const [asked, other] = await Promise.all([
      net.client.connect({ hostname: "server", port: 80, tcp: { ecn: "request" } }),
      listener.accept(),
    ]);
    assertEquals([asked, other].map((each) => each.info().subflows[0]!.tcp.options & 8), [8, 8]);
    for (const each of [plain, peer, asked, other]) each.close();
  });
});
