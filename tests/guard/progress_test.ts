/** A scheduler that leaves data, window and room unused is overruled after two retransmission timeouts. */

import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type {
  CongestionControlPlugin,
  ConnectionView,
  Scheduler,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import patient from "../../docs/examples/patient.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { type App, Dialogue } from "../support/dialogue.ts";
import { joined } from "../support/joins.ts";
import type { Peer } from "../support/scripted_peer.ts";
import { type PathShape, Topology } from "../support/topology.ts";

const MSS = 1428;
/** Of a subflow whose only sample was 20 ms (RFC 6298 §2.2, with the least variation of 200 ms). */
const RTO = 20e3 + 200e3;

function lazy(create: (connection: ConnectionView) => Partial<Scheduler>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "lazy",
    create: (connection) => ({ pick: () => null, ...create(connection) }),
  };
}

/** Schedulers that never send, though nothing that they answer is wrong by itself. */
const IDLERS: Readonly<Record<string, SchedulerPlugin>> = {
  "asks for a wake each time": lazy((connection) => ({
    pick: () => (connection.wake(connection.now + 10e3), null),
  })),
  "asks for one wake, far ahead": lazy((connection) => {
    connection.wake(connection.now + 1e9);
    return {};
  }),
};

function whats(d: { readonly faults: Dialogue["faults"] }): string[] {
  return d.faults.map(({ plugin, callback, rule, what, replaced }) =>
    [plugin, callback, rule, what, replaced].join(" | ")
  );
}

const LATE = "lazy | pick | makes-progress | " +
  "sent nothing for two timeouts, with data, window and room | true";

type Opened = (d: Dialogue) => { readonly peer: Peer; readonly app: App };
const ROLES: Readonly<Record<string, Opened>> = {
  server: (d) => d.opened(),
  client: (d) => d.dialled(),
};

describe("the progress watch", () => {
  for (const [does, scheduler] of Object.entries(IDLERS)) {
    for (const [role, open] of Object.entries(ROLES)) {
      it(`overrules a scheduler that ${does} (${role})`, () => {
        using d = new Dialogue({ policies: { scheduler } });
        const { peer, app } = open(d);
        app.write(3 * MSS);
        d.silent();
        d.pass(2 * RTO - 1);
        d.silent();
        assertEquals(d.faults, []);
        d.pass(1);
        assertEquals(whats(d), [LATE]);
        assertEquals(peer.takeAll().length, 3);
        // The default decides from now on.
        peer.acks();
        app.write(MSS);
        assertEquals(peer.takeAll().length, 1);
        assertEquals(d.faults.length, 1);
      });
    }
  }

  it("overrules one that waits for a path that makes no progress, when that could be stale", () => {
    const scheduler = lazy(({ subflows }) => ({
      pick: ([first]) => subflows[0]!.inFlight === 0 ? first! : subflows[0]!,
    }));
    using d = new Dialogue({ policies: { scheduler }, tcp: { tlp: false } });
    const { first, second, app } = joined(d);
    app.write(20 * MSS);
    assert(first.takeAll().length > 0);
    assertEquals(second.pending, false);
    d.pass(4 * RTO);
    assert(second.pending);
    assertEquals(whats(d), [LATE]);
  });

  it("bears a wait until a path is stale", () => {
    const scheduler = lazy(({ subflows }) => ({
      pick: ([first]) => subflows[0]!.stale ? first! : subflows[0]!,
    }));
    using d = new Dialogue({ policies: { scheduler }, tcp: { tlp: false } });
    const { first, second, app } = joined(d);
    app.write(20 * MSS);
    assert(first.takeAll().length > 0);
    assertEquals(second.pending, false);
    d.pass(4 * RTO - 1);
    assertEquals(second.pending, false);
    d.pass(1);
    assert(second.pending);
    assertEquals(d.faults, []);
  });

  it("counts from the first wait in a row, not from what was sent long ago", () => {
    let until = 0;
    const scheduler = lazy((connection) => ({
      pick([first]) {
        if (connection.now >= until) return first!;
        connection.wake(until);
        return null;
      },
    }));
    using d = new Dialogue({ policies: { scheduler } });
    const { peer, app } = d.opened();
    for (let i = 0; i < 5; i++) {
      d.pass(5 * RTO);
      until = d.now + 2 * RTO - 1;
      app.write(MSS);
      d.pass(2 * RTO - 2);
      d.silent();
      d.pass(1);
      assertEquals(peer.takeAll().length, 1);
      d.pass(20e3);
      peer.acks();
    }
    assertEquals(d.faults, []);
  });

  it("does not run without data, window or room", () => {
    const asked: number[] = [];
    const scheduler = lazy((connection) => ({
      pick([first]) {
        asked.push(connection.now);
        return first!;
      },
    }));
    using d = new Dialogue({ policies: { scheduler } });
    const { peer, app } = d.opened({ scale: 0, win: 2 * MSS });
    d.pass(5 * RTO);
    app.write(10 * MSS);
    assertEquals(peer.takeAll().length, 2);
    peer.window = 0;
    peer.acks();
    d.pass(5 * RTO);
    assertEquals(d.faults, []);
    assertGreaterOrEqual(asked.length, 1);
  });

  it("takes neither copies nor what a subflow sends again for progress", () => {
    const scheduler = lazy(({ subflows }) => ({
      pick: ([first]) => subflows.every(({ inFlight }) => inFlight === 0) ? first! : null,
      repeat: () => true,
    }));
    using d = new Dialogue({ policies: { scheduler } });
    const { first, second, app } = joined(d);
    app.write(100 * MSS);
    assert(first.takeAll().length > 0);
    d.pass(1);
    first.sends(`. ack ${first.acked} <dack8 1>`);
    d.pass(8 * RTO);
    assertEquals(whats(d), [LATE]);
    assert(second.pending);
  });

  it("asks once more before it overrules", () => {
    let asked = 0;
    const scheduler = lazy((connection) => ({
      pick([first]) {
        connection.wake(connection.now + 1e6);
        return ++asked === 1 ? null : first!;
      },
    }));
    using d = new Dialogue({ policies: { scheduler } });
    const { peer, app } = d.opened();
    app.write(MSS);
    d.pass(2 * RTO);
    assertEquals([peer.takeAll().length, d.faults], [1, []]);
  });
});

const WIFI: PathShape = { rate: "20 Mbit/s", delay: "15 ms" };
const LTE: PathShape = { rate: "12 Mbit/s", delay: "40 ms" };
const PATHS = { wifi: WIFI, lte: LTE };

describe("a transfer over two paths", () => {
  for (const [does, scheduler] of Object.entries(IDLERS)) {
    it(`is done, both ways, with a scheduler that ${does}`, () => {
      using t = new Topology({ paths: PATHS, policies: { scheduler } });
      const pair = t.connect({ bytes: 3e5 }, { bytes: 3e5 });
      t.runUntil(() => t.faults.length === 2, 3);
      assertEquals(whats(t), [LATE, LATE]);
      t.faults.length = 0;
      assert(t.complete(pair, 3) > 0);
    });
  }

  for (
    const scheduler of [
      minRtt(),
      roundRobin(),
      redundant(),
      patient(),
      lazy(() => ({ pick: (ready) => ready.at(-1)!, repeat: () => true })),
    ]
  ) {
    it(`has no fault with ${scheduler.name} when paths fall silent, come back and lose`, () => {
      using t = new Topology({
        paths: { wifi: { ...WIFI, loss: 0.03 }, lte: { ...LTE, loss: 0.03 } },
        policies: { scheduler },
      });
      const pair = t.connect({ bytes: 3e6 }, { bytes: 3e6 });
      t.at(0.3, () => t.paths.wifi!.cut());
      t.at(2.1, () => t.paths.wifi!.restore());
      t.at(2.4, () => t.paths.lte!.cut());
      t.at(4.2, () => t.paths.lte!.restore());
      t.complete(pair, 60);
    });
  }
});

describe("a window of less than a segment", () => {
  it("lets one go all the same, where nothing is in flight (RFC 5681 §3.1)", () => {
    const stays: CongestionControlPlugin = {
      kind: "congestion-control",
      name: "stays",
      create: () => ({
        join(subflow) {
          let { cwnd } = subflow;
          return {
            get cwnd() {
              return cwnd;
            },
            ssthresh: Infinity,
            onAck() {},
            onCongestion: () => cwnd = Math.min(cwnd, subflow.mss),
          };
        },
      }),
    };
    using d = new Dialogue({
      policies: { congestionControl: stays },
      tcp: { tlp: false, frto: false, mtuProbing: "off" },
    });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    app.write(9 * 1424);
    peer.takeAll();
    d.untilSent();
    peer.takeAll();
    const { cwnd, mss } = app.socket.subflows[0]!;
    assertEquals(cwnd, mss);
    // Its answer has no DSS: options fall away, and a segment holds more than the window.
    peer.sends(`. 1 ack ${1 + mss}`);
    assert(app.socket.subflows[0]!.mss > cwnd);
    for (let got = 1 + mss; got < 1 + 9 * 1424; got = peer.acked) {
      assert(d.sent.length > 0 || d.untilSent(5e6) > 0);
      peer.takeAll();
      peer.acks();
    }
    assertEquals([app.socket.unacked, d.faults], [0, []]);
  });
});

describe("a wait for a path that is held back", () => {
  it("is no fault while the pacer lets nothing out, though nothing is in flight", () => {
    for (const pacingRate of [5e3, 50e3]) {
      const paced: CongestionControlPlugin = {
        kind: "congestion-control",
        name: "paced",
        create: () => ({
          join: ({ mss }) => ({
            cwnd: 8 * mss,
            ssthresh: 8 * mss,
            pacingRate,
            onAck: () => {},
            onCongestion: () => {},
          }),
        }),
      };
      using t = new Topology({
        paths: {
          near: { rate: "20 Mbit/s", delay: "3 ms" },
          far: { rate: "20 Mbit/s", delay: "50 ms" },
        },
        policies: { scheduler: patient(), congestionControl: paced },
      });
      t.complete(t.connect({ bytes: 30e3 }), 30);
      assertEquals(t.faults, []);
    }
  });
});
