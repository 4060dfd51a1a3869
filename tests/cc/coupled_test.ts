import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  balia,
  coupled,
  coupledBy,
  ewtcp,
  lia,
  type Member,
  olia,
  reno,
  semiCoupled,
} from "../../cc/mod.ts";
import type { AimdController } from "../../cc/aimd.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { runCongestion } from "../kit/toy_congestion.ts";
import * as fc from "../support/property.ts";
import { ack, MSS, TestConnection, TestFlow } from "./support.ts";

type Flows = readonly (readonly [window: number, rtt: number])[];

/** Windows in segments, round trips in milliseconds; segments acknowledged between losses. */
const V1: Flows = [[20, 100], [10, 20]];
const V2: Flows = [[10, 50], [10, 50]];
const V3: Flows = [[30, 40], [5, 200], [12, 80]];
const INTERVALS = new Map<Flows, readonly number[]>([
  [V1, [400, 900]],
  [V2, [400, 400]],
  [V3, [500, 20000, 700]],
]);
/** The round trip never matters to slow start: large segments show more digits of a window, which is whole bytes. */
const LARGE = 1e6;

/** Subflows with windows of exactly `flows`, all of it in use, in congestion avoidance. */
function connect(plugin: CongestionControlPlugin, flows: Flows): TestConnection {
  const connection = new TestConnection(plugin, flows, LARGE);
  connection.subflows.forEach((flow, i) => {
    (flow.controller as AimdController).cwnd = flows[i]![0] * LARGE;
    ack(flow, 0);
  });
  return connection;
}

/** Growth in segments for one acknowledged segment on each subflow. */
function growth(plugin: CongestionControlPlugin, flows: Flows): number[] {
  return flows.map((_, i) => {
    const { subflows } = connect(plugin, flows);
    subflows.forEach((other, j) => {
      // What has come since the last loss, with nothing that the window grew by.
      ack(other, INTERVALS.get(flows)![j]! * LARGE, { cwndLimited: false });
      ack(other, 0);
    });
    const flow = subflows[i]!;
    const before = flow.cwnd;
    ack(flow, LARGE);
    return (flow.cwnd - before) / LARGE;
  });
}

/** What a loss takes from each window, in segments. */
function cuts(plugin: CongestionControlPlugin, flows: Flows): number[] {
  return flows.map(([window], i) => {
    const flow = connect(plugin, flows).subflows[i]!;
    flow.controller!.onCongestion("loss", flow.cwnd);
    return window - flow.cwnd / LARGE;
  });
}

const GROWTH: readonly (readonly [CongestionControlPlugin, Flows, readonly number[]])[] = [
  [olia(), V1, [-0.020918, 0.101020]],
  [olia(), V2, [0.025, 0.025]],
  [olia(), V3, [0.010803, 0.066813, 0.002191]],
  [balia(), V1, [0.009286, 0.051020]],
  [balia(), V2, [0.025, 0.025]],
  [balia(), V3, [0.021914, 0.015398, 0.011833]],
  [ewtcp(), V1, [0.0125, 0.025]],
  [ewtcp(), V2, [0.025, 0.025]],
  [ewtcp(), V3, [0.003704, 0.022222, 0.009259]],
  [coupled(), V1, [0.033333, 0.033333]],
  [coupled(), V2, [0.05, 0.05]],
  [coupled(), V3, [0.021277, 0.021277, 0.021277]],
  [semiCoupled(), V1, [0.033333, 0.033333]],
  [semiCoupled(), V2, [0.05, 0.05]],
  [semiCoupled(), V3, [0.021277, 0.021277, 0.021277]],
];

const CUTS: readonly (readonly [CongestionControlPlugin, Flows, readonly number[]])[] = [
  [olia(), V1, [10, 5]],
  [balia(), V1, [15, 5]],
  [balia(), V2, [5, 5]],
  [balia(), V3, [15, 3.75, 9]],
  [ewtcp(), V1, [10, 5]],
  [semiCoupled(), V1, [10, 5]],
  // Half of all windows: one segment is left at least.
  [coupled(), V1, [15, 9]],
  [coupled(), V2, [9, 9]],
];

const NAMES = new Map([[V1, "V1"], [V2, "V2"], [V3, "V3"]]);

describe("coupled congestion controls", () => {
  for (const [plugin, flows, expected] of GROWTH) {
    it(`${plugin.name} grows as vector ${NAMES.get(flows)} says`, () => {
      growth(plugin, flows).forEach((value, i) => assertAlmostEquals(value, expected[i]!, 1.5e-6));
    });
  }

  for (const [plugin, flows, expected] of CUTS) {
    it(`${plugin.name} is cut as vector ${NAMES.get(flows)} says`, () => {
      cuts(plugin, flows).forEach((value, i) => assertAlmostEquals(value, expected[i]!, 1e-6));
    });
  }

  for (const [plugin, flows, expected] of CUTS) {
    it(
      `${plugin.name} is cut by windows as they are when repair begins, whatever the loss before has left: ${
        NAMES.get(flows)
      }`,
      () => {
        flows.forEach(([window], i) => {
          const flow = connect(plugin, flows).subflows[i]!;
          const controller = flow.controller as AimdController;
          controller.onCongestion("loss", 2 * LARGE);
          controller.cwnd = window * LARGE;
          // As the stack has it: repair has begun, the threshold is that of the loss before.
          flow.inRecovery = true;
          controller.onCongestion("loss", flow.cwnd);
          assertAlmostEquals(window - flow.cwnd / LARGE, expected[i]!, 1e-6);
        });
      },
    );
  }

  for (const make of [lia, olia, balia, ewtcp, coupled, semiCoupled]) {
    const { name } = make();

    it(`${name} is reno, byte for byte, with one subflow`, () => {
      const path = fc.record({
        rate: fc.integer({ min: 1e5, max: 1e7 }),
        rtt: fc.integer({ min: 1e3, max: 3e5 }),
        buffer: fc.integer({ min: 5e3, max: 2e5 }),
        every: fc.constantFrom([], ["penalty"] as const, ["timeout"] as const, ["ecn"] as const),
      });
      fc.assert(
        fc.property(path, fc.boolean(), (path, hystart) => {
          const one = runCongestion(make({ hystart }), [path], 5e6);
          const other = runCongestion(reno({ hystart }), [path], 5e6);
          assertEquals(one.fingerprint, other.fingerprint);
          assertEquals(one.delivered, other.delivered);
        }),
        { numRuns: 30 },
      );
    });

    it(`${name} is reno again when the others have left`, () => {
      const connection = new TestConnection(make(), [[10, 50], [10, 50], [20, 10]]);
      const [flow, ...others] = connection.subflows;
      for (const other of others) connection.group.leave!(other);
      ack(flow!, 10 * MSS);
      assertEquals(flow!.cwnd, 11 * MSS);
    });

    it(`${name} refuses 'hystart' of another type`, () => {
      assertThrows(() => make({ hystart: "no" as unknown as boolean }), TypeError, "hystart");
    });
  }

  for (const make of [balia, ewtcp, coupled, semiCoupled]) {
    // RFC 6356 §3: a subflow of several takes no more than TCP would there.
    it(`${make().name} never grows faster than reno`, () => {
      const flow = fc.tuple(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 1, max: 1000 }));
      fc.assert(
        fc.property(fc.array(flow, { minLength: 2, maxLength: 4 }), (flows) => {
          const linked = connect(make(), flows).subflows[0]!;
          const start = linked.cwnd;
          let reno = start;
          for (let i = 0; i < 200; i++) {
            ack(linked, LARGE);
            reno += LARGE * LARGE / reno;
          }
          // Parts of a byte are left out of each of them.
          assert(linked.cwnd <= reno + 200, `${linked.cwnd} ${reno}`);
        }),
        { numRuns: 30 },
      );
    });
  }

  it("a stale path counts for nothing, nor does one that is left alone", () => {
    const changes: readonly ((connection: TestConnection) => void)[] = [
      ({ subflows: [, other] }) => other!.stale = true,
      // Nothing in flight, and nothing has come for more than a round trip.
      (connection) => {
        const [, other] = connection.subflows;
        other!.inFlight = 0;
        connection.now = other!.lastAck + other!.srtt + 1;
      },
    ];
    for (const make of [olia, balia, ewtcp, coupled, semiCoupled]) {
      for (const change of changes) {
        const connection = connect(make(), V2);
        const [flow] = connection.subflows;
        change(connection);
        ack(flow!, 0);
        const before = flow!.cwnd;
        ack(flow!, LARGE);
        assertAlmostEquals((flow!.cwnd - before) / LARGE, 0.1, 1e-5, make().name);
      }
    }
  });

  it("a path without anything in flight counts for a round trip more: its next burst may come", () => {
    for (const make of [olia, balia, ewtcp, coupled, semiCoupled]) {
      const growth = (change: (connection: TestConnection) => void): number => {
        const connection = connect(make(), V2);
        const [flow] = connection.subflows;
        change(connection);
        ack(flow!, 0);
        const before = flow!.cwnd;
        ack(flow!, LARGE);
        return flow!.cwnd - before;
      };
      const shortly = growth((connection) => {
        const [, other] = connection.subflows;
        other!.inFlight = 0;
        connection.now = other!.lastAck + other!.srtt;
      });
      assertEquals(shortly, growth(() => {}), make().name);
    }
  });

  it("olia forgets a loss that was none", () => {
    const { subflows: [flow, other] } = connect(olia(), V2);
    const step = (): number => {
      ack(other!, 0);
      const before = flow!.cwnd;
      ack(flow!, 1);
      ack(flow!, LARGE);
      return flow!.cwnd - before;
    };
    // It has brought most since its last loss, with a window that is not the largest: it is the one to grow.
    ack(flow!, 100 * LARGE, { cwndLimited: false });
    other!.controller!.onCongestion("loss", 40 * LARGE);
    const grown = step();
    flow!.controller!.onCongestion("loss", flow!.cwnd);
    flow!.controller!.onUndo!();
    assertAlmostEquals(step() / grown, 1, 0.1);
  });

  it("olia knows the losses of a subflow that was alone", () => {
    /** What the first subflow grows by, which has lost before or after the second one has come. */
    const growth = (late: boolean): number => {
      const connection = connect(olia(), [V2[0]!]);
      const [flow] = connection.subflows;
      const join = (): void => {
        const other = new TestFlow(2, flow!.srtt);
        other.mss = LARGE;
        other.controller = connection.group.join(other);
        connection.subflows.push(other);
      };
      if (!late) join();
      for (let i = 0; i < 3; i++) {
        ack(flow!, 10 * LARGE, { cwndLimited: false });
        flow!.controller!.onCongestion("loss", flow!.cwnd);
        flow!.controller!.onUndo!();
        flow!.controller!.onCongestion("loss", 20 * LARGE);
      }
      if (late) join();
      const [, other] = connection.subflows;
      // More than the first one between two losses, less than that in all.
      ack(other!, 20 * LARGE, { cwndLimited: false });
      other!.controller!.onCongestion("loss", 4 * LARGE);
      ack(other!, 1);
      const before = flow!.cwnd;
      for (let i = 0; i < 10; i++) ack(flow!, LARGE);
      return flow!.cwnd - before;
    };
    assertEquals(growth(true), growth(false));
  });

  it("one of one's own is a formula", () => {
    const plugin = coupledBy("mine", () => ({ growth: () => 0.5, decrease: () => 0, least: 3 }));
    const { subflows: [flow] } = connect(plugin, V2);
    ack(flow!, 4 * LARGE);
    assertEquals(flow!.cwnd, 12 * LARGE);
    flow!.controller!.onCongestion("loss", flow!.cwnd);
    assertEquals(flow!.cwnd, 3 * LARGE);
  });

  it("one that throws while a loss is answered leaves no loss open: in recovery its window is its threshold", () => {
    const seen: Member[] = [];
    let throws = false;
    const plugin = coupledBy("fails", () => ({
      growth: () => 0.5,
      decrease: (member, _members, flightSize) => {
        seen.push(member);
        if (throws) throw new Error("no");
        return flightSize / 2;
      },
    }));
    const { subflows: [flow] } = connect(plugin, V2);
    seen.length = 0;
    throws = true;
    assertThrows(() => flow!.controller!.onCongestion("loss", flow!.cwnd), Error, "no");
    assertEquals(seen[0]!.losing, false);
    throws = false;
    flow!.controller!.onCongestion("loss", 8 * LARGE);
    flow!.inRecovery = true;
    assertEquals([seen[0]!.losing, seen[0]!.window], [false, 4 * LARGE]);
  });
});
