/** Which congestion control a connection has: by its host, by its listener, by itself, and another one while it lives. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as controls from "../../cc/mod.ts";
import { filter } from "../../core/link/sim/elements/filter.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../../core/plugin.ts";
import { emulate, minRtt, type MptcpConn } from "../../mod.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

const PATHS = {
  wifi: { rate: "20 Mbit/s", delay: "10 ms" },
  lte: { rate: "10 Mbit/s", delay: "30 ms" },
} as const;

const ALL: readonly (() => CongestionControlPlugin)[] = [
  controls.lia,
  controls.olia,
  controls.balia,
  controls.wvegas,
  controls.ewtcp,
  controls.coupled,
  controls.semiCoupled,
  controls.reno,
  controls.cubic,
  controls.dctcp,
  controls.bbr,
  controls.bbr3,
  controls.coupledBbr,
];

/** `plugin` under another name, which notes for how many subflows it is asked, and which have left. */
function noted(plugin: CongestionControlPlugin, log: string[], name: string) {
  const create: CongestionControlPlugin["create"] = (connection) => {
    const group = plugin.create(connection);
    return {
      join(subflow) {
        log.push(`${name} ${connection.role} joins ${subflow.path}`);
        return group.join(subflow);
      },
      leave(subflow) {
        log.push(`${name} ${connection.role} leaves ${subflow.path}`);
        group.leave?.(subflow);
      },
    };
  };
  return { ...plugin, name, create };
}

/** `plugin`, whose controllers throw at each acknowledgement once it is `broken`. */
function breaking(plugin: CongestionControlPlugin, broken: () => boolean): CongestionControlPlugin {
  const create: CongestionControlPlugin["create"] = (connection) => {
    const group = plugin.create(connection);
    return {
      join(subflow) {
        const controller = group.join(subflow);
        return {
          get cwnd() {
            return controller.cwnd;
          },
          get ssthresh() {
            return controller.ssthresh;
          },
          get ssthreshLeft() {
            return controller.ssthreshLeft;
          },
          onAck(ack) {
            if (broken()) throw new Error("broken");
            controller.onAck(ack);
          },
          onCongestion: (cause, flightSize) => controller.onCongestion(cause, flightSize),
        };
      },
      leave: (subflow) => group.leave?.(subflow),
    };
  };
  return { ...plugin, create };
}

/** One path in its first slow start, which a train of acknowledgements has just ended for now. */
function inDoubt(congestionControl: CongestionControlPlugin): { t: Topology; flow: OneWay } {
  const t = new Topology({ paths: { wifi: { rate: "20 Mbit/s", delay: "10 ms" } } });
  const flow = new OneWay(t, 80, { congestionControl });
  t.at(0.05, () => flow.write(1 << 20));
  t.runTo(0.06);
  const [subflow] = flow.socket.subflows;
  while (subflow!.ssthresh === Infinity && t.seconds < 1) t.runTo(t.seconds + 0.001);
  assert(subflow!.ssthresh < Infinity && subflow!.lost === 0, `${subflow!.ssthresh}`);
  return { t, flow };
}

describe("the congestion control of a connection", () => {
  it("is that of its listener, for connections that begin after it was chosen", async () => {
    const log: string[] = [];
    await using net = emulate({ paths: { wifi: PATHS.wifi } });
    using listener = net.server.listen({
      port: 80,
      congestionControl: noted(controls.olia(), log, "first"),
    });
    // It is made for the first data.
    const connect = async (): Promise<MptcpConn[]> => {
      const [client, server] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
      ]);
      await server.write(new Uint8Array(1));
      return [client, server];
    };
    const conns = await connect();
    listener.setCongestionControl(noted(controls.balia(), log, "second"));
    conns.push(...await connect());
    assertEquals(log, ["first server joins 1", "second server joins 1"]);
    assertThrows(
      () => listener.setCongestionControl(minRtt() as unknown as CongestionControlPlugin),
      TypeError,
      "Cannot use min_rtt as a congestion control as it is a scheduler",
    );
    for (const conn of conns) conn.close();
  });

  it("so are scheduler and path manager of a listener", async () => {
    const asked: string[] = [];
    const scheduler = (name: string): SchedulerPlugin => ({
      ...minRtt(),
      name,
      create(connection) {
        asked.push(name);
        return minRtt().create(connection);
      },
    });
    // One path: a SYN of each connection.
    await using net = emulate({ paths: { only: Object.values(PATHS)[0]! } });
    using listener = net.server.listen({ port: 80, scheduler: scheduler("one") });
    const serve = async (): Promise<void> => {
      using _client = await net.client.connect({ hostname: "server", port: 80 });
      using server = await listener.accept();
      await server.write(new Uint8Array(1));
    };
    await serve();
    listener.setScheduler(scheduler("other"));
    await serve();
    assertEquals(asked, ["one", "other"]);
    assertThrows(
      () => net.server.listen({ port: 81, pathManager: minRtt() as never }),
      TypeError,
      "Cannot use min_rtt as a path manager as it is a scheduler",
    );
  });

  it("is swapped while it lives: the former hears that its subflows are gone, the new one of all of them", async () => {
    const log: string[] = [];
    await using net = emulate({ paths: PATHS });
    using listener = net.server.listen({ port: 80 });
    using conn = await net.client.connect({
      hostname: "server",
      port: 80,
      congestionControl: noted(controls.lia(), log, "first"),
    });
    using _peer = await listener.accept();
    await conn.write(new Uint8Array(10_000));
    await net.sleep("1 s");
    conn.setCongestionControl(noted(controls.olia(), log, "second"));
    assertEquals(log, [
      "first client joins 1",
      "first client joins 2",
      "second client joins 1",
      "second client joins 2",
      "first client leaves 1",
      "first client leaves 2",
    ]);
    conn.close();
    conn.setCongestionControl(controls.lia());
  });

  it("goes on from the window and threshold that each path has, not in slow start again", () => {
    using t = new Topology({ paths: { wifi: { rate: "20 Mbit/s", delay: "10 ms", queue: 40 } } });
    const flow = new OneWay(t, 80, { congestionControl: controls.reno() });
    for (let at = 0.05; at < 12; at += 0.05) t.at(at, () => flow.write(1 << 20));
    t.runTo(6);
    const [subflow] = flow.socket.subflows;
    for (const make of ALL) {
      const { cwnd, ssthresh, pacingRate } = subflow!.sender;
      flow.socket.setCongestionControl(t.now, make());
      // What paces leaves what fills the path of a window that is more: 20 Mbit/s for 20 ms.
      if (pacingRate === undefined) assertEquals(subflow!.cwnd, cwnd);
      else assert(subflow!.cwnd <= cwnd && subflow!.cwnd > 45_000, `${subflow!.cwnd} of ${cwnd}`);
      // A model starts up: it knows nothing of the path.
      if (make().basis !== "model" && ssthresh < Infinity) {
        assertEquals(subflow!.ssthresh, ssthresh, make().name);
      }
      t.runTo(t.seconds + 0.4);
    }
    assertEquals(t.faults, []);
  });

  for (const make of ALL) {
    it(`goes on in slow start by ${make().name} where the end of the first one was in doubt`, () => {
      const { t, flow } = inDoubt(controls.reno());
      using _ = t;
      const [subflow] = flow.socket.subflows;
      const { cwnd } = subflow!;
      flow.socket.setCongestionControl(t.now, make());
      assertEquals([subflow!.cwnd, subflow!.ssthresh], [cwnd, Infinity]);
      t.runTo(t.seconds + 0.005);
      assert(subflow!.cwnd > cwnd, `${subflow!.cwnd} after ${cwnd}`);
      assertEquals([subflow!.lost, t.faults], [0, []]);
    });
  }

  for (const make of ALL.filter((make) => (make().basis ?? "loss") === "loss")) {
    it(`goes on in slow start where ${make().name} fails while the end of the first one is in doubt`, () => {
      let broken = false;
      const { t, flow } = inDoubt(breaking(make(), () => broken));
      const [subflow] = flow.socket.subflows;
      const { cwnd } = subflow!;
      broken = true;
      t.runTo(t.seconds + 0.005);
      assertEquals([t.faults.length > 0, subflow!.ssthresh, subflow!.lost], [true, Infinity, 0]);
      assert(subflow!.cwnd > cwnd, `${subflow!.cwnd} after ${cwnd}`);
      t[Symbol.dispose]();
    });
  }

  for (const make of [controls.bbr, controls.bbr3, controls.coupledBbr]) {
    it(`goes on with what fills the path behind ${make().name}, whose window has room for twice as much: nothing is lost, and nothing stands still`, () => {
      using t = new Topology({ paths: { wifi: { rate: "20 Mbit/s", delay: "10 ms", queue: 20 } } });
      const flow = new OneWay(t, 80, { congestionControl: make() });
      for (let at = 0.05; at < 6; at += 0.05) t.at(at, () => flow.write(1 << 20));
      t.runTo(3);
      const [subflow] = flow.socket.subflows;
      const { lost } = subflow!;
      const { acked } = flow.socket;
      flow.socket.setCongestionControl(t.now, controls.reno());
      t.runTo(3.5);
      assertEquals(subflow!.lost, lost);
      assert((flow.socket.acked - acked) / 1.25e6 > 0.93, `${flow.socket.acked - acked}`);
    });
  }

  for (const make of [controls.bbr, controls.bbr3, controls.coupledBbr]) {
    it(`comes back by slow start to what fills the path behind ${make().name}, which a timeout had left a segment`, () => {
      let dead = false;
      const cut = filter(() => !dead);
      using t = new Topology({
        paths: { wifi: { rate: "20 Mbit/s", delay: "10 ms", up: [cut] } },
      });
      const flow = new OneWay(t, 80, { congestionControl: make() });
      for (let at = 0.05; at < 6; at += 0.05) t.at(at, () => flow.write(1 << 20));
      t.runTo(3);
      dead = true;
      const [subflow] = flow.socket.subflows;
      while (subflow!.timeouts === 0 && t.seconds < 5) t.runTo(t.seconds + 0.01);
      assertEquals(subflow!.cwnd, subflow!.mss);
      flow.socket.setCongestionControl(t.now, controls.reno());
      // 20 Mbit/s for 20 ms.
      const fills = 50_000;
      const { ssthresh } = subflow!;
      assert(ssthresh > 0.7 * fills && ssthresh < 1.5 * fills, `${ssthresh}`);
      dead = false;
      t.runTo(t.seconds + 1);
      assert(subflow!.cwnd > 0.7 * fills, `${subflow!.cwnd}`);
    });
  }

  for (const make of ALL) {
    it(`is swapped to ${make().name} and back every 50 ms, with losses, and all that is written arrives`, () => {
      using t = new Topology({
        seed: 7,
        paths: {
          a: { rate: "20 Mbit/s", delay: "5 ms", queue: 30, loss: 0.005 },
          b: { rate: "8 Mbit/s", delay: "20 ms", queue: 30 },
        },
      });
      const pair = t.connect({ bytes: 3_000_000 }, { bytes: 1_000_000 });
      for (let i = 1; i < 30; i++) {
        t.at(i * 0.05, () => {
          for (const end of [pair.client, pair.server()]) {
            if (end?.socket.closed !== false) continue;
            end.socket.setCongestionControl(t.now, i % 2 === 0 ? controls.lia() : make());
          }
        });
      }
      const took = t.complete(pair, 30);
      assert(took < 6, `${took} s`);
    });
  }
});
